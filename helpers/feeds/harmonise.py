"""One vocabulary for all feeds; duplicates merged."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import chain, product
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from helpers.artefacts import ROOT

CATALOG_COLUMNS = [
    "image_key", "platform", "product_id", "title", "description", "brand", "category", "gender", "colour", "price",
    "currency", "price_usd", "rating", "n_reviews", "image_urls", "image_path", "image_status", "source_row",
]  # fmt: skip
VARIANT_COLUMNS = [
    "image_key",
    "size",
    "in_stock",
    "price",
    "currency",
    "source_file",
    "source_row",
]
MERGED_COLUMNS = [
    "image_key",
    "merged_into",
    "platform",
    "source_file",
    "source_row",
    "title",
    "reason",
]
_BREAKS = re.compile(r"[\W_]+")
# what follows these says what a garment has or is for, not what it is
_HEAD = re.compile(
    r"\s(?:in|with|for|by|from|made|featuring|and matching)\s|\s[-–]\s|[|(,:]|\sw/", re.I
)
_AND = re.compile(r"(?<!tie)\s(?:&|and)\s", re.I)


def _normal(text: str) -> str:
    """Lower case words between single spaces, apostrophes dropped."""
    return _BREAKS.sub(" ", text.lower().replace("'", "").replace("’", "")).strip()


class Terms:
    """Finds the terms of `{"jackets": ["denim jacket", …], …}` in texts: the longest wins, a plural s is optional."""

    def __init__(self, section: dict[str, list[str]]):
        self.labels = list(section)
        terms = {
            _normal(term): label for label, terms in section.items() for term in [label, *terms]
        }
        self._label = {
            term + ending: label for ending in ("es", "s", "") for term, label in terms.items()
        }
        self._longest = max(len(term.split()) for term in terms)

    def exact(self, text: str) -> str | None:
        """Label of a text that is nothing but one term."""
        label = self._label.get(_normal(text))
        return label if label != "-" else None

    def find(self, text: str) -> list[str]:
        """Labels of all terms in a text, in order."""
        words, found, at = _normal(text).split(), [], 0
        while at < len(words):
            for end in range(min(at + self._longest, len(words)), at, -1):
                label = self._label.get(" ".join(words[at:end]))
                if label:
                    found.append(label)
                    break
            at = end if label else at + 1
        return found

    def named(self, text: str, but: str = "-") -> list[str]:
        """Labels found, each once, without `but` and "-": the phrases that name nothing."""
        return [label for label in dict.fromkeys(self.find(text)) if label not in ("-", but)]


@dataclass(frozen=True)
class Vocabulary:
    """The words of data/vocabulary.yaml, ready to search, and its table of dollars for a unit of each currency."""

    categories: Terms
    colours: Terms
    shades: Terms
    genders: Terms
    patterns: Terms
    styles: Terms
    finer: dict[str, list[str]]
    usd: dict[str, float]
    date: str


@cache
def load_vocabulary(path: Path = ROOT / "data" / "vocabulary.yaml") -> Vocabulary:
    """Vocabulary of a YAML file with the sections of data/vocabulary.yaml."""
    loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    rates = loaded["rates"]
    sections = [
        loaded[name]
        for name in ("categories", "colours", "shades", "genders", "patterns", "styles")
    ]
    return Vocabulary(*map(Terms, sections), loaded["finer"], rates["usd"], str(rates["date"]))


def category_of(
    title: str, category: str = "", description: str = "", trusted: bool = False, brand: str = ""
) -> str:
    """A garment's category: the title's head noun, else looser signs; the shop's own word first if it is `trusted`.

    The brand's name ("Pepe Jeans") names no garment. "other" if nothing names a thing.
    """
    terms = load_vocabulary().categories
    own = terms.exact(category)
    if trusted and own:
        return own
    if brand and (at := f" {title} ".lower().find(f" {brand.lower()} ")) >= 0:
        title = title[:at] + title[at + len(brand) :]
    head = _HEAD.split(title, maxsplit=1)[0]
    first = _AND.split(head, maxsplit=1)[
        0
    ]  # "Lehenga & Blouse"; but "Black & Grey Bag" goes on below
    for text, place in ((first, -1), (head, -1), (title, 0), (category, -1), (description, 0)):
        found = [label for label in terms.find(text) if label != "-"]
        if found:
            return found[place]
    return "other"


def colour_of(colour: str, title: str = "", brand: str = "") -> str:
    """A palette colour: the one that `colour` names, and the title after " in ", the brand's name apart.

    If those differ, the finer of two kin counts (olive, not green), else the title's. A plain word ("in pink") comes
    before a shop's fancy shade ("French Orchid"). Three colours in a list, or a word like "striped" alone, make
    "multi"; "unknown" if nothing is named.
    """
    vocabulary, name = load_vocabulary(), f" {_normal(brand)} "
    text, title = (f" {_normal(words)} ".replace(name, " ", 1) for words in (colour, title))
    # of a whole title ("brand-men-navy--white-striped-…") the first colour is the garment's; a list is multi
    prose = len(text.split()) > 4 and not re.search("[/,|+]", colour)
    found, shades = vocabulary.colours.named(text), vocabulary.shades.named(text)
    if "--" in colour:  # "copper--black": what stands first counts, be it a shade
        first = f" {_normal(colour.partition('--')[0])} ".replace(name, " ", 1)
        found = (
            vocabulary.colours.named(first) or vocabulary.shades.named(first, but="multi") or found
        )
    if found and not prose:
        found = found if len(found) < 3 else ["multi"]
    shades = vocabulary.shades.named(text, but="multi") or (shades if len(text.split()) < 3 else [])
    named = vocabulary.colours.named(title)
    said = (
        vocabulary.colours.named(title.rpartition(" in ")[2].partition(" with ")[0])
        if " in " in title
        else []
    )
    return _agreed(said or named, found) or [*said, *found, *shades, *named, "unknown"][0]


def _agreed(said: list[str], found: list[str]) -> str | None:
    """A colour that both name, else the finer of two kin; "multi" suits any two."""
    finer, many = load_vocabulary().finer, ["multi"] * (len(said) > 1)
    both = [one for one in [*said, *many] if one in found]
    kin = [
        one
        for one, other in chain(product(said, found), product(found, said))
        if other in finer.get(one, ())
    ]
    return next(iter(both + kin), None)


def gender_of(gender: str, title: str = "") -> str:
    """One of men, women, boys, girls, kids, unisex; "unknown" if neither the feed nor the title says."""
    terms = load_vocabulary().genders
    words = [word for word in _normal(title).split() if len(word) > 1 and word != "all"]
    named = terms.named(" ".join(words))
    named = [word for word in named if word != "kids"] or named  # "Kids Girls": girls
    from_title = "unisex" if {"men", "women"} <= set(named) else (named or ["unknown"])[0]
    return terms.exact(gender) or (terms.named(gender) or [from_title])[0]


def stacked(products) -> pd.DataFrame:
    """One table of the products of one feed or of several."""
    return pd.concat(
        [products] if isinstance(products, pd.DataFrame) else list(products), ignore_index=True
    )


def harmonise(products) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Catalogue and merged duplicates of the products of several feeds: every product is in exactly one of them.

    Parameters
    ----------
    products : DataFrame or list of DataFrame
        As `read_feed` returns them. The first row of a product wins; later ones fill what it lacks.

    Returns
    -------
    catalog : DataFrame
        `CATALOG_COLUMNS`, sorted by the unique `image_key`. `image_status` is "pending", "no_url", or "unclaimed"
        where the feed's row held only images that no product could be found for.
    merged : DataFrame
        `MERGED_COLUMNS`.
    """
    rows = stacked(products)
    columns = {
        "category": (category_of, ["title", "category", "description", "trust_category", "brand"]),
        "colour": (colour_of, ["colour", "title", "brand"]),
        "gender": (gender_of, ["gender", "title"]),
    }
    for name, (rule, given) in columns.items():
        rows[name] = [rule(*values) for values in zip(*(rows[c] for c in given), strict=True)]
    rows["price_usd"] = (
        rows["price"] * rows["currency"].map(load_vocabulary().usd).astype(float)
    ).round(2)
    rows["merged_into"] = _canonical_keys(rows)
    again = rows["merged_into"].duplicated()
    catalog = _fill(rows, again)
    catalog["image_path"] = ""
    has_urls, unclaimed = catalog["image_urls"].str.len() > 0, catalog["images_unclaimed"] > 0
    catalog["image_status"] = np.where(
        has_urls, "pending", np.where(unclaimed, "unclaimed", "no_url")
    )
    merged = rows[again].copy()
    merged["reason"] = pd.Series(_merge_reasons(rows, merged), index=merged.index, dtype=str)
    catalog = catalog[CATALOG_COLUMNS].sort_values("image_key", ignore_index=True)
    return catalog, merged[MERGED_COLUMNS].reset_index(drop=True)


def variants(products, merged: pd.DataFrame) -> pd.DataFrame:
    """Every size that a feed names of a product, with its stock and offer: what the catalogue's row has no place for.

    Parameters
    ----------
    products : DataFrame or list of DataFrame
        As `read_feed` returns them; a feed may give a row a size.
    merged : DataFrame
        As `harmonise` returns it.

    Returns
    -------
    DataFrame
        `VARIANT_COLUMNS`, sorted by the catalogue's `image_key`; the later of two rows for one size counts.
    """
    rows = stacked(products)
    rows["image_key"] = rows["image_key"].replace(
        dict(zip(merged["image_key"], merged["merged_into"], strict=True))
    )
    rows["size"] = rows["sizes"].map(list)
    rows = rows.explode("size", ignore_index=True).dropna(subset="size")
    rows["in_stock"] = [
        sizes[size] for sizes, size in zip(rows["sizes"], rows["size"], strict=True)
    ]
    rows = rows.drop_duplicates(["image_key", "size"], keep="last").sort_values(
        "image_key", kind="stable"
    )
    return rows[VARIANT_COLUMNS].reset_index(drop=True)


def _canonical_keys(rows: pd.DataFrame) -> pd.Series:
    """The key each row goes under: its own, or an earlier product's of the same shop that looks and reads the same."""
    first_image = rows["image_urls"].map(lambda urls: urls[0] if urls else "")
    texts = [rows[name].map(_normal) for name in ("title", "brand")]
    twins = list(
        zip(
            rows["platform"],
            *texts,
            rows["colour"],
            rows["price"].fillna(-1),
            first_image,
            strict=True,
        )
    )
    first_key = dict(zip(twins[::-1], rows["image_key"][::-1], strict=True))
    keys = [
        first_key[twin] if twin[-1] else key
        for twin, key in zip(twins, rows["image_key"], strict=True)
    ]
    keys = pd.Series(keys, dtype=rows["image_key"].dtype)
    while not keys.equals(
        once := keys.map(dict(zip(rows["image_key"], keys, strict=True)))
    ):  # twins of twins
        keys = once
    return keys


def _fill(rows: pd.DataFrame, again: pd.Series) -> pd.DataFrame:
    """First row of each product, its gaps filled from its later rows, and the images of all."""
    twice = rows["merged_into"].isin(rows.loc[again, "merged_into"])
    group = rows[twice].replace({"": None, "unknown": None}).groupby("merged_into", sort=False)
    filled = group.first().reset_index()
    filled["image_urls"] = (
        group["image_urls"].agg(lambda lists: list(dict.fromkeys(chain(*lists)))).array
    )
    filled["image_key"] = filled["merged_into"]
    words = ["title", "description", "brand", "category", "currency"]
    filled[words] = filled[words].fillna("").astype(str)
    filled[["colour", "gender"]] = filled[["colour", "gender"]].fillna("unknown").astype(str)
    return pd.concat([rows[~twice], filled], ignore_index=True)


def _merge_reasons(rows: pd.DataFrame, merged: pd.DataFrame) -> list[str]:
    first = rows.drop_duplicates("merged_into").set_index("merged_into")
    reasons = []
    for row in merged.itertuples():
        kept = first.loc[row.merged_into]
        what = (
            "same id"
            if row.image_key == row.merged_into
            else "same title, brand, colour, price and image"
        )
        what += "" if _normal(row.title) == _normal(kept["title"]) else ", another title"
        place = f"{kept['source_file']} row {kept['source_row']}"
        reasons.append(f"{row.source_file} row {row.source_row}: {what} as {place}")
    return reasons
