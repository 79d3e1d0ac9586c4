"""`course recommend`: a shopper's own list in, recommendations with pictures out, as HTML and JSON."""

import base64
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader

from helpers.artefacts import data_dir, write_json, write_text
from helpers.report.html import THEME


def read_history(path: str | Path) -> pd.DataFrame:
    """A shopper's list: `title`, and where there are, `image` (path or URL) and `rating` (1-5, default 5).

    Raises
    ------
    ValueError
        If the file is empty, has no `title` column, or a rating isn't a number from 1 to 5: names file, row and value.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path} does not exist; it should be a CSV with a column `title`")
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is no CSV that can be read ({error}); it should have a column `title`") from None
    frame.columns = frame.columns.str.strip().str.lower()
    if "title" not in frame:
        raise ValueError(f"{path.name} has columns {', '.join(frame.columns)}, but none called `title`")
    frame = frame[frame["title"].str.strip() != ""].reset_index(drop=True)
    if frame.empty:
        raise ValueError(f"{path.name} has no row with a title: list at least one liked item")
    rating = pd.to_numeric(frame.get("rating", pd.Series("5", frame.index)).replace("", "5"), errors="coerce")
    wrong = frame.index[~rating.between(1, 5)]
    if len(wrong):
        value = frame.loc[wrong[0], "rating"]
        raise ValueError(f"{path.name} row {wrong[0] + 2}: rating {value!r} is not a number from 1 to 5")
    image = frame["image"].str.strip() if "image" in frame else pd.Series("", frame.index)
    return pd.DataFrame({"title": frame["title"].str.strip(), "image": image, "rating": rating})


def write_recommendations(history: str | Path, profile: str, k: int, out: str | Path, explain: bool = False) -> str:
    """Recommend for a list and write `out` (HTML) and a JSON beside it; returns one line saying what was done."""
    from helpers.recommenders.serve import recommend_for

    liked = read_history(history)
    found = recommend_for(liked, profile, k)
    columns = ["image_key", "title", "platform", "price_usd", "score"] + (["because", "shares"] if explain else [])
    rows = found[[name for name in columns if name in found]].to_dict("records")
    pictures = [_embedded(data_dir(profile) / str(path)) for path in found["image_path"]]
    notes = list(found.attrs.get("notes", []))
    page = Environment(loader=FileSystemLoader(THEME), autoescape=True).get_template("recommend.html.j2")
    write_text(
        page.render(liked=liked.to_dict("records"), rows=list(zip(rows, pictures, strict=True)), notes=notes), out
    )
    beside = Path(out).with_suffix(".json")
    write_json({"history": liked.to_dict("records"), "notes": notes, "recommendations": rows}, beside)
    return f"{len(rows)} recommendations from {len(liked)} items in {out} and {beside}" + "".join(
        f"\n{n}" for n in notes
    )


def _embedded(path: Path) -> str:
    if not path.is_file():
        return ""
    kind = {".webp": "webp", ".png": "png"}.get(path.suffix, "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
