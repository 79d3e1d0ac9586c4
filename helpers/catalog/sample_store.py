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
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ..artefacts import whole, write_json, write_parquet
from .garments import COLOURS, PATTERNS, STYLES, draw, render

HOSTS = {"asos": "images.asos.test", "myntra": "assets.myntra.test"}
FITS = ["slim", "regular", "relaxed", "oversized"]
RUPEE, POUND = 0.01199, 1.265  # US dollars, as in data/vocabulary.yaml
BACKDROPS = {"asos": "#f3f1ee", "myntra": "#ffffff"}
# Of a thousand photos, how many the server answers with …
FAULTS = {"gone": 8, "corrupt": 5, "page": 4, "private": 4, "slow": 12}


@dataclass(frozen=True)
class Store:
    """A built store: `feeds` by platform, `truth` (a row a product) and what the server does to some photos."""

    folder: Path
    feeds: dict[str, Path]
    truth: pd.DataFrame

    def attributes(self, catalog: pd.DataFrame) -> pd.DataFrame:
        """What the shopper simulator reads, for the products of a harvested catalogue.

        Returns
        -------
        DataFrame
            image_key, category, colour, pattern, style, price_usd, gender: the store's own truth, a row a catalogue row.

        Raises
        ------
        ValueError
            If the catalogue holds a row that this store never sold.
        """
        rows = catalog[["image_key", "platform", "source_row"]].merge(
            self.truth, how="left", on=["platform", "source_row"]
        )
        if rows["colour"].isna().any():
            raise ValueError(
                f"{rows.loc[rows['colour'].isna(), 'image_key'].iloc[0]} is not of this store: harvest its own feeds"
            )
        return rows[["image_key", "category", "colour", "pattern", "style", "price_usd", "gender"]]


@cache
def _shops() -> dict:
    return yaml.safe_load((Path(__file__).parent / "garments" / "shops.yaml").read_text(encoding="utf-8"))


def _pick(rng, values, weights=None):
    p = None if weights is None else np.asarray(weights, float) / np.sum(weights)
    return values[int(rng.choice(len(values), p=p))]


def sample_products(platform: str, n: int, seed: int) -> pd.DataFrame:
    """Attributes of `n` garments as a shop would stock them: style follows category, colour style, price all of them."""
    book, shop = _shops(), _shops()[platform]
    rng = np.random.default_rng([seed, sum(platform.encode())])
    rows = []
    for i in range(n):
        gender = "women" if rng.random() < shop["women"] else "men"
        mix = book["categories"][gender]
        category = _pick(rng, list(mix), list(mix.values()))
        style = _pick(rng, STYLES, book["styles"][category])
        pattern = _pick(rng, PATTERNS, book["patterns"][category])
        colour = _pick(rng, COLOURS, book["denim"] if category == "jeans" else book["colours"][style])
        if category in ("dress", "skirt"):
            length = _pick(rng, ["mini", "midi", "maxi"], [36, 40, 24])
        else:
            length = _pick(rng, ["regular", "cropped", "longline"], [76, 14, 10])
        brand, level, _ = _pick(rng, shop["brands"], [b[2][STYLES.index(style)] + 0.05 for b in shop["brands"]])
        price = book["prices"][category] * level * np.exp(rng.normal(0, 0.18))
        price *= (
            book["style_price"][style] * book["pattern_price"].get(pattern, 1) * book["length_price"].get(length, 1)
        )
        rows.append({"platform": platform, "product_id": str(200_000_000 + 4_000 * i + int(rng.integers(4_000))),
                     "gender": gender, "category": category, "colour": colour, "pattern": pattern, "style": style,
                     "fit": _pick(rng, FITS, book["fits"][style]), "length": length, "brand": brand,
                     "price_usd": round(float(price), 2), "seed": int(rng.integers(2**31)),
                     "format": _pick(rng, list(shop["formats"]), list(shop["formats"].values()))})  # fmt: skip
    return pd.DataFrame(rows)


def _words(p: dict, shop: dict, rng) -> dict:
    """How one shop says the garment's noun, pattern and colour."""
    pattern = (
        shop["textures"][p["category"]] if p["pattern"] == "texture" else _pick(rng, shop["patterns"][p["pattern"]])
    )
    return {"noun": _pick(rng, shop["nouns"][p["category"]]), "pattern": pattern, "fit": shop["fits"][p["fit"]],
            "colour": _pick(rng, shop["colours"][p["colour"]]), "style": shop["style_words"][p["style"]],
            "length": "" if p["length"] == "regular" else p["length"]}  # fmt: skip


def _asos_row(p: dict, rng) -> dict:
    shop = _shops()["asos"]
    w = _words(p, shop, rng)
    pattern = (
        ""
        if w["pattern"] == w["noun"] == "jeans" or (p["category"] == "jeans" and w["pattern"] == "denim")
        else w["pattern"]
    )
    who = "men's" if p["gender"] == "men" else ""
    colour = w["colour"].lower().replace("neutral", "beige")
    title = re.sub(
        " +", " ", f"{p['brand']} {who} {w['fit']} {w['length']} {w['style']} {pattern} {w['noun']} in {colour}"
    )
    slug = re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")
    views = [f"http://{HOSTS['asos']}/products/{slug}/{p['product_id']}-{v}?$n_1920w$&wid=1926&fit=constrain"
             for v in ("4", f"1-{colour.replace(' ', '')}", "2", "3", "4")]  # fmt: skip
    fit = {"slim": "Slim", "regular": "Regular", "relaxed": "Relaxed", "oversized": "Oversized"}[p["fit"]] + " fit"
    tag = _pick(rng, shop["taglines"][p["style"]])
    about = "".join([tag, *shop["details"][p["category"]], fit])
    description = (
        f"[{{'Product Details': '{shop['departments'][p['category']]} by {p['brand']}{about}Product Code: "
        f"{110_000_000 + p['seed'] % 9_999_999}'}}, {{'Brand': 'It doesn t have to be loud to be {p['brand']}: pieces that "
        f"don t date, made for the days you re in a hurry. '}}, {{'Size & Fit': \"Model wears: UK 8 / EU 36Model's height: "
        f"17{rng.integers(2, 9)}cm/5'{rng.integers(7, 11)}\"\"}}, {{'Look After Me': 'Machine wash according to instructions "
        f"on care label'}}, {{'About Me': '{tag}Main: {rng.integers(80, 101)}% Cotton.'}}]")  # fmt: skip
    price = p["price_usd"] / POUND
    text = f"{_pick(rng, ['From', 'Now'])}  {price:.2f}" if rng.random() < 0.09 else f"{price:.2f}"
    sizes = ",".join(f"UK {s}{' - Out of stock' if rng.random() < 0.25 else ''}" for s in range(4, 20, 2))
    return {"url": f"https://www.asos.test/{slug}/prd/{p['product_id']}", "name": title, "size": sizes, "category": title,
            "price": text, "color": w["colour"], "sku": f"{110_000_000 + p['seed'] % 9_999_999}.0",
            "description": description, "images": "[]" if rng.random() < 0.008 else repr(views)}  # fmt: skip


def _myntra_row(p: dict, rng) -> dict:
    shop = _shops()["myntra"]
    w = _words(p, shop, rng)
    who = "Men" if p["gender"] == "men" else "Women"
    keep = [part for part in (w["fit"], w["style"]) if part and rng.random() < 0.55]
    title = " ".join([who, *keep, *filter(None, [w["pattern"], w["length"].title()]), w["noun"]])
    slug = re.sub("[^a-z0-9]+", "-", f"{p['brand']}-{who}-{w['colour']}-{w['pattern']}-{w['noun']}".lower())
    photo = (f"http://{HOSTS['myntra']}/dpr_2,q_60,w_210,c_limit,fl_progressive/assets/images/{p['product_id']}/2024/"
             f"{rng.integers(1, 13)}/{rng.integers(1, 29)}/{p['seed']:x}-{slug}-1.jpg")  # fmt: skip
    rupees, off = p["price_usd"] / RUPEE, int(rng.choice([0, 20, 30, 35, 40, 50, 60]))
    count = int(np.exp(rng.normal(5, 1.8))) + 3
    return {"gender": who[0].replace("W", "F"), "category": shop["departments"][p["category"]],
            "image": "" if rng.random() < 0.03 else photo, "brand": p["brand"], "description": title,
            "price": f"Rs. {rupees:.0f}", "discount": f"({off}% OFF)" if off else "0",
            "url": f"https://www.myntra.test/{w['noun'].lower().replace(' ', '-')}/{p['brand'].lower().replace(' ', '-')}/{slug}/{p['product_id']}/buy",
            "rating": f"{np.clip(rng.normal(4.1, 0.35), 1.5, 5):.1f}" if rng.random() < 0.8 else "",
            "reviews": f"{f'{count / 1000:.1f}k' if count >= 1000 else count} Verified Buyers"}  # fmt: skip


def _asos_feed(products: pd.DataFrame, rng) -> tuple[list[dict], list[int]]:
    """Rows of the feed, flaws and all, and the row (from 1) at which each product first stands."""
    rows, first = [], []
    for p in products.to_dict("records"):
        row = _asos_row(p, rng)
        if rng.random() < 0.02:
            rows.append(dict.fromkeys(row, ""))
        if rng.random() < 0.012:  # a listing that never became a product
            rows.append({**row, **_pick(rng, [{"name": ""}, {"price": "From"}, {"price": "price on request"}])})
        first.append(len(rows) + 1)
        rows += [row] * int(_pick(rng, [1, 2, 3, 4], [88, 6, 4, 2]))
    return rows, first


def _myntra_feed(products: pd.DataFrame, rng) -> tuple[list[dict], list[int]]:
    """As the published file: a block a category, in each the image slipped one row up against `url`."""
    rows, first = [], [0] * len(products)
    for _, block in products.groupby("category", sort=False):
        listed = [(i, _myntra_row(p, rng)) for i, p in zip(block.index, block.to_dict("records"), strict=True)]
        images = [row["image"] for _, row in listed]
        for (i, row), slipped in zip(listed, [*images[1:], images[0].replace("/images/", "/images/9")], strict=True):
            row["image"] = slipped
            if rng.random() < 0.015:
                rows.append(
                    {**row, **_pick(rng, [{"price": "Rs. "}, {"description": "", "price": ""}]), "image": "", "url": ""}
                )
            first[i] = len(rows) + 1
            rows.append(row)
        listed[0][1]["url"] = ""
        if rng.random() < 0.5:
            rows.append(dict(rows[-1]))
    return rows, first


def _photo(job: tuple) -> None:
    """Draw one product's photo and save it whole; runs in a worker process."""
    from PIL import Image

    product, path, size = job
    pixels = render(draw({**product, "backdrop": BACKDROPS[product["platform"]]}), size)
    kind, options = {"avif": ("AVIF", {"quality": 70, "speed": 10}), "webp": ("WEBP", {"quality": 84, "method": 1}),
                     "jpg": ("JPEG", {"quality": 90})}[product["format"]]  # fmt: skip
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    with whole(path) as aside:
        aside.write_bytes(out.getvalue())


def build_store(dest: str | Path, seed: int = 7, n_asos: int = 800, n_myntra: int = 400, size: int = 320) -> Store:
    """Draw two shops: their feeds (asos.csv, myntra_men.csv), photos and truth.

    A store that is there whole, of the same settings, is taken as it is; one that was interrupted goes on where it was.

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
    source = "".join(
        p.read_text("utf-8") for p in sorted((Path(__file__).parent / "garments").iterdir()) if p.is_file()
    )
    settings = {"seed": seed, **counts, "size": size,
                "drawings": hashlib.sha256((source + Path(__file__).read_text("utf-8")).encode()).hexdigest()[:16]}  # fmt: skip
    feeds = {"asos": dest / "asos.csv", "myntra": dest / "myntra_men.csv"}
    if _read_json(dest / "store.json") == settings:
        return Store(dest, feeds, pd.read_parquet(dest / "truth.parquet"))
    if _read_json(dest / "plan.json") != settings:
        shutil.rmtree(dest, ignore_errors=True)
        write_json(settings, dest / "plan.json")
    tables = []
    for platform, make in (("asos", _asos_feed), ("myntra", _myntra_feed)):
        products = sample_products(platform, counts[platform], seed)
        rng = np.random.default_rng([seed, 1 + len(platform)])
        rows, products["source_row"] = make(products, rng)
        names = list(FAULTS)
        share = [FAULTS[f] / 1000 for f in names]
        products["fault"] = rng.choice([*names, ""], size=len(products), p=[*share, 1 - sum(share)])
        with whole(feeds[platform]) as aside, aside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        tables.append(products)
    truth = pd.concat(tables, ignore_index=True)
    _draw_all(truth, dest / "photos", size)
    write_parquet(truth, dest / "truth.parquet")
    write_json(settings, dest / "store.json")
    return Store(dest, feeds, truth)


def _read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _draw_all(truth: pd.DataFrame, folder: Path, size: int) -> None:
    from tqdm import tqdm

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{p.product_id}.{p.format}" for p in truth.itertuples()]
    jobs = [(p, path, size) for p, path in zip(truth.to_dict("records"), paths, strict=True) if not path.exists()]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool, tqdm(total=len(jobs), disable=None) as bar:
        for _ in pool.map(_photo, jobs, chunksize=16):
            bar.update()


@contextmanager
def serve(store: Store):
    """Serve the photos over HTTP on loopback while the block runs; yields what `fetch_images` takes as `resolve`.

    Some photos are gone, broken, slow, web pages, or forbidden by robots.txt: `FAULTS` says how many.
    """
    from http.server import ThreadingHTTPServer
    from threading import Thread

    from .sample_server import handler

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(store.folder / "photos", store.truth))
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {host: ("127.0.0.1", server.server_port) for host in HOSTS.values()}
    finally:
        server.shutdown()
        server.server_close()
