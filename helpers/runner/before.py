"""A shop too small for the course is told so before anything runs, not after minutes."""

from pathlib import Path
from typing import Any

import pandas as pd

from helpers.artefacts import data_dir, is_whole
from helpers.interactions.privacy import secret_key
from helpers.runner import parameters
from helpers.runner.evidence import why_again
from helpers.sample.shops import sample_products
from helpers.sample.sources import Source, open_source
from helpers.simulator import simulate_market

DRAWN = "store"  # the source that needs no files
SMALL = 2_000  # products; with more there are always enough shoppers
SMALL_FEED = 3_000_000  # bytes of feeds that are read for this check
FEW_USERS = 200
FEW_TESTS = 20
MARKET = "n_users n_test density noise exposure_bias overlap source target n_liked seed".split()

Settings = dict[str, dict[str, Any]]  # chapter → parameter → value


class CatalogueTooSmall(ValueError):
    """No test shoppers can be simulated from a catalogue; the message says what would help."""


def check_before(profile: str, chapters: list[str], settings: Settings) -> None:
    """Look for what would end a run after minutes: feeds without a YAML, a shop too small.

    Raises
    ------
    FeedError, FileNotFoundError
        If chapter 01 couldn't open its feeds.
    KeyMissing
        As `check_key`.
    CatalogueTooSmall
        As `check_catalogue`.
    """
    check_key(profile, chapters, settings)
    origin = _with_defaults("01", settings)
    reads_feeds = origin.get("source", DRAWN) != DRAWN
    if reads_feeds and "01" in chapters and why_again(profile, "01", settings["01"]):
        _open(profile, origin)
    check_catalogue(profile, chapters, settings)


class KeyMissing(ValueError):
    """Real customers, and no key for their pseudonyms; the message says how to make one."""


def check_key(profile: str, chapters: list[str], settings: Settings) -> None:
    """Ask for the key of customers' pseudonyms before chapter 01, not in the middle of chapter 02.

    Raises
    ------
    KeyMissing
        If chapter 02 would read a shop's own orders without it. Published data need none.
    """
    if "02" not in chapters:
        return
    market = _with_defaults("02", settings)
    if not market.get("orders") or market.get("people") == "public":
        return
    try:
        secret_key()
    except KeyError as error:
        raise KeyMissing(
            f"profile {profile} reads real customers' orders: {error.args[0]}"
        ) from None


def check_catalogue(profile: str, chapters: list[str], settings: Settings) -> None:
    """Simulate a few shoppers of a small shop, as chapter 02 would.

    Nothing is checked where chapter 02 doesn't run, or where the products aren't known to be few.

    Raises
    ------
    CatalogueTooSmall
        If no such shoppers can be found, or a list asked for is longer than the shop's.
    """
    runs = "02" in chapters and why_again(profile, "02", settings["02"])
    if not runs:
        return
    market = _with_defaults("02", settings)
    if not set(MARKET) <= set(market) or market.get("orders"):
        return
    attributes = _attributes(profile, chapters, settings)
    if attributes is None or not 0 < len(attributes) <= SMALL:
        return
    _check_lists(profile, attributes, market["target"], settings)
    few = {name: market[name] for name in MARKET}
    few["n_users"] = min(few["n_users"], FEW_USERS)
    few["n_test"] = min(few["n_test"], FEW_TESTS)
    try:
        simulate_market(attributes, **few)
    except ValueError as error:
        raise CatalogueTooSmall(
            f"profile {profile}, {len(attributes)} products: {error}. "
            "Nothing was run; set it in the profile's YAML, or with -p 02_interactions.NAME=VALUE"
        ) from None


def _check_lists(profile: str, attributes: pd.DataFrame, target: str, settings: Settings) -> None:
    """A list of recommendations can't be longer than the shop."""
    platforms = attributes["image_key"].str.split("/").str[0]
    n_items = int((platforms == target).sum())
    if not n_items:
        return  # the simulator says which platforms there are
    for chapter in settings:
        known = parameters.declared(chapter)
        if "k" not in known or "length" not in known["k"].comment:
            continue
        k = _with_defaults(chapter, settings)["k"]
        if k > n_items:
            name = f"{parameters.CHAPTERS[chapter]}.k"
            raise CatalogueTooSmall(
                f"profile {profile}: {name} asks for lists of {k}, and {target} has {n_items} "
                f"products: set -p {name}={n_items} or less"
            )


def _with_defaults(chapter: str, settings: Settings) -> dict[str, Any]:
    defaults = {name: known.default for name, known in parameters.declared(chapter).items()}
    return defaults | settings[chapter]


def _attributes(profile: str, chapters: list[str], settings: Settings) -> pd.DataFrame | None:
    """What the simulator would read: chapter 01's result, else the feeds; None if unknown."""
    stands = not why_again(profile, "01", settings["01"])
    if stands or "01" not in chapters:
        path = data_dir(profile) / "attributes.parquet"
        if path.exists() and is_whole(path):
            return pd.read_parquet(path)
        return None
    origin = _with_defaults("01", settings)
    if "source" not in origin:
        return None
    if origin["source"] == DRAWN:
        return _drawn(origin)
    return _from_feeds(profile, origin)


def _drawn(origin: dict[str, Any]) -> pd.DataFrame | None:
    """Attributes of the shops that would be drawn, without drawing them."""
    counts = {"asos": origin["n_asos"], "myntra": origin["n_myntra"]}
    if not 0 < sum(counts.values()) <= SMALL:
        return None
    shops = []
    for name, n in counts.items():
        if n > 0:
            shops.append(sample_products(name, n, origin["seed"]))
    products = pd.concat(shops, ignore_index=True)
    keys = products["platform"] + "/" + products["product_id"]
    return products.assign(image_key=keys)


def _open(profile: str, origin: dict[str, Any]) -> Source:
    return open_source(
        origin["source"],
        data_dir(profile),
        photos_dir=origin["photos_dir"],
        feed_files=origin.get("feed_files", ()),
    )


def _from_feeds(profile: str, origin: dict[str, Any]) -> pd.DataFrame | None:
    """Attributes of small feeds, read as chapter 01 reads them."""
    from helpers.feeds import harmonise

    source = _open(profile, origin)
    sizes = [Path(feed.path).stat().st_size for feed in source.feeds]
    if sum(sizes) > SMALL_FEED:
        return None
    feeds = source.read().feeds
    catalog = source.categories(harmonise(feeds).catalog, feeds)
    return source.attributes(catalog, feeds)
