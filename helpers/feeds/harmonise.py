"""One vocabulary for all feeds; rows of one product merged."""

import re
from collections.abc import Hashable, Mapping, Sequence
from itertools import chain, product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from helpers.feeds.fields import AVAILABILITY
from helpers.feeds.products import FeedResult
from helpers.feeds.spec import FeedSpec
from helpers.feeds.vocabulary import SILENT, Terms, Vocabulary, load_vocabulary, normal

__all__ = [
    "CATALOG_COLUMNS",
    "MERGED_COLUMNS",
    "VARIANT_COLUMNS",
    "Harmonised",
    "Terms",
    "category_of",
    "colour_of",
    "gender_of",
    "harmonise",
    "load_vocabulary",
    "stacked",
    "variants",
]

CATALOG_COLUMNS = [
    "image_key", "platform", "product_id", "title", "description", "brand", "category", "gender",
    "colour", "price",
    "currency", "price_usd", "availability", "url", "rating", "n_reviews", "image_urls",
    "image_path", "image_status",
    "source_row",
]  # fmt: skip
VARIANT_COLUMNS = [
    "image_key",
    "size",
    "in_stock",
    "price",
    "list_price",
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
_AND = re.compile(r"(?<!tie)\s(?:&|and)\s", re.I)
_QUOTED = re.compile(r"[\"“”„«»][^\"“”„«»]*[\"“”„«»]|(?<!\w)['‘][^'’]*['’](?!\w)")
_SHELVES = re.compile(r"\s*(?:[>|;,]|/(?!\d)|»|→|::)\s*")  # "Clothing > T-shirts", "Women/Tops"
_NO_CATEGORY = "other"
ADULTS = ("men", "women")
_UNTOLD = {"", "other", "others"}  # columns that name no category
_NO_WORD = "unknown"
_MULTI = "multi"


class Harmonised(NamedTuple):
    """Catalogue and merged rows: each product read is in exactly one of them."""

    catalog: pd.DataFrame
    merged: pd.DataFrame


def category_of(
    title: str,
    category: str = "",
    brand: str = "",
    trusted: bool = True,
    vocabulary: Vocabulary | None = None,
) -> str:
    """A garment's category: what the shop's own column names, else the title's head noun.

    Where the column isn't `trusted`, the title comes first. The brand's name ("Pepe Jeans") names
    no garment. "other" if nothing names a thing.
    """
    vocabulary = vocabulary or load_vocabulary()
    title = _without_brand(title, brand)
    named = None
    if not trusted:
        named = _category_in_title(title, vocabulary)
        if not named:
            named = _last(_things(vocabulary, category))
        return named or _NO_CATEGORY
    if normal(category) not in _UNTOLD:
        named = _category_in_column(category, title, vocabulary)
    if not named:
        named = _category_in_title(title, vocabulary)
    return named or _NO_CATEGORY


def _without_brand(title: str, brand: str) -> str:
    if not brand:
        return title
    spaced = f" {title} ".lower()
    start = spaced.find(f" {brand.lower()} ")
    if start < 0:
        return title
    end = start + len(brand)
    return title[:start] + title[end:]


def _category_in_title(title: str, vocabulary: Vocabulary) -> str | None:
    """What the head of a title names: its last noun, or its first where nouns come first."""
    head = vocabulary.head.split(title, maxsplit=1)[0]
    first = _AND.split(head, maxsplit=1)[0]  # "Lehenga & Blouse"; "Black & Grey Bag" goes on below
    for text in (first, head):
        found = _things(vocabulary, text)
        if found:
            return found[0] if vocabulary.noun_first else found[-1]
    found = _things(vocabulary, title)
    return found[0] if found else None


def _category_in_column(
    category: str,
    title: str,
    vocabulary: Vocabulary,
) -> str | None:
    """What a shop's column names: all of it, or the last of its shelves that names anything.

    Of several names on one shelf ("Shirts & Tops") the title's counts, else the last.
    """
    whole = vocabulary.categories.exact(category)
    if whole:
        return whole
    for shelf in reversed(_SHELVES.split(category)):
        exact = vocabulary.categories.exact(shelf)
        if exact:
            return exact
        found = _things(vocabulary, shelf)
        if len(set(found)) > 1:
            by_title = _category_in_title(title, vocabulary)
            if by_title in found:
                return by_title
        if found:
            return found[-1]
    return None


def _things(vocabulary: Vocabulary, text: str) -> list[str]:
    return [label for label in vocabulary.categories.find(text) if label != SILENT]


def _last(labels: list[str]) -> str | None:
    return labels[-1] if labels else None


def colour_of(
    colour: str,
    title: str = "",
    brand: str = "",
    trusted: bool = True,
    vocabulary: Vocabulary | None = None,
) -> str:
    """A palette colour: the one that the shop's column names, else the title's.

    Of two kin that column and title name, the finer counts (olive, not green). Where the column
    isn't `trusted`, the title's " in navy" comes first. A plain word ("pink") comes before a
    shop's fancy shade ("French Orchid"). Three colours in a list, or a word like "striped" alone,
    make "multi"; "unknown" if nothing is named.
    """
    vocabulary = vocabulary or load_vocabulary()
    in_column = _Column.of(colour, brand, vocabulary)
    in_title = _Title.of(title, brand, vocabulary)
    said = in_title.after_in or in_title.named
    agreed = _agreed(said, in_column.plain, trusted, vocabulary)
    if agreed:
        return agreed
    if trusted:
        by_rank = [*in_column.plain, *in_title.after_in]
    else:
        by_rank = [*in_title.after_in, *in_column.plain]
    by_rank += [*in_column.shades, *in_title.named, _NO_WORD]
    return by_rank[0]


class _Column(NamedTuple):
    """Colours that a shop's column names: plain ones, and by fancy shades."""

    plain: list[str]
    shades: list[str]

    @classmethod
    def of(
        cls,
        colour: str,
        brand: str,
        vocabulary: Vocabulary,
    ) -> "_Column":
        text = _words_without(colour, brand)
        plain = vocabulary.colours.named(text)
        if "--" in colour:  # "copper--black": what stands first counts, be it a shade
            first = _words_without(colour.partition("--")[0], brand)
            by_shade = vocabulary.shades.named(first, but=_MULTI)
            plain = vocabulary.colours.named(first) or by_shade or plain
        # Of a whole title ("brand-men-navy--white-striped-…") the first colour is the garment's;
        # of a list no one is.
        is_prose = len(text.split()) > 4 and not re.search("[/,|+]", colour)
        if len(plain) >= 3 and not is_prose:
            plain = [_MULTI]
        shades = vocabulary.shades.named(text, but=_MULTI)
        if not shades and len(text.split()) < 3:
            shades = vocabulary.shades.named(text)
        return cls(plain, shades)


class _Title(NamedTuple):
    """Colours that a title names: anywhere, and after its last " in "."""

    named: list[str]
    after_in: list[str]

    @classmethod
    def of(
        cls,
        title: str,
        brand: str,
        vocabulary: Vocabulary,
    ) -> "_Title":
        text = _words_without(title, brand)
        named = vocabulary.colours.named(text)
        if " in " not in text:
            return cls(named, [])
        said = text.rpartition(" in ")[2].partition(" with ")[0]
        return cls(named, vocabulary.colours.named(said))


def _words_without(text: str, brand: str) -> str:
    return f" {normal(text)} ".replace(f" {normal(brand)} ", " ", 1)


def _agreed(
    said: list[str],
    found: list[str],
    trusted: bool,
    vocabulary: Vocabulary,
) -> str | None:
    """A colour that title and column both name, else the finer of two kin.

    "multi" in the column suits any two colours of the title. Of several that both name, the
    column's first counts where it is trusted.
    """
    both = [colour for colour in said if colour in found]
    if trusted:
        both = [colour for colour in found if colour in said]
    if len(said) > 1 and _MULTI in found:
        both.append(_MULTI)
    if both:
        return both[0]
    for finer, other in chain(product(said, found), product(found, said)):
        if other in vocabulary.finer.get(finer, ()):
            return finer
    return None


def gender_of(
    gender: str, title: str = "", category: str = "", vocabulary: Vocabulary | None = None
) -> str:
    """One of men, women, boys, girls, kids, unisex; "unknown" if nothing says it.

    The shop's columns come first, then what the title says outside quotation marks. But a title
    that names children is believed before a column of men and women.
    """
    vocabulary = vocabulary or load_vocabulary()
    words = normal(_QUOTED.sub(" ", title)).split()
    telling = " ".join(word for word in words if len(word) > 1 and word != "all")
    by_title = _one_gender(vocabulary.in_titles.named(telling))
    by_column = _gender_of_columns(gender, category, vocabulary)
    if by_column in ADULTS and vocabulary.over_columns.named(telling):
        return by_title
    return by_column or by_title


def _gender_of_columns(gender: str, category: str, vocabulary: Vocabulary) -> str:
    """What the shop's columns say; "" if nothing."""
    terms = vocabulary.genders
    exact = terms.exact(gender)
    if exact:
        return exact
    for named in (terms.named(gender), vocabulary.in_titles.named(category)):
        if named:
            return _one_gender(named)
    return ""


def _one_gender(named: list[str]) -> str:
    """ "Kids Girls" are girls; men and women together are everybody."""
    finer = [word for word in named if word != "kids"] or named
    if {"men", "women"} <= set(finer):
        return "unisex"
    return finer[0] if finer else _NO_WORD


def feeds_of(feeds: FeedResult | Sequence[FeedResult]) -> list[FeedResult]:
    """A list of feeds, be it one or several."""
    return [feeds] if isinstance(feeds, FeedResult) else list(feeds)


def stacked(feeds: FeedResult | Sequence[FeedResult]) -> pd.DataFrame:
    """One table of the products of one feed or of several."""
    return pd.concat([feed.products for feed in feeds_of(feeds)], ignore_index=True)


def harmonise(feeds: FeedResult | Sequence[FeedResult]) -> Harmonised:
    """Catalogue and merged duplicates of several feeds: every product is in exactly one of them.

    Parameters
    ----------
    feeds : FeedResult or list of FeedResult
        As `read_feed` returns them. The first row of a product wins; later ones fill what it lacks.

    Returns
    -------
    catalog : DataFrame
        `CATALOG_COLUMNS`, sorted by the unique `image_key`. `availability` is the best of a
        product's rows. `image_status` is "pending", "no_url", or "unclaimed" where the feed's row
        held only images that no product could be found for.
    merged : DataFrame
        `MERGED_COLUMNS`; `reason` names both rows and why they are one product.
    """
    rows = pd.concat([_in_one_vocabulary(feed) for feed in feeds_of(feeds)], ignore_index=True)
    rows["merged_into"] = _canonical_keys(rows)
    again = rows["merged_into"].duplicated()
    catalog = _fill(rows, again)
    rates = catalog["currency"].map(load_vocabulary().usd).astype(float)
    catalog["price_usd"] = (catalog["price"] * rates).round(2)
    catalog["image_path"] = ""
    catalog["image_status"] = _image_status(catalog)
    merged = rows[again].copy()
    merged["reason"] = pd.Series(
        list(_merge_reasons(rows, merged)),
        index=merged.index,
        dtype=str,
    )
    catalog = catalog[CATALOG_COLUMNS].sort_values("image_key", ignore_index=True)
    return Harmonised(catalog, merged[MERGED_COLUMNS].reset_index(drop=True))


def _in_one_vocabulary(feed: FeedResult) -> pd.DataFrame:
    """A feed's products with the words of the vocabulary for category, colour and gender."""
    spec: FeedSpec = feed.about.spec
    words = load_vocabulary(spec.vocabulary)
    rows = feed.products.copy()
    titles = rows["title"]
    rows["gender"] = [
        gender_of(gender, title, category, words)
        for gender, title, category in zip(
            rows["gender"],
            titles,
            rows["category"],
            strict=True,
        )
    ]
    rows["colour"] = [
        colour_of(colour, title, brand, spec.trust_colour, words)
        for colour, title, brand in zip(
            rows["colour"],
            titles,
            rows["brand"],
            strict=True,
        )
    ]
    rows["category"] = [
        category_of(title, category, brand, spec.trust_category, words)
        for title, category, brand in zip(
            titles,
            rows["category"],
            rows["brand"],
            strict=True,
        )
    ]
    return rows


def _image_status(catalog: pd.DataFrame) -> np.ndarray:
    has_urls = catalog["image_urls"].str.len() > 0
    without = np.where(catalog["images_unclaimed"] > 0, "unclaimed", "no_url")
    return np.where(has_urls, "pending", without)


def variants(
    feeds: FeedResult | Sequence[FeedResult],
    merged: pd.DataFrame,
) -> pd.DataFrame:
    """Every size that a feed names of a product, with its stock and offer.

    Parameters
    ----------
    feeds : FeedResult or list of FeedResult
        As `read_feed` returns them; a feed may give a row a size.
    merged : DataFrame
        As `harmonise` returns it.

    Returns
    -------
    DataFrame
        `VARIANT_COLUMNS`, sorted by the catalogue's `image_key`. Of two rows for one size the
        later counts; of two variants (a red S and a blue S), the one in stock.
    """
    rows = stacked(feeds)
    canonical = dict(zip(merged["image_key"], merged["merged_into"], strict=True))
    rows["image_key"] = rows["image_key"].replace(canonical)
    rows["size"] = rows["sizes"].map(list)
    rows["is_list"] = rows["size"].str.len() > 1
    rows = rows.explode("size", ignore_index=True).dropna(subset="size")
    rows["in_stock"] = [
        sizes[size]
        for sizes, size in zip(
            rows["sizes"],
            rows["size"],
            strict=True,
        )
    ]
    # Of the rows for one size the last counts: first what products list, then what variants have,
    # last the variants in stock.
    is_own_row = rows["is_variant"] & ~rows["is_list"]
    is_there = is_own_row & rows["in_stock"]
    rows["weight"] = is_own_row.astype(int) + is_there.astype(int)
    by_weight = rows.sort_values("weight", kind="stable")
    best = by_weight.drop_duplicates(["image_key", "size"], keep="last")
    best = best.sort_index().sort_values("image_key", kind="stable")
    return best[VARIANT_COLUMNS].reset_index(drop=True)


def _canonical_keys(rows: pd.DataFrame) -> pd.Series:
    """The key each row goes under: its own, or that of a twin where the shop gives it no id.

    Two ids that a shop gives are two products. Twins have the same title, brand, colour, price
    and first image, none of title, price and image missing.
    """
    first_image = rows["image_urls"].map(lambda urls: urls[0] if urls else "")
    title = rows["title"].map(normal)
    is_telling = (title != "") & (first_image != "") & rows["price"].notna()
    twins = pd.Series(
        list(
            zip(
                rows["platform"],
                title,
                rows["brand"].map(normal),
                rows["colour"],
                rows["price"],
                first_image,
                strict=True,
            )
        ),
        index=rows.index,
        dtype=object,
    )
    by_trust = rows.assign(twin=twins)[is_telling].sort_values(
        "id_given", ascending=False, kind="stable"
    )
    first_key = by_trust.drop_duplicates("twin").set_index("twin")["image_key"]
    movable = is_telling & ~rows["id_given"].astype(bool)
    keys = rows["image_key"].copy()
    keys[movable] = [first_key[twin] for twin in twins[movable]]
    return _settled(rows["image_key"], keys)


def _settled(
    own: pd.Series,
    keys: pd.Series,
) -> pd.Series:
    """Keys under which all rows of one key stay together, however long the chain of twins."""
    while True:
        target = dict(zip(own, keys, strict=True))
        further = keys.map(target)
        if further.equals(keys):
            return keys
        keys = further


def _fill(
    rows: pd.DataFrame,
    again: pd.Series,
) -> pd.DataFrame:
    """First row of each product, its gaps filled from its later rows, and the images of all."""
    is_repeated = rows["merged_into"].isin(rows.loc[again, "merged_into"])
    repeated = rows[is_repeated].replace({"": None, _NO_WORD: None})
    groups = repeated.groupby("merged_into", sort=False)
    filled = groups.first().reset_index()
    filled["image_urls"] = groups["image_urls"].agg(_united).array
    filled["availability"] = groups["availability"].agg(_best_availability).array
    filled["image_key"] = filled["merged_into"]
    for name in ("title", "description", "brand", "category", "currency", "availability", "url"):
        filled[name] = filled[name].fillna("").astype(str)
    for name in ("colour", "gender"):
        filled[name] = filled[name].fillna(_NO_WORD).astype(str)
    return pd.concat([rows[~is_repeated], filled], ignore_index=True)


def _united(lists: pd.Series) -> list[str]:
    return list(dict.fromkeys(chain(*lists)))


def _best_availability(states: pd.Series) -> str:
    known = [state for state in states if state]
    return min(known, key=AVAILABILITY.index) if known else ""


def _merge_reasons(rows: pd.DataFrame, merged: pd.DataFrame) -> list[str]:
    """Which row each merged one joined, and what they have in common."""
    first = rows.drop_duplicates("merged_into")
    kept_of = dict(zip(first["merged_into"], first.to_dict("records"), strict=True))
    reasons = []
    for row in merged.to_dict("records"):
        kept = kept_of[row["merged_into"]]
        is_same_id = row["image_key"] == row["merged_into"]
        what = "same id" if is_same_id else "same title, brand, colour, price and image"
        if normal(row["title"]) != normal(kept["title"]):
            what += ", another title"
        reasons.append(f"{_place(row)}: {what} as {_place(kept)}")
    return reasons


def _place(row: Mapping[Hashable, Any]) -> str:
    return f"{row['source_file']} row {row['source_row']}"
