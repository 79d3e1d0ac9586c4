"""Recommendations for a shopper's own list: encode it, score it with a saved model, say what each choice comes from."""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers import recommenders
from helpers.artefacts import require
from helpers.embeddings import ClipEncoder, item_vectors, load_embeddings
from helpers.interactions.matrix import Histories
from helpers.recommenders.features import unit

SHOWN = ["image_key", "platform", "title", "category", "colour", "price_usd", "image_path"]
LONGEST = 500  # liked items read from a list; the later ones, being newer, are kept


def encode_history(history: pd.DataFrame, encoder: ClipEncoder) -> tuple[Histories, list[str]]:
    """A shopper's list as one history of items from elsewhere, and notes on what couldn't be used.

    `history` has `title` and, where there are, `image` (a local file) and `rating` (1-5, else 5).
    """
    notes = []
    if len(history) > LONGEST:
        notes.append(f"{len(history)} items: the last {LONGEST} are used")
        history = history.tail(LONGEST)
    pictures = [
        str(path) if isinstance(path, str) and path else None for path in history.get("image", [""] * len(history))
    ]
    for row, path in enumerate(pictures):
        if path and "://" in path:
            notes.append(f"row {row + 1}: {path} is not fetched; save the picture and give its path. Its title is used")
        elif path and not Path(path).is_file():
            notes.append(f"row {row + 1}: no picture at {path}; its title is used")
        if path and not Path(path).is_file():
            pictures[row] = None
    image, text = encoder.encode_images(pictures), encoder.encode_texts(history["title"])
    broken = [row for row, path in enumerate(pictures) if path and not image[row].any()]
    notes += [f"row {row + 1}: {pictures[row]} can't be read as a picture; its title is used" for row in broken]
    ratings = (
        pd.to_numeric(history.get("rating", pd.Series(5.0, history.index)), errors="coerce").fillna(5.0).clip(1, 5)
    )
    outside = np.full(len(history), -1)
    return Histories(sp.csr_matrix(ratings.to_numpy(np.float32)[None]), outside, item_vectors(image, text)), notes


def recommend_for(history: pd.DataFrame, profile: str, k: int = 12, platform: str | None = None, model="Hybrid"):
    """The best `k` products of a profile's catalogue for a shopper's own list.

    Parameters
    ----------
    history : DataFrame
        As in `encode_history`.
    platform : only products of this platform, by default of all
    model : name of a recommender that a chapter has saved

    Returns
    -------
    DataFrame
        rank, score, the catalogue's columns, `because` (title of the liked item nearest to it), `similarity` (their
        cosine) and `shares` (what they have in common). `attrs["notes"]` lists what couldn't be used, and why.
    """
    if history.empty:
        raise ValueError("the list is empty: give at least one liked item with a title")
    catalog = pd.read_parquet(require(profile, "catalog.parquet", "01"))
    folder = require(profile, "embeddings.safetensors", "02").parent
    path = require(profile, f"models/{model}.json", "06").with_suffix("")
    encoder = ClipEncoder()
    vectors = item_vectors(*load_embeddings(folder, encoder)[:2])
    histories, notes = encode_history(history, encoder)
    known = catalog["platform"].unique()
    if platform is not None and platform not in known:
        raise ValueError(f"no platform {platform!r} in the catalogue; it has {', '.join(sorted(known))}")
    allowed = np.arange(len(catalog)) if platform is None else np.flatnonzero(catalog["platform"] == platform)
    ids, scores = recommenders.load(path).recommend(histories, k, allowed)
    ids, scores = ids[0][ids[0] >= 0], scores[0][ids[0] >= 0]
    found = catalog.iloc[ids][[name for name in SHOWN if name in catalog]].reset_index(drop=True)
    found.insert(0, "rank", np.arange(1, len(found) + 1))
    found.insert(1, "score", scores.round(4))
    found = found.join(explain(vectors[ids], histories, history["title"].tail(LONGEST).tolist()))
    found.attrs["notes"] = notes
    return found


def explain(chosen: np.ndarray, histories: Histories, titles: list[str]) -> pd.DataFrame:
    """For each of the `chosen` vectors (n, 2 d): the liked item nearest to it, their cosine, and what it rests on."""
    liked = np.flatnonzero(histories.ratings.toarray()[0] >= recommenders.LIKED)
    liked = liked if len(liked) else np.arange(len(titles))
    theirs = histories.vectors[liked]
    half = chosen.shape[1] // 2
    image = unit(chosen[:, :half]) @ unit(theirs[:, :half]).T
    text = unit(chosen[:, half:]) @ unit(theirs[:, half:]).T
    nearest = np.argmax(unit(chosen) @ unit(theirs).T, axis=1)
    rows = np.arange(len(chosen))
    looks, words = image[rows, nearest], text[rows, nearest]
    return pd.DataFrame(
        {
            "because": [titles[liked[j]] for j in nearest],
            "similarity": (unit(chosen) @ unit(theirs).T)[rows, nearest].round(3),
            "shares": np.where(looks > words, "its looks", "its words"),
        }
    )
