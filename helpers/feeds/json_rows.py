"""Rows of a JSON file: a list of objects wherever it lies, a map of them, or an object a line."""

import json
from collections.abc import Iterator
from typing import Any

from helpers.feeds.rows import Row, Rows
from helpers.feeds.spec import FeedError
from helpers.feeds.text import repaired

_DEEPEST = 6  # objects within objects that give columns of their own
_OPTIONS = 10  # objects of a list that give columns of their own
_DEEPEST_LIST = 3  # objects around the list of products
_PRODUCT_KEYS = {"title", "name", "id"}  # what an object has that is a product itself
_NAME_KEYS = {"name", "key", "label"}


def read_json(
    text: str,
    rows: str | None = None,
) -> Rows:
    """Rows of a JSON text.

    An object within a product gives columns such as `price.amount`, beside its own text; so does
    a list of named things (`options.1.name`). Other lists stay JSON text.

    Parameters
    ----------
    text : str
    rows : str or None
        A field that holds a list of objects: each becomes a row, with the product's columns
        beside its own (`variants.price`).

    Raises
    ------
    FeedError
        If it is neither JSON nor JSON lines.
    """
    text = text.lstrip("\ufeff")
    try:
        items = _products(json.loads(text))
    except (ValueError, RecursionError) as error:
        return _read_lines(text, rows, str(error))
    out = Rows("JSON")
    for item in items:
        _add(out, item, rows)
    return out


def _read_lines(
    text: str,
    rows: str | None,
    problem: str,
) -> Rows:
    out = Rows("JSON lines")
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            _reject(out, line, getattr(error, "msg", str(error)))
        else:
            _add(out, item, rows)
    if out.rows and len(out.broken) == len(out.rows):
        raise FeedError(f"is neither JSON ({problem}) nor JSON lines: export it again")
    return out


def _products(loaded: Any) -> list[Any]:
    """The products of a JSON value: its longest list of objects, or the objects of a map."""
    if isinstance(loaded, list):
        return loaded
    if not isinstance(loaded, dict):
        raise ValueError("neither a list nor an object")
    loaded = _unwrapped(loaded)
    lists = list(_lists(loaded, 0))
    if lists:
        shallow = min(depth for depth, _ in lists)
        return max((found for depth, found in lists if depth == shallow), key=len)
    values = list(loaded.values())
    if values and all(isinstance(value, dict) for value in values):
        return [
            {
                "key": key,
                **value,
            }
            for key, value in loaded.items()
        ]
    return [loaded]


def _unwrapped(loaded: dict[str, Any]) -> dict[str, Any]:
    """What an object holds that holds nothing but one other: `{"product": {…}}`."""
    while len(loaded) == 1:
        only = next(iter(loaded.values()))
        if not isinstance(only, dict):
            break
        loaded = only
    return loaded


def _lists(
    item: dict[str, Any],
    depth: int,
) -> Iterator[tuple[int, list[Any]]]:
    """Lists of objects within an object that is no product itself, with their depth."""
    is_product = bool(_PRODUCT_KEYS & {key.lower() for key in item})
    if depth > _DEEPEST_LIST or is_product:
        return
    for value in item.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield depth, value
        elif isinstance(value, dict):
            yield from _lists(value, depth + 1)


def _add(
    out: Rows,
    item: Any,
    rows: str | None,
) -> None:
    if not isinstance(item, dict):
        _reject(out, item if isinstance(item, str) else json.dumps(item), "not an object")
        return
    for row in _exploded(item, rows):
        out.rows.append(_mended(out, row))


def _mended(out: Rows, row: Row) -> Row:
    """A row without halves of characters, which are counted."""
    mended: Row = {}
    for name, cell in row.items():
        whole = repaired(cell)
        out.halves += whole != cell
        mended[repaired(name)] = whole
    return mended


def _reject(
    out: Rows,
    value: str,
    problem: str,
) -> None:
    value = repaired(value)
    out.reject(value, f"{value[:60]!r} is no JSON object: {problem}")


def _exploded(item: dict[str, Any], rows: str | None) -> Iterator[Row]:
    """The row of a product, or one for each object of its list `rows`."""
    variants = item.get(rows) if rows else None
    if rows is None or not isinstance(variants, list) or not variants:
        yield flattened(item)
        return
    own = dict(item)
    del own[rows]
    common = flattened(own)
    for variant in variants:
        yield common | flattened({rows: variant})


def flattened(
    item: dict[str, Any],
    before: str = "",
    depth: int = 0,
) -> Row:
    """Columns of an object: a text for each of its fields, and for the fields of objects in it."""
    row: Row = {}
    for key, value in item.items():
        name = f"{before}{key}"
        row[name] = _cell(value)
        if depth >= _DEEPEST:
            continue
        if isinstance(value, dict):
            row |= flattened(value, f"{name}.", depth + 1)
        elif _is_named_list(value):
            for number, option in enumerate(value[:_OPTIONS], 1):
                row |= flattened(option, f"{name}.{number}.", depth + 1)
    return row


def _is_named_list(value: Any) -> bool:
    """Whether a list holds options: objects of a name and a value, and little more."""
    if not isinstance(value, list) or not value:
        return False
    return all(
        isinstance(option, dict) and len(option) <= 6 and _NAME_KEYS & set(option)
        for option in value
    )


def _cell(value: Any) -> str:
    """A JSON value as text: a text as it is, nothing for null, the one text of a list of one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1:
        only = value[0]
        if isinstance(only, str):
            return only
    return json.dumps(value)
