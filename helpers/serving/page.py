"""`course recommend`: a shopper's own list in, recommendations with pictures out."""

import base64
from pathlib import Path

import pandas as pd

from helpers.artefacts import data_dir, write_json
from helpers.interactions.matrix import LIKED
from helpers.serving.history import History, read_history, read_inside
from helpers.serving.service import Filters, Service
from helpers.templates import write_page

TOLD = ["image_key", "title", "platform", "price_usd", "url", "score"]
REASONS = ["because", "shares"]
PICTURE_KINDS = {".webp": "webp", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


def write_recommendations(
    history: str | Path,
    profile: str,
    k: int,
    out: str | Path,
    explain: bool = False,
    filters: Filters | None = None,
) -> str:
    """Recommend for a list. Write a page (HTML) and its data (JSON); return what was done.

    Parameters
    ----------
    history : path
        The list; see `read_history`.
    out : path
        Of the page. Without the suffix .html or .htm, that is what it gets. The JSON lies beside.
    explain : bool
        Whether the JSON has the reasons, too; the page always says them.

    Raises
    ------
    ValueError
        If `k` is below 1, or the list cannot be used.
    """
    if k < 1:
        raise ValueError(f"--k is {k}; ask for at least one recommendation")
    page, data = _destinations(Path(out))
    liked = read_history(history)
    found = Service(profile).recommend(liked, k, filters)
    products = _records(found.products[TOLD + REASONS])
    root = data_dir(profile)
    pictures = [embedded(root, path) for path in found.products["image_path"]]
    items = _records(liked.items)
    liked_pictures = [embedded(liked.folder, name) for name in liked.items["image"]]
    for product in products:
        product["link"] = web_link(product["url"])
    answers = [_answers(item, products) for item in items]
    write_page(
        "recommend.html.j2",
        page,
        liked=list(zip(items, liked_pictures, answers, strict=True)),
        rows=list(zip(products, pictures, strict=True)),
        notes=[_for_readers(note) for note in found.notes],
        profile=profile,
    )
    for product in products:
        del product["link"]
        if not explain:
            for name in REASONS:
                del product[name]
    write_json({"history": items, "notes": found.notes, "recommendations": products}, data)
    noun = "item" if len(liked) == 1 else "items"
    done = f"{len(products)} recommendations from {len(liked)} {noun} in {page} and {data}"
    return "\n".join([done, *found.notes])


def _answers(item: dict, products: list[dict]) -> str:
    """How many products are shown because of an item of the list, in words."""
    n_products = sum(product["because"] == item["title"] for product in products)
    if n_products == 0:
        return "" if item["rating"] < LIKED else "nothing here is most like it"
    noun = "item" if n_products == 1 else "items"
    return f"{n_products} {noun} below"


def _for_readers(note: str) -> str:
    """A note as a page says it: a sentence, without options of the command."""
    plain = note.partition("; --")[0].rstrip(".")
    return f"{plain[:1].upper()}{plain[1:]}."


def _destinations(out: Path) -> tuple[Path, Path]:
    """Of the page and of its data; never the same file."""
    if out.suffix.lower() not in (".html", ".htm"):
        stem = out.with_suffix("") if out.suffix.lower() == ".json" else out
        out = stem.with_name(f"{stem.name}.html")
    return out, out.with_suffix(".json")


def _records(table: pd.DataFrame) -> list[dict]:
    """Rows as dictionaries, None for what is missing."""
    plain = table.astype(object)
    return plain.where(table.notna(), None).to_dict("records")


def web_link(url: str | None) -> str:
    """The product's page if it is an http(s) address, else nothing."""
    url = url or ""
    return url if url.startswith(("https://", "http://")) else ""


def embedded(folder: Path | None, name: str | None) -> str:
    """A picture below `folder` as a data URI; nothing if it cannot be shown."""
    if folder is None or not name or "://" in name:
        return ""
    kind = PICTURE_KINDS.get(Path(name).suffix.lower())
    if kind is None:
        return ""
    try:
        data = read_inside(folder, name)
    except (OSError, ValueError):
        return ""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


__all__ = ["Filters", "History", "read_history", "write_recommendations"]
