"""Chapter 01: retailers' files in, one catalogue of products out."""

from helpers.feeds.attributes import attributes_from_text, patterns_from_text
from helpers.feeds.check import check_feed
from helpers.feeds.draft import draft_spec
from helpers.feeds.harmonise import harmonise
from helpers.feeds.products import FeedResult, read_feed
from helpers.feeds.spec import FeedError, FeedSpec, load_spec
from helpers.feeds.vocabulary import load_vocabulary

__all__ = [
    "FeedError",
    "FeedResult",
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
