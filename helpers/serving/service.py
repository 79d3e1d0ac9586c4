"""Recommendations for a shopper's own list, with the reason for each."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers import recommenders
from helpers.artefacts import require
from helpers.embeddings import item_vectors, load_embeddings, load_encoder
from helpers.feeds.harmonise import category_of, gender_of
from helpers.interactions.matrix import Histories
from helpers.serving.encoding import LONGEST, ListEncoder
from helpers.serving.history import History
from helpers.serving.indexes import AnyIndex, kept_index
from helpers.serving.reasons import explain, liked_rows, nearest_liked
from helpers.serving.search import EXACT_BELOW, Index

SHOWN = [
    "image_key",
    "platform",
    "title",
    "category",
    "colour",
    "gender",
    "price_usd",
    "image_path",
    "url",
]
SHORTLIST = 200
"""Best products among which the list is chosen, so that each liked item is represented."""

RETRIEVED = 1000
"""Products of a large catalogue that the index hands to the model."""

FILTERED = ("platform", "gender")
OPEN_TO_ALL = ("unisex", "unknown", "")
"""Genders of products that suit every shopper."""

FEWEST_TO_TELL = 10
ONE_GENDER = 0.95
"""A category tells the shopper's gender if so many products are for it, at least so many of them.
"""


@dataclass(frozen=True)
class Filters:
    """What a shopper asks for.

    Attributes
    ----------
    platform : str, optional
        Products of this shop alone.
    gender : str, optional
        Garments for women, men, … None reads it from the history; "all" shows everything.
    max_price : float, optional
        In dollars.
    in_stock : bool
        Only what is in stock in some size.
    """

    platform: str | None = None
    gender: str | None = None
    max_price: float | None = None
    in_stock: bool = False


@dataclass(frozen=True)
class Encoded:
    """A list as vectors, so that several models can be asked with it.

    Attributes
    ----------
    histories : Histories of one shopper
    titles : list of str
        Of its items.
    notes : list of str
        What could not be used, and why.
    """

    histories: Histories
    titles: list[str]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recommendations:
    """The answer to one list.

    Attributes
    ----------
    products : DataFrame
        `rank`, `score`, the catalogue's columns, `because` (title of the most similar liked item),
        `similarity` (their cosine) and `shares` (what the two have in common).
    notes : list of str
        What could not be used, and why.
    """

    products: pd.DataFrame
    notes: list[str] = field(default_factory=list)


class Service:
    """A warm shop: catalogue, encoder and a fitted recommender, ready for one list after another.

    Parameters
    ----------
    profile : str
        Whose catalogue, vectors and models.
    model : str
        Name of a recommender that a chapter has saved.
    store : str
        Where the index of a large catalogue lies: "file", "shards" or "lance", as for
        `indexes.build_index`.

    Raises
    ------
    MissingArtefact
        If a chapter has not run yet; the message holds the command.
    """

    def __init__(self, profile: str, model: str = "Hybrid", store: str = "file"):
        catalog = pd.read_parquet(require(profile, "catalog.parquet", "01"))
        folder = require(profile, "embeddings.safetensors", "02").parent
        path = require(profile, f"models/{model}.json", "06").with_suffix("")
        encoder = load_encoder(folder)
        image, text, _ = load_embeddings(folder, encoder)
        stock = None
        if (folder / "variants.parquet").exists():
            stock = pd.read_parquet(folder / "variants.parquet", columns=["image_key", "in_stock"])
        self._prepare(catalog, image, text, encoder, recommenders.load(path), stock)
        self._index: AnyIndex | None = None
        if len(catalog) >= EXACT_BELOW:
            self._index = kept_index(self._item_embeddings(), folder / "cache", store)

    @classmethod
    def of(cls, catalog, image, text, encoder, model, stock=None) -> "Service":
        """A service from parts in memory; `image` and `text` are (n_items, d) float32."""
        service = cls.__new__(cls)
        service._prepare(catalog, image, text, encoder, model, stock)
        service._index = None
        if len(catalog) >= EXACT_BELOW:
            service._index = Index(service._item_embeddings())
        return service

    def _prepare(self, catalog, image, text, encoder, model, stock) -> None:
        self.catalog = catalog
        self.model = model
        self.vectors = item_vectors(image, text)
        self.lists = ListEncoder(encoder, catalog, image, text)
        self._has_picture = catalog["image_path"].fillna("").astype(bool).to_numpy()
        self._columns = {name: pd.Categorical(catalog[name]) for name in (*FILTERED, "category")}
        self._price = catalog["price_usd"].to_numpy(float)
        self._in_stock = _in_stock(catalog, stock)
        self._gender_of_category = _genders_of_categories(catalog)

    def recommend(
        self, history: History, k: int = 12, filters: Filters | None = None
    ) -> Recommendations:
        """The best `k` products for a shopper's own list.

        The model ranks. Three rules make its ranking a page that people can use: products without
        a picture come last; each liked category and each liked item is represented if `k` allows
        and the shop has it; and the shopper's gender, if the list tells it, is respected.

        Raises
        ------
        ValueError
            If the list is empty, or no product passes the filters.
        """
        return self.answer(self.encode(history), k, filters)

    def encode(self, history: History) -> Encoded:
        """A list as vectors.

        Raises
        ------
        ValueError
            If the list is empty.
        """
        if not len(history):
            raise ValueError("the list is empty: give at least one liked item with a title")
        histories, notes = self.lists.encode(history)
        titles = history.items["title"].tail(LONGEST).tolist()
        return Encoded(histories, titles, history.notes + notes)

    def answer(
        self, encoded: Encoded, k: int = 12, filters: Filters | None = None
    ) -> Recommendations:
        """As `recommend`, for a list that is encoded already."""
        filters = filters or Filters()
        histories = encoded.histories
        titles = encoded.titles
        notes = list(encoded.notes)
        allowed = self.allowed(filters)
        if filters.gender is None:
            allowed, note = self._for_the_same_gender(allowed, titles)
            notes += note
        if not allowed.any():
            raise ValueError("no product passes the filters: widen them")
        ids, scores = self._shortlist(histories, max(SHORTLIST, k), allowed)
        if len(ids) < k:
            notes.append(f"only {len(ids)} products pass the filters")
        categories = [category_of(titles[row]) for row in liked_rows(histories)]
        ids, scores = self._with_categories(ids, scores, histories, allowed, categories)
        chosen = self._choose(ids, scores, histories, categories, k)
        ids = ids[chosen]
        scores = scores[chosen]
        found = self.catalog.iloc[ids].reindex(columns=SHOWN).reset_index(drop=True)
        ranks = np.arange(1, len(found) + 1)
        found = found.assign(rank=ranks, score=scores.round(4))
        reasons = explain(found, self.vectors[ids], histories, titles)
        return Recommendations(found.join(reasons), notes)

    def allowed(self, filters: Filters) -> np.ndarray:
        """Which products pass the filters, (n_items,) bool.

        Raises
        ------
        ValueError
            For a platform or gender that the catalogue does not have.
        """
        keep = np.ones(len(self.catalog), dtype=bool)
        for column in FILTERED:
            value = getattr(filters, column)
            if value is None or (column == "gender" and value == "all"):
                continue
            known = list(self._columns[column].categories)
            if value not in known:
                raise ValueError(
                    f"no {column} {value!r} in the catalogue; it has {', '.join(known)}"
                )
            keep &= self._is(column, value)
        if filters.max_price is not None:
            keep &= self._price <= filters.max_price
        if filters.in_stock:
            keep &= self._in_stock
        return keep

    def _is(self, column: str, value: str) -> np.ndarray:
        """Whether each product has this value, (n_items,) bool; fast for a million products."""
        values = self._columns[column]
        if value not in values.categories:
            return np.zeros(len(values), dtype=bool)
        return values.codes == values.categories.get_loc(value)

    def _for_the_same_gender(self, allowed, titles: list[str]) -> tuple[np.ndarray, list[str]]:
        """Drop garments for others if the list's own words tell one gender and no other."""
        named, why = self._genders_told(titles)
        if len(named) != 1:
            return allowed, []
        gender = named.pop()
        suits = np.zeros(len(self.catalog), dtype=bool)
        for value in (gender, *OPEN_TO_ALL):
            suits |= self._is("gender", value)
        if not (allowed & suits).any():
            return allowed, []
        named_by = why or f"{gender}'s items"
        note = f"your list names {named_by}, so these are for {gender}"
        return allowed & suits, [f"{note}; --gender all shows everything"]

    def _genders_told(self, titles: list[str]) -> tuple[set[str], str]:
        """Genders that the titles name, else those of categories sold to one gender alone.

        The second value says which categories told it; it is empty where words did.
        """
        named = {gender_of("", title) for title in titles} - set(OPEN_TO_ALL)
        if named:
            return named, ""
        by_category = {}
        for category in dict.fromkeys(category_of(title) for title in titles):
            if category in self._gender_of_category:
                by_category[category] = self._gender_of_category[category]
        return set(by_category.values()), " and ".join(by_category)

    def _with_categories(
        self, ids, scores, histories: Histories, allowed: np.ndarray, categories: list[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The shortlist and, of each liked category that it lacks, the best product."""
        listed = set(self.catalog["category"].iloc[ids])
        for category in dict.fromkeys(categories):
            if category in listed or category == "other":
                continue
            is_it = self._is("category", category) & allowed
            if not is_it.any():
                continue
            best, score = self._shortlist(histories, 1, is_it)
            ids = np.append(ids, best)
            scores = np.append(scores, score)
        return ids, scores

    def _shortlist(self, histories: Histories, n: int, allowed) -> tuple[np.ndarray, np.ndarray]:
        """Positions and scores of the best `n` allowed products, best first."""
        if self._index is None:
            candidates = np.flatnonzero(allowed)
        else:
            queries = self._user_embeddings(histories)
            found, scores = self._index.search(queries, max(n, RETRIEVED), allowed)
            if hasattr(self.model, "user_embeddings"):
                kept = found[0] >= 0
                return found[0][kept][:n], scores[0][kept][:n]
            candidates = found[0][found[0] >= 0]
        ids, scores = self.model.recommend(histories, n, candidates)
        kept = ids[0] >= 0
        return ids[0][kept], scores[0][kept]

    def _item_embeddings(self) -> np.ndarray:
        """What the index of a large catalogue holds: the model's own vectors, or the content's."""
        if hasattr(self.model, "item_embeddings"):
            return self.model.item_embeddings()
        return self.vectors

    def _user_embeddings(self, histories: Histories) -> np.ndarray:
        if hasattr(self.model, "user_embeddings"):
            return self.model.user_embeddings(histories)
        if histories.vectors is None:
            raise ValueError("a large catalogue is searched by vectors, and the history has none")
        return histories.vectors[liked_rows(histories)].mean(axis=0, keepdims=True)

    def _choose(self, ids, scores, histories: Histories, categories: list[str], k: int):
        """Which `k` of the shortlist are shown, as positions in it, best first.

        Each liked category gets its best product, then each liked item the best one that resembles
        it most. The model's ranking fills the other places. Products without a picture are kept
        for when nothing else is left.
        """
        pictured_first = np.argsort(~self._has_picture[ids], kind="stable")
        offered = self.catalog["category"].iloc[ids].to_numpy()
        nearest, _ = nearest_liked(self.vectors[ids], histories)
        chosen: list[int] = []
        chosen += _first_of_each(offered, set(categories), pictured_first, chosen, k)
        chosen += _first_of_each(nearest, set(nearest.tolist()), pictured_first, chosen, k)
        others = [position for position in pictured_first if position not in chosen]
        chosen += others[: k - len(chosen)]
        in_order = [position for position in pictured_first if position in chosen]
        return np.array(in_order, dtype=np.int64)


def _first_of_each(
    labels: np.ndarray,
    wanted: set,
    in_order: np.ndarray,
    chosen: list[int],
    k: int,
) -> list[int]:
    """The first position of each wanted label that `chosen` lacks; with them it has `k` at most."""
    represented = {labels[position] for position in chosen}
    found: list[int] = []
    for position in in_order:
        label = labels[position]
        is_missing = label in wanted and label not in represented
        if is_missing and len(chosen) + len(found) < k:
            represented.add(label)
            found.append(position)
    return found


def _genders_of_categories(catalog: pd.DataFrame) -> dict[str, str]:
    """The one gender that a category's products are for, of categories that have one."""
    told = catalog[~catalog["gender"].isin(OPEN_TO_ALL)]
    found = {}
    for category, genders in told.groupby("category", observed=True)["gender"]:
        shares = genders.value_counts(normalize=True)
        if len(genders) >= FEWEST_TO_TELL and shares.iloc[0] >= ONE_GENDER:
            found[str(category)] = str(shares.index[0])
    return found


def _in_stock(catalog: pd.DataFrame, stock: pd.DataFrame | None) -> np.ndarray:
    """Whether each product can be bought in some size, (n_items,) bool.

    A product whose feed says nothing of stock counts as in stock.
    """
    available = np.ones(len(catalog), dtype=bool)
    if "availability" in catalog:
        available &= ~catalog["availability"].isin(["out of stock", "unpublished"]).to_numpy()
    if stock is not None:
        some_size = stock.groupby("image_key")["in_stock"].max()
        available &= catalog["image_key"].map(some_size).fillna(True).to_numpy(bool)
    return available
