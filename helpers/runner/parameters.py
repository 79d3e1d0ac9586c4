"""What each notebook can be told: names, types and choices from its own `parameters` cell."""

import ast
import difflib
import io
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml
from pydantic import TypeAdapter, ValidationError

from helpers.artefacts import CHAPTERS, ROOT

TYPES: dict[str, Any] = {kind.__name__: kind for kind in (int, float, str, bool, list)}
TYPES |= {str(kind): kind for kind in (list[int], list[float], list[str])}
STRICT = ("int", "bool", "str")  # 1.5 is no int, 1 no bool
_BRACKETED = re.compile(r"\([^()]*\)")
_SEPARATOR = re.compile(r",\s*or\s+|\s+or\s+|,\s*")
_WORD = re.compile(r"[\w.-]+")
_NAMES_FILES = re.compile(r"\b(?:folder|file|CSV)\b")


class ParameterError(ValueError):
    """A notebook, parameter or value that doesn't exist or fit; the message says what would."""


@dataclass(frozen=True)
class Parameter:
    """One line of a `parameters` cell.

    Attributes
    ----------
    name : str
    kind : str
        Its type as written, `"int"`; `"str"` for a `Literal` of texts.
    default : Any
    comment : str
    choices : tuple of str
        The only values there are; empty if any will do.
    """

    name: str
    kind: str
    default: Any
    comment: str
    choices: tuple[str, ...] = ()

    @property
    def names_files(self) -> bool:
        """Whether its value may be a path, by its comment."""
        return self.kind == "str" and not self.choices and bool(_NAMES_FILES.search(self.comment))


def notebook_path(chapter: str) -> Path:
    """The notebook of a chapter number, `"05"` → `notebooks/05_completion.ipynb`."""
    return ROOT / "notebooks" / f"{CHAPTERS[chapter]}.ipynb"


def declared(chapter: str) -> dict[str, Parameter]:
    """Parameters of a chapter by name."""
    notebook = nbformat.read(notebook_path(chapter), as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            return _parse(cell.source)
    return {}


def _parse(source: str) -> dict[str, Parameter]:
    comments = _comments(source)
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            comment = comments.get(node.end_lineno or 0, "")
            found[name] = _parameter(name, node, comment)
    return found


def _comments(source: str) -> dict[int, str]:
    """Line number → comment."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _parameter(name: str, node: ast.AnnAssign, comment: str) -> Parameter:
    default = ast.literal_eval(node.value) if node.value else None
    choices = _literal_choices(node.annotation)
    if choices:
        return Parameter(name, "str", default, comment, choices)
    kind = ast.unparse(node.annotation)
    if kind == "str":
        choices = choices_in(comment, default)
    return Parameter(name, kind, default, comment, choices)


def _literal_choices(annotation: ast.expr) -> tuple[str, ...]:
    """`Literal["als", "adam"]` → `("als", "adam")`; nothing for other types."""
    if not isinstance(annotation, ast.Subscript):
        return ()
    if ast.unparse(annotation.value) not in ("Literal", "typing.Literal"):
        return ()
    values = ast.literal_eval(annotation.slice)
    if isinstance(values, str):
        return (values,)
    return tuple(str(value) for value in values)


def choices_in(comment: str, default: object) -> tuple[str, ...]:
    """Values that a comment lists, `"als (closed form) or adam"` → `("als", "adam")`.

    A list is words separated by commas and "or", alone or after a colon, the default among them.
    Otherwise there are no choices, and any text will do.
    """
    plain = _BRACKETED.sub("", comment)
    after_colon = plain.rpartition(":")[2]
    words = _SEPARATOR.split(after_colon.strip(" ."))
    words = [word.strip() for word in words]
    all_single = all(_WORD.fullmatch(word) for word in words)
    if len(words) > 1 and all_single and default in words:
        return tuple(words)
    return ()


def profile_settings(profile: str) -> dict[str, dict[str, Any]]:
    """Sections of `notebooks/profiles/<profile>.yaml` by notebook name.

    Raises
    ------
    ParameterError
        If there is no such profile (names those that exist), or its file isn't one.
    """
    path = ROOT / "notebooks" / "profiles" / f"{profile}.yaml"
    known = sorted(file.stem for file in path.parent.glob("*.yaml"))
    if profile not in known:
        raise ParameterError(
            f"no profile {profile!r}{_did_you_mean(profile, known)} Profiles: {', '.join(known)}"
        )
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path.name} can't be read as YAML: {error}") from None
    sections = settings.values() if isinstance(settings, dict) else [settings]
    if not all(isinstance(section, dict | None) for section in sections):
        raise ParameterError(
            f"{path.name}: wants a section for each notebook, each a list of `name: value`"
        )
    return {name: section or {} for name, section in settings.items()}


def parse_assignments(texts: list[str]) -> dict[str, dict[str, str]]:
    """`["05_completion.rank=9"]` → `{"05_completion": {"rank": "9"}}`; `05.rank=9` will do."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        notebook, dot, name = target.strip().partition(".")
        if not (equals and dot and name):
            raise ParameterError(
                f"-p {text!r}: wants notebook.name=value, for example 05_completion.rank=9"
            )
        section = found.setdefault(CHAPTERS.get(notebook, notebook), {})
        section[name] = value.strip()
    return found


def resolve(profile: str, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every chapter's parameters, checked: the profile's own settings overlaid with `given`.

    Returns
    -------
    dict
        Chapter number → name → value of the declared type; only what differs from the notebook's
        defaults is named, and `profile`.

    Raises
    ------
    ParameterError
        At the first unknown notebook or name, or value of the wrong type or not among the choices.
    """
    settings = profile_settings(profile)
    names = list(CHAPTERS.values())
    for notebook in [*settings, *given]:
        if notebook not in names:
            told = f"{_did_you_mean(notebook, names)} There are: {', '.join(names)}"
            raise ParameterError(f"no notebook {notebook!r}{told}")
    resolved = {}
    for chapter, notebook in CHAPTERS.items():
        wanted = {"profile": profile, **settings.get(notebook, {}), **given.get(notebook, {})}
        resolved[chapter] = _checked(notebook, declared(chapter), wanted)
    return resolved


def _checked(notebook: str, known: dict[str, Parameter], wanted: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for name, value in wanted.items():
        if name not in known:
            raise ParameterError(
                f"{notebook}: no parameter `{name}`{_did_you_mean(name, known)} "
                f"It has: {', '.join(known)}"
            )
        values[name] = _typed(notebook, known[name], value)
    return values


def _typed(notebook: str, parameter: Parameter, value: Any) -> Any:
    """A value of the parameter's type, one of its choices, a path in full."""
    kind = parameter.kind.replace(" ", "")
    if kind != "str" and isinstance(value, str):
        value = _from_text(value)
    adapter = TypeAdapter(TYPES.get(kind, object))
    try:
        value = adapter.validate_python(value, strict=kind in STRICT)
    except ValidationError:
        raise ParameterError(
            f"{notebook}.{parameter.name} wants {kind} (such as {parameter.default!r}), "
            f"got {value!r}"
        ) from None
    if parameter.choices and value not in parameter.choices:
        told = _did_you_mean(value, parameter.choices)
        raise ParameterError(
            f"{notebook}.{parameter.name} is one of {', '.join(parameter.choices)}; "
            f"got {value!r}{told}"
        )
    return _full_path(value) if parameter.names_files else value


def _from_text(text: str) -> Any:
    """A number, truth or list, as YAML writes it; the text itself if it is none."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _full_path(value: str) -> str:
    """A path in full, as the user's shell, the course or a notebook would find it."""
    if not value:
        return value
    for folder in (Path.cwd(), ROOT, ROOT / "notebooks"):
        path = folder / Path(value).expanduser()
        if path.exists():
            return str(path)
    return value


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    if not close:
        return "."
    return f", did you mean `{close[0]}`?"
