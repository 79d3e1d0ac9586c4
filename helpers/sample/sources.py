"""Where chapter 01's products come from: the drawn store, photos, or retailers' raw feeds. One path for all."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.artefacts import fashion_data, write_parquet
from helpers.feeds.attributes import attributes_from_text
from helpers.feeds.products import read_feed
from helpers.feeds.spec import FEEDS, FeedError, load_spec
from helpers.images.statuses import image_columns
from helpers.sample.shops import Store, build_store, serve

_TABLES = (".csv", ".tsv", ".json", ".jsonl")


@dataclass(frozen=True)
class Feed:
    """One file of products; `photos` is a folder or tar if its pictures are here already."""

    path: Path
    spec: str
    photos: Path | None = None


@dataclass(frozen=True)
class Source:
    """What a chapter harvests: its feeds and, for the drawn shops, the store behind them."""

    feeds: list[Feed]
    store: Store | None = None

    def read(self) -> tuple[list[pd.DataFrame], pd.DataFrame, dict[str, int]]:
        """Products of each feed, all rejects, and the rows read by platform."""
        pairs = [read_feed(feed.path, feed.spec) for feed in self.feeds]
        read: dict[str, int] = {}
        for products, rejects in pairs:
            if products.empty:
                why = rejects["reason"].iloc[0]
                raise FeedError(f"no row became a product ({why}): see `course feed check`")
            platform = products["platform"].iloc[0]
            read[platform] = read.get(platform, 0) + products.attrs["read"]["read"]
        rejects = pd.concat([rejects for _, rejects in pairs], ignore_index=True)
        return [products for products, _ in pairs], rejects, read

    def images(self, catalog: pd.DataFrame, dest: Path) -> pd.DataFrame:
        """Index of the catalogue's pictures: fetched over HTTP, or imported where they are here already."""
        from helpers.images import fetch_images, import_photos

        if self.store:
            with serve(self.store) as resolve:
                return fetch_images(catalog, dest, resolve=resolve)
        here = [feed for feed in self.feeds if feed.photos]
        if not here:  # most shops' hosts are out of reach: don't wait long for any of them
            return fetch_images(catalog, dest, patience="brief")
        of = {
            feed.spec: catalog[catalog["platform"] == load_spec(feed.spec).platform]
            for feed in here
        }
        parts = [import_photos(of[feed.spec], feed.photos, dest) for feed in here]
        return pd.concat(parts).sort_values("image_key", ignore_index=True)

    def attributes(self, catalog: pd.DataFrame, products: list[pd.DataFrame]) -> pd.DataFrame:
        """What the shopper simulator reads: the drawn store's truth, else what columns and words say."""
        return (
            self.store.attributes(catalog)
            if self.store
            else attributes_from_text(catalog, products)
        )


def open_source(
    kind: str,
    folder: Path,
    seed: int = 7,
    n_asos: int = 800,
    n_myntra: int = 400,
    photos_dir: str = "",
) -> Source:
    """Source of a profile.

    Parameters
    ----------
    kind : str
        "store": drawn and built under `folder`; "photos": in `photos_dir` or FASHION_DATA/photos, brands_photos.csv
        and myntra_photos.csv with a folder or tar of pictures each, or the public set's styles.csv and images/;
        "feeds": every feed in FASHION_DATA/retailers that has a YAML in data/feeds.

    Raises
    ------
    ValueError
        If `kind` is none of these.
    FileNotFoundError
        If the files aren't there; says where they are looked for.
    FeedError
        If a feed has no YAML, for no row may be lost silently; says how to make one.
    """
    if kind == "store":
        store = build_store(Path(folder) / "store", seed, n_asos, n_myntra)
        return Source(
            [Feed(store.feeds["asos"], "asos"), Feed(store.feeds["myntra"], "myntra_men")], store
        )
    if kind not in ("photos", "feeds"):
        raise ValueError(f"source {kind!r} is none of store, photos, feeds")
    own = (fashion_data() or Path("FASHION_DATA")) / ("retailers" if kind == "feeds" else kind)
    base = Path(photos_dir) if photos_dir else own
    if kind == "feeds":
        feeds = [Feed(path, path.stem) for path in sorted(base.glob("*")) if path.suffix in _TABLES]
        for unknown in (feed for feed in feeds if not (FEEDS / f"{feed.spec}.yaml").exists()):
            wanted = f"{unknown.path} has no data/feeds/{unknown.spec}.yaml"
            raise FeedError(f"{wanted}: write it with `course feed draft`, or take the file away")
    else:
        names = [
            name for name in ("brands_photos", "myntra_photos") if (base / f"{name}.csv").exists()
        ]
        feeds = [
            Feed(base / f"{n}.csv", n, base / n if (base / n).is_dir() else base / f"{n}.tar")
            for n in names
        ]
        if (
            "myntra_photos" not in names and (base / "styles.csv").exists()
        ):  # the public set, as it is published
            feeds.append(Feed(base / "styles.csv", "myntra_photos", base / "images"))
    if not feeds:
        remedy = (
            "give another photos_dir"
            if photos_dir
            else "set FASHION_DATA to the folder of retailers/ and photos/"
        )
        raise FileNotFoundError(f"no feeds in {base}: {remedy}")
    return Source(feeds)


def save_catalog(dest: Path, catalog, rejects, merged, attributes, images) -> pd.DataFrame:
    """Write chapter 01's tables whole under `dest`; the catalogue gets its pictures' paths and statuses. Returns it."""
    catalog = catalog.assign(**image_columns(catalog, images))
    for name, frame in {
        "rejects": rejects,
        "merged": merged,
        "attributes": attributes,
        "catalog": catalog,
    }.items():
        write_parquet(frame, Path(dest) / f"{name}.parquet")
    return catalog
