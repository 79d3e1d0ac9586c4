"""The words that name categories, colours, genders, patterns and styles, ready to search."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from helpers.artefacts import ROOT
from helpers.feeds.spec import FeedError, read_yaml

ENGLISH = ROOT / "data" / "vocabulary.yaml"
SECTIONS = (
    *("categories", "colours", "shades", "genders"),
    *("in_titles", "over_columns", "patterns", "styles"),
)
SILENT = "-"  # label of phrases that name nothing and hide the words in them
_SHORTEST_END = 4  # letters of a word that may end a compound: Leinen-hemd

_GAPS = re.compile(r"[\W_]+")
# What follows these says what a garment has or is for, not what it is.
_HEAD = re.compile(
    r"\s(?:in|with|for|by|from|made|featuring|and matching)\s|\s[-–]\s|[|(,:]|\sw/", re.I
)


def normal(text: str) -> str:
    """Small words between single spaces, apostrophes dropped."""
    small = text.lower()
    for apostrophe in "'’":
        small = small.replace(apostrophe, "")
    return _GAPS.sub(" ", small).strip()


class Terms:
    """Finds the terms of `{"jackets": ["denim jacket", …], …}` in texts.

    The longest term wins; a plural s is optional. Of compounds, terms are found at a word's end,
    too.
    """

    def __init__(
        self,
        section: Mapping[str, list[str]],
        compounds: frozenset[str] = frozenset(),
    ):
        self.labels = list(section)
        terms: dict[str, str] = {}
        for label, words in section.items():
            for term in [label, *words]:
                terms[normal(term)] = label
        self._label: dict[str, str] = {}
        for ending in ("es", "s", ""):
            for term, label in terms.items():
                self._label[term + ending] = label
        self._longest = max(len(term.split()) for term in terms)
        self._compounds = {normal(term) for term in compounds if len(term) >= _SHORTEST_END}

    def exact(self, text: str) -> str | None:
        """Label of a text that is nothing but one term."""
        label = self._label.get(normal(text))
        return label if label != SILENT else None

    def find(self, text: str) -> list[str]:
        """Labels of all terms in a text, in order."""
        words = normal(text).split()
        found = []
        at = 0
        while at < len(words):
            label, taken = self._term_at(words, at)
            if label:
                found.append(label)
            at += taken
        return found

    def named(
        self,
        text: str,
        but: str = SILENT,
    ) -> list[str]:
        """Labels found, each once, without `but` and without the phrases that name nothing."""
        return [label for label in dict.fromkeys(self.find(text)) if label not in (SILENT, but)]

    def _term_at(
        self,
        words: list[str],
        at: int,
    ) -> tuple[str | None, int]:
        """Label of the longest term that begins at a word, and how many words it takes."""
        for end in range(
            min(at + self._longest, len(words)),
            at,
            -1,
        ):
            label = self._label.get(" ".join(words[at:end]))
            if label:
                return label, end - at
        return self._ending(words[at]), 1

    def _ending(self, word: str) -> str | None:
        """Label of the longest term that ends a compound."""
        if not self._compounds:
            return None
        for start in range(1, len(word) - _SHORTEST_END + 1):
            if word[start:] in self._compounds:
                return self._label.get(word[start:])
        return None


@dataclass(frozen=True)
class Vocabulary:
    """The words of data/vocabulary.yaml, and what a unit of each currency is worth in dollars.

    Attributes
    ----------
    categories, colours, shades, genders, in_titles, over_columns, patterns, styles : Terms
        `in_titles` holds the words that name a gender in a title, where "man" may be Spider-Man.
        `over_columns` holds those that count for more than a column of men and women.
    finer : dict
        Colours that are kinds of others: `{"olive": ["green"]}`.
    usd : dict
        Dollars for one unit of a currency.
    date : str
        Day of these rates.
    head : pattern
        What ends the part of a title that names the garment.
    noun_first : bool
        The garment is the first noun of a title, as in French, not the last, as in English.
    """

    categories: Terms
    colours: Terms
    shades: Terms
    genders: Terms
    in_titles: Terms
    over_columns: Terms
    patterns: Terms
    styles: Terms
    finer: dict[str, list[str]]
    usd: dict[str, float]
    date: str
    head: re.Pattern[str]
    noun_first: bool


@cache
def load_vocabulary(
    words: str | Path = "",
    path: Path = ENGLISH,
) -> Vocabulary:
    """Vocabulary of data/vocabulary.yaml, with the words of another language over its own.

    Parameters
    ----------
    words : path
        A YAML with some of the same sections, and `compounds`, `noun_first` and `breaks` (the
        words after which a title no longer names the garment).

    Raises
    ------
    FeedError
        If a file is no such YAML.
    """
    english: dict[str, Any] = read_yaml(Path(path))[1]
    other: dict[str, Any] = read_yaml(Path(words))[1] if words else {}
    try:
        terms = {name: _section(name, english, other) for name in SECTIONS}
        rates = english["rates"]
        return Vocabulary(
            categories=terms["categories"],
            colours=terms["colours"],
            shades=terms["shades"],
            genders=terms["genders"],
            in_titles=terms["in_titles"],
            over_columns=terms["over_columns"],
            patterns=terms["patterns"],
            styles=terms["styles"],
            finer=english["finer"],
            usd=rates["usd"],
            date=str(rates["date"]),
            head=_head(other.get("breaks", [])),
            noun_first=bool(other.get("noun_first", False)),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise FeedError(
            f"{words or path}: a section holds labels with lists of words, as data/vocabulary.yaml "
            f"does; this one doesn't ({error})"
        ) from None


def _section(
    name: str,
    english: dict[str, Any],
    other: dict[str, Any],
) -> Terms:
    """A section's terms: a word that the other language uses is taken from the English list."""
    theirs: dict[str, list[str]] = other.get(name, {})
    taken = {normal(str(word)) for words in theirs.values() for word in words}
    merged = {
        label: [word for word in words if normal(word) not in taken]
        for label, words in english[name].items()
    }
    for label, words in theirs.items():
        merged[label] = [*merged.get(label, []), *map(str, words)]
    compounds: frozenset[str] = frozenset()
    if other.get("compounds") and name == "categories":
        compounds = frozenset(taken)
    return Terms(merged, compounds)


def _head(breaks: list[str]) -> re.Pattern[str]:
    if not breaks:
        return _HEAD
    words = "|".join(map(re.escape, breaks))
    return re.compile(rf"{_HEAD.pattern}|\s(?:{words})\s", re.I)
