"""An unknown shop's file: a first YAML, drafted from its layout or from its columns' looks."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from helpers.feeds.evidence import language_of
from helpers.feeds.files import Table, read_rows
from helpers.feeds.groups import OPTION, with_options
from helpers.feeds.layouts import Layout, fitted, recognise
from helpers.feeds.looks import columns_of, keys_by_looks, objects_in, rows_field
from helpers.feeds.money import SIGNS, parse_currency, read_price
from helpers.feeds.rows import Row
from helpers.feeds.spec import FeedError, FeedSpec, Option, Reading
from helpers.feeds.text import clean_text, printable

SAMPLE = 300  # rows that are looked at
_MOST_UNUSED = 100  # columns that are listed
_WIDTH = 100  # characters of a line of YAML

# What a product can't do without: said where no column was found for it.
_WANTED = (
    "price",
    "product_id",
    "images",
    "category",
    "colour",
    "gender",
    "brand",
    "description",
    "sizes",
    "availability",
    "url",
)
_NO_CURRENCY = (
    "currency: nothing tells it. Write its ISO code below, or prices stay without dollars: they "
    "pass no --max-price and are missing in every figure of prices"
)


@dataclass
class _Draft:
    """A YAML in the making: its keys, and the comments above them."""

    keys: dict[str, Any]
    comments: list[str] = field(default_factory=list)

    def spec(self) -> FeedSpec:
        """The keys as they would be read."""
        return FeedSpec.model_validate({"platform": "shop"} | self.keys)

    def used(self) -> set[str]:
        """Columns that some key reads."""
        spec = self.spec()
        names = {*spec.columns, spec.rows or ""}
        for option in spec.options:
            names |= {option.name, option.value}
        for source in (spec.keep, spec.children):
            names |= set(source.columns) if source else set()
        if spec.discount:
            names |= {spec.discount.mode, spec.discount.value}
        return names - {""}


def draft_spec(path: str | Path) -> str:
    """A first YAML for an unknown file, by the names and the first values of its columns.

    A known layout is recognised and said. Every guess is a line that can be changed; the comments
    say what was seen, what was not found and what is not used. `course feed check` shows what the
    YAML gives.

    Raises
    ------
    FeedError
        Where no row can be read.
    """
    table = _read(path)
    is_xml = table.about.separator == "XML"
    layout = recognise(table.about.columns, is_xml)
    exploded = _exploded_field(table, layout)
    if exploded:
        table = read_rows(path, Reading(rows=exploded))
    rows = _sample(table)
    draft = _from_layout(layout, table, rows) if layout else _from_looks(table, rows)
    currency = _currency(draft, rows)
    language = language_of(columns_of(table.about.columns, rows))
    keys = {
        "platform": _platform(path),
        **_dialect(table),
        "rows": exploded,
        "currency": currency,
        **draft.keys,
        "vocabulary": language or None,
    }
    draft.keys = {key: value for key, value in keys.items() if value is not None}
    comments = [*_facts(table), *draft.comments, *_gaps(draft, table, rows)]
    lines = [f"# {printable(comment)}" for comment in comments]
    return "\n".join([*lines, _dump(draft.keys)])


def _read(path: str | Path) -> Table:
    table = read_rows(path)
    if table.broken and len(table.broken) == len(table.rows):
        raise FeedError(
            f"{printable(table.about.file)}: none of {len(table.rows)} rows can be read, "
            f"row 1: {table.broken[0].reason}. Mend the file"
        )
    return table


def _sample(table: Table) -> list[Row]:
    """The first rows that hold anything."""
    rows = []
    for row in table.rows:
        is_filled = row is not None and any(cell.strip() for cell in row.values())
        if row and is_filled:
            rows.append(row)
    return rows[:SAMPLE]


def _exploded_field(table: Table, layout: Layout | None) -> str | None:
    """The JSON field whose objects become rows."""
    if layout:
        named: str | None = layout.spec.get("rows")
        return named
    if not table.about.separator.startswith("JSON"):
        return None
    return rows_field(table.about.columns, _sample(table))


def _platform(path: str | Path) -> str:
    small = Path(path).stem.lower()
    return re.sub(r"[^a-z0-9]+", "_", small).strip("_") or "shop"


def _dialect(table: Table) -> dict[str, str]:
    """How the file was read."""
    about = table.about
    is_csv = len(about.separator) == 1
    is_numbered = {"column 1", "column 2"} <= set(about.columns)
    dialect = {
        "separator": about.separator if is_csv else "auto",
        "encoding": "auto" if about.separator == "XML" else about.encoding,
    }
    if is_csv and is_numbered:
        dialect["header"] = "none"
    return dialect


def _dump(keys: dict[str, Any]) -> str:
    """YAML text; names that hold what nobody sees are written with escapes."""
    text: str = yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=_WIDTH)
    is_plain = text.replace("\n", "").isprintable()
    if not is_plain:
        text = yaml.safe_dump(keys, sort_keys=False, width=_WIDTH)
    return text


def _from_layout(layout: Layout, table: Table, rows: list[Row]) -> _Draft:
    """A known layout's keys, with the columns that this file has."""
    keys = fitted(layout.spec, table.about.columns)
    found = _option_columns(keys.get("options", []), rows)
    fields = {}
    for name, sources in keys["fields"].items():
        kept = _without_empty_options(sources, found)
        if kept:
            fields[name] = kept if len(kept) > 1 else kept[0]
    fields.setdefault("title", table.about.columns[0])
    keys["fields"] = fields
    article = "an" if layout.layout[0] in "AEIOU" else "a"
    notes = "; ".join(layout.notes)
    return _Draft(keys, [f"This looks like {article} {layout.layout}: {notes}."])


def _option_columns(options: list[dict[str, str]], rows: list[Row]) -> set[str]:
    """Columns that the options give in these rows."""
    pairs = [Option.model_validate(option) for option in options]
    found: set[str] = set()
    for row in rows:
        found |= set(with_options(row, pairs)) - set(row)
    return found


def _without_empty_options(sources: Any, found: set[str]) -> list[Any]:
    kept = []
    for source in sources if isinstance(sources, list) else [sources]:
        is_option = isinstance(source, str) and source.startswith(OPTION)
        if not is_option or source in found:
            kept.append(source)
    return kept


def _from_looks(table: Table, rows: list[Row]) -> _Draft:
    """Keys by the looks of the columns; lists of objects, which nothing reads, are named."""
    names = table.about.columns
    draft = _Draft(keys_by_looks(names, rows))
    for name in names:
        filled = [row[name] for row in rows if row.get(name)]
        objects = objects_in(filled[0]) if filled else []
        if objects:
            inside = ", ".join(map(str, objects[0]))
            draft.comments.append(f"{name} holds a list of objects: {inside}")
    return draft


def _facts(table: Table) -> list[str]:
    """What was seen of the file."""
    about = table.about
    head = f"Drafted from {about.file}: {about.read} rows, {len(table.broken)} unreadable."
    facts = [f"{head} Check each line.", *about.notes]
    if table.broken:
        first = table.broken[0]
        facts.append(f"Row {first.row}: {first.reason}")
    if about.lost:
        facts.append(f"The file itself holds {about.lost} signs (�) of an earlier loss")
    return facts


def _gaps(draft: _Draft, table: Table, rows: list[Row]) -> list[str]:
    """What was not found, and what is not used."""
    fields = draft.keys["fields"]
    gaps = []
    missing = [name for name in _WANTED if name not in fields]
    if missing:
        gaps.append(f"no column found for: {', '.join(missing)}")
    tells_currency = draft.keys["currency"] or "currency" in fields
    if "price" in fields and not tells_currency:
        gaps.append(_NO_CURRENCY)
    unused = _unused(draft, table)
    gaps += [f"not used: {name} ({_example(name, rows)})" for name in unused[:_MOST_UNUSED]]
    if len(unused) > _MOST_UNUSED:
        gaps.append(f"not used: {len(unused) - _MOST_UNUSED} columns more")
    return gaps


def _unused(draft: _Draft, table: Table) -> list[str]:
    """Columns that no key reads, nor an object that they are part of."""
    used = draft.used()
    unused = []
    for name in table.about.columns:
        is_part = any(name.startswith(f"{other}.") for other in used)
        if name not in used and not is_part:
            unused.append(name)
    return unused


def _example(name: str, rows: list[Row]) -> str:
    """The start of a column's first text."""
    for row in rows:
        text = clean_text(row.get(name, ""))
        if text:
            return repr(text[:40])
    return "empty"


def _currency(draft: _Draft, rows: list[Row]) -> str:
    """Currency of the prices: what most rows say, else what the price column's name says."""
    spec = draft.spec()
    said = [_currency_of(row, spec) for row in rows]
    known = [code for code in said if code]
    if known:
        return max(dict.fromkeys(known), key=known.count)
    for source in spec.fields.get("price", ()):
        codes = [_currency_in(column) for column in source.columns]
        if any(codes):
            return next(filter(None, codes))
    return ""


def _currency_of(row: Row, spec: FeedSpec) -> str:
    """What a row's currency column or price names."""
    named = parse_currency(spec.first("currency", row))
    price = read_price(spec.first("price", row))
    if named or price is None:
        return named
    return price.currency


def _currency_in(name: str) -> str:
    """The currency that a column's name holds: `price_euro`, `Preis (CHF)`, `prix €`."""
    for word in re.findall(r"[^\W_]+|[^\w\s]", name):
        is_sign = word.lower() in SIGNS and len(word) != 2
        is_long = len(word) > 2
        if is_sign or is_long:
            code = parse_currency(word)
            if code:
                return code
    return ""
