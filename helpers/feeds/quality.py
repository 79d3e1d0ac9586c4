"""Chapter 01's figures as tidy tables: what the feeds hold, what was lost and why, what the image hosts answered."""

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


def accounts(
    read: dict[str, int], catalog: pd.DataFrame, rejects: pd.DataFrame, merged: pd.DataFrame
) -> pd.DataFrame:
    """Rows read, accepted, rejected and merged, and whether they add up.

    Parameters
    ----------
    read : dict
        Rows read of each platform (the sum of its feeds' `about.read`).

    Returns
    -------
    DataFrame
        A row a platform, indexed by it: `read, accepted, rejected, merged, adds_up`.
    """
    counts = {"accepted": catalog, "rejected": rejects, "merged": merged}
    table = pd.DataFrame({"read": pd.Series(read)})
    for name, frame in counts.items():
        table[name] = (
            frame["platform"].value_counts().reindex(table.index, fill_value=0).astype(int)
        )
    table["adds_up"] = table["read"] == table["accepted"] + table["rejected"] + table["merged"]
    return table.rename_axis("platform")


def completeness(catalog: pd.DataFrame) -> pd.DataFrame:
    """Share of products that have each field: a row a platform and field (`platform, field, share, n`)."""
    filled = pd.DataFrame({name: _filled(catalog[name]) for name in FIELDS}).assign(
        platform=catalog["platform"]
    )
    share = filled.groupby("platform").mean().stack().rename("share")
    share.index.names = ["platform", "field"]
    return share.reset_index().assign(
        n=lambda t: t["platform"].map(catalog["platform"].value_counts())
    )


def _filled(column: pd.Series) -> pd.Series:
    if column.name == "image_urls":
        return column.str.len() > 0
    return column.notna() & ~column.isin(["", "unknown", "other"])


def rejects_by_reason(rejects: pd.DataFrame) -> pd.DataFrame:
    """How many rows each feed lost to each reason, with one example: `source_file, reason, rows, example`."""
    kind = rejects["reason"].astype(str).str.replace(r"^.*? row \d+: ", "", regex=True)
    kind = kind.str.replace(r"'[^']*'|\"[^\"]*\"", "…", regex=True)
    groups = rejects.assign(kind=kind).groupby(["source_file", "kind"], sort=False)["reason"]
    table = (
        groups.agg(rows="size", example="first").reset_index().rename(columns={"kind": "reason"})
    )
    return table.sort_values(["source_file", "rows"], ascending=[True, False], ignore_index=True)


def image_outcomes(images: pd.DataFrame) -> pd.DataFrame:
    """How many images of each host came to each status: `host, status, images`.

    `images` is what `fetch_images` or `import_photos` returns; a photo from disk counts under "local", a product
    without an address that could be fetched under "(no address)".
    """
    nowhere = np.where(
        images["status"].isin(["no_url", "bad_url", "refused_scheme"]), "(no address)", "local"
    )
    host = images["host"].mask(images["host"] == "", nowhere)
    return (
        images.assign(host=host).groupby(["host", "status"]).size().rename("images").reset_index()
    )


def category_counts(catalog: pd.DataFrame) -> pd.DataFrame:
    """Products of each category and platform: `platform, category, products`."""
    return catalog.groupby(["platform", "category"]).size().rename("products").reset_index()


_BLANKS = " \u00a0\u3000\u200b\ufeff\x00"  # a spreadsheet reads past them
_FORMULA = tuple("=+-@\t|%＝＋－＠｜")  # a full-width sign starts a formula, too


def write_csv(frame: pd.DataFrame, path: str | Path) -> None:
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
    lines = re.split(r"\r\n|[\r\n\v\f\x85\u2028\u2029]", repaired(value))
    return "\n".join(f"'{line}" if _starts_formula(line) else line for line in lines)


def _starts_formula(line: str) -> bool:
    return line.startswith(_FORMULA) or line.lstrip(_BLANKS).startswith(_FORMULA)
