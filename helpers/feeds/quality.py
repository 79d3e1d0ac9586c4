"""Chapter 01's tables: what the feeds hold, what was lost and why, what the image hosts
answered."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.artefacts import whole
from helpers.feeds.text import repaired

FIELDS = [
    "title",
    "description",
    "brand",
    "category",
    "gender",
    "colour",
    "price_usd",
    "rating",
    "image_urls",
]
_UNTOLD = ["", "unknown", "other"]
_PLACE = r"^.*? row \d+: "
_QUOTED = r"'[^']*'|\"[^\"]*\""
_WITHOUT_ADDRESS = ["no_url", "bad_url", "refused_scheme"]


def accounts(
    read: dict[str, int], catalog: pd.DataFrame, rejects: pd.DataFrame, merged: pd.DataFrame
) -> pd.DataFrame:
    """Rows read, accepted, rejected and merged, and whether they add up.

    Parameters
    ----------
    read : dict
        Rows read of each platform (the sum of its feeds' `about.read`).
    catalog, rejects, merged : DataFrame
        As `harmonise` and `read_feed` return them.

    Returns
    -------
    DataFrame
        One row per platform, indexed by it: `read, accepted, rejected, merged, adds_up`.
    """
    table = pd.DataFrame({"read": pd.Series(read)})
    frames = {
        "accepted": catalog,
        "rejected": rejects,
        "merged": merged,
    }
    for name, frame in frames.items():
        counts = frame["platform"].value_counts()
        counts = counts.reindex(table.index, fill_value=0)
        table[name] = counts.astype(int)
    accounted = table[list(frames)].sum(axis=1)
    table["adds_up"] = table["read"] == accounted
    return table.rename_axis("platform")


def completeness(catalog: pd.DataFrame) -> pd.DataFrame:
    """Share of products that have each field: `platform, field, share, n`, one row per field."""
    filled = pd.DataFrame()
    for name in FIELDS:
        filled[name] = _filled(catalog[name])
    shares = filled.groupby(catalog["platform"]).mean()
    by_field = shares.rename_axis(columns="field").stack()
    table = pd.Series(by_field, name="share").reset_index()
    n_products = catalog["platform"].value_counts()
    table["n"] = table["platform"].map(n_products)
    return table


def _filled(column: pd.Series) -> pd.Series:
    if column.name == "image_urls":
        return column.str.len() > 0
    return column.notna() & ~column.isin(_UNTOLD)


def rejects_by_reason(rejects: pd.DataFrame) -> pd.DataFrame:
    """How many rows each feed lost to each reason, with one example.

    Returns
    -------
    DataFrame
        `source_file, reason, rows, example`, the most frequent reason of a file first. Quoted
        values are left out of `reason`, so that rows of one kind count together.
    """
    reasons = rejects["reason"].astype(str)
    kind = reasons.str.replace(_PLACE, "", regex=True)
    kind = kind.str.replace(_QUOTED, "…", regex=True)
    keys = ["source_file", "kind"]
    groups = rejects.assign(kind=kind).groupby(keys, sort=False)["reason"]
    table = groups.agg(rows="size", example="first").reset_index()
    table = table.rename(columns={"kind": "reason"})
    order = ["source_file", "rows"]
    return table.sort_values(order, ascending=[True, False], ignore_index=True)


def image_outcomes(images: pd.DataFrame) -> pd.DataFrame:
    """How many images of each host came to each status: `host, status, images`.

    `images` is what `fetch_images` or `import_photos` returns; a photo from disk counts under
    "local", a product without an address that could be fetched under "(no address)".
    """
    has_no_address = images["status"].isin(_WITHOUT_ADDRESS)
    elsewhere = np.where(has_no_address, "(no address)", "local")
    is_hostless = images["host"] == ""
    host = images["host"].mask(is_hostless, elsewhere)
    groups = images.assign(host=host).groupby(["host", "status"])
    return groups.size().rename("images").reset_index()


_BLANKS = " \u00a0\u3000\u200b\ufeff\x00"  # a spreadsheet reads past them
_FORMULA = tuple("=+-@\t|%＝＋－＠｜")  # a full-width sign starts a formula, too
_LINE_ENDS = re.compile(r"\r\n|[\r\n\v\f\x85\u2028\u2029]")


def write_csv(
    frame: pd.DataFrame,
    path: str | Path,
) -> None:
    """Write a CSV whose cells no spreadsheet takes for a formula.

    A text that starts one, or holds a line that does, gets an apostrophe before it; carriage
    returns, which some spreadsheets take for a new row, become line feeds. Numbers stay numbers.
    Source: OWASP, "CSV Injection".
    """
    safe = frame.apply(lambda column: column.map(_harmless))
    safe.columns = [_harmless(name) for name in frame.columns]
    with whole(path) as aside:
        safe.to_csv(aside, index=False, encoding="utf-8", lineterminator="\n")


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    lines = _LINE_ENDS.split(repaired(value))
    return "\n".join(map(_harmless_line, lines))


def _harmless_line(line: str) -> str:
    starts_formula = line.lstrip(_BLANKS).startswith(_FORMULA) or line.startswith(_FORMULA)
    return f"'{line}" if starts_formula else line
