"""What the values of a column look like, and which field they serve best."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from helpers.feeds.columns import named, words_of
from helpers.feeds.fields import parse_availability, parse_count, parse_images, parse_rating
from helpers.feeds.money import parse_currency, read_price
from helpers.feeds.spec import WORDS, read_yaml
from helpers.feeds.text import clean_text, is_empty
from helpers.feeds.vocabulary import Terms, load_vocabulary, normal

ENOUGH = 1.0  # score from which a column is taken for a field
_PICTURE = re.compile(r"\.(jpe?g|png|webp|avif|gif)|image|hmgoepprod", re.I)
_ZERO = re.compile(r"[^0-9]*0+(?:[.,]0+)?[^0-9]*")
_MAY_BE_ADDRESSES = {"images", "url", "availability"}  # https://schema.org/InStock
LANGUAGES = ("de", "fr", "es", "it")

# Names that say a field only together with values that do.
_WEAK = {
    "category": {"type", "section", "department", "collection", "terms", "tipo", "rayon", "reparto", "seccion"},
    "gender": {"department", "section", "group", "target group", "genre", "zielgruppe", "cible"},
    "rating": {"note", "stars", "voto"},
    "availability": {"available", "quantity", "qty", "inventory"},
    "n_reviews": {"votes"},
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column's name and its first cells, one per row."""

    name: str
    cells: list[str]

    @cached_property
    def values(self) -> list[str]:
        """Cells that hold anything."""
        return [cell for cell in self.cells if not is_empty(cell)]

    @cached_property
    def texts(self) -> list[str]:
        """Values as plain text."""
        return [clean_text(value) for value in self.values]

    @cached_property
    def full(self) -> float:
        """Share of rows that have a value."""
        return len(self.values) / max(len(self.cells), 1)

    @cached_property
    def length(self) -> float:
        """Characters of a value, on average."""
        return sum(map(len, self.texts)) / max(len(self.texts), 1)

    @cached_property
    def distinct(self) -> float:
        """Share of values that are unlike all others."""
        return len(set(self.texts)) / max(len(self.texts), 1)

    @cached_property
    def wordy(self) -> float:
        """Share of values of several words."""
        return self.share(lambda text: " " in text)

    @cached_property
    def urls(self) -> float:
        """Share of values that are addresses."""
        return sum(bool(parse_images(value)) for value in self.values) / max(len(self.values), 1)

    @cached_property
    def pictures(self) -> float:
        """Share of values that look like addresses of pictures."""
        found = sum(bool(_PICTURE.search(value)) for value in self.values)
        return found / max(len(self.values), 1)

    @cached_property
    def told_prices(self) -> list[str]:
        """Texts that may be prices: a nought stands for none."""
        return [text for text in self.texts if not _ZERO.fullmatch(text)]

    @cached_property
    def prices(self) -> float:
        """Share of told prices that are amounts."""
        found = sum(bool(read_price(text)) for text in self.told_prices)
        return found / max(len(self.told_prices), 1)

    @cached_property
    def fill_of_prices(self) -> float:
        """Share of rows that have an amount."""
        return sum(bool(read_price(text)) for text in self.texts) / max(len(self.cells), 1)

    @cached_property
    def signs(self) -> float:
        """Share of values that are amounts with the sign of a currency, and little else."""
        found = [read_price(text) for text in self.told_prices if len(text) < 40]
        named = sum(bool(price and price.currency) for price in found)
        return named / max(len(self.told_prices), 1)

    @cached_property
    def garments(self) -> float:
        """Share of values that name a category."""
        return self.share(lambda text: _names("categories", text))

    @cached_property
    def genders(self) -> float:
        """Share of values that name a gender, and little else."""
        return self.share(lambda text: len(text) < 40 and _names("genders", text))

    @cached_property
    def colours(self) -> float:
        """Share of values that name a colour."""
        return self.share(lambda text: _names("colours", text) or _names("shades", text))

    @cached_property
    def is_running(self) -> bool:
        """Whether the values count the rows: 1, 2, 3 … or 0, 1, 2 …"""
        if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in self.texts):
            return False
        numbers = [int(text) for text in self.texts]
        return bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    @cached_property
    def is_bare_id(self) -> bool:
        """Whether it has no name of its own, and short codes that are all different."""
        is_code = self.wordy == 0 and self.length <= 24 and self.garments == 0
        return self.name.startswith("column ") and self.distinct == 1 and is_code

    def share(self, test: Callable[[str], Any]) -> float:
        """Share of values that pass a test."""
        return sum(bool(test(text)) for text in self.texts) / max(len(self.texts), 1)

    def named(self, field: str) -> float:
        """How well its name names a field; a weak name counts half."""
        names = [self.name, self.name.rpartition(".")[2]]
        score = max(named(field, name) for name in names)
        return score / 2 if words_of(names[1]) in _WEAK.get(field, ()) else score

    @cached_property
    def is_object(self) -> bool:
        """Whether its values are JSON objects, whose parts are columns, too."""
        return bool(self.values) and all(value.startswith("{") for value in self.values)

    def score(
        self,
        field: str,
        chosen: Mapping[str, Any],
    ) -> float:
        """How well it serves a field: from `ENOUGH` on it is taken, below 0 it speaks against it."""
        if not self.values:
            return -1.0
        if field not in _MAY_BE_ADDRESSES and self.urls > 0.3:
            return -1.0
        score = _RULES[field](self, self.named(field))
        return score - 0.5 if self.is_object and field != "sizes" else score


def _names(section: str, text: str) -> bool:
    """Whether any language's vocabulary names something in a text."""
    if len(text) > 300:
        return False
    terms: Terms = getattr(load_vocabulary(), section)
    if terms.named(text):
        return True
    return any(_own_terms(language)[section].named(text) for language in LANGUAGES
               if section in _own_terms(language))  # fmt: skip


def _images(column: Column, name: float) -> float:
    return 2 * column.urls * column.pictures + 0.2 * name if column.urls else -1.0


def _url(column: Column, name: float) -> float:
    if column.urls < 0.5 or name <= 0:
        return -1.0
    return name + 0.5 * column.urls


def _price(column: Column, name: float) -> float:
    return 2 * max(name, 0) * column.prices + column.signs + 0.2 * column.full


def _list_price(column: Column, name: float) -> float:
    return 1.5 * name * column.prices


def _title(column: Column, name: float) -> float:
    unlike = 1.5 if column.length > 110 or column.wordy < 0.5 else 0.0
    looks = column.garments + 0.5 * column.wordy + 0.3 * column.distinct + 0.2 * column.full
    return name + looks - unlike


def _product_id(column: Column, name: float) -> float:
    unlike = 2.0 if min(column.distinct, column.full) < 0.5 or column.wordy > 0.2 else 0.0
    running = 0.3 if column.is_running else 0.0
    bare = 0.9 if column.is_bare_id else 0.0
    return 1.2 * name + bare + 0.5 * column.distinct - unlike - running


def _parent_id(column: Column, name: float) -> float:
    return 1.2 * name if column.wordy < 0.2 and column.distinct < 1 else -1.0


def _description(column: Column, name: float) -> float:
    return name + (0.5 if column.length > 60 else 0.2 if column.wordy > 0.5 else 0.0)


def _brand(column: Column, name: float) -> float:
    return 1.3 * name if column.length < 40 else -1.0


def _category(column: Column, name: float) -> float:
    unlike = 1.0 if column.length > 120 else 0.0
    return 1.25 * name + 0.6 * column.garments - unlike if name > 0 else -1.0


def _gender(column: Column, name: float) -> float:
    return name + column.genders if column.genders > 0.3 and name > 0 else -1.0


def _colour(column: Column, name: float) -> float:
    return 1.2 * name + 0.3 * column.colours if column.length < 120 else -1.0


def _rating(column: Column, name: float) -> float:
    ratings = column.share(lambda text: (parse_rating(text) or 9) <= 5)
    return 1.1 * name + 0.5 * ratings - (1.0 if ratings < 0.5 else 0.0)


def _n_reviews(column: Column, name: float) -> float:
    counts = column.share(lambda text: parse_count(text) is not None)
    return 1.25 * name if counts >= 0.3 else -1.0


def _sizes(column: Column, name: float) -> float:
    return 1.5 * name if column.length < 60 else -1.0


def _currency(column: Column, name: float) -> float:
    return 1.25 * name if column.share(parse_currency) >= 0.5 else -1.0


def _availability(column: Column, name: float) -> float:
    known = column.share(parse_availability)
    return name + 0.5 * known if known >= 0.5 else -1.0


_RULES: dict[str, Callable[[Column, float], float]] = {
    "title": _title,
    "price": _price,
    "images": _images,
    "product_id": _product_id,
    "description": _description,
    "brand": _brand,
    "category": _category,
    "gender": _gender,
    "colour": _colour,
    "rating": _rating,
    "n_reviews": _n_reviews,
    "sizes": _sizes,
    "currency": _currency,
    "availability": _availability,
    "url": _url,
    "list_price": _list_price,
    "parent_id": _parent_id,
}


def best_column(
    field: str,
    columns: Sequence[Column],
    chosen: Mapping[str, Any],
) -> Column | None:
    """The column that serves a field best, if any serves it; of equals the first."""
    best = max(
        columns,
        key=lambda column: column.score(field, chosen),
        default=None,
    )
    if best is None or best.score(field, chosen) < ENOUGH:
        return None
    return best


_OWN: dict[str, dict[str, Terms]] = {}


def _own_terms(language: str) -> dict[str, Terms]:
    """A language's own words by section."""
    if language not in _OWN:
        words = read_yaml(WORDS / f"{language}.yaml")[1]
        compounds: frozenset[str] = frozenset()
        if words.get("compounds"):
            compounds = frozenset(term for terms in words["categories"].values() for term in terms)
        _OWN[language] = {
            section: Terms(words[section], compounds if section == "categories" else frozenset())
            for section in ("categories", "colours", "genders")
        }
    return _OWN[language]


def language_of(
    names: Sequence[str],
    columns: Sequence[Column],
) -> str:
    """The language that a feed's columns and short texts are in; "" for English or unknown.

    Another language must name more cells than English does.
    """
    cells = [text for column in columns for text in column.texts[:100]
             if 2 < len(text) <= 120 and column.urls < 0.3]  # fmt: skip
    english = load_vocabulary()
    sections = (english.categories, english.colours, english.genders)
    in_english = sum(any(terms.named(cell) for terms in sections) for cell in cells)
    best = ""
    most = in_english * 1.2 + 1
    for language in LANGUAGES:
        own = _own_terms(language)
        hits = sum(any(terms.named(cell) for terms in own.values()) for cell in cells)
        known = {normal(str(word)) for word in read_yaml(WORDS / f"{language}.yaml")[1]["columns"]}
        hits += sum(normal(name) in known for name in names)
        if hits > most:
            best = language
            most = hits
    return best
