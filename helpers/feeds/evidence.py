"""What the values of a column look like, and which field they serve best."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from helpers.feeds.columns import named, words_of
from helpers.feeds.fields import parse_availability, parse_count, parse_images, parse_rating
from helpers.feeds.money import parse_currency, read_price
from helpers.feeds.spec import WORDS, read_yaml
from helpers.feeds.text import clean_text, is_empty
from helpers.feeds.vocabulary import Terms, load_vocabulary, normal

ENOUGH = 1.0  # score from which a column is taken for a field
_PICTURE = re.compile(r"\.(jpe?g|png|webp|avif|gif)|image|hmgoepprod", re.I)
_SHORT_NUMBER = re.compile(r"[0-9]{1,9}")
_ZERO = re.compile(r"[^0-9]*0+(?:[.,]0+)?[^0-9]*")
NO = -1.0  # a column that can't serve a field
_MAY_BE_ADDRESSES = {"images", "url", "availability"}  # https://schema.org/InStock
LANGUAGES = ("de", "fr", "es", "it")

# Names that say a field only together with values that do.
_WEAK = {
    "category": {"type", "section", "department", "collection", "terms", "tipo", "rayon",
    "reparto", "seccion"},
    "gender": {"department", "section", "group", "target group", "genre", "zielgruppe", "cible"},
    "rating": {"note", "stars", "voto"},
    "availability": {"available", "quantity", "qty", "inventory"},
    "n_reviews": {"votes"},
}  # fmt: skip


def share(values: Sequence[str], test: Callable[[str], object]) -> float:
    """Share of texts that pass a test; 0 of none."""
    if not values:
        return 0.0
    passed = [value for value in values if test(value)]
    return len(passed) / len(values)


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
        return share(self.cells, lambda cell: not is_empty(cell))

    @cached_property
    def length(self) -> float:
        """Characters of a value, on average."""
        if not self.texts:
            return 0.0
        total = sum(len(text) for text in self.texts)
        return total / len(self.texts)

    @cached_property
    def distinct(self) -> float:
        """Share of values that are unlike all before them."""
        if not self.texts:
            return 0.0
        kinds = set(self.texts)
        return len(kinds) / len(self.texts)

    @cached_property
    def wordy(self) -> float:
        """Share of values of several words."""
        return share(self.texts, lambda text: " " in text)

    @cached_property
    def urls(self) -> float:
        """Share of values that are addresses."""
        return share(self.values, parse_images)

    @cached_property
    def pictures(self) -> float:
        """Share of values that look like addresses of pictures."""
        return share(self.values, _PICTURE.search)

    @cached_property
    def told_prices(self) -> list[str]:
        """Texts that may be prices: a nought stands for none."""
        return [text for text in self.texts if not _ZERO.fullmatch(text)]

    @cached_property
    def prices(self) -> float:
        """Share of told prices that are amounts."""
        return share(self.told_prices, read_price)

    @cached_property
    def signs(self) -> float:
        """Share of told prices that bear the sign of a currency, and little else."""
        return share(self.told_prices, _is_signed_price)

    @cached_property
    def fill_of_prices(self) -> float:
        """Share of rows that have an amount."""
        return share(self.cells, lambda cell: read_price(clean_text(cell)))

    @cached_property
    def garments(self) -> float:
        """Share of values that name a category."""
        return share(self.texts, lambda text: _names("categories", text))

    @cached_property
    def genders(self) -> float:
        """Share of values that name a gender, and little else."""
        return share(self.texts, lambda text: _names("genders", text[:40]))

    @cached_property
    def colours(self) -> float:
        """Share of values that name a colour."""
        return share(self.texts, lambda text: _names("colours", text))

    @cached_property
    def is_running(self) -> bool:
        """Whether the values count the rows: 1, 2, 3 … or 0, 1, 2 …"""
        if not self.texts or share(self.texts, _SHORT_NUMBER.fullmatch) < 1:
            return False
        numbers = [int(text) for text in self.texts]
        first = numbers[0]
        return numbers == list(range(first, first + len(numbers)))

    @cached_property
    def is_bare_id(self) -> bool:
        """Whether it has no name of its own, and short codes that are all different."""
        is_nameless = self.name.startswith("column ")
        is_code = self.wordy == 0 and self.length <= 24 and self.garments == 0
        return is_nameless and is_code and self.distinct == 1

    @cached_property
    def is_object(self) -> bool:
        """Whether its values are JSON objects, whose parts are columns, too."""
        return share(self.values, lambda value: value.startswith("{")) == 1

    def named(self, field: str) -> float:
        """How well its name names a field; a weak name counts half."""
        last = self.name.rpartition(".")[2]
        score = max(named(field, self.name), named(field, last))
        is_weak = words_of(last) in _WEAK.get(field, ())
        return score / 2 if is_weak else score

    def score(self, field: str) -> float:
        """How well it serves a field: from `ENOUGH` on it is taken, below 0 it speaks against
        it."""
        if not self.values:
            return NO
        if field not in _MAY_BE_ADDRESSES and self.urls > 0.3:
            return NO
        score = _RULES[field](self, self.named(field))
        if self.is_object and field != "sizes":
            score -= 0.5
        return score


def _is_signed_price(text: str) -> bool:
    price = read_price(text) if len(text) < 40 else None
    return price is not None and bool(price.currency)


def _names(section: str, text: str) -> bool:
    """Whether any language's vocabulary names something in a text."""
    if len(text) > 300:
        return False
    english: Terms = getattr(load_vocabulary(), section)
    others = (own_terms(language)[section] for language in LANGUAGES)
    return any(terms.named(text) for terms in (english, *others))


# --- one rule per field: what a column's name and its values say for it ---


def _images(column: Column, name: float) -> float:
    if not column.urls:
        return NO
    return 2 * column.urls * column.pictures + 0.2 * name


def _url(column: Column, name: float) -> float:
    if column.urls < 0.5 or name <= 0:
        return NO
    return name + 0.5 * column.urls


def _price(column: Column, name: float) -> float:
    by_name = 2 * max(name, 0) * column.prices
    return by_name + column.signs + 0.2 * column.full


def _list_price(column: Column, name: float) -> float:
    return 1.5 * name * column.prices


def _title(column: Column, name: float) -> float:
    score = name + column.garments
    score += 0.5 * column.wordy + 0.3 * column.distinct + 0.2 * column.full
    if column.length > 110 or column.wordy < 0.5:
        score -= 1.5
    return score


def _product_id(column: Column, name: float) -> float:
    score = 1.2 * name + 0.5 * column.distinct
    if column.is_bare_id:
        score += 0.9
    if column.is_running:
        score -= 0.3
    if column.distinct < 0.5 or column.full < 0.5 or column.wordy > 0.2:
        score -= 2
    return score


def _parent_id(column: Column, name: float) -> float:
    if column.wordy >= 0.2 or column.distinct == 1:
        return NO
    return 1.2 * name


def _description(column: Column, name: float) -> float:
    if column.length > 60:
        return name + 0.5
    return name + 0.2 if column.wordy > 0.5 else name


def _brand(column: Column, name: float) -> float:
    return 1.3 * name if column.length < 40 else NO


def _category(column: Column, name: float) -> float:
    if name <= 0 or column.length > 120:
        return NO
    return 1.25 * name + 0.6 * column.garments


def _gender(column: Column, name: float) -> float:
    if name <= 0 or column.genders <= 0.3:
        return NO
    return name + column.genders


def _colour(column: Column, name: float) -> float:
    if column.length >= 120:
        return NO
    return 1.2 * name + 0.3 * column.colours


def _rating(column: Column, name: float) -> float:
    ratings = share(column.texts, parse_rating)
    return 1.1 * name + 0.5 * ratings if ratings >= 0.5 else NO


def _n_reviews(column: Column, name: float) -> float:
    counts = share(column.texts, lambda text: parse_count(text) is not None)
    return 1.25 * name if counts >= 0.3 else NO


def _sizes(column: Column, name: float) -> float:
    return 1.5 * name if column.length < 60 else NO


def _currency(column: Column, name: float) -> float:
    known = share(column.texts, parse_currency)
    return 1.25 * name if known >= 0.5 else NO


def _availability(column: Column, name: float) -> float:
    known = share(column.texts, parse_availability)
    return name + 0.5 * known if known >= 0.5 else NO


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


def best_column(field: str, columns: Sequence[Column]) -> Column | None:
    """The column that serves a field best, if any serves it; of equals the first."""
    best = max(columns, key=lambda column: column.score(field), default=None)
    if best is None or best.score(field) < ENOUGH:
        return None
    return best


# --- the language of a feed ---

_SECTIONS = ("categories", "colours", "genders")
_MARGIN = 1.2  # another language must name this many times as many cells as English does


@cache
def _words(language: str) -> dict[str, Any]:
    """The YAML of a language's words."""
    loaded: dict[str, Any] = read_yaml(WORDS / f"{language}.yaml")[1]
    return loaded


@cache
def own_terms(language: str) -> dict[str, Terms]:
    """A language's own words by section, without the English ones."""
    words = _words(language)
    terms = {section: Terms(words[section]) for section in _SECTIONS}
    if words.get("compounds"):
        garments = words["categories"]
        ends = frozenset(term for labelled in garments.values() for term in labelled)
        terms["categories"] = Terms(garments, ends)
    return terms


def language_of(columns: Sequence[Column]) -> str:
    """The language that a feed's columns and short texts are in; "" for English or unknown."""
    cells = [text for column in columns if column.urls < 0.3 for text in column.texts[:100]]
    cells = [text for text in cells if 2 < len(text) <= 120]
    english = load_vocabulary()
    most = _MARGIN * _hits(cells, [getattr(english, section) for section in _SECTIONS]) + 1
    best = ""
    for language in LANGUAGES:
        names = {normal(str(word)) for word in _words(language)["columns"]}
        hits = _hits(cells, own_terms(language).values())
        hits += sum(normal(column.name) in names for column in columns)
        if hits > most:
            best = language
            most = hits
    return best


def _hits(cells: Sequence[str], sections: Iterable[Terms]) -> int:
    """How many cells a language's words name something in."""
    known = list(sections)
    return sum(any(terms.named(cell) for terms in known) for cell in cells)
