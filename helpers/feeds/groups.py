"""Feeds with several rows of one product: sizes, colours and pictures that belong together."""

import hashlib
import re
from dataclasses import dataclass

from helpers.feeds.columns import named
from helpers.feeds.rows import Row
from helpers.feeds.spec import FeedSpec, Option, matches
from helpers.feeds.text import clean_text, is_empty

OPTION = "option."  # begins the columns that options give
_KNOWN_OPTIONS = {"sizes": f"{OPTION}size", "colour": f"{OPTION}colour"}
_LIKE_ENOUGH = 0.6  # score of an option's name from which it is a size or a colour


def with_options(row: Row, options: list[Option]) -> Row:
    """A row with a column for each named option: `option.size`, `option.colour`, `option.fit` …"""
    added: Row = {}
    for option in options:
        name = clean_text(row.get(option.name))
        value = row.get(option.value) or ""
        if name and not is_empty(value):
            added.setdefault(option_column(name), value)
    return row | added


def option_column(name: str) -> str:
    """The column of an option, whatever language its name is in: `Größe` → `option.size`."""
    for field, column in _KNOWN_OPTIONS.items():
        if named(field, name) >= _LIKE_ENOUGH:
            return column
    return f"{OPTION}{name.lower()}"


def slug(text: str) -> str:
    """An id as part of a key: letters, digits, `.`, `_` and `-`; `123.0` is 123."""
    return re.sub(r"[^\w.-]+", "-", _without_nought(text)).strip("-._")


def _without_nought(text: str) -> str:
    return re.sub(r"^(\d+)\.0+$", r"\1", text)


def _slugs(ids: list[str]) -> dict[str, str]:
    """Each id as part of a key; of several that would read the same (`A/1`, `A 1`), each
    another."""
    alike: dict[str, set[str]] = {}
    for given in ids:
        own = _without_nought(given)
        alike.setdefault(slug(own), set()).add(own)
    keys = {}
    for given in ids:
        own = _without_nought(given)
        key = slug(own)
        is_shared = len(alike[key]) > 1
        if is_shared and key and own != key:
            key = f"{key}-{_digest(own)}"
        keys[given] = key
    return keys


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:6]


def _own_ids(
    rows: list[Row | None],
    spec: FeedSpec,
) -> list[str]:
    """The id that each row bears itself."""
    return [clean_text(spec.first("product_id", row)) if row else "" for row in rows]


def _product_ids(
    rows: list[Row | None],
    own: list[str],
    spec: FeedSpec,
) -> list[str]:
    """The id that the shop gives each row's product, "" where it gives none."""
    parent_of = _parents(rows, own, spec)
    ids = []
    for row, row_id in zip(rows, own, strict=True):
        parent = clean_text(spec.first("parent_id", row)) if row else ""
        ids.append(parent or parent_of.get(row_id, row_id))
    return ids


def _parents(
    rows: list[Row | None],
    own: list[str],
    spec: FeedSpec,
) -> dict[str, str]:
    """By the YAML's `children`: the product of each row that another row calls its variant."""
    parents: dict[str, str] = {}
    children = spec.children
    if children is None or children.pattern is None:
        return parents
    for row, product in zip(rows, own, strict=True):
        if not row or not product:
            continue
        cells = [row.get(column) or "" for column in children.main_columns]
        for child in matches(children.pattern, "\n".join(cells)):
            parents.setdefault(clean_text(child), product)
    return parents


@dataclass(frozen=True)
class Groups:
    """Which rows are one product.

    Attributes
    ----------
    rows : list of Row
    own : list of str
        The row's own id.
    ids : list of str
        The product's id of each row.
    slugs : dict
        Each id as part of a key.
    heads : dict
        Position of the row that speaks for a product; empty where each row is a product.
    """

    rows: list[Row | None]
    own: list[str]
    ids: list[str]
    slugs: dict[str, str]
    heads: dict[str, int]

    @classmethod
    def of(
        cls,
        rows: list[Row | None],
        spec: FeedSpec,
    ) -> "Groups":
        """Groups of a feed's rows; names of options are carried down from a product's first row."""
        own = _own_ids(rows, spec)
        ids = _product_ids(rows, own, spec)
        heads: dict[str, int] = {}
        if spec.grouped:
            heads = _heads(rows, own, ids, spec)
        groups = cls(rows, own, ids, _slugs(ids), heads)
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
        head = self._head(position)
        return self.rows[head] if head != position else None

    def is_child(self, position: int) -> bool:
        """Whether a row is a variant of a product that has a row of its own."""
        is_head = self._head(position) == position
        return not is_head and self.own[position] != self.ids[position]

    def _head(self, position: int) -> int:
        return self.heads.get(self.ids[position], position)

    def _name_options(self, options: list[Option]) -> None:
        """Shops write "Size" and "Color" in a product's first row only."""
        for position, row in enumerate(self.rows):
            head = self.head_row(position) if options else None
            if row is None or head is None:
                continue
            names = {option.name: head.get(option.name, "") for option in options}
            lacking = {name: text for name, text in names.items() if is_empty(row.get(name))}
            row |= with_options(row | lacking, options)


def _heads(
    rows: list[Row | None], own: list[str], ids: list[str], spec: FeedSpec
) -> dict[str, int]:
    """Position of each product's own row, else of its first with a title, else of its first."""
    best: dict[str, tuple[int, int]] = {}
    for position, row in enumerate(rows):
        product = ids[position]
        if not row or not product:
            continue
        is_own = own[position] == product and not spec.first("parent_id", row)
        rank = (_rank(row, is_own, spec), position)
        best[product] = min(rank, best.get(product, rank))
    return {product: position for product, (_, position) in best.items()}


def _rank(
    row: Row,
    is_own: bool,
    spec: FeedSpec,
) -> int:
    """How well a row speaks for its product, 0 the best."""
    if not clean_text(spec.first("title", row)):
        return 2
    return 0 if is_own else 1
