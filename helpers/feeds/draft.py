"""An unknown shop's file: a first YAML drafted from its columns, and what a YAML would make of a file."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from helpers.feeds.fields import LONGEST, clean_text, parse_images, parse_price, parse_rating
from helpers.feeds.files import read_rows
from helpers.feeds.harmonise import harmonise, load_vocabulary
from helpers.feeds.products import read_feed
from helpers.feeds.quality import FIELDS, completeness, rejects_by_reason
from helpers.feeds.spec import FeedError

# What shops call their columns; the values decide between those, and where no name is known.
NAMES = {
    "title": r"title|name",
    "price": r"price|amount|cost",
    "images": r"image|img|photo|thumb|picture",
    "product_id": r"\bid\b|_id|sku|article|productid|code",
    "description": r"desc|detail|summary|about",
    "brand": r"brand|vendor|manufacturer",
    "category": r"category|type|terms|section",
    "gender": r"gender|sex|group|department",
    "colour": r"colou?r",
    "rating": r"rating|stars",
    "n_reviews": r"review|ratings|votes",
    "sizes": r"^sizes?$",
    "currency": r"currency",
}
_NOT = {
    "title": r"brand|file|user|categ|colou?r|collection|id\b",
    "price": r"actual|original|list|old|mrp|was|discount",
    "product_id": r"image|img",
    "rating": r"review|count|no_of|num",
    "images": r"num|count|alt",
}  # fmt: skip


@dataclass(frozen=True)
class FeedReport:
    """What a YAML makes of a file; `print` shows it.

    Attributes
    ----------
    about : dict
        File, encoding, separator, columns, rows read, fields whose column is missing, values passed over, and how many
        prices were `assumed` to be in the YAML's `currency`; currencies with `no_rate` in dollars.
    counts : dict
        Rows read, accepted, rejected, merged.
    filled : Series
        Share of products that have each field.
    rejects : DataFrame
        `source_file, reason, rows, example`.
    examples : DataFrame
        The first products, harmonised.
    """

    about: dict
    counts: dict
    filled: pd.Series
    rejects: pd.DataFrame
    examples: pd.DataFrame

    def __str__(self) -> str:
        about, counts = self.about, ", ".join(f"{name} {n}" for name, n in self.counts.items())
        lines = [
            f"{about['file']}: {about['encoding']}, separator {about['separator']!r}",
            f"rows: {counts}",
        ]
        if about["unreadable"]:
            lines.append(
                f"{about['unreadable']} characters can't be read as {about['encoding']}: � stands for them"
            )
        lines += [f"no column for {field}" for field in about["missing"]]
        if about["assumed"]:
            lines.append(
                f"{about['assumed']} prices name no currency: {about['currency'] or 'none'} assumed"
            )
        lines += [
            f"no rate for {n} in data/vocabulary.yaml: its prices have no price_usd"
            for n in about["no_rate"]
        ]
        lines += [
            f"{field} {value!r} passed over in {n} rows"
            for (field, value), n in about["passed_over"].items()
        ]
        lines += [
            f"{row.rows} rejected: {row.reason}   ({row.example})"
            for row in self.rejects.itertuples()
        ]
        lines.append(
            "filled: " + ", ".join(f"{name} {share:.0%}" for name, share in self.filled.items())
        )
        for row in self.examples.to_dict("records"):
            lines += ["", *(f"  {name:12}{str(value)[:100]}" for name, value in row.items())]
        return "\n".join(lines)


def check_feed(spec, path: str | Path, examples: int = 3) -> FeedReport:
    """What a YAML makes of a file, without writing anything; raises `FeedError` where either can't be used."""
    products, rejects = read_feed(path, spec)
    catalog, merged = harmonise(products)
    counts = {"read": products.attrs["read"]["read"], "accepted": len(catalog)}
    counts |= {"rejected": len(rejects), "merged": len(merged)}
    filled = completeness(catalog).set_index("field")["share"]
    shown = ["image_key", *FIELDS, "currency", "price"]
    first = catalog.sort_values("source_row")[shown].head(examples).reset_index(drop=True)
    about = products.attrs["read"] | {
        "no_rate": sorted(set(catalog["currency"]) - {"", *load_vocabulary().usd})
    }
    return FeedReport(about, counts, filled, rejects_by_reason(rejects), first)


def draft_spec(path: str | Path) -> str:
    """A first YAML for an unknown file, by the names and the first 300 values of its columns.

    Every guess is a line that can be changed; the header says what was seen. `course feed check` shows what it gives.
    Raises `FeedError` where no row can be read.
    """
    rows, broken, about = read_rows(path)
    if broken and len(broken) == len(rows):
        raise FeedError(
            f"{about['file']}: none of {len(rows)} rows can be read, row 1: {broken[0][2]}. Mend the file"
        )
    rows = [row for row in rows if row and any(cell.strip() for cell in row.values())][:300]
    seen = {name: [(row.get(name) or "")[:LONGEST] for row in rows] for name in about["columns"]}
    values = {name: [value for value in column if value.strip()] for name, column in seen.items()}
    chosen, free = {}, [name for name in values if values[name]]
    for field in NAMES:
        ranked = sorted(free, key=lambda name: -_score(field, name, values[name], len(rows)))
        if ranked and _score(field, ranked[0], values[ranked[0]], len(rows)) >= 1.0:
            chosen[field] = ranked[0]
            free.remove(ranked[0])
    if "title" not in chosen:  # no feed can do without: the likeliest is better than none
        likely = max(
            free, key=lambda name: _score("title", name, values[name], len(rows)), default="title"
        )
        chosen["title"] = chosen.pop("description", likely)
    spec = {"platform": re.sub(r"[^a-z0-9]+", "_", Path(path).stem.lower()).strip("_") or "shop"}
    spec["separator"] = about["separator"] if len(about["separator"]) == 1 else "auto"
    spec["encoding"] = about["encoding"]
    spec["currency"] = _currency(values.get(chosen.get("price"), []))
    spec["fields"] = chosen
    head = f"# Drafted from {about['file']}: {about['read']} rows, {len(broken)} unreadable. Check each line."
    head += f"\n# Row {broken[0][0]}: {broken[0][2]}" if broken else ""
    notes = [f"# not used: {name}" for name in about["columns"] if name not in chosen.values()]
    body = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)
    return "\n".join([head, *notes, body])


def _score(field: str, name: str, values: list[str], rows: int) -> float:
    """How well a column serves a field: 1 for its name, up to 2 for its values; below 0 if they speak against it."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().replace("_", " ")
    named = 1.0 if re.search(NAMES[field], words) or re.search(NAMES[field], name.lower()) else 0.0
    if field in _NOT and re.search(_NOT[field], words):
        named -= 0.6
    full, texts = len(values) / max(rows, 1), [clean_text(value) for value in values]
    length, distinct = sum(map(len, texts)) / len(texts), len(set(texts)) / len(texts)
    urls, prices = _share(parse_images, values), _share(parse_price, texts)
    ratings = sum((parse_rating(text) or 9) <= 5 for text in texts) / len(texts)
    wordy = sum(" " in text for text in texts) / len(texts)
    if field == "images":
        picture = sum(
            bool(re.search(r"\.(jpe?g|png|webp|avif)|image|hmgoepprod", value, re.I))
            for value in values
        )
        return 2 * urls * picture / len(values) + 0.2 * named if urls else -1
    if urls > 0.3:
        return -1
    if field == "price":
        return (
            2 * named * prices
            + (0.5 if re.search(r"[$£€₹]|\bRs|\bUSD", " ".join(texts[:50])) else 0)
            + 0.2 * full
        )
    if field == "title":
        garments = sum(bool(load_vocabulary().categories.find(text)) for text in texts) / len(texts)
        unlike = 1.5 if length > 110 or wordy < 0.5 else 0
        return named + garments + 0.5 * wordy + 0.3 * distinct + 0.2 * full - unlike
    if field == "product_id":
        return named + 0.5 * distinct - (2 if distinct < 0.5 or wordy > 0.2 else 0)
    if field == "description":
        return named + (0.5 if length > 60 else 0)
    if field == "rating":
        return named + 0.5 * ratings - (1 if ratings < 0.5 else 0)
    return named


def _share(parse, values: list[str]) -> float:
    return sum(bool(parse(value)) for value in values) / len(values)


def _currency(values: list[str]) -> str:
    found = [
        price.currency for value in values[:100] if (price := parse_price(value)) and price.currency
    ]
    return max(set(found), key=found.count) if found else ""
