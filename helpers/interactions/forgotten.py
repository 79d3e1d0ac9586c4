"""Who asked to be forgotten: one-way hashes of their pseudonyms, so that they stay away."""

import json

import pandas as pd

from helpers.artefacts import data_dir, write_json
from helpers.interactions.privacy import hash_ids

FORGOTTEN = "forgotten.json"  # in the profile's data folder
ONE_WAY = b"cold-start-course: forgotten"


def without_forgotten(profile: str, log: pd.DataFrame) -> pd.DataFrame:
    """The rows of everyone else, whichever file or simulation brought the forgotten in again.

    Parameters
    ----------
    log : DataFrame
        Column user: pseudonyms.
    """
    is_gone = pd.Series(hash_ids(log["user"], ONE_WAY)).isin(forgotten(profile))
    return log[~is_gone.to_numpy()].reset_index(drop=True)


def forgotten(profile: str) -> list[str]:
    """The hashes of a profile's forgotten people."""
    path = data_dir(profile) / FORGOTTEN
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def is_forgotten(user: str, profile: str) -> bool:
    """Whether a pseudonym was forgotten before."""
    return hash_ids([user], ONE_WAY)[0] in forgotten(profile)


def remember_to_forget(user: str, profile: str) -> None:
    """Keep the one-way hash of a pseudonym; the pseudonym itself is not kept."""
    hashed = hash_ids([user], ONE_WAY)[0]
    write_json(sorted({*forgotten(profile), hashed}), data_dir(profile) / FORGOTTEN)
