"""Where chapter 01's products come from: the drawn store, photos, or retailers' raw feeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from helpers.artefacts import fashion_data, write_parquet
from helpers.feeds.attributes import attributes_from_text
from helpers.feeds.products import FeedResult, read_feed
from helpers.feeds.spec import FEEDS, FeedError, load_spec
from helpers.images.statuses import image_columns
from helpers.sample.shops import Store, build_store, serve

PUBLISHED = ("gifts", "groceries", "fashion")
_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".xml")


@dataclass(frozen=True)
class Feed:
    """One file of products.

    Attributes
    ----------
    path : Path
    spec : str
        Name of a shipped YAML, or path of one that lies beside the file.
    photos : Path or None
        A folder or tar, if its pictures are here already.
    """

    path: Path
    spec: str
    photos: Path | None = None


class Harvest(NamedTuple):
    """What was read: each feed's products, all rejects, and the rows read by platform."""

    feeds: list[FeedResult]
    rejects: pd.DataFrame
    read: dict[str, int]


@dataclass(frozen=True)
class Source:
    """What a chapter harvests: its feeds and, for the drawn shops, the store behind them.

    Attributes
    ----------
    feeds : list of Feed
    store : Store or None
    prepared : str
        What became of published data before they were written as these feeds; empty if nothing did.
    """

    feeds: list[Feed]
    store: Store | None = None
    prepared: str = ""

    def read(self) -> Harvest:
        """Products of each feed, all rejects, and the rows read by platform.

        Raises
        ------
        FeedError
            If a feed can't be read, or none of its rows becomes a product.
        """
        results = [read_feed(feed.path, feed.spec) for feed in self.feeds]
        read: dict[str, int] = {}
        for result in results:
            if result.products.empty:
                why = result.rejects["reason"].iloc[0]
                raise FeedError(f"no row became a product ({why}): see `course feed check`")
            platform = result.about.spec.platform
            read[platform] = read.get(platform, 0) + result.about.read
        rejects = pd.concat([result.rejects for result in results], ignore_index=True)
        return Harvest(results, rejects, read)

    def categories(self, catalog: pd.DataFrame, feeds: Sequence[FeedResult]) -> pd.DataFrame:
        """The catalogue with the categories that its later chapters use: here the vocabulary's."""
        return catalog

    def images(self, catalog: pd.DataFrame, dest: Path) -> pd.DataFrame:
        """Index of the catalogue's pictures: fetched over HTTP, or imported where they are here."""
        from helpers.images import fetch_images

        if self.store:
            with serve(self.store) as resolve:
                fetched: pd.DataFrame = fetch_images(catalog, dest, resolve=resolve)
            return fetched
        parts = []
        elsewhere = catalog
        for feed in self.feeds:
            if feed.photos:
                is_here = elsewhere["platform"] == load_spec(feed.spec).platform
                parts.append(_import(elsewhere[is_here], feed.photos, dest))
                elsewhere = elsewhere[~is_here]
        if len(elsewhere) or not parts:
            # most shops' hosts are out of reach: don't wait long for any of them
            parts.append(fetch_images(elsewhere, dest, patience="brief"))
        return pd.concat(parts).sort_values("image_key", ignore_index=True)

    def attributes(
        self,
        catalog: pd.DataFrame,
        feeds: Sequence[FeedResult],
    ) -> pd.DataFrame:
        """What the simulator reads: the drawn store's truth, else what columns and words say."""
        if self.store:
            return self.store.attributes(catalog)
        return attributes_from_text(catalog, feeds)


def _import(
    catalog: pd.DataFrame,
    photos: Path,
    dest: Path,
) -> pd.DataFrame:
    """Import photos by the name of each product's first picture.

    `import_photos` gives a photo to one product; products that share one take turns.
    """
    from helpers.images import import_photos

    stems = catalog["image_urls"].map(_first_stem)
    named = catalog.assign(product_id=stems.where(stems != "", catalog["product_id"]))
    turn = named.groupby("product_id").cumcount()
    index = [import_photos(named[turn == 0], photos, dest)]
    for later in range(1, turn.max() + 1 if len(turn) else 1):
        index.append(import_photos(named[turn == later], photos, dest))
    whole: pd.DataFrame = pd.concat(index)
    return whole


def _first_stem(urls: list[str]) -> str:
    """Name of a product's first picture, without its ending; "" if it has none."""
    return PurePosixPath(urls[0]).stem if len(urls) else ""


def open_source(
    kind: str,
    folder: Path,
    seed: int = 7,
    n_asos: int = 800,
    n_myntra: int = 400,
    photos_dir: str = "",
    feed_files: Sequence[str] = (),
) -> Source:
    """Source of a profile.

    Parameters
    ----------
    kind : str
        "store": drawn and built under `folder`; "photos": in `photos_dir` or FASHION_DATA/photos,
        brands_photos.csv and myntra_photos.csv with a folder or tar of pictures each, or the public
        set's styles.csv and images/; "feeds": every feed in `photos_dir` or FASHION_DATA/retailers,
        each with a YAML beside it or in data/feeds, and its pictures in a folder or tar of its name
        if the YAML says `image_files`; "shop": your own `feed_files`, with the folder or tar
        `photos_dir`; "gifts", "groceries", "fashion": products of published orders.
    feed_files : list of str
        `SPEC=FILE` for each feed of "shop"; see `own_shop.open_shop`.

    Raises
    ------
    ValueError
        If `kind` is none of these.
    FileNotFoundError
        If the files aren't there; says where they are looked for.
    FeedError
        If a feed has no YAML, for no row may be lost silently, or its YAML is wrong; says how to
        make one.
    """
    if kind == "store":
        store = build_store(Path(folder) / "store", seed, n_asos, n_myntra)
        feeds = [Feed(store.feeds["asos"], "asos"), Feed(store.feeds["myntra"], "myntra_men")]
        return Source(feeds, store)
    if kind == "shop":
        from helpers.sample.own_shop import open_shop

        return open_shop(feed_files, photos_dir)
    if kind in PUBLISHED:
        from helpers.sample.published import open_published

        return open_published(kind, Path(folder))
    if kind not in ("photos", "feeds"):
        known = ", ".join(("store", "photos", "feeds", "shop", *PUBLISHED))
        raise ValueError(f"source {kind!r} is none of {known}")
    own = fashion_data() or Path("FASHION_DATA")
    base = Path(photos_dir) if photos_dir else own / ("retailers" if kind == "feeds" else kind)
    feeds = _retailers(base) if kind == "feeds" else _photo_sets(base)
    if not feeds:
        remedy = "set FASHION_DATA to the folder of retailers/ and photos/"
        if photos_dir:
            remedy = "give another photos_dir"
        raise FileNotFoundError(f"no feeds in {base}: {remedy}")
    return Source(feeds)


def _retailers(base: Path) -> list[Feed]:
    """Every feed of a folder, with its YAML checked before anything is read."""
    paths = sorted(path for path in base.glob("*") if path.suffix.lower() in _TABLES)
    feeds = []
    for path in paths:
        spec = _spec_of(path)
        photos = _photos_of(path) if load_spec(spec).image_files else None
        feeds.append(Feed(path, spec, photos))
    return feeds


def _spec_of(path: Path) -> str:
    """The YAML of a feed: beside it, or the shipped one of its name."""
    beside = path.with_suffix(".yaml")
    if beside.is_file():
        return str(beside)
    if not (FEEDS / f"{path.stem}.yaml").exists():
        raise FeedError(
            f"{path} has no data/feeds/{path.stem}.yaml: write it with `course feed draft`, "
            "or take the file away"
        )
    return path.stem


def _photos_of(path: Path) -> Path | None:
    """A feed's pictures: a folder or tar of its name beside it."""
    folder = path.with_suffix("")
    tars = [path.with_suffix(ending) for ending in (".tar", ".tar.gz", ".tgz")]
    for place in (folder, *tars):
        if place.is_dir() or (place in tars and place.is_file()):
            return place
    raise FeedError(
        f"{path}: its YAML says `image_files`, but there is no folder {folder.name}/ nor "
        f"{tars[0].name} beside it: put the pictures there"
    )


def _photo_sets(base: Path) -> list[Feed]:
    names = ("brands_photos", "myntra_photos")
    feeds = []
    for name in names:
        table = base / f"{name}.csv"
        if table.exists():
            folder = base / name
            photos = folder if folder.is_dir() else base / f"{name}.tar"
            feeds.append(Feed(table, name, photos))
    public = base / "styles.csv"  # the public set, as it is published
    if "myntra_photos" not in [feed.spec for feed in feeds] and public.exists():
        feeds.append(Feed(public, "myntra_photos", base / "images"))
    return feeds


def save_catalog(
    dest: Path,
    catalog: pd.DataFrame,
    rejects: pd.DataFrame,
    merged: pd.DataFrame,
    attributes: pd.DataFrame,
    images: pd.DataFrame,
) -> pd.DataFrame:
    """Write chapter 01's tables whole under `dest`, the catalogue with its pictures' paths.

    Returns
    -------
    DataFrame
        The catalogue with `image_path` and `image_status` of its pictures.
    """
    catalog = catalog.assign(**image_columns(catalog, images))
    tables = {"rejects": rejects, "merged": merged, "attributes": attributes, "catalog": catalog}
    for name, frame in tables.items():
        write_parquet(frame, Path(dest) / f"{name}.parquet")
    return catalog
