"""What a YAML would make of a shop's file, without writing anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.feeds.harmonise import harmonise
from helpers.feeds.products import FeedFacts, read_feed
from helpers.feeds.quality import FIELDS, completeness, rejects_by_reason
from helpers.feeds.spec import FeedSpec
from helpers.feeds.text import printable
from helpers.feeds.vocabulary import load_vocabulary

_SHOWN = ["image_key", *FIELDS, "currency", "price", "availability"]


@dataclass(frozen=True)
class FeedReport:
    """What a YAML makes of a file; `print` shows it.

    Attributes
    ----------
    about : FeedFacts
        What was seen of the file and its rows.
    counts : dict
        Rows read, accepted, rejected, merged.
    filled : Series
        Share of products that have each field.
    rejects : DataFrame
        `source_file, reason, rows, example`.
    examples : DataFrame
        The first products, harmonised.
    no_rate : list of str
        Currencies that the vocabulary has no rate for.
    untold : dict
        Products of which nothing tells category, colour, gender or stock.
    """

    about: FeedFacts
    counts: dict[str, int]
    filled: pd.Series
    rejects: pd.DataFrame
    examples: pd.DataFrame
    no_rate: list[str]
    untold: dict[str, int]

    def __str__(self) -> str:
        lines = _file_lines(self.about)
        lines += self._row_lines()
        lines += _doubts(self.about)
        for code in self.no_rate:
            lines.append(
                f"no rate for {code} in data/vocabulary.yaml: its prices have no price_usd"
            )
        lines += self._shares()
        shown = [printable(line) for line in lines]
        return "\n".join([*shown, *self._example_lines()])

    def _row_lines(self) -> list[str]:
        counts = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        lines = [f"rows: {counts}"]
        for row in self.rejects.itertuples():
            lines.append(f"{row.rows} rejected: {row.reason}   ({row.example})")
        return lines

    def _shares(self) -> list[str]:
        accepted = self.counts["accepted"]
        lines = []
        untold = [f"{name} of {count}" for name, count in self.untold.items() if count]
        if untold:
            lines.append(f"of {accepted} products nothing tells: {', '.join(untold)}")
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.filled.items())
        return [*lines, f"filled: {shares}"]

    def _example_lines(self) -> Iterator[str]:
        for row in self.examples.to_dict("records"):
            yield ""
            for name, value in row.items():
                yield f"  {name:14}{printable(value)[:100]}"


def check_feed(
    spec: str | Path | FeedSpec,
    path: str | Path,
    examples: int = 3,
) -> FeedReport:
    """What a YAML makes of a file.

    Raises
    ------
    FeedError
        Where either can't be used.
    """
    feed = read_feed(path, spec)
    catalog, merged = harmonise([feed])
    counts = {
        "read": feed.about.read,
        "accepted": len(catalog),
        "rejected": len(feed.rejects),
        "merged": len(merged),
    }
    currencies = set(catalog["currency"]) - {""}
    rated = set(load_vocabulary().usd)
    first = catalog.sort_values("source_row").head(examples)
    return FeedReport(
        about=feed.about,
        counts=counts,
        filled=completeness(catalog).set_index("field")["share"],
        rejects=rejects_by_reason(feed.rejects),
        examples=first[_SHOWN].reset_index(drop=True),
        no_rate=sorted(currencies - rated),
        untold=_untold(catalog),
    )


def _untold(catalog: pd.DataFrame) -> dict[str, int]:
    """Of how many products nothing tells each of these."""
    has_price = catalog["price"].notna()
    n_pictures = catalog["image_urls"].str.len()
    is_untold = {
        "category": catalog["category"] == "other",
        "colour": catalog["colour"] == "unknown",
        "gender": catalog["gender"] == "unknown",
        "price": ~has_price,
        "currency": has_price & (catalog["currency"] == ""),
        "stock": catalog["availability"] == "",
        "picture": n_pictures == 0,
    }
    return {name: int(products.sum()) for name, products in is_untold.items()}


def _file_lines(about: FeedFacts) -> list[str]:
    lines = [f"{about.file}: {about.encoding}, separator {about.separator!r}", *about.notes]
    if about.unreadable:
        lines.append(
            f"{about.unreadable} characters can't be read as {about.encoding}: � stands for them"
        )
    if about.lost:
        lines.append(f"the file itself holds {about.lost} signs (�) of an earlier loss")
    return lines


def _doubts(about: FeedFacts) -> list[str]:
    """What could not be found, was assumed, or was passed over."""
    lines = [f"no column for {field}" for field in about.missing]
    if about.assumed:
        currency = about.currency or "none"
        lines.append(f"{about.assumed} prices name no currency: {currency} assumed")
        if not about.currency:
            lines.append(
                "without a currency prices have no price_usd and pass no --max-price: write "
                "`currency: EUR`, or another ISO code, into the YAML"
            )
    for mark, count in about.unknown_currencies.items():
        lines.append(f"{count} prices are in {mark!r}, which is no currency we know: no price_usd")
    for (field, value), count in about.passed_over.items():
        lines.append(f"{field} {value!r} passed over in {count} rows")
    return lines
