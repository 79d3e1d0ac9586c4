"""How a profile's market is written and read, and how a person leaves everything made with them."""

from pathlib import Path

from helpers.artefacts import CHAPTERS, data_dir, reports_dir, require
from helpers.interactions.forgotten import is_forgotten, remember_to_forget, without_forgotten
from helpers.interactions.loading import (
    LogFacts,
    load_facts,
    load_interactions,
    save_log,
)
from helpers.interactions.matrix import SIMULATED
from helpers.interactions.privacy import traces
from helpers.locks import held
from helpers.simulator.market import Market

SOLUTION = "solution-"  # how the executed copies of solutions begin


def save_market(profile: str, market: Market) -> Market:
    """Write interactions.parquet (training log), interactions.json, market.json,
    market.safetensors.

    Who asked to be forgotten is left out, whichever file or simulation brought them in again.

    Returns
    -------
    Market
        What was written.
    """
    log = market.interactions()
    kept = without_forgotten(profile, log)
    if len(kept) < len(log):
        market = market.with_ratings(kept)
    settings = market.settings
    facts = LogFacts(SIMULATED, settings["source"], settings["target"], seed=int(settings["seed"]))
    save_log(profile, market.interactions(), facts)
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
    require(profile, "interactions.json", "02")
    with held(profile):
        return _forget(user, profile)


def _forget(user: str, profile: str) -> dict[str, int]:
    log = load_interactions(profile)
    n_ratings = int((log["user"] == user).sum())
    if not n_ratings and not is_forgotten(user, profile):
        raise KeyError(
            f"no ratings of {user!r} in profile {profile!r}; give the pseudonym, not the name"
        )
    remember_to_forget(user, profile)
    facts = load_facts(profile)
    if facts.shoppers == SIMULATED:
        save_market(profile, load_market(profile))
    else:
        save_log(profile, without_forgotten(profile, log), facts)
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


def load_market(profile: str) -> Market:
    """The market of a profile, training on what interactions.parquet holds.

    Raises
    ------
    MissingArtefact
        If chapter 02 hasn't run, or ran on real customers: those have no market.
    """
    require(profile, "market.json", "02")
    require(profile, "market.safetensors", "02")
    market = Market.load(data_dir(profile))
    if market.settings.get("own_ratings"):
        return market.with_ratings(load_interactions(profile))
    return market
