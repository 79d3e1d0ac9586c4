"""What each notebook can be told: names, types, defaults and comments read from its own `parameters` cell."""

import difflib
import logging
from pathlib import Path

import papermill
import yaml
from pydantic import TypeAdapter, ValidationError

from helpers.artefacts import CHAPTERS, ROOT

TYPES = {kind.__name__: kind for kind in (int, float, str, bool, list)}
TYPES |= {str(kind): kind for kind in (list[int], list[float], list[str])}


class ParameterError(ValueError):
    """A notebook, parameter or value that doesn't exist or doesn't fit; the message says what would."""


def notebook_path(chapter: str) -> Path:
    """The notebook of a chapter number, `"05"` → `notebooks/05_completion.ipynb`."""
    return ROOT / "notebooks" / f"{CHAPTERS[chapter]}.ipynb"


def declared(chapter: str) -> dict[str, dict]:
    """Parameters of a chapter by name: `{"inferred_type_name", "default", "help"}`, as papermill reads them."""
    logging.getLogger("papermill").setLevel(
        logging.ERROR
    )  # it warns of each line that isn't an assignment
    return papermill.inspect_notebook(notebook_path(chapter))


def profile_settings(profile: str) -> dict[str, dict]:
    """Sections of `notebooks/profiles/<profile>.yaml` by notebook name.

    Raises
    ------
    ParameterError
        If there is no such profile: names those that exist.
    """
    path = ROOT / "notebooks" / "profiles" / f"{profile}.yaml"
    if not path.exists():
        known = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise ParameterError(
            f"no profile {profile!r}{_did_you_mean(profile, known)} Profiles: {', '.join(known)}"
        )
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if not isinstance(settings, dict) or not all(
        isinstance(section or {}, dict) for section in settings.values()
    ):
        raise ParameterError(
            f"{path.name}: wants a section for each notebook, each a list of `name: value`"
        )
    return {name: section or {} for name, section in settings.items()}


def parse_assignments(texts: list[str]) -> dict[str, dict[str, str]]:
    """`["05_completion.rank=9"]` → `{"05_completion": {"rank": "9"}}`; a chapter's number stands for its name."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        notebook, dot, name = target.strip().partition(".")
        if not (equals and dot and name):
            raise ParameterError(
                f"-p {text!r}: wants notebook.name=value, for example 05_completion.rank=9"
            )
        found.setdefault(CHAPTERS.get(notebook, notebook), {})[name] = value.strip()
    return found


def resolve(profile: str, given: dict[str, dict]) -> dict[str, dict]:
    """Every chapter's parameters, checked: the profile's own settings overlaid with `given`.

    Returns
    -------
    dict
        Chapter number → name → value of the declared type; only what differs from the notebook's defaults is named,
        and `profile`.

    Raises
    ------
    ParameterError
        At the first unknown notebook or name, or value of the wrong type.
    """
    settings = profile_settings(profile)
    names = list(CHAPTERS.values())
    for notebook in [*settings, *given]:
        if notebook not in names:
            told = f"{_did_you_mean(notebook, names)} There are: {', '.join(names)}"
            raise ParameterError(f"no notebook {notebook!r}{told}")
    resolved = {}
    for chapter, notebook in CHAPTERS.items():
        known = declared(chapter)
        wanted = {"profile": profile, **settings.get(notebook, {}), **given.get(notebook, {})}
        resolved[chapter] = {
            name: _typed(notebook, known, name, value) for name, value in wanted.items()
        }
    return resolved


def _typed(notebook: str, known: dict, name: str, value):
    if name not in known:
        raise ParameterError(
            f"{notebook}: no parameter `{name}`{_did_you_mean(name, known)} It has: {', '.join(known)}"
        )
    kind = known[name]["inferred_type_name"].replace(" ", "")
    if kind != "str" and isinstance(value, str):
        value = yaml.safe_load(value)
    try:
        return TypeAdapter(TYPES.get(kind, object)).validate_python(
            value, strict=kind in ("int", "bool", "str")
        )
    except ValidationError:
        example = known[name]["default"]
        raise ParameterError(
            f"{notebook}.{name} wants {kind} (such as {example}), got {value!r}"
        ) from None


def _did_you_mean(name: str, known) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean `{close[0]}`?" if close else "."
