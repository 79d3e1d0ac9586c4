"""A YAML for a file of no known layout: the column that serves each field best, by its looks."""

import json
import re
from collections.abc import Sequence
from typing import Any

from helpers.feeds.columns import NAMES, words_of
from helpers.feeds.evidence import ENOUGH, Column, best_column
from helpers.feeds.groups import OPTION, with_options
from helpers.feeds.rows import Row
from helpers.feeds.spec import Option
from helpers.feeds.text import LONGEST, clean_text

_PAIR = re.compile(r"^(?P<what>.*?\d+)[\W_]+(?:\w*[\W_])?name$", re.I)  # "Attribute 1 name"
_LONGEST_NAME = 200  # characters of a column's name that are looked at
_VALUE_ENDINGS = ("value", "values", "value(s)", "val", "options", "description", "content")
_OF_VARIANTS = {"price", "size", "sku", "stock", "available", "inventory", "qty", "quantity"}
_USUAL_PRICE = {"price", "regular price", "preis", "prix", "precio", "prezzo"}
_PAGE = r"([^/?#]+)/?(?:[?#].*)?$"  # the last part of an address


def keys_by_looks(names: Sequence[str], rows: list[Row]) -> dict[str, Any]:
    """A YAML's `fields` and what belongs to them, by the names and values of columns.

    Parameters
    ----------
    names : list of str
        The file's columns.
    rows : list of Row
        Its first rows.
    """
    options = option_pairs(names)
    seen = [with_options(row, _as_options(options)) for row in rows]
    columns = _candidates(names, seen, options)
    by_name = {column.name: column for column in columns}
    chosen = _chosen(columns)
    keys: dict[str, Any] = {"fields": chosen}
    if any(name.startswith(OPTION) for name in chosen.values()):
        keys["options"] = options
    free = [column for column in columns if column.name not in chosen.values()]
    _add_pictures(chosen, free)
    _add_usual_price(chosen, by_name)
    _mend_id(chosen, by_name)
    if "parent_id" not in chosen and _has_variants(chosen, seen):
        keys["variants"] = True
    return keys


def columns_of(names: Sequence[str], rows: list[Row]) -> list[Column]:
    """Columns with their first cells."""
    columns = []
    for name in names:
        cells = [row.get(name) or "" for row in rows]
        columns.append(Column(name, [cell[:LONGEST] for cell in cells]))
    return columns


def _as_options(pairs: list[dict[str, str]]) -> list[Option]:
    return [Option.model_validate(pair) for pair in pairs]


def _candidates(
    names: Sequence[str],
    rows: list[Row],
    options: list[dict[str, str]],
) -> list[Column]:
    """Columns that hold anything, those of named options instead of their pairs."""
    all_names = dict.fromkeys(names)
    for row in rows:
        all_names |= dict.fromkeys(row)
    paired = {name for option in options for name in option.values()}
    columns = columns_of(list(all_names), rows)
    return [column for column in columns if column.values and column.name not in paired]


def _chosen(columns: list[Column]) -> dict[str, Any]:
    """For each field the column that serves it best, each column for one field."""
    chosen: dict[str, Any] = {}
    free = list(columns)
    for field in NAMES:
        best = best_column(field, free)
        if best:
            chosen[field] = best.name
            free.remove(best)
    if "title" not in chosen:
        chosen["title"] = _likeliest_title(chosen, free)
    return chosen


def _likeliest_title(chosen: dict[str, Any], free: list[Column]) -> str:
    """No feed can do without a title: the likeliest column is better than none."""
    if "description" in chosen:
        description: str = chosen.pop("description")
        return description
    likely = max(free, key=lambda column: column.score("title"), default=None)
    return likely.name if likely else "title"


def _add_pictures(chosen: dict[str, Any], free: list[Column]) -> None:
    """Further columns of pictures, as `image_2` or `back view`, follow the first."""
    first = chosen.get("images")
    if not first:
        return
    others = [column for column in free if not column.name.startswith(f"{first}.")]
    more = [column.name for column in others if column.score("images") >= ENOUGH]
    if more:
        chosen["images"] = [first, *more]


def _add_usual_price(chosen: dict[str, Any], columns: dict[str, Column]) -> None:
    """A sale price that some products lack is followed by the price they sell for."""
    price = chosen.get("price")
    if not price or columns[price].fill_of_prices == 1:
        return
    for name in columns:
        is_usual = name != price and words_of(name) in _USUAL_PRICE
        if is_usual:
            chosen.setdefault("list_price", name)
    if "list_price" in chosen:
        chosen["price"] = [price, chosen["list_price"]]


def _mend_id(chosen: dict[str, Any], columns: dict[str, Column]) -> None:
    """A running number is no id if the product's page is known: it changes with every export."""
    own = chosen.get("product_id")
    link = chosen.get("url")
    is_running = own is None or columns[own].is_running
    if not link or not is_running:
        return
    addresses = set(columns[link].values)
    pages = {_page(address) for address in addresses}
    if len(pages - {""}) == len(addresses):
        chosen["product_id"] = {"column": link, "pattern": _PAGE}


def _page(address: str) -> str:
    found = re.search(_PAGE, address)
    return found[1] if found else ""


def _has_variants(chosen: dict[str, Any], rows: list[Row]) -> bool:
    """Whether rows without a title have the id of one that has it."""
    own = chosen.get("product_id")
    if not isinstance(own, str):
        return False
    ids: dict[bool, set[str]] = {True: set(), False: set()}
    for row in rows:
        has_title = bool(clean_text(row.get(chosen["title"])))
        ids[has_title].add(row.get(own, ""))
    shared = ids[True] & ids[False]
    return bool(shared - {""})


def option_pairs(names: Sequence[str]) -> list[dict[str, str]]:
    """Columns such as `Attribute 1 name` with their `Attribute 1 value(s)`."""
    pairs = []
    for name in names:
        found = _PAIR.match(name) if len(name) < _LONGEST_NAME else None
        value = _value_column(found["what"].lower(), names) if found else None
        if value:
            pairs.append({"name": name, "value": value})
    return pairs


def _value_column(what: str, names: Sequence[str]) -> str | None:
    for name in names:
        small = name.lower()
        ending = small.removeprefix(what).strip(" ._-")
        if small.startswith(what) and ending in _VALUE_ENDINGS:
            return name
    return None


def objects_in(value: str) -> list[Any]:
    """The objects of a JSON list of objects."""
    if not value.startswith("[{"):
        return []
    try:
        loaded = json.loads(value)
    except (ValueError, RecursionError):
        return []
    return loaded if all(isinstance(item, dict) for item in loaded) else []


def rows_field(names: Sequence[str], rows: list[Row]) -> str | None:
    """A JSON field that holds a product's variants: objects with a price, a size or stock."""
    for name in names:
        if "." in name:
            continue
        for row in rows:
            objects = objects_in(row.get(name, ""))
            if objects and _words_in(objects[0]) & _OF_VARIANTS:
                return name
    return None


def _words_in(item: dict[str, Any]) -> set[str]:
    """Words of an object's keys."""
    return set(" ".join(map(words_of, item)).split())
