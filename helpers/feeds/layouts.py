"""Exports that many shops share, recognised by their columns: data/feeds/layouts/*.yaml."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from helpers.feeds.groups import OPTION
from helpers.feeds.spec import FEEDS, FeedError, FeedSpec, read_yaml

LAYOUTS = FEEDS / "layouts"


class Layout(BaseModel):
    """A known layout.

    Attributes
    ----------
    layout : str
        What it is called.
    columns : list of lists
        Sets of columns; a file that has all of one is of this layout.
    format : str
        "xml" if it is recognised in XML only, "table" if in all else; "any".
    notes : list of str
        What a draft says of it.
    spec : dict
        A YAML's keys, without platform; sources whose columns a file lacks are left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: str
    columns: list[list[str]]
    format: Literal["any", "xml"] = "any"
    notes: list[str] = []
    spec: dict[str, Any]


@cache
def layouts() -> list[Layout]:
    """All layouts that ship with the course.

    Raises
    ------
    FeedError
        If a file in data/feeds/layouts is none.
    """
    found = []
    for path in sorted(LAYOUTS.glob("*.yaml")):
        try:
            layout = Layout.model_validate(read_yaml(path)[1])
            FeedSpec.model_validate({"platform": "shop", **layout.spec})
        except ValidationError as error:
            raise FeedError(f"{path}: {error}") from None
        found.append(layout)
    return found


def plain_name(name: str) -> str:
    """A column's name without case, gaps and a Google prefix: `g:image_link` → "imagelink"."""
    return re.sub(
        r"[\W_]+",
        "",
        re.sub(
            r"^g:",
            "",
            name.strip().lower(),
        ),
    )


def recognise(
    columns: Iterable[str],
    is_xml: bool = False,
) -> Layout | None:
    """The layout of a file with these columns: the one that knows most of them, if any fits."""
    there = {plain_name(name) for name in columns}
    best = None
    most = 0
    for layout in layouts():
        if layout.format == "xml" and not is_xml:
            continue
        fits = any({plain_name(name) for name in needed} <= there for needed in layout.columns)
        known = _known(layout) & there
        count = len(known) + (layout.format == "xml")
        if fits and count > most:
            best = layout
            most = count
    return best


def _known(layout: Layout) -> set[str]:
    """All columns that a layout names."""
    spec = FeedSpec.model_validate({"platform": "shop", **layout.spec})
    names = {name for needed in layout.columns for name in needed} | set(spec.columns)
    return {plain_name(name) for name in names}


def fitted(
    spec: Mapping[str, Any],
    columns: Iterable[str],
) -> dict[str, Any]:
    """A layout's keys for a file: columns as the file writes them, without those it lacks."""
    actual: dict[str, str] = {}
    for name in columns:
        actual.setdefault(plain_name(name), name)
    options = [found for option in spec.get("options", []) if (found := _option(option, actual))]
    fields = {}
    for field, sources in spec["fields"].items():
        kept = [_source(source, actual, bool(options)) for source in _listed(sources)]
        kept = [source for source in kept if source is not None]
        if kept:
            fields[field] = kept[0] if len(kept) == 1 else kept
    out = {**spec, "fields": fields, "options": options}
    for key in ("keep", "children"):
        if key in spec:
            out[key] = _source(spec[key], actual, False)
    if "discount" in spec:
        out["discount"] = _option(spec["discount"], actual)
    return {key: value for key, value in out.items() if value}


def _listed(sources: Any) -> list[Any]:
    return sources if isinstance(sources, list) else [sources]


def _option(
    option: Mapping[str, str],
    actual: Mapping[str, str],
) -> dict[str, str] | None:
    names = {key: actual.get(plain_name(name)) for key, name in option.items()}
    found = {key: name for key, name in names.items() if name}
    return found if len(found) == len(option) else None


def _source(
    source: Any,
    actual: Mapping[str, str],
    has_options: bool,
) -> Any:
    """A source with the file's own names of columns; None if the file has none of them."""
    if isinstance(source, str):
        return _column(source, actual, has_options)
    columns = source.get("column")
    if columns is None:
        return source
    found = [_column(name, actual, has_options) for name in _listed(columns)]
    there = [name for name in found if name]
    if not there:
        return None
    return {
        **source,
        "column": there[0] if len(there) == 1 else there,
    }


def _column(
    name: str,
    actual: Mapping[str, str],
    has_options: bool,
) -> str | None:
    if name.startswith(OPTION):
        return name if has_options else None
    return actual.get(plain_name(name))
