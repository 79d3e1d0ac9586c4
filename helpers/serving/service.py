"""Recommendations for a shopper's own list: encode it, score it with a saved model, say what each choice comes from."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers import recommenders
from helpers.artefacts import require
from helpers.embeddings import ClipEncoder, item_vectors, load_embeddings
from helpers.feeds.harmonise import category_of, colour_of, load_vocabulary
from helpers.images.client import Limits
from helpers.images.decode import ImageError, Standardiser
from helpers.images.fetch import fetch_images
from helpers.interactions.matrix import Histories
from helpers.recommenders.features import unit

SHOWN = ["image_key", "platform", "title", "category", "colour", "price_usd", "image_path"]
LONGEST = 500  # liked items read from a list; the later ones, being newer, are kept
NEAREST = 10  # products whose mean stands for a picture or a title that a list lacks
PATIENCE = Limits(
    connect=5, first_byte=10, whole=20, retries=1, give_up=3
)  # somebody waits for the answer


class Service:
    """A warm shop: catalogue, encoder and a fitted recommender, ready to answer one list after another.

    Parameters
    ----------
    profile : whose catalogue, vectors and models
    model : name of a recommender that a chapter has saved
    """

    def __init__(self, profile: str, model: str = "Hybrid"):
        self.catalog = pd.read_parquet(require(profile, "catalog.parquet", "01"))
        folder = require(profile, "embeddings.safetensors", "02").parent
        path = require(profile, f"models/{model}.json", "06").with_suffix("")
        stock = folder / "variants.parquet"
        self._variants = (
            pd.read_parquet(stock, columns=["image_key", "in_stock"]) if stock.exists() else None
        )
        self.encoder, self.model = ClipEncoder(), recommenders.load(path)
        self.vectors = item_vectors(*load_embeddings(folder, self.encoder)[:2])
        self._halves = np.split(self.vectors, 2, axis=1)
        self._lacking = [~half.any(axis=1) for half in self._halves]
        self.words = set().union(*map(words, self.catalog["title"])) | set(self.catalog["category"])
        self._standardise = Standardiser(1)

    def allowed(self, platform=None, gender=None, max_price=None, in_stock=False) -> np.ndarray:
        """Which products pass the filters, (n_items,) bool. `max_price` is in dollars; `in_stock` asks for any size.

        Raises ValueError for a platform or gender that the catalogue doesn't have.
        """
        keep = np.ones(len(self.catalog), dtype=bool)
        for name, value in {"platform": platform, "gender": gender}.items():
            if value is not None and value not in (known := sorted(self.catalog[name].unique())):
                raise ValueError(f"no {name} {value!r} in the catalogue; it has {', '.join(known)}")
            keep &= value is None or (self.catalog[name] == value).to_numpy()
        if max_price is not None:
            keep &= (self.catalog["price_usd"] <= max_price).to_numpy()
        if in_stock and self._variants is not None:
            has = self._variants.groupby("image_key")["in_stock"].max()
            keep &= (
                self.catalog["image_key"].map(has).fillna(True).to_numpy(bool)
            )  # no sizes told: no reason to hide
        return keep

    def recommend(self, history: pd.DataFrame, k: int = 12, **filters) -> pd.DataFrame:
        """The best `k` products for a shopper's own list; `filters` as in `allowed`.

        Parameters
        ----------
        history : DataFrame
            `title` and, where there are, `image` (a local file or a URL) and `rating` (1-5, else 5); its index is what
            notes call a row.

        Returns
        -------
        DataFrame
            rank, score, the catalogue's columns, `because` (title of the liked item nearest to it), `similarity` (their
            cosine) and `shares` (what they have in common). `attrs["notes"]` lists what couldn't be used, and why.
        """
        if history.empty:
            raise ValueError("the list is empty: give at least one liked item with a title")
        histories, notes = self.encode(history)
        allowed = np.flatnonzero(self.allowed(**filters))
        if not len(allowed):
            raise ValueError("no product passes the filters: widen them")
        ids, scores = self.model.recommend(histories, k, allowed)
        ids, scores = ids[0][ids[0] >= 0], scores[0][ids[0] >= 0]
        if len(ids) < k:
            notes.append(f"only {len(ids)} products pass the filters")
        found = self.catalog.iloc[ids][SHOWN].reset_index(drop=True)
        found = found.assign(rank=np.arange(1, len(found) + 1), score=scores.round(4))
        found = found.join(
            explain(found, self.vectors[ids], histories, history["title"].tail(LONGEST).tolist())
        )
        found.attrs["notes"] = notes
        return found

    def encode(self, history: pd.DataFrame) -> tuple[Histories, list[str]]:
        """A shopper's list as one history of items from elsewhere, and notes on what couldn't be used.

        The towers know a title by its words: one without any word of the catalogue, in another language say, counts by
        its picture alone, and without a picture not at all. A missing half is filled with the mean of that half of the
        few products nearest in the other one: left empty, it would find products that lack it too.
        """
        notes = (
            [f"{len(history)} items: the last {LONGEST} are used"] if len(history) > LONGEST else []
        )
        history = history.tail(LONGEST)
        image = np.zeros((len(history), self.encoder.dim), np.float32)
        if "image" in history and (history["image"].fillna("") != "").any():
            with TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # each picture that fails has a note of its own
                pictures = dict(self._pictures(history["image"].fillna(""), Path(folder), notes))
                image = self.encoder.encode_images([pictures.get(row) for row in history.index])
        titles = history["title"].tolist()
        known = np.array([not self.words.isdisjoint(words(title)) for title in titles])
        text = self.encoder.encode_texts(titles)
        pictured = image.any(axis=1)
        for place in np.flatnonzero(~known):
            instead = (
                "its picture alone is used"
                if pictured[place]
                else "without a picture it is left out"
            )
            told = f"no word of “{titles[place][:60]}” occurs in the catalogue (another language?); {instead}"
            notes.append(f"row {history.index[place]}: {told}")
        if not (known | pictured).any():
            notes.append(
                "nothing in the list tells what you like in this shop: these are its shoppers' favourites"
            )
        rating = np.full(len(history), 5.0, np.float32)
        if "rating" in history:
            rating = (
                pd.to_numeric(history["rating"], errors="coerce")
                .fillna(5.0)
                .clip(1, 5)
                .to_numpy(np.float32)
            )
        rating = np.where(known | pictured, rating, 0)
        mine, last = (image, text), min(NEAREST, len(self.vectors)) - 1
        for half, other, lacks in ((0, 1, known & ~pictured), (1, 0, pictured & ~known)):
            if lacks.any():
                alike = unit(mine[other][lacks]) @ self._halves[other].T - 2 * self._lacking[half]
                nearest = np.argpartition(-alike, last, axis=1)[:, : last + 1]
                mine[half][lacks] = self._halves[half][nearest].mean(axis=1)
        return Histories(
            sp.csr_matrix(rating[None]), np.full(len(history), -1), item_vectors(image, text)
        ), notes

    def _pictures(
        self, sources: pd.Series, folder: Path, notes: list
    ) -> Iterator[tuple[int, bytes]]:
        """Row and standardised picture, as those of the catalogue; what fails is noted with its reason.

        An address is fetched as the catalogue's are: no private address, robots.txt heeded, sizes capped.
        """
        web = sources[sources.str.contains("://", regex=False)]
        asked = pd.DataFrame(
            {"image_key": web.index.astype(str), "image_urls": [[link] for link in web]}
        )
        fetched = fetch_images(asked, folder, limits=PATIENCE, workers=1) if len(web) else asked
        fetched = dict(
            zip(fetched["image_key"].astype(int), fetched.to_dict("records"), strict=True)
        )
        for row, source in sources[sources != ""].items():
            try:
                if row in fetched and not fetched[row]["image_path"]:
                    raise ImageError(fetched[row]["status"], fetched[row]["detail"])
                data = Path(
                    folder / fetched[row]["image_path"] if row in fetched else source
                ).read_bytes()
                yield row, data if row in fetched else self._standardise(data).data
            except (ImageError, OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                notes.append(
                    f"row {row}: no picture from {source[:120]} ({reason}): only its title can be used"
                )


def words(text: str) -> set[str]:
    """Words of three letters or more, lower case."""
    return set(re.findall(r"[^\W\d_]{3,}", text.lower()))


def traits(title: str, category: str = "", colour: str = "") -> dict[str, None]:
    """Category, colour and patterns of a garment, in this order, from the shop's columns or else its title's words."""
    named = [
        category or category_of(title),
        colour or colour_of("", title),
        *load_vocabulary().patterns.named(title),
    ]
    return dict.fromkeys(name for name in named if name not in ("other", "unknown", "solid"))


def explain(
    found: pd.DataFrame, chosen: np.ndarray, histories: Histories, titles: list[str]
) -> pd.DataFrame:
    """For each product found, with its vector of `chosen` (n, 2 d): the liked item nearest to it, and what they share.

    That is category, colour and pattern, or where they have none in common, looks or words, whichever are more alike.
    """
    ratings, half = histories.ratings.toarray()[0], chosen.shape[1] // 2
    if not ratings.any():
        return pd.DataFrame({"because": "", "similarity": 0.0, "shares": ""}, index=found.index)
    liked = np.flatnonzero(ratings >= min(recommenders.LIKED, ratings.max()))
    parts = (slice(None), slice(half), slice(half, None))
    alike, looks, said = (
        unit(chosen[:, part]) @ unit(histories.vectors[liked][:, part]).T for part in parts
    )
    rows = []
    for row, (product, nearest) in enumerate(
        zip(found.itertuples(), alike.argmax(axis=1), strict=True)
    ):
        because = titles[liked[nearest]]
        theirs = traits(product.title, product.category, product.colour)
        common = ", ".join(name for name in theirs if name in traits(because))
        closer = "its looks" if looks[row, nearest] > said[row, nearest] else "its words"
        rows.append((because, round(float(alike[row, nearest]), 3), common or closer))
    return pd.DataFrame(rows, columns=["because", "similarity", "shares"], index=found.index)
