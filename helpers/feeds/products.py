"""Feeds as data: one reader for all retailers; every row read becomes a product or a reject that says why."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from helpers.feeds import fields
from helpers.feeds.fields import (
    EMPTY,
    clean_text,
    parse_count,
    parse_images,
    parse_price,
    parse_rating,
    parse_sections,
    parse_sizes,
)
from helpers.feeds.files import read_rows
from helpers.feeds.spec import FeedError, FeedSpec, Owner, load_spec

PRODUCT_COLUMNS = [
    "image_key", "platform", "product_id", "title", "description", "brand", "category", "gender", "colour", "price",
    "currency", "rating", "n_reviews", "image_urls", "sizes", "style", "trust_category",
    "images_unclaimed", "source_file", "source_row",
]  # fmt: skip
REJECT_COLUMNS = ["platform", "source_file", "source_row", "field", "value", "reason"]


def read_feed(path: str | Path, spec) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Products and rejects of a retailer's file; every row read is in exactly one of them.

    Parameters
    ----------
    path : CSV, JSON or JSON-lines file
    spec : FeedSpec, path of a YAML, or name of a shipped one

    Returns
    -------
    products : DataFrame
        `PRODUCT_COLUMNS`, texts cleaned but not yet harmonised; `source_row` counts data rows from 1.
        `sizes` maps each size to whether it is in stock. `attrs["read"]` tells file, encoding, separator, rows read,
        columns not found, values passed over, and how many prices name no currency, so that the YAML's is assumed.
    rejects : DataFrame
        `REJECT_COLUMNS`; `reason` names file, row and value.
    """
    spec = load_spec(spec)
    rows, broken, about = read_rows(
        path, spec.format, spec.encoding, spec.separator, spec.extra_cells
    )
    missing = _missing(spec, about)
    images, unclaimed = _images(rows, spec)
    passed: Counter = Counter()
    products, rejects = (
        [],
        [_reject(spec, about, row, "", value, reason) for row, value, reason in broken],
    )
    for position, row in enumerate(rows):
        if row is None:
            continue
        product, problem = _product(row, spec, images[position], passed)
        if problem:
            rejects.append(_reject(spec, about, position + 1, *problem))
        else:
            place = {
                "images_unclaimed": unclaimed[position],
                "source_file": about["file"],
                "source_row": position + 1,
            }
            products.append(product | place)
    products = pd.DataFrame(products, columns=PRODUCT_COLUMNS).astype(
        {"rating": "float64", "n_reviews": "Int64"}
    )
    assumed = {"currency": spec.currency, "assumed": passed.pop("currency assumed", 0)}
    products.attrs["read"] = (
        about | assumed | {"missing": missing, "passed_over": dict(passed.most_common(20))}
    )
    rejects = pd.DataFrame(rejects, columns=REJECT_COLUMNS).sort_values(
        "source_row", ignore_index=True
    )
    return products, rejects


def _missing(spec: FeedSpec, about: dict) -> list[str]:
    """Fields that the file has no column for; an error if one of them is required."""
    columns = about["columns"]
    missing = [
        field
        for field, sources in spec.fields.items()
        if not any(
            source.value is not None or set(source.columns) & set(columns) for source in sources
        )
    ]
    for field in spec.required if columns else ():
        if field in missing or field not in spec.fields:
            wanted = [name for source in spec.fields.get(field, ()) for name in source.columns]
            raise FeedError(
                f"{about['file']} has no column for {field} ({', '.join(wanted)}); it has "
                f"{', '.join(columns)[:1000]}: change `fields` in the YAML"
            )
    return sorted(missing)


def _reject(spec, about, row, field, value, reason) -> dict:
    where = f"{about['file']} row {row}: {reason}"
    return dict(
        zip(
            REJECT_COLUMNS,
            (spec.platform, about["file"], row, field, value[:200], where),
            strict=True,
        )
    )


def _first(spec: FeedSpec, field: str, row: dict[str, str]) -> str:
    """Raw text of the first source of a field that holds anything."""
    return next(
        (
            text
            for source in spec.fields.get(field, ())
            if (text := source.read(row)).strip().lower() not in EMPTY
        ),
        "",
    )


def _product(row: dict[str, str], spec: FeedSpec, images: list[str], passed: Counter):
    """One row's product, or None and what is wrong as (field, value, reason)."""
    if not any(cell.strip() for cell in row.values()):
        return None, ("", "", "blank row")
    if huge := next((name for name, cell in row.items() if len(cell) > fields.LONGEST), None):
        return None, (
            huge,
            row[huge],
            f"{huge} has {len(row[huge]):,} characters, more than {fields.LONGEST:,}",
        )
    raw = {field: _first(spec, field, row) for field in spec.fields}
    text = {field: clean_text(value) for field, value in raw.items()}
    if spec.keep and not spec.keep.read(row):
        value = row.get(spec.keep.columns[0]) or ""
        return None, (
            spec.keep.columns[0],
            value,
            f"{value!r} is outside what this feed's `keep` takes",
        )
    for field in spec.required:
        if not (images if field == "images" else text.get(field)):
            return None, (field, "", f"no {field}")
    if spec.same_product:
        one, other = (source.read(row).strip() for source in spec.same_product)
        words, shared = re.findall(r"\w+", one.lower()), re.findall(r"[^\W_]+", other.lower())
        if one and other and 2 * sum(word in shared for word in words) < len(words):
            return None, ("title", one, f"{one[:60]!r} and {other[:60]!r} are two products")
    price = parse_price(raw.get("price"), text.get("currency", "").upper() or spec.currency)
    if text.get("price") and price is None:
        return None, ("price", raw["price"], f"price {raw['price'][:60]!r} is not an amount")
    if price and price.amount > spec.max_price:
        return None, (
            "price",
            raw["price"],
            f"price {raw['price'][:60]!r} is above this feed's {spec.max_price:.0f}",
        )
    if price and not (text.get("currency") or (parse_price(raw["price"]) or price).currency):
        passed["currency assumed"] += 1
    counts = {
        "rating": parse_rating(raw.get("rating")),
        "n_reviews": parse_count(raw.get("n_reviews")),
    }
    passed.update(
        (field, text[field]) for field, value in counts.items() if text.get(field) and value is None
    )
    sections = parse_sections(raw.get("description"))
    description = " ".join(part for part in sections.values() if part)
    if spec.split_sentences:  # "Notch collarButton placket", as page texts lose their line ends
        description = re.sub(
            r"(?<=[a-z0-9%)])(?=[A-Z][a-z])|(?<=[A-Z]{2})(?=[A-Z][a-z]+[ -])", ". ", description
        )
    product = {
        name: text.get(name, "")
        for name in ("title", "brand", "category", "gender", "colour", "style")
    }
    product |= counts | {
        "platform": spec.platform,
        "image_urls": images,
        "sizes": parse_sizes(raw.get("sizes")),
    }
    product["trust_category"] = spec.trust_category
    product |= {"description": re.sub(r"(^|[\s.])#(?=\S)", r"\1", description).strip()}
    product |= {
        "price": price.amount if price else float("nan"),
        "currency": price.currency if price else "",
    }
    product["product_id"] = _slug(text.get("product_id", "")) or _content_id(product)
    product["image_key"] = f"{spec.platform}/{product['product_id']}"
    return product, None


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", re.sub(r"^(\d+)\.0+$", r"\1", text)).strip("-._")


def _content_id(product: dict) -> str:
    """Id of a product whose feed gives none: by what it is, never by where it stands."""
    parts = [str(product[name]) for name in ("title", "brand", "category", "colour")] + product[
        "image_urls"
    ][:1]
    return "x" + hashlib.sha1("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:12]


def _images(rows: list, spec: FeedSpec) -> tuple[list[list[str]], list[int]]:
    """Image addresses of each row, and how many addresses in it belong to nobody that can be told."""
    images: list[list[str]] = []
    for row in rows:
        raw = _first(spec, "images", row) if row else ""
        urls = [raw] if spec.image_files and raw else parse_images(raw)
        if spec.main_image:
            urls.sort(key=lambda url: not re.search(spec.main_image, url))
        images.append(urls)
    return (
        _to_owners(rows, images, spec.image_owner)
        if spec.image_owner
        else (images, [0] * len(rows))
    )


def _to_owners(
    rows: list, images: list[list[str]], owner: Owner
) -> tuple[list[list[str]], list[int]]:
    """Move each image to the row whose product it shows.

    An id inside the address decides. An address without one moves as its neighbours did, if the nearest ones on
    both sides (within an unbroken run of rows with images) agree; otherwise it is given to nobody.
    """
    rows_of: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        if row and (product := owner.product.read(row)):
            rows_of.setdefault(product, []).append(position)
    ids = [[next(iter(re.findall(owner.image, url)), "") for url in urls] for urls in images]
    near = [
        {
            name: min(rows_of[name], key=lambda p: (abs(p - at), -p))
            for name in names
            if name in rows_of
        }
        for at, names in enumerate(ids)
    ]
    shift = {at: min(found.values()) - at for at, found in enumerate(near) if found}
    mended, unclaimed = [[] for _ in rows], [0] * len(rows)
    for at, urls in enumerate(images):
        for url, name in zip(urls, ids[at], strict=True):
            steps = set() if name else _neighbours(at, images, shift)
            target = at + steps.pop() if len(steps) == 1 else near[at].get(name, -1)
            if not 0 <= target < len(rows) or rows[target] is None:
                unclaimed[at] += 1
            elif url not in mended[target]:
                mended[target].append(url)
    return mended, unclaimed


def _neighbours(at: int, images: list[list[str]], shift: dict[int, int]) -> set[int]:
    """Shifts of the nearest images of known owner before and after row `at` in its run of rows with images."""
    found = set()
    for step in (-1, 1):
        place = at + step
        while 0 <= place < len(images) and images[place] and place not in shift:
            place += step
        if 0 <= place < len(images) and images[place]:
            found.add(shift[place])
    return found
