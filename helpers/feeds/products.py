"""Feeds as data: one reader for all shops. Every row becomes a product or a rejected row
with its reason."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from helpers.feeds.fields import (
    OUT_OF_STOCK,
    parse_availability,
    parse_count,
    parse_images,
    parse_rating,
    parse_sections,
    parse_sizes,
    parse_text,
)
from helpers.feeds.files import FileFacts, read_rows
from helpers.feeds.groups import Groups, with_options
from helpers.feeds.money import Price, parse_currency, read_price
from helpers.feeds.owners import to_owners
from helpers.feeds.rows import Row
from helpers.feeds.spec import FeedError, FeedSpec, FieldName, load_spec, matches
from helpers.feeds.text import LONGEST, clean_text, is_empty, printable

PRODUCT_COLUMNS = [
    "image_key", "platform", "product_id", "title", "description", "brand", "category", "gender",
    "colour", "price",
    "list_price", "currency", "availability", "url", "rating", "n_reviews", "image_urls", "sizes",
    "style",
    "id_given", "is_variant", "images_unclaimed", "source_file", "source_row",
]  # fmt: skip
REJECT_COLUMNS = ["platform", "source_file", "source_row", "field", "value", "reason"]
_MOST_PASSED_OVER = 20

# Where a page's text has lost a line end. The first half finds a small letter, digit, "%" or ")"
# right before a capitalized word: "Notch collarButton placket". The second finds two capitals right
# before a capitalized word that a space or hyphen ends: "100% VISCOSELining in silk".
_LOST_LINE_END = re.compile(r"(?<=[a-z0-9%)])(?=[A-Z][a-z])|(?<=[A-Z]{2})(?=[A-Z][a-z]+[ -])")
_BULLET = re.compile(r"(^|[\s.])#(?=\S)")  # a # used as a bullet
_ROUNDED_ID = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]+")  # 4.05E+12

# What a variant takes from its product's row if its own lacks it
_INHERITED: frozenset[FieldName] = frozenset(
    ("title", "description", "brand", "category", "gender", "url", "style", "rating", "n_reviews")
)


@dataclass(frozen=True)
class FeedFacts(FileFacts):
    """What was seen of a file and of its rows under a YAML.

    Attributes
    ----------
    spec : FeedSpec
    missing : list of str
        Fields that the file has no column for.
    currency : str
        The YAML's currency.
    assumed : int
        Prices that name no currency, so that the YAML's is assumed.
    unknown_currencies : dict
        Signs and words beside prices that name no currency we know, and how often they stand there.
    passed_over : dict
        (field, value) of ratings, review counts and stock that can't be read, and how often.
    """

    spec: FeedSpec
    missing: list[str]
    currency: str
    assumed: int
    unknown_currencies: dict[str, int]
    passed_over: dict[tuple[str, str], int]


class FeedResult(NamedTuple):
    """What `read_feed` made of a file: `PRODUCT_COLUMNS`, `REJECT_COLUMNS`, and what was seen."""

    products: pd.DataFrame
    rejects: pd.DataFrame
    about: FeedFacts


def read_feed(
    path: str | Path,
    spec: str | Path | FeedSpec,
) -> FeedResult:
    """Products and rejects of a retailer's file; every row read is in exactly one of them.

    Parameters
    ----------
    path : CSV, JSON, JSON-lines or XML file
    spec : FeedSpec, path of a YAML, or name of a shipped one

    Returns
    -------
    products : DataFrame
        `PRODUCT_COLUMNS`, texts cleaned but not yet harmonised; `source_row` counts data rows
        from 1. `sizes` maps each size to whether it is in stock.
    rejects : DataFrame
        `REJECT_COLUMNS`; `reason` names file, row and value.
    about : FeedFacts

    Raises
    ------
    FeedError
        If the file can't be read as rows, or has no column for a required field.
    """
    spec = load_spec(spec)
    table = read_rows(path, spec.reading)
    rows = [with_options(row, spec.options) if row else row for row in table.rows]
    missing = _missing(spec, table.about, rows)
    try:
        feed = _Feed(spec, table.about.file, rows)
        rejects = [
            _reject(
                feed,
                row_number,
                "",
                value,
                why,
            )
            for row_number, value, why in table.broken
        ]
        products = list(_products(feed, rejects))
        _tell_apart(products)
    except FeedError as error:
        raise FeedError(f"{path}: {error}") from None
    most_passed_over = dict(feed.passed_over.most_common(_MOST_PASSED_OVER))
    about = FeedFacts(
        **vars(table.about),
        spec=spec,
        missing=missing,
        currency=spec.currency,
        assumed=feed.assumed,
        unknown_currencies=dict(feed.unknown_currencies),
        passed_over=most_passed_over,
    )
    return FeedResult(_product_table(products), _reject_table(rejects), about)


def _product_table(products: list[dict[str, Any]]) -> pd.DataFrame:
    """Products as a table. A product's own row comes before the rows of its variants."""
    table = pd.DataFrame(products, columns=[*PRODUCT_COLUMNS, "is_child"])
    table = table.sort_values("is_child", kind="stable", ignore_index=True)
    types = {"rating": "float64", "n_reviews": "Int64", "price": "float64", "list_price": "float64"}
    types |= {"id_given": "bool", "is_variant": "bool"}
    return table[PRODUCT_COLUMNS].astype(types)


def _reject_table(rejects: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rejects, columns=REJECT_COLUMNS)
    return table.sort_values("source_row", ignore_index=True)


def _missing(
    spec: FeedSpec,
    about: FileFacts,
    rows: list[Row | None],
) -> list[str]:
    """Fields that the file has no column for; an error if one of them is required."""
    columns = set(about.columns)
    if spec.options:
        columns |= {name for row in rows if row for name in row}
    missing = []
    for name, sources in spec.fields.items():
        has_constant = any(source.value is not None for source in sources)
        has_column = any(set(source.columns) & columns for source in sources)
        if not has_constant and not has_column:
            missing.append(str(name))
    required = spec.required if columns else ()  # an empty file lacks nothing
    for name in required:
        if name in missing or name not in spec.fields:
            wanted = [column for source in spec.fields.get(name, ()) for column in source.columns]
            raise FeedError(
                f"{about.file} has no column for {name} ({printable(', '.join(wanted))}); it has "
                f"{printable(', '.join(about.columns)[:1000])}: change `fields` in the YAML"
            )
    return sorted(missing)


class _Feed:
    """A feed's rows, and what is worked out from all of them first."""

    def __init__(
        self,
        spec: FeedSpec,
        file: str,
        rows: list[Row | None],
    ):
        self.spec = spec
        self.file = file
        self.rows = rows
        self.groups = Groups.of(rows, spec)
        self.images, self.unclaimed = _images(rows, spec)
        self.assumed = 0
        self.unknown_currencies: Counter[str] = Counter()
        self.passed_over: Counter[tuple[str, str]] = Counter()


class Problem(NamedTuple):
    """Why a row is no product: the field, its value, and the reason."""

    field: str
    value: str
    reason: str


@dataclass
class _Reading:
    """One row, its fields as given (`raw`) and cleaned (`text`), and its images."""

    row: Row
    position: int
    feed: _Feed
    images: list[str]
    raw: dict[FieldName, str] = field(default_factory=dict)
    text: dict[FieldName, str] = field(default_factory=dict)

    @property
    def spec(self) -> FeedSpec:
        """The feed's YAML."""
        return self.feed.spec

    def fill(self) -> None:
        """Read the fields; a variant takes from its product's row what it lacks."""
        head = self.feed.groups.head_row(self.position)
        for name in self.spec.fields:
            value = self.spec.first(name, self.row)
            inherits = not value and name in _INHERITED
            if inherits and head:
                value = self.spec.first(name, head)
            self.raw[name] = value
            self.text[name] = parse_text(value)


def _products(
    feed: _Feed,
    rejects: list[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Products of the rows that can be read; the others are added to `rejects`."""
    for position, row in enumerate(feed.rows):
        if row is None:  # a broken row, which `read_feed` has already rejected
            continue
        reading = _Reading(row, position, feed, feed.images[position])
        problem = _first_problem(reading)
        if problem:
            rejects.append(_reject(feed, position + 1, *problem))
        else:
            yield _product(reading)


def _reject(
    feed: _Feed,
    row_number: int,
    name: str,
    value: str,
    reason: str,
) -> dict[str, Any]:
    return {
        "platform": feed.spec.platform,
        "source_file": feed.file,
        "source_row": row_number,
        "field": name,
        "value": value[:200],
        "reason": f"{printable(feed.file)} row {row_number}: {reason}",
    }


# --- why a row is no product: each rule looks at one thing, the first that objects decides ---


def _first_problem(reading: _Reading) -> Problem | None:
    for rule in _BEFORE_FILL:
        problem = rule(reading)
        if problem:
            return problem
    reading.fill()
    for rule in _AFTER_FILL:
        problem = rule(reading)
        if problem:
            return problem
    return None


def _is_blank(reading: _Reading) -> Problem | None:
    if any(cell.strip() for cell in reading.row.values()):
        return None
    return Problem("", "", "blank row")


def _is_huge(reading: _Reading) -> Problem | None:
    for name, cell in reading.row.items():
        if len(cell) > LONGEST:
            what = f"{printable(name)} has {len(cell):,} characters, more than {LONGEST:,}"
            return Problem(name, cell, what)
    return None


def _is_left_out(reading: _Reading) -> Problem | None:
    """By the YAML's `keep`; a variant is left out with its product."""
    keep = reading.spec.keep
    if keep is None:
        return None
    column = keep.columns[0] if keep.columns else ""
    head = reading.feed.groups.head_row(reading.position)
    value = reading.row.get(column) or ""
    is_silent = head is not None and is_empty(value)
    if not is_silent and not keep.read(reading.row):
        return Problem(column, value, f"{value!r} is outside what this feed's `keep` takes")
    if head is not None and not keep.read(head):
        value = head.get(column) or ""
        return Problem(column, value, f"its product's {value!r} is outside this feed's `keep`")
    return None


def _lacks_a_field(reading: _Reading) -> Problem | None:
    for name in reading.spec.required:
        filled = reading.images if name == "images" else reading.text.get(name)
        if not filled:
            return Problem(name, "", f"no {name}")
    return None


def _is_two_products(reading: _Reading) -> Problem | None:
    if not reading.spec.same_product:
        return None
    one, other = (source.read(reading.row).strip() for source in reading.spec.same_product)
    words = re.findall(r"\w+", one.lower())
    known = set(re.findall(r"[^\W_]+", other.lower()))
    shared = sum(word in known for word in words)
    if one and other and 2 * shared < len(words):
        return Problem("title", one, f"{one[:60]!r} and {other[:60]!r} are two products")
    return None


def _has_no_price(reading: _Reading) -> Problem | None:
    if not reading.text.get("price"):
        return None
    if _price(reading):
        return None
    raw = reading.raw["price"]
    digits = re.sub(r"\D", "", raw)
    is_zero = bool(digits) and not digits.strip("0")
    return Problem("price", raw, f"price {raw[:60]!r} is {'zero' if is_zero else 'not an amount'}")


def _has_a_stand_in_price(reading: _Reading) -> Problem | None:
    """By the YAML's `max_price`: e.g. 99999 for "ask us"."""
    price = _price(reading)
    highest = reading.spec.max_price
    if price is None or price.amount <= highest:
        return None
    raw = reading.raw["price"]
    return Problem("price", raw, f"price {raw[:60]!r} is above this feed's {highest:.0f}")


def _has_a_rounded_id(reading: _Reading) -> Problem | None:
    given = reading.feed.groups.given(reading.position)
    if not _ROUNDED_ID.fullmatch(given):
        return None
    return Problem(
        "product_id",
        given,
        f"id {given!r} was rounded by a spreadsheet, several products may share it: format its "
        "column as text and export again",
    )


def _names_nothing(reading: _Reading) -> Problem | None:
    if reading.feed.groups.given(reading.position) or reading.text.get("title") or reading.images:
        return None
    return Problem("product_id", "", "no id, no title and no picture: nothing tells what it is")


_Rule = Callable[[_Reading], Problem | None]
_BEFORE_FILL: tuple[_Rule, ...] = (_is_blank, _is_huge, _is_left_out)
_AFTER_FILL: tuple[_Rule, ...] = (
    _lacks_a_field,
    _is_two_products,
    _has_no_price,
    _has_a_stand_in_price,
    _has_a_rounded_id,
    _names_nothing,
)


# --- what a row says, as a product ---


def _product(reading: _Reading) -> dict[str, Any]:
    feed = reading.feed
    text = reading.text
    groups = feed.groups
    price = _price(reading)
    availability = parse_availability(text.get("availability"))
    product: dict[str, Any] = {
        name: text.get(name, "")
        for name in ("title", "brand", "category", "gender", "colour", "style")
    }
    product |= {
        "platform": feed.spec.platform,
        "description": _description(reading),
        "price": price.amount if price else float("nan"),
        "currency": price.currency if price else "",
        "list_price": _list_price(reading, price),
        "availability": availability,
        "url": _url(reading),
        "rating": parse_rating(reading.raw.get("rating")),
        "n_reviews": parse_count(reading.raw.get("n_reviews")),
        "image_urls": reading.images,
        "sizes": _sizes(reading, availability),
        "id_given": bool(groups.slug(reading.position)),
        "is_variant": feed.spec.grouped,
        "is_child": groups.is_child(reading.position),
        "images_unclaimed": feed.unclaimed[reading.position],
        "source_file": feed.file,
        "source_row": reading.position + 1,
    }
    product["product_id"] = groups.slug(reading.position) or _content_id(product)
    product["image_key"] = f"{feed.spec.platform}/{product['product_id']}"
    _count(reading, product, price)
    return product


def _count(
    reading: _Reading,
    product: dict[str, Any],
    price: Price | None,
) -> None:
    """Count what was passed over, assumed, or not known."""
    feed = reading.feed
    for name in ("rating", "n_reviews", "availability"):
        text = reading.text.get(name)
        if text and product[name] in (None, ""):
            feed.passed_over[name, text] += 1
    if price is None:
        return
    mark, column = _currency_marks(reading)
    if not mark and not column:
        feed.assumed += 1
    elif not price.currency:
        feed.unknown_currencies[mark or column] += 1


def _currency_marks(reading: _Reading) -> tuple[str, str]:
    """What names a price's currency: the mark in its cell, and the text of the currency column."""
    mark = ""
    for raw in reading.spec.texts("price", reading.row):
        found = read_price(raw)
        if found:
            mark = found.mark
            break
    return mark, reading.text.get("currency", "")


def _price(reading: _Reading) -> Price | None:
    """What a product costs now, after the feed's discount. "0.00" is no price."""
    price = _amount_of("price", reading)
    taken_off = _discount(reading, price)
    if price is None or not taken_off:
        return price
    return Price(round(price.amount - taken_off, 2), price.currency)


def _discount(reading: _Reading, price: Price | None) -> float:
    """What the shop takes off a price, by the YAML's `discount`.

    It is 0 if the discount would leave nothing to pay.
    """
    columns = reading.spec.discount
    if columns is None or price is None:
        return 0.0
    found = read_price(reading.row.get(columns.value), price.currency)
    amount = found.amount if found else 0.0
    if reading.row.get(columns.mode, "").strip().lower().startswith("percent"):
        amount = price.amount * amount / 100
    return amount if amount < price.amount else 0.0


def _amount_of(name: FieldName, reading: _Reading) -> Price | None:
    """The first of a field's sources that holds an amount; its currency is "" if not known."""
    currency = reading.spec.currency
    column = reading.text.get("currency", "")
    if column:
        currency = parse_currency(column, currency)
    for raw in reading.spec.texts(name, reading.row):
        found = read_price(raw, currency)
        if not found:
            continue
        stands_alone = not found.currency and not found.mark
        if stands_alone:
            return Price(found.amount, currency)
        return Price(found.amount, found.currency)
    return None


def _list_price(reading: _Reading, price: Price | None) -> float:
    """What a product cost before, where that is more than it costs now."""
    name: FieldName = "price" if reading.spec.discount else "list_price"
    before = _amount_of(name, reading)
    if before is None or price is None or before.amount <= price.amount:
        return float("nan")
    return before.amount


def _description(reading: _Reading) -> str:
    sections = parse_sections(reading.raw.get("description"))
    description = " ".join(filter(None, sections.values()))
    if reading.spec.split_sentences:
        description = _LOST_LINE_END.sub(". ", description)
    return _BULLET.sub(r"\1", description).strip()


def _url(reading: _Reading) -> str:
    links = parse_images(reading.raw.get("url"))  # it reads any address, not only a picture's
    is_web = links and links[0].lower().startswith(("http://", "https://"))
    return links[0] if is_web else ""


def _sizes(
    reading: _Reading,
    availability: str,
) -> dict[str, bool]:
    """Sizes of a row; a row of one size is as much in stock as the row."""
    sizes = parse_sizes(reading.raw.get("sizes"))
    if availability and len(sizes) == 1:
        is_left = availability != OUT_OF_STOCK
        return {size: left and is_left for size, left in sizes.items()}
    return sizes


def _content_id(product: dict[str, Any]) -> str:
    """Id of a product whose feed gives none: by what it is, never by where it stands."""
    parts = [str(product[name]) for name in ("title", "brand", "category", "colour")]
    parts += product["image_urls"][:1]
    return _hashed(parts)


def _hashed(parts: list[str]) -> str:
    content = "\n".join(parts).encode("utf-8", "replace")
    return "x" + hashlib.sha1(content, usedforsecurity=False).hexdigest()[:12]


def _tell_apart(products: list[dict[str, Any]]) -> None:
    """Make ids differ where products only share a title.

    Without an id or a picture, a title doesn't identify a product: rows with another price or text
    are other products.
    """
    offers: dict[str, set[tuple[str, str]]] = {}
    unsure = [one for one in products if not one["id_given"] and not one["image_urls"]]
    for product in unsure:
        offers.setdefault(product["image_key"], set()).add(_offer(product))
    for product in unsure:
        if len(offers[product["image_key"]]) > 1:
            product["product_id"] = _hashed([product["product_id"], *_offer(product)])
            product["image_key"] = f"{product['platform']}/{product['product_id']}"


def _offer(product: dict[str, Any]) -> tuple[str, str]:
    return f"{product['price']:g} {product['currency']}", product["description"]


def _images(
    rows: list[Row | None],
    spec: FeedSpec,
) -> tuple[list[list[str]], list[int]]:
    """Image addresses of each row, and the number in it whose owner is unknown."""
    images = [_images_of(row, spec) if row else [] for row in rows]
    if spec.image_owner:
        return to_owners(rows, images, spec.image_owner)
    return images, [0] * len(rows)


def _images_of(row: Row, spec: FeedSpec) -> list[str]:
    """Addresses of all image columns, the main one first."""
    urls: dict[str, None] = {}
    for raw in spec.texts("images", row):
        if spec.image_files:
            urls[clean_text(raw)] = None
        else:
            urls |= dict.fromkeys(parse_images(raw) or _from_base(raw, spec))
    found = list(urls)
    main = spec.main_image
    if main:
        found.sort(key=lambda url: any(matches(main, url)), reverse=True)
    return found


def _from_base(raw: str, spec: FeedSpec) -> list[str]:
    """Addresses of bare file names, behind the shop's own address of pictures."""
    if not spec.image_base:
        return []
    names = filter(None, (name.strip() for name in re.split(r"[;,\n]", raw)))
    return [f"{spec.image_base.rstrip('/')}/{name.lstrip('/')}" for name in names]
