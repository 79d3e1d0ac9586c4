"""Judgements made by hand: who likes which recommended item, kept as rows that methods learn from.

Each judge has one file, `data/<profile>/labels/<judge>.jsonl`, with one label per line. A judge is
a random name, and nothing else about the person is stored.
"""

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.artefacts import DamagedArtefact, data_dir, write_text
from helpers.interactions.matrix import Histories, Interactions, ItemFeatures

FOLDER = "labels"
OWN_NAME = "judge.txt"
"""Holds the name of this machine's judge, who gets one with the first label."""
JUDGE = re.compile(r"[0-9a-f]{16}")
LIKE = 5.0
DISLIKE = 1.0
"""The ratings that a judgement counts as."""


@dataclass(frozen=True)
class Label:
    """One judgement.

    Attributes
    ----------
    judge : str
        16 hexadecimal digits.
    persona : str
        For whom the item was judged.
    method : str
        Whose list showed it.
    image_key : str
    liked : bool
    at : str
        When, in ISO 8601, UTC.
    """

    judge: str
    persona: str
    method: str
    image_key: str
    liked: bool
    at: str

    @property
    def user(self) -> str:
        """The row that it belongs to: a judge who speaks for a persona."""
        return f"{self.judge}/{self.persona}"

    @property
    def rating(self) -> float:
        """The judgement on the scale of the ratings, 1-5."""
        return LIKE if self.liked else DISLIKE


def labels_dir(profile: str) -> Path:
    """Where a profile's labels are."""
    return data_dir(profile) / FOLDER


def own_judge(profile: str) -> str:
    """The random name of whoever judges on this machine. It is made once and stays."""
    path = labels_dir(profile) / OWN_NAME
    if path.exists():
        name = path.read_text(encoding="utf-8").strip()
        if JUDGE.fullmatch(name):
            return name
    name = secrets.token_hex(8)
    write_text(name + "\n", path)
    return name


def now() -> str:
    """This second, in ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def save_label(profile: str, label: Label) -> None:
    """Add a judgement to its judge's file. The file is replaced as a whole or not at all.

    A later judgement of the same item for the same persona replaces the earlier one.

    Raises
    ------
    ValueError
        If the judge's name is not 16 hexadecimal digits: a name that says who it is stays out.
    """
    if not JUDGE.fullmatch(label.judge):
        raise ValueError(
            f"judge {label.judge!r} is not 16 hexadecimal digits: use own_judge(profile)"
        )
    path = labels_dir(profile) / f"{label.judge}.jsonl"
    known = read_labels_of(path) if path.exists() else []
    kept = [one for one in known if (one.persona, one.image_key) != _place(label)]
    lines = [json.dumps(asdict(one), ensure_ascii=False) for one in [*kept, label]]
    write_text("\n".join(lines) + "\n", path)


def _place(label: Label) -> tuple[str, str]:
    return label.persona, label.image_key


def read_labels(profile: str) -> list[Label]:
    """All judgements of a profile, judge by judge; none where nobody has judged.

    Raises
    ------
    DamagedArtefact
        If a line cannot be read; the message names file and line.
    """
    labels = []
    for path in sorted(labels_dir(profile).glob("*.jsonl")):
        labels += read_labels_of(path)
    return labels


def read_labels_of(path: Path) -> list[Label]:
    """The judgements in one file."""
    labels = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            label = Label(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise DamagedArtefact(
                f"{path.name} line {number} is no label ({error}): delete the line or the file"
            ) from error
        labels.append(label)
    return labels


def with_labels(train: Interactions, labels: Iterable[Label]) -> Interactions:
    """A training log and the judgements as further users: what any method can be fitted on.

    A like counts as a rating of 5, a dislike as 1. Each judge with each persona is one user.
    Judgements of items that the log does not hold are left out.

    Parameters
    ----------
    train : Interactions, (n_users, n_items)
    labels : iterable of Label

    Returns
    -------
    Interactions, (n_users + n_judged, n_items)
        Without judgements, `train` itself.
    """
    known = [label for label in labels if label.image_key in train.items]
    if not known:
        return train
    rows = []
    for label in known:
        seconds = datetime.fromisoformat(label.at).timestamp()
        row = {"user": label.user, "item": label.image_key, "rating": label.rating}
        rows.append({**row, "timestamp": seconds})
    judged = Interactions.from_frame(pd.DataFrame(rows), train.items, shoppers=train.shoppers)
    times = None
    if train.times is not None and judged.times is not None:
        times = sp.vstack([train.times, judged.times], format="csr")
    ratings = sp.vstack([train.ratings, judged.ratings], format="csr")
    users = train.users.append(judged.users)
    return Interactions(ratings, users, train.items, times, train.shoppers)


def history_with_labels(
    history: Histories, items: ItemFeatures, labels: Iterable[Label]
) -> Histories:
    """One shopper's history and what was judged for them, so that the next list knows it.

    Nothing is trained. A judged item is an item of the history, liked or disliked.

    Parameters
    ----------
    history : Histories of one shopper
        With vectors.
    items : ItemFeatures
        Of the catalog.
    labels : iterable of Label
        For this shopper. The last one of an item counts; items outside the catalog are left out.

    Raises
    ------
    ValueError
        If `history` is of several shoppers or has no vectors.
    """
    if len(history) != 1 or history.vectors is None:
        raise ValueError(f"history is of {len(history)} shoppers; give one, with item vectors")
    column_of = pd.Index(items.frame["image_key"])
    rating_of = {label.image_key: label.rating for label in labels}
    keys = [key for key in rating_of if key in column_of]
    columns = column_of.get_indexer(pd.Index(keys, dtype=object))
    judged = sp.csr_matrix(np.array([[rating_of[key] for key in keys]], dtype=np.float32))
    if not keys:
        return history
    return Histories(
        ratings=sp.hstack([history.ratings, judged], format="csr"),
        columns=np.concatenate([history.columns, columns]),
        vectors=np.concatenate([history.vectors, items.vectors[columns]]),
        users=history.users,
    )
