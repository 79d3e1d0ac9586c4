"""An unknown shop's file: a first YAML, drafted from its layout or from its columns' looks."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from helpers.feeds.columns import NAMES, words_of
from helpers.feeds.evidence import ENOUGH, Column, best_column, language_of
from helpers.feeds.files import Table, read_rows
from helpers.feeds.groups import with_options
from helpers.feeds.layouts import Layout, fitted, recognise
from helpers.feeds.money import SIGNS, parse_currency, read_price
from helpers.feeds.rows import Row
from helpers.feeds.spec import FeedError, FeedSpec, Option, Reading
from helpers.feeds.text import LONGEST, clean_text, printable

SAMPLE = 300  # rows that are looked at
_PAIR = re.compile(r"^(?P<what>.*?\d+)[\W_]+(?:\w*[\W_])?name$", re.I)  # "Attribute 1 name"
_VALUE_ENDINGS = ("value", "values", "value(s)", "val", "options", "description", "content")
_OF_VARIANTS = {"price", "size", "sku", "stock", "available", "inventory", "qty", "quantity"}
# What a product can't do without: said where no column was found for it.
_WANTED = ("price", "product_id", "images", "category", "colour", "gender", "brand", "description", "sizes",
           "availability", "url")  # fmt: skip


@dataclass
class _Draft:
    """A YAML in the making: its keys, and the comments above them."""

    spec: dict[str, Any]
    comments: list[str] = field(default_factory=list)

    @property
    def fields(self) -> dict[str, Any]:
        """Fields and the columns chosen for them."""
        return self.spec["fields"]

    def used(self) -> set[str]:
        """Columns that some key reads."""
        spec = FeedSpec.model_validate(self.spec)
        names = set(spec.columns)
        for option in spec.options:
            names |= {option.name, option.value}
        for source in (spec.keep, spec.children):
            names |= set(source.columns) if source else set()
        if spec.discount:
            names |= {spec.discount.mode, spec.discount.value}
        return names | {spec.rows or ""}


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
    layout = recognise(table.about.columns, table.about.separator == "XML")
    rows_field = layout.spec.get("rows") if layout else _rows_field(table)
    if rows_field:
        table = read_rows(path, Reading(rows=rows_field))
    rows = [row for row in table.rows if row and any(cell.strip() for cell in row.values())]
    rows = rows[:SAMPLE]
    draft = _from_layout(layout, table, rows) if layout else _from_looks(table, rows)
    spec = {
        "platform": _platform(path),
        **_dialect(table),
        "rows": rows_field,
    }
    spec["currency"] = _currency(draft, rows)
    draft.spec = {key: value for key, value in spec.items() if value is not None} | draft.spec
    language = language_of(_columns(table.about.columns, rows))
    if language:
        draft.spec["vocabulary"] = language
    comments = [
        *_facts(table),
        *draft.comments,
        *_gaps(
            draft,
            table,
            rows,
        ),
    ]
    lines = [f"# {printable(comment)}" for comment in comments]
    return "\n".join([*lines, _dump(draft.spec)])


def _read(path: str | Path) -> Table:
    table = read_rows(path)
    if table.broken and len(table.broken) == len(table.rows):
        raise FeedError(
            f"{printable(table.about.file)}: none of {len(table.rows)} rows can be read, "
            f"row 1: {table.broken[0].reason}. Mend the file"
        )
    return table


def _platform(path: str | Path) -> str:
    return (
        re.sub(
            r"[^a-z0-9]+",
            "_",
            Path(path).stem.lower(),
        ).strip("_")
        or "shop"
    )


def _dialect(table: Table) -> dict[str, str]:
    about = table.about
    is_csv = len(about.separator) == 1
    dialect = {"separator": about.separator if is_csv else "auto"}
    dialect["encoding"] = "auto" if about.separator == "XML" else about.encoding
    if is_csv and "column 1" in about.columns and "column 2" in about.columns:
        dialect["header"] = "none"
    return dialect


def _dump(spec: dict[str, Any]) -> str:
    """YAML text; names that hold what nobody sees are written with escapes."""
    plain = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=100)
    if all(sign.isprintable() or sign == "\n" for sign in plain):
        return plain
    return yaml.safe_dump(spec, sort_keys=False, allow_unicode=False, width=100)


# --- by a known layout ---


def _from_layout(
    layout: Layout,
    table: Table,
    rows: list[Row],
) -> _Draft:
    spec = fitted(layout.spec, table.about.columns)
    article = "an" if layout.layout[0] in "AEIOU" else "a"
    notes = "; ".join(layout.notes)
    draft = _Draft(spec, [f"This looks like {article} {layout.layout}: {notes}."])
    added = _columns_of_options(spec.get("options", []), rows)
    for name, sources in list(spec["fields"].items()):
        kept = [
            source
            for source in (sources if isinstance(sources, list) else [sources])
            if not (isinstance(source, str) and source.startswith("option.")) or source in added
        ]
        if kept:
            spec["fields"][name] = kept if len(kept) > 1 else kept[0]
        else:
            del spec["fields"][name]
    if "title" not in spec["fields"]:
        spec["fields"] = {"title": table.about.columns[0]} | spec["fields"]
    return draft


def _columns_of_options(
    options: list[dict[str, str]],
    rows: list[Row],
) -> set[str]:
    pairs = [Option.model_validate(option) for option in options]
    return {name for row in rows for name in with_options(row, pairs) if name not in row}


# --- by the looks of the columns ---


def _from_looks(table: Table, rows: list[Row]) -> _Draft:
    options = _option_pairs(table.about.columns)
    pairs = [Option.model_validate(option) for option in options]
    seen = [with_options(row, pairs) for row in rows]
    names = list(dict.fromkeys([*table.about.columns, *(name for row in seen for name in row)]))
    paired = {name for option in options for name in option.values()}
    columns = [
        column for column in _columns(names, seen) if column.values and column.name not in paired
    ]
    chosen: dict[str, Any] = {}
    free = list(columns)
    for name in NAMES:
        found = best_column(name, free)
        if found:
            chosen[name] = found.name
            free.remove(found)
    _settle_title(chosen, free)
    spec: dict[str, Any] = {"fields": chosen}
    if options and any(str(name).startswith("option.") for name in chosen.values()):
        spec["options"] = options
    by_name = {column.name: column for column in columns}
    _settle_images(chosen, free)
    _settle_price(chosen, by_name)
    _settle_id(chosen, by_name)
    if "parent_id" not in chosen and _has_variants(chosen, seen):
        spec["variants"] = True
    draft = _Draft(spec)
    draft.comments += _lists_of_objects(table, by_name)
    return draft


def _columns(
    names: list[str],
    rows: list[Row],
) -> list[Column]:
    return [Column(name, [(row.get(name) or "")[:LONGEST] for row in rows]) for name in names]


def _settle_title(
    chosen: dict[str, Any],
    free: list[Column],
) -> None:
    """No feed can do without a title: the likeliest column is better than none."""
    if "title" in chosen:
        return
    if "description" in chosen:
        chosen["title"] = chosen.pop("description")
        return
    likely = max(
        free,
        key=lambda column: column.score("title"),
        default=None,
    )
    chosen["title"] = likely.name if likely else "title"


def _settle_images(
    chosen: dict[str, Any],
    free: list[Column],
) -> None:
    """Further columns of pictures, as `image_2` or `back view`, follow the first."""
    first = chosen.get("images")
    if not first:
        return
    others = [column for column in free if not column.name.startswith(f"{first}.")]
    more = [column.name for column in others if column.score("images") >= ENOUGH]
    if more:
        chosen["images"] = [first, *more]


def _settle_price(
    chosen: dict[str, Any],
    columns: dict[str, Column],
) -> None:
    """A sale price that some products lack is followed by the price they sell for."""
    price = chosen.get("price")
    before = chosen.get("list_price")
    if not price:
        return
    if not before and columns[price].fill_of_prices < 1:
        usual = [
            name
            for name in columns
            if name != price
            and words_of(name) in ("price", "preis", "prix", "precio", "prezzo", "regular price")
        ]
        if usual:
            before = usual[0]
            chosen["list_price"] = before
    if before and columns[price].fill_of_prices < 1:
        chosen["price"] = [price, before]


def _settle_id(
    chosen: dict[str, Any],
    columns: dict[str, Column],
) -> None:
    """A running number is no id if the product's page is known: it changes with every export."""
    own = chosen.get("product_id")
    link = chosen.get("url")
    if not link or (own and not columns[own].is_running):
        return
    pattern = r"([^/?#]+)/?(?:[?#].*)?$"
    ends = {re.search(pattern, value).group(1) for value in columns[link].values
            if re.search(pattern, value)}  # fmt: skip
    if len(ends) == len(set(columns[link].values)):
        chosen["product_id"] = {"column": link, "pattern": pattern}


def _has_variants(
    chosen: dict[str, Any],
    rows: list[Row],
) -> bool:
    """Whether rows without a title have the id of one that has it."""
    own = chosen.get("product_id")
    if not isinstance(own, str):
        return False
    titled = {row.get(own, "") for row in rows if clean_text(row.get(chosen["title"]))}
    untitled = {row.get(own, "") for row in rows if not clean_text(row.get(chosen["title"]))}
    return bool((titled & untitled) - {""})


def _option_pairs(names: list[str]) -> list[dict[str, str]]:
    """Columns such as `Attribute 1 name` with their `Attribute 1 value(s)`."""
    pairs = []
    for name in names:
        found = _PAIR.match(name)
        if not found:
            continue
        what = found["what"].lower()
        for other in names:
            rest = other.lower().removeprefix(what).strip(" ._-")
            if other.lower().startswith(what) and rest in _VALUE_ENDINGS:
                pairs.append({"name": name, "value": other})
                break
    return pairs


def _objects_in(value: str) -> list[Any]:
    """The objects of a JSON list of objects."""
    if not value.startswith("[{"):
        return []
    try:
        loaded = json.loads(value)
    except (ValueError, RecursionError):
        return []
    is_list = isinstance(loaded, list) and all(isinstance(item, dict) for item in loaded)
    return loaded if is_list else []


def _rows_field(table: Table) -> str | None:
    """A JSON field that holds a product's variants: objects with a price, a size or stock."""
    if not table.about.separator.startswith("JSON"):
        return None
    for name in table.about.columns:
        if "." in name:
            continue
        for row in filter(None, table.rows[:SAMPLE]):
            objects = _objects_in(row.get(name, ""))
            keys = {word for item in objects[:1] for key in item for word in words_of(key).split()}
            if keys & _OF_VARIANTS:
                return name
    return None


def _lists_of_objects(
    table: Table,
    columns: dict[str, Column],
) -> list[str]:
    comments = []
    for name in table.about.columns:
        column = columns.get(name)
        objects = _objects_in(column.values[0]) if column else []
        if objects:
            keys = ", ".join(str(key) for key in objects[0])
            comments.append(f"{name} holds a list of objects: {keys}")
    return comments


# --- what is said above the keys ---


def _facts(table: Table) -> list[str]:
    about = table.about
    head = f"Drafted from {about.file}: {about.read} rows, {len(table.broken)} unreadable."
    facts = [f"{head} Check each line.", *about.notes]
    if table.broken:
        facts.append(f"Row {table.broken[0].row}: {table.broken[0].reason}")
    if about.lost:
        facts.append(f"The file itself holds {about.lost} signs (�) of an earlier loss")
    return facts


def _gaps(
    draft: _Draft,
    table: Table,
    rows: list[Row],
) -> list[str]:
    missing = [name for name in _WANTED if name not in draft.fields]
    gaps = [f"no column found for: {', '.join(missing)}"] if missing else []
    if "price" in draft.fields and not draft.spec["currency"] and "currency" not in draft.fields:
        gaps.append(
            "currency: nothing tells it. Write its ISO code below, or prices stay without dollars: "
            "they pass no --max-price and are missing in every figure of prices"
        )
    used = draft.used()
    for name in table.about.columns:
        is_part = any(name.startswith(f"{other}.") for other in used if other)
        if name not in used and not is_part:
            gaps.append(f"not used: {name}{_sample(name, rows)}")
    return gaps


def _sample(name: str, rows: list[Row]) -> str:
    for row in rows:
        text = clean_text(row.get(name, ""))
        if text:
            return f" ({text[:40]!r})"
    return " (empty)"


def _currency(draft: _Draft, rows: list[Row]) -> str:
    """Currency of the prices: what most cells say, or their currency column, or the column's name."""
    spec = FeedSpec.model_validate({"platform": "shop", **draft.spec})
    found = []
    for row in rows:
        named = parse_currency(spec.first("currency", row))
        price = read_price(spec.first("price", row))
        if named or (price and price.currency):
            found.append(named or (price.currency if price else ""))
    if found:
        return max(dict.fromkeys(found), key=found.count)
    for source in spec.fields.get("price", ()):
        for column in source.columns:
            code = _currency_in(column)
            if code:
                return code
    return ""


def _currency_in(name: str) -> str:
    """The currency that a column's name holds: `price_euro`, `Preis (CHF)`, `prix €`."""
    for word in re.findall(r"[^\W_]+|[^\w\s]", name):
        is_sign = word.lower() in SIGNS and len(word) != 2
        if is_sign or (len(word) > 2 and parse_currency(word)):
            return parse_currency(word)
    return ""
