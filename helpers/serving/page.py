"""`course recommend`: a shopper's own list in, recommendations with pictures out, as HTML and JSON."""

import base64
from pathlib import Path

import pandas as pd

from helpers.artefacts import data_dir, write_json
from helpers.feeds.files import read_rows
from helpers.templates import write_page


def read_history(path: str | Path) -> pd.DataFrame:
    """A shopper's list: `title`, and where there are, `image` (path or URL) and `rating` (1-5, default 5).

    The index counts the file's rows from 1; `attrs["notes"]` names the rows that can't be used. Encoding and separator
    are found by looking, as in a shop's feed.

    Raises
    ------
    ValueError
        If the file is empty, has no `title` column, or a rating isn't a number from 1 to 5: names file, row and value.
    """
    path = Path(path)
    rows, broken, about = read_rows(path)
    notes = [f"row {row}: {reason}; left out" for row, _, reason in broken]
    frame = (
        pd.DataFrame([row or {} for row in rows], index=range(1, len(rows) + 1))
        .fillna("")
        .astype(str)
    )
    frame.columns = frame.columns.str.strip().str.lower()
    if "title" not in frame:
        raise ValueError(
            f"{path.name} has columns {', '.join(about['columns'])}, but none called `title`: rename one"
        )
    frame = frame.reindex(columns=["title", "image", "rating"], fill_value="").apply(
        lambda column: column.str.strip()
    )
    untitled = [row for row in frame.index[frame["title"] == ""] if rows[row - 1]]
    notes += [f"row {row}: no title; left out" for row in untitled]
    frame = frame[frame["title"] != ""]
    if frame.empty:
        raise ValueError(f"{path.name} has no row with a title: list at least one liked item")
    rating = pd.to_numeric(frame["rating"].replace("", "5"), errors="coerce")
    for row in frame.index[~rating.between(1, 5)][:1]:
        raise ValueError(
            f"{path.name} row {row}: rating {frame.loc[row, 'rating']!r} is not a number from 1 to 5"
        )
    frame = frame.assign(rating=rating)
    frame.attrs["notes"] = notes
    return frame


def write_recommendations(
    history: str | Path, profile: str, k: int, out: str | Path, explain: bool = False, **filters
) -> str:
    """Recommend for a list and write `out` (HTML) and a JSON beside it; returns what was done, and each note.

    `filters` as in `Service.allowed`.
    """
    from helpers.serving.service import Service

    if k < 1:
        raise ValueError(f"--k is {k}; ask for at least one recommendation")
    liked = read_history(history)
    found = Service(profile).recommend(liked, k, **filters)
    columns = ["image_key", "title", "platform", "price_usd", "score"] + (
        ["because", "shares"] if explain else []
    )
    rows = found[columns].astype(object).where(found[columns].notna(), None).to_dict("records")
    pictures = [_embedded(data_dir(profile) / str(path)) for path in found["image_path"]]
    notes, items = liked.attrs["notes"] + found.attrs["notes"], liked.to_dict("records")
    write_page(
        "recommend.html.j2",
        out,
        liked=items,
        rows=list(zip(rows, pictures, strict=True)),
        notes=notes,
    )
    beside = Path(out).with_suffix(".json")
    write_json({"history": items, "notes": notes, "recommendations": rows}, beside)
    return "\n".join(
        [f"{len(rows)} recommendations from {len(liked)} items in {out} and {beside}", *notes]
    )


def _embedded(path: Path) -> str:
    if not path.is_file():
        return ""
    kind = {".webp": "webp", ".png": "png"}.get(path.suffix, "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
