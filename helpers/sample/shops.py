"""The course's own two shops: drawn garments, feeds with the published schemas' flaws, photos over real HTTP."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import yaml

from helpers.artefacts import whole, write_json, write_parquet
from helpers.sample.garments import COLOURS, PATTERNS, STYLES, draw, render

HOSTS = {"asos": "images.asos.test", "myntra": "assets.myntra.test"}
FIRST_ID = {"asos": 200_000_000, "myntra": 300_000_000}
BACKDROPS = {"asos": "#f3f1ee", "myntra": "#ffffff"}
FITS = ["slim", "regular", "relaxed", "oversized"]
RUPEE, POUND = 0.01199, 1.265  # US dollars, as in data/vocabulary.yaml
FAULTS = {"gone": 8, "corrupt": 5, "page": 4, "private": 4, "slow": 12}  # photos of a thousand
ENCODERS = {
    "avif": {"format": "AVIF", "quality": 70, "speed": 10, "max_threads": 1},
    "webp": {"format": "WEBP", "quality": 84, "method": 1},
    "jpg": {"format": "JPEG", "quality": 90},
}
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Store:
    """A built store: `feeds` by platform, and `truth`, a row a product with its attributes and its photo's fault."""

    folder: Path
    feeds: dict[str, Path]
    truth: pd.DataFrame

    def attributes(self, catalog: pd.DataFrame) -> pd.DataFrame:
        """What the shopper simulator reads, from the store's own truth.

        Returns
        -------
        DataFrame
            image_key, category, colour, pattern, style, price_usd, gender; a row for each of the harvested catalogue.

        Raises
        ------
        ValueError
            If the catalogue holds a row that this store never sold.
        """
        places = ["platform", "source_row"]
        rows = catalog[["image_key", *places]].merge(self.truth, how="left", on=places)
        if rows["colour"].isna().any():
            stranger = rows.loc[rows["colour"].isna(), "image_key"].iloc[0]
            raise ValueError(f"{stranger} is not of this store: harvest the store's own feeds")
        return rows[["image_key", "category", "colour", "pattern", "style", "price_usd", "gender"]]


@cache
def _shops() -> dict:
    return yaml.safe_load((_HERE / "garments" / "shops.yaml").read_text(encoding="utf-8"))


def _pick(rng, values, weights=None):
    p = None if weights is None else np.asarray(weights, float) / np.sum(weights)
    return values[int(rng.choice(len(values), p=p))]


def _slug(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


def sample_products(platform: str, n: int, seed: int) -> pd.DataFrame:
    """Attributes of `n` garments as a shop would stock them: style follows category, colour style, price them all."""
    book, shop = _shops(), _shops()[platform]
    rng = np.random.default_rng([seed, sum(platform.encode())])
    rows = []
    for i in range(n):
        gender = "women" if rng.random() < shop["women"] else "men"
        category = _pick(rng, *map(list, zip(*book["categories"][gender].items(), strict=True)))
        style = _pick(rng, STYLES, book["styles"][category])
        pattern = _pick(rng, PATTERNS, book["patterns"][category])
        colour = _pick(
            rng, COLOURS, book["denim"] if category == "jeans" else book["colours"][style]
        )
        kind = "by_hem" if category in ("dress", "skirt") else "by_cut"
        length = _pick(rng, *map(list, zip(*book["lengths"][kind].items(), strict=True)))
        brand, level, _ = _pick(
            rng, shop["brands"], [b[2][STYLES.index(style)] + 0.05 for b in shop["brands"]]
        )
        price = (
            book["prices"][category]
            * level
            * np.exp(rng.normal(0, 0.18))
            * book["style_price"][style]
        )
        price *= book["pattern_price"].get(pattern, 1) * book["length_price"].get(length, 1)
        rows.append({"platform": platform, "product_id": str(FIRST_ID[platform] + 4_000 * i + int(rng.integers(4_000))),
                     "gender": gender, "category": category, "colour": colour, "pattern": pattern, "style": style,
                     "fit": _pick(rng, FITS, book["fits"][style]), "length": length, "brand": brand,
                     "price_usd": round(float(price), 2), "seed": int(rng.integers(2**31)),
                     "format": _pick(rng, *map(list, zip(*shop["formats"].items(), strict=True)))})  # fmt: skip
    return pd.DataFrame(rows)


def _row(p: dict, rng) -> dict[str, str]:
    """One product's row in its shop's feed, in its shop's words."""
    shop, w = _shops()[p["platform"]], dict(p)
    pattern = (
        shop["textures"].get(p["category"], "")
        if p["pattern"] == "texture"
        else _pick(rng, shop["patterns"][p["pattern"]])
    )
    w |= {"noun": _pick(rng, shop["nouns"][p["category"]]), "pattern": pattern, "fit": shop["fits"][p["fit"]],
          "colour": _pick(rng, shop["colours"][p["colour"]]), "style": shop["style_words"][p["style"]],
          "length": "" if p["length"] == "regular" else p["length"], "department": shop["departments"][p["category"]],
          "who": "men's" if p["gender"] == "men" else "", "Who": p["gender"].title(), "brand_slug": _slug(p["brand"]),
          "initial": {"men": "M", "women": "F"}[p["gender"]], "code": 110_000_000 + p["seed"] % 9_999_999,
          "private": "private/" if p["fault"] == "private" else "",
          "small": int(rng.integers(2, 10)), "rupees": f"{p['price_usd'] / RUPEE:.0f}"}  # fmt: skip
    w["Length"] = w["length"].title()
    w["shade"] = w["colour"].lower().replace("neutral", "beige")
    w["title"] = " ".join(shop["title"].format(**w).split())
    w["slug"] = _slug(
        w["title"]
        if p["platform"] == "asos"
        else f"{w['brand']} {w['Who']} {w['colour']} {pattern} {w['noun']}"
    )
    views = [
        shop["photo"].format(view=v, **w)
        for v in ("4", f"1-{w['shade'].replace(' ', '')}", "2", "3", "4")
    ]
    count, off = int(np.exp(rng.normal(5, 1.8))) + 3, int(rng.choice([0, 20, 30, 35, 40, 50, 60]))
    w |= {"images": "[]" if rng.random() < 0.008 else repr(views), "image": "" if rng.random() < 0.03 else views[0],
          "count": f"{count / 1000:.1f}k" if count >= 1000 else count, "discount": f"({off}% OFF)" if off else "0",
          "rating": f"{np.clip(rng.normal(4.1, 0.35), 1.5, 5):.1f}" if rng.random() < 0.8 else "",
          "price": _pick(rng, ["", "From  ", "Now  "], [91, 3, 6]) + f"{p['price_usd'] / POUND:.2f}",
          "sizes": ",".join(f"UK {s}" + " - Out of stock" * bool(rng.random() < 0.25) for s in range(4, 20, 2)),
          "tagline": _pick(rng, shop.get("taglines", {}).get(p["style"], [""]))}  # fmt: skip
    w["about"] = "".join(
        [w["tagline"], *shop.get("details", {}).get(p["category"], []), f"{p['fit'].title()} fit"]
    )
    return {column: text.format(**w) for column, text in shop["row"].items()}


def _asos_feed(products: pd.DataFrame, rng) -> tuple[list[dict], list[int]]:
    """Rows of the feed, flaws and all, and the row (from 1) at which each product first stands."""
    rows, first = [], []
    for p in products.to_dict("records"):
        row = _row(p, rng)
        if rng.random() < 0.02:
            rows.append(dict.fromkeys(row, ""))
        if rng.random() < 0.012:  # a listing that never became a product
            rows.append(
                row | _pick(rng, [{"name": ""}, {"price": "From"}, {"price": "price on request"}])
            )
        first.append(len(rows) + 1)
        rows += [row] * int(_pick(rng, [1, 2, 3, 4], [88, 6, 4, 2]))
    return rows, first


def _myntra_feed(products: pd.DataFrame, rng) -> tuple[list[dict], list[int]]:
    """As the published file: a block a category, in each the image slipped one row up against `url`."""
    rows, first = [], [0] * len(products)
    for _, block in products.groupby("category", sort=False):
        listed = [_row(p, rng) for p in block.to_dict("records")]
        images = [row["image"] for row in listed]
        for i, row, slipped in zip(block.index, listed, [*images[1:], ""], strict=True):
            row["image"] = slipped
            if rng.random() < 0.015:
                broken = _pick(rng, [{"price": "Rs. "}, {"description": "", "price": ""}])
                rows.append(row | broken | {"image": "", "url": ""})
            first[i] = len(rows) + 1
            rows.append(row)
        listed[0]["url"] = ""
        if rng.random() < 0.5:
            rows.append(dict(rows[-1]))
    return rows, first


_FEEDS = {"asos": ("asos.csv", _asos_feed), "myntra": ("myntra_men.csv", _myntra_feed)}


def build_store(
    dest: str | Path, seed: int = 7, n_asos: int = 800, n_myntra: int = 400, size: int = 256
) -> Store:
    """Draw two shops: their feeds (asos.csv, myntra_men.csv), photos and truth.

    A store that is there whole, of the same settings and drawings, is taken as it is; one that was interrupted goes on
    where it was: photos are written whole, and store.json last of all.

    Parameters
    ----------
    dest : path
        Folder of the store; what another setting left there is removed.
    n_asos, n_myntra : int
        Products that a harvest should accept; the feeds hold more rows than that.
    size : int
        Side of the photos in pixels.
    """
    dest, counts = Path(dest), {"asos": n_asos, "myntra": n_myntra}
    sources = [Path(__file__), *sorted(p for p in (_HERE / "garments").iterdir() if p.is_file())]
    drawings = hashlib.sha256(b"".join(p.read_bytes() for p in sources)).hexdigest()[:16]
    settings = {"seed": seed, **counts, "size": size, "drawings": drawings}
    feeds = {platform: dest / name for platform, (name, _) in _FEEDS.items()}
    if _read_json(dest / "store.json") == settings:
        found = _store_if_whole(dest, feeds)
        if found:
            return found
    if _read_json(dest / "plan.json") != settings:
        shutil.rmtree(dest, ignore_errors=True)
        write_json(settings, dest / "plan.json")
    truth = pd.concat([_write_feed(p, counts[p], seed, feeds[p]) for p in feeds], ignore_index=True)
    _draw_all(truth, dest / "photos", size)
    write_parquet(truth, dest / "truth.parquet")
    write_json(settings, dest / "store.json")
    return Store(dest, feeds, truth)


def _store_if_whole(dest: Path, feeds: dict[str, Path]) -> Store | None:
    """The store under `dest`, unless one of its files is gone."""
    truth_path = dest / "truth.parquet"
    if not all(path.exists() for path in (truth_path, *feeds.values())):
        return None
    truth = pd.read_parquet(truth_path)
    drawn = {path.name for path in (dest / "photos").glob("*")}
    wanted = set(truth["product_id"] + "." + truth["format"])
    return Store(dest, feeds, truth) if wanted <= drawn else None


def _read_json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none, or cut
        return None


def _write_feed(platform: str, n: int, seed: int, path: Path) -> pd.DataFrame:
    products, rng = sample_products(platform, n, seed), np.random.default_rng([seed, len(platform)])
    shares = [k / 1000 for k in FAULTS.values()]
    products["fault"] = rng.choice([*FAULTS, ""], n, p=[*shares, 1 - sum(shares)])
    rows, products["source_row"] = _FEEDS[platform][1](products, rng)
    with whole(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return products


def _draw_all(truth: pd.DataFrame, folder: Path, size: int) -> None:
    from tqdm import tqdm

    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        (p, folder / f"{p['product_id']}.{p['format']}", size) for p in truth.to_dict("records")
    ]
    jobs = [job for job in jobs if not job[1].exists()]
    if len(jobs) < 64:  # starting processes would take longer
        for job in jobs:
            _photo(job)
        return
    pool = ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), initializer=_end_with_parent)
    with pool, tqdm(total=len(jobs), disable=None) as bar:
        for _ in pool.map(_photo, jobs, chunksize=8):
            bar.update()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""

    def watch() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _photo(job: tuple[dict, Path, int]) -> None:
    """Draw one product's photo and save it whole; runs in a worker process."""
    from PIL import Image

    product, path, size = job
    pixels, out = (
        render(draw(product | {"backdrop": BACKDROPS[product["platform"]]}), size),
        io.BytesIO(),
    )
    Image.fromarray(pixels).save(out, **ENCODERS[product["format"]])
    with whole(path) as aside:
        aside.write_bytes(out.getvalue())


@contextmanager
def serve(store: Store):
    """Serve the photos over HTTP on loopback while the block runs; yields what `fetch_images` takes as `resolve`.

    Some photos are gone, cut short, slow, web pages, or forbidden by robots.txt: `FAULTS` says how many.
    """
    from helpers.sample.server import PhotoServer, handler

    server = PhotoServer(("127.0.0.1", 0), handler(store.folder / "photos", store.truth))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {host: ("127.0.0.1", server.server_port) for host in HOSTS.values()}
    finally:
        server.shutdown()
        server.server_close()
