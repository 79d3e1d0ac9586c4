"""Feeds with several rows of one product: sizes, colours and pictures that belong together."""

import hashlib
import re
from dataclasses import dataclass

from helpers.feeds.columns import named
from helpers.feeds.rows import Row
from helpers.feeds.spec import FeedSpec, Option, matches
from helpers.feeds.text import clean_text, is_empty

_KNOWN_OPTIONS = {"sizes": "option.size", "colour": "option.colour"}


def with_options(row: Row, options: list[Option]) -> Row:
    """A row with a column for each named option: `option.size`, `option.colour`, `option.fit` …

    A row without names keeps its values as `option.1` …; `Groups` names them by the product's
    first row.
    """
    if not options:
        return row
    added: Row = {}
    for option in options:
        value = row.get(option.value) or ""
        name = clean_text(row.get(option.name))
        if name and not is_empty(value):
            added.setdefault(option_column(name), value)
    return row | added


def option_column(name: str) -> str:
    """The column of an option, whatever language its name is in: `Größe` → `option.size`."""
    for field, column in _KNOWN_OPTIONS.items():
        if named(field, name) >= 0.6:
            return column
    return f"option.{name.lower()}"


def product_ids(rows: list[Row | None], spec: FeedSpec) -> list[str]:
    """The id that the shop gives each row's product, "" where it gives none."""
    own = [clean_text(spec.first("product_id", row)) if row else "" for row in rows]
    parent_of = _parents(rows, own, spec)
    ids = []
    for row, product in zip(rows, own, strict=True):
        parent = clean_text(spec.first("parent_id", row)) if row else ""
        ids.append(parent or parent_of.get(product, product))
    return ids


def _parents(rows: list[Row | None], own: list[str], spec: FeedSpec) -> dict[str, str]:
    """By the YAML's `children`: the product of each row that another row calls its variant."""
    children = spec.children
    if children is None or children.pattern is None:
        return {}
    parents: dict[str, str] = {}
    for row, product in zip(rows, own, strict=True):
        if not row or not product:
            continue
        text = "\n".join(row.get(column) or "" for column in children.main_columns)
        for child in matches(children.pattern, text):
            parents.setdefault(clean_text(child), product)
    return parents


def slug(text: str) -> str:
    """An id as part of a key: letters, digits, `.`, `_` and `-`; `123.0` is 123."""
    return re.sub(r"[^\w.-]+", "-", _plain(text)).strip("-._")


def _plain(text: str) -> str:
    return re.sub(r"^(\d+)\.0+$", r"\1", text)


def _slugs(ids: list[str]) -> dict[str, str]:
    """Each id as part of a key; of several that would read the same (`A/1`, `A 1`), each another."""
    plain = {given: _plain(given) for given in ids}
    alike: dict[str, set[str]] = {}
    for given in plain.values():
        alike.setdefault(slug(given), set()).add(given)
    keys = {}
    for given, own in plain.items():
        key = slug(own)
        if len(alike[key]) > 1 and key and own != key:
            key = f"{key}-{hashlib.sha1(own.encode(), usedforsecurity=False).hexdigest()[:6]}"
        keys[given] = key
    return keys


@dataclass(frozen=True)
class Groups:
    """Which rows are one product.

    Attributes
    ----------
    ids : list of str
        The product's id of each row.
    slugs : dict
        Each id as part of a key.
    own : list of str
        The row's own id.
    rows : list of Row
    heads : dict
        Position of the row that speaks for a product; empty where each row is a product.
    """

    ids: list[str]
    slugs: dict[str, str]
    own: list[str]
    rows: list[Row | None]
    heads: dict[str, int]

    @classmethod
    def of(cls, rows: list[Row | None], ids: list[str], spec: FeedSpec) -> "Groups":
        """Groups of a feed's rows; names of options are carried down from a product's first row."""
        own = [clean_text(spec.first("product_id", row)) if row else "" for row in rows]
        heads = _heads(rows, ids, own, spec) if spec.grouped else {}
        groups = cls(ids, _slugs(ids), own, rows, heads)
        if heads and spec.options:
            groups._name_options(spec.options)
        return groups

    def given(self, position: int) -> str:
        """The product's id as the shop gives it to a row, "" for none."""
        return self.ids[position]

    def slug(self, position: int) -> str:
        """The product's id as part of a key, "" for none."""
        return self.slugs[self.ids[position]]

    def head_row(self, position: int) -> Row | None:
        """The row that speaks for this row's product, if that is another."""
        head = self.heads.get(self.ids[position], position)
        return self.rows[head] if head != position else None

    def is_child(self, position: int) -> bool:
        """Whether a row is a variant of a product that has a row of its own."""
        head = self.heads.get(self.ids[position], position)
        return head != position and self.own[position] != self.ids[position]

    def _name_options(self, options: list[Option]) -> None:
        """Shops write "Size" and "Color" in a product's first row only."""
        for position, row in enumerate(self.rows):
            head = self.head_row(position)
            if row is None or head is None:
                continue
            named_by_head = {option.name: head.get(option.name, "") for option in options}
            blank = {name: text for name, text in named_by_head.items() if is_empty(row.get(name))}
            row |= with_options(row | blank, options)


def _heads(
    rows: list[Row | None], ids: list[str], own: list[str], spec: FeedSpec
) -> dict[str, int]:
    """Position of each product's own row, else of its first with a title, else of its first."""
    best: dict[str, tuple[int, int]] = {}
    for position, (row, product) in enumerate(zip(rows, ids, strict=True)):
        if not row or not product:
            continue
        has_title = bool(clean_text(spec.first("title", row)))
        is_own = own[position] == product and not spec.first("parent_id", row)
        rank = (0 if has_title and is_own else 1 if has_title else 2, position)
        if product not in best or rank < best[product]:
            best[product] = rank
    return {product: position for product, (_, position) in best.items()}
