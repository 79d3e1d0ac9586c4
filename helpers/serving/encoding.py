"""A shopper's list as vectors, by the encoder that made the catalogue's."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.embeddings import item_vectors
from helpers.images import ImageError, Standardiser, fetch_images
from helpers.interactions.matrix import Histories
from helpers.recommenders.features import unit
from helpers.serving.history import History, read_inside
from helpers.serving.reasons import words
from helpers.serving.search import exact_top_k

LONGEST = 500
"""Items of a list that are read. The later ones, being newer, are kept."""

NEAREST = 10
"""Products whose mean stands for a picture or a title that a list lacks."""


LOOKED_UP = 20_000
"""Products among which a missing half is looked up: a sample of larger catalogues."""


class ListEncoder:
    """Turns a list into a history of items from elsewhere.

    The encoder knows a title by its words. A title without any word of the catalogue, in another
    language for example, counts by its picture alone, and without a picture not at all. A missing
    half of a vector is filled with the mean of that half of the `NEAREST` products that are most
    similar in the other half. Left empty, it would find products that lack it, too.

    Parameters
    ----------
    encoder : ClipEncoder
    catalog : DataFrame
        `title` and `category` say which words the encoder has met.
    image, text : (n_items, d) float32
        The catalogue's vectors.
    """

    def __init__(self, encoder, catalog: pd.DataFrame, image: np.ndarray, text: np.ndarray):
        self.encoder = encoder
        self._known = _with_both_halves(image, text)
        self.words = set(catalog["category"])
        for title in catalog["title"]:
            self.words |= words(title)
        self._standardise = Standardiser(1)

    def encode(self, history: History) -> tuple[Histories, list[str]]:
        """One shopper's history, and notes on what could not be used."""
        notes = []
        items = history.items
        if len(items) > LONGEST:
            notes.append(f"{len(items)} items: the last {LONGEST} are used")
            items = items.tail(LONGEST)
        image = self._encode_pictures(items, history.folder, notes)
        text = self.encoder.encode_texts(items["title"].tolist())
        has_picture = image.any(axis=1)
        has_words = np.array([bool(self.words & words(title)) for title in items["title"]])
        notes += _notes_on_titles(items["title"], has_words, has_picture)
        known_image, known_text = self._known
        lacks_image = has_words & ~has_picture
        lacks_text = has_picture & ~has_words
        image[lacks_image] = _mean_of_nearest(text[lacks_image], known_text, known_image)
        text[lacks_text] = _mean_of_nearest(image[lacks_text], known_image, known_text)
        ratings = np.where(has_words | has_picture, _ratings(items), 0)
        elsewhere = np.full(len(items), -1)
        vectors = item_vectors(image, text)
        return Histories(sp.csr_matrix(ratings[None]), elsewhere, vectors), notes

    def _encode_pictures(self, items: pd.DataFrame, folder: Path | None, notes: list[str]):
        """Vectors (n, d) of the items' pictures; rows of zeros where there is none."""
        if "image" not in items or not items["image"].fillna("").any():
            return np.zeros((len(items), self.encoder.dim), np.float32)
        pictures: dict[int, bytes] = {}
        sources = items["image"].fillna("")
        is_link = sources.str.contains("://", regex=False)
        pictures |= self._fetched(sources[is_link], notes)
        local = sources[~is_link & (sources != "")]
        for row, name in zip(local.index, local, strict=True):
            try:
                data = read_inside(folder or Path.cwd(), name)
                pictures[row] = self._standardise(data).data
            except (ImageError, OSError, ValueError) as error:
                notes.append(_without_picture(row, name, error))
        notes.sort(key=_row_of)
        return self.encoder.encode_images([pictures.get(row) for row in items.index])

    def _fetched(self, links: pd.Series, notes: list[str]) -> dict[int, bytes]:
        """Pictures by row. A link is fetched as the catalogue's are.

        No private address is reached, robots.txt is heeded, and sizes are capped.
        """
        if links.empty:
            return {}
        asked = pd.DataFrame(
            {"image_key": links.index.astype(str), "image_urls": [[link] for link in links]}
        )
        pictures = {}
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each picture that fails has a note of its own
            fetched = fetch_images(asked, Path(folder), patience="interactive", workers=1)
            for found in fetched.itertuples():
                row = int(found.image_key)
                if found.image_path:
                    pictures[row] = (Path(folder) / found.image_path).read_bytes()
                else:
                    error = ImageError(found.status, found.detail)
                    notes.append(_without_picture(row, links[row], error))
        return pictures


def _ratings(items: pd.DataFrame) -> np.ndarray:
    """Ratings (n,) in 1-5; an item without one is liked."""
    if "rating" not in items:
        return np.full(len(items), 5.0, np.float32)
    numbers = pd.to_numeric(items["rating"], errors="coerce")
    return numbers.fillna(5.0).clip(1, 5).to_numpy(np.float32)


def _without_picture(row: int, source: str, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else error
    return f"row {row}: no picture from {source[:120]} ({reason}): only its title can be used"


def _row_of(note: str) -> int:
    """The row that a note is about; notes about the whole list come first."""
    number = note.removeprefix("row ").partition(":")[0]
    return int(number) if number.isdigit() else 0


def _notes_on_titles(titles: pd.Series, has_words, has_picture) -> list[str]:
    notes = []
    for place in np.flatnonzero(~has_words).tolist():
        instead = "without a picture it is left out"
        if has_picture[place]:
            instead = "its picture alone is used"
        notes.append(
            f"row {titles.index[place]}: no word of “{titles.iloc[place][:60]}” occurs in the "
            f"catalogue (another language?); {instead}"
        )
    if not (has_words | has_picture).any():
        notes.append(
            "nothing in the list tells what you like in this shop: "
            "these are its shoppers' favourites"
        )
    return notes


def _with_both_halves(image: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image and text vectors of products that have both; all products if none has."""
    rows = np.flatnonzero(image.any(axis=1) & text.any(axis=1))
    if not len(rows):
        rows = np.arange(len(image))
    if len(rows) > LOOKED_UP:
        rows = np.random.default_rng(0).choice(rows, LOOKED_UP, replace=False)
    return image[rows], text[rows]


def _mean_of_nearest(queries: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Mean of `wanted` over the products whose `known` half is most similar: (n_queries, d)."""
    if not len(queries):
        return np.zeros((0, wanted.shape[1]), np.float32)
    n = min(NEAREST, len(known))
    nearest, _ = exact_top_k(unit(queries), known, n)
    return wanted[nearest].mean(axis=1)
