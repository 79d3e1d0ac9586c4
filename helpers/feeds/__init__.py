"""Chapter 01: retailers' files in, one catalogue of products out."""

from helpers.feeds.attributes import attributes_from_text, patterns_from_text
from helpers.feeds.draft import check_feed, draft_spec
from helpers.feeds.harmonise import harmonise, load_vocabulary
from helpers.feeds.products import read_feed
from helpers.feeds.spec import FeedError, FeedSpec, load_spec

__all__ = [
    "FeedError",
    "FeedSpec",
    "attributes_from_text",
    "check_feed",
    "draft_spec",
    "harmonise",
    "load_spec",
    "load_vocabulary",
    "patterns_from_text",
    "read_feed",
]
