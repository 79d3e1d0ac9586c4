"""How a profile's market is written and read, and how a person leaves everything made with them."""

import json
from pathlib import Path

import pandas as pd

from helpers.artefacts import CHAPTERS, data_dir, reports_dir, require, write_json, write_parquet
from helpers.interactions.loading import load_interactions
from helpers.interactions.privacy import hash_ids, traces
from helpers.locks import held
from helpers.simulator.market import Market

FORGOTTEN = "forgotten.json"  # hashes of the pseudonyms of those who must not come in again
ONE_WAY = b"cold-start-course: forgotten"
SOLUTION = "solution-"  # how the executed copies of solutions begin


def save_market(profile: str, market: Market) -> Market:
    """Write interactions.parquet (training log), market.json and market.safetensors.

    Who asked to be forgotten is left out, whichever file or simulation brought them in again.

    Returns
    -------
    Market
        What was written.
    """
    log = market.interactions()
    people = pd.Series(hash_ids(log["user"], ONE_WAY))
    gone = people.isin(_forgotten(profile)).to_numpy()
    if gone.any():
        kept = log[~gone].reset_index(drop=True)
        market = market.with_ratings(kept)
    write_parquet(market.interactions(), data_dir(profile) / "interactions.parquet")
    market.save(data_dir(profile))
    return market


def forget(user: str, profile: str) -> dict[str, int]:
    """Remove a person from everything that a profile has made.

    Their ratings leave the training log. What was learnt or written with them goes whole: models,
    results, executed notebooks and solutions, reports and decks of chapters 02 to 07; `course run`
    makes them again without the person. A one-way hash of the pseudonym stays in forgotten.json, so
    that chapter 02 leaves them out should their ratings come in again.

    Parameters
    ----------
    user : str
        Their pseudonym: `privacy.hash_ids([name], privacy.secret_key())[0]`.

    Returns
    -------
    dict of str to int
        ratings and files removed.

    Raises
    ------
    KeyError
        If the profile has never heard of them: silence would look like success.
    ProfileBusy
        While a run of the profile is going on: it would write of them again.
    RuntimeError
        If a file that no chapter makes still names them; it says which.
    """
    require(profile, "market.json", "02")
    with held(profile):
        return _forget(user, profile, load_market(profile))


def _forget(user: str, profile: str, market: Market) -> dict[str, int]:
    one_way = hash_ids([user], ONE_WAY)[0]
    known = _forgotten(profile)
    n_ratings = int((market.interactions()["user"] == user).sum())
    if not n_ratings and one_way not in known:
        raise KeyError(
            f"no ratings of {user!r} in profile {profile!r}; give the pseudonym, not the name"
        )
    write_json(sorted({*known, one_way}), data_dir(profile) / FORGOTTEN)
    save_market(profile, market)
    learnt = _learnt_with_people(profile)
    for path in learnt:
        path.unlink()
    left = _still_named(user, profile)
    if left:
        raise RuntimeError(
            f"{len(left)} files that no chapter makes still name {user!r}; delete them: {left}"
        )
    return {"ratings": n_ratings, "files": len(learnt)}


def _learnt_with_people(profile: str) -> list[Path]:
    """Files of a profile that people's ratings went into, the training log itself aside."""
    data = data_dir(profile)
    reports = reports_dir(profile)
    of_all = {reports / "metrics.json", reports / "index.html"}
    chapters = {name for number, name in CHAPTERS.items() if number > "01"}
    found = []
    for path in [*data.rglob("*"), *reports.rglob("*")]:
        if not path.is_file():
            continue
        of_chapter = path.stem.removeprefix(SOLUTION) in chapters
        is_model = data / "models" in path.parents
        if of_chapter or is_model or path in of_all:
            found.append(path)
    return found


def _still_named(user: str, profile: str) -> list[str]:
    """Files of a profile that name a person."""
    found = []
    for folder in (data_dir(profile), reports_dir(profile)):
        for name, _ in traces(folder, [user]):
            found.append(str(folder / name))
    return found


def _forgotten(profile: str) -> list[str]:
    path = data_dir(profile) / FORGOTTEN
    if not path.exists():
        return []
    return json.loads(path.read_text(encoding="utf-8"))


def load_market(profile: str) -> Market:
    """The market of a profile, training on what interactions.parquet holds."""
    require(profile, "market.json", "02")
    require(profile, "market.safetensors", "02")
    market = Market.load(data_dir(profile))
    if market.settings.get("own_ratings"):
        return market.with_ratings(load_interactions(profile))
    return market
