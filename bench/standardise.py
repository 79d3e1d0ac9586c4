"""What standardising product photos does to retrieval: framing, resolution, light and texture, one
at a time.

FASHION_DATA=../shared/data python bench/standardise.py            # prints the table
FASHION_DATA=../shared/data python bench/standardise.py --write    # and stores it for chapter 01

On the 964 Myntra photos that no encoder was trained on (ids ending in 7), every photo put through a
variant of `helpers.images.standardise`: recall of the right photo given its title, and the share of
a photo's ten nearest others that bear its category (articleType) or colour (baseColour). Change:
against the photos as published, over the same queries, with a bootstrap 95 % interval. "Varied
light" gives each photo its own gamma and colour cast.
"""

import argparse
import io
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from encoder import photos
from PIL import Image, ImageFilter, ImageOps
from provenance import with_provenance
from tqdm import tqdm

from helpers.artefacts import ROOT, MissingArtefact, write_text
from helpers.embeddings import ClipEncoder
from helpers.evaluation.significance import bootstrap
from helpers.images.standardise import LANCZOS, grey_world, relight, trim, weave, white_backdrop

METRICS = ["text → image R@1", "text → image R@10", "category P@10", "color P@10"]
STORED = ROOT / "data" / "studies" / "standardize.csv"


COLUMNS = ("value", "low", "high", "change", "change_low", "change_high")
Change = Callable[[Image.Image], Image.Image]


def as_it_is(image: Image.Image) -> Image.Image:
    """The picture as published."""
    return image


def noise(image: Image.Image) -> Image.Image:
    """Grain: 16 of 255 grey levels, another for each picture."""
    width, height = image.size
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    grain = rng.normal(0, 16, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> Image.Image:
    """Packed to a tenth of JPEG's quality."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=10)
    return Image.open(out).convert("RGB")


def blur(image: Image.Image) -> Image.Image:
    """Out of focus by two pixels."""
    return image.filter(ImageFilter.GaussianBlur(2))


def trimmed(how: str) -> Change:
    """A change that trims as told; see `trim`."""
    return lambda image: trim(image, how)


def resized(side: int) -> Change:
    """A change to a square of so many pixels."""
    return lambda image: image.resize((side, side), LANCZOS)


def relit_then(fix: Change) -> Change:
    """A change of the light, and an attempt to undo it."""
    return lambda image: fix(relight(image))


FRAMES = {
    "stretched": "stretch",
    "center crop": "crop",
    "padded white": "white",
    "padded in its edge's color": "edge",
    "padded black": "black",
}
LIGHTS: dict[str, Change] = {
    "white backdrop": white_backdrop,
    "gray world": grey_world,
    "auto-contrast": ImageOps.autocontrast,
}


def study() -> dict[str, dict[str, Change]]:
    """Group → variant → RGB picture in, RGB picture out."""
    light = {**LIGHTS, "varied light": relight}
    for name, fix in LIGHTS.items():
        light[f"varied light, then {name}"] = relit_then(fix)
    return {
        "as published": {"": as_it_is},
        "framing": {f"trimmed, {name}": trimmed(how) for name, how in FRAMES.items()},
        "resolution": {f"{side} px": resized(side) for side in (64, 96, 128, 160, 256)},
        "light": light,
        "texture": {"weave": weave, "noise": noise, "blur": blur, "JPEG, quality 10": jpeg},
    }


def measure(image: np.ndarray, text: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    """The METRICS of each query; any photo of the same title is right, ties count against.

    Parameters
    ----------
    image, text : (n, d) float32
        Vectors of the photos and of their titles.
    frame : DataFrame
        productDisplayName, articleType and baseColour of each photo.

    Returns
    -------
    (n, 4) float64
    """
    titles = frame["productDisplayName"].to_numpy()
    scores = text @ image.T
    is_right = titles[:, None] == titles[None, :]
    best_right = np.where(is_right, scores, -np.inf).max(axis=1)
    ahead = ((scores >= best_right[:, None]) & ~is_right).sum(axis=1)
    alike = image @ image.T
    np.fill_diagonal(alike, -np.inf)
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :10]
    shares = []
    for column in ("articleType", "baseColour"):
        label = frame[column].astype(str).to_numpy()
        shares.append((label[nearest] == label[:, None]).mean(axis=1))
    return np.column_stack([ahead < 1, ahead < 10, *shares]).astype(float)


def encode(encoder: ClipEncoder, pictures: list[Image.Image], change: Change) -> np.ndarray:
    """Vectors of the pictures, each changed.

    Uncompressed in between, so that nothing else is measured.
    """
    files = []
    for picture in pictures:
        out = io.BytesIO()
        change(picture).save(out, "BMP")
        files.append(out.getvalue())
    return encoder.encode_images(files)


def vectors(
    encoder: ClipEncoder, pictures: list[Image.Image], change: Change, kept: Path | None
) -> np.ndarray:
    """`encode`, or what an earlier run kept of it."""
    if kept is not None and kept.exists():
        return np.load(kept)
    image = encode(encoder, pictures, change)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, image)
    return image


def rows_of(group: str, variant: str, found: np.ndarray, published: np.ndarray) -> list[dict]:
    """One row per metric: its mean and interval, and those of the change against as published."""
    intervals = [*bootstrap(found), *bootstrap(found - published)]
    rows = []
    for metric, *values in zip(METRICS, *intervals, strict=True):
        named = dict(zip(COLUMNS, values, strict=True))
        rows.append({"group": group, "variant": variant, "metric": metric, **named})
    return rows


def report(table: pd.DataFrame) -> None:
    """Print the table, metric by metric."""
    for metric, part in table.groupby("metric", sort=False):
        print(f"\n{metric}")
        for row in part.itertuples():
            change = ""
            if row.variant:
                change = f"{row.change:+.3f} [{row.change_low:+.3f}, {row.change_high:+.3f}]"
            value = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
            print(f"  {row.group:12s} {row.variant:42s} {value}  {change}")


def main() -> None:
    cli = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument(
        "--write", action="store_true", help=f"store the table in {STORED.relative_to(ROOT)}"
    )
    cli.add_argument("--photos", type=int, help="only so many of the photos: a quick look")
    cli.add_argument(
        "--cache", type=Path, help="folder for vectors, to go on after an interruption"
    )
    args = cli.parse_args()
    frame, files = photos("myntra", lambda table: table["id"].str.endswith("7"))
    frame = frame[: args.photos]
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in files[: args.photos]]
    encoder = ClipEncoder()
    text = encoder.encode_texts(frame["productDisplayName"])
    plan = []
    for group, variants in study().items():
        plan += [(group, variant, change) for variant, change in variants.items()]
    rows: list[dict] = []
    published = None
    for group, variant, change in tqdm(plan, disable=None):
        kept = args.cache / f"{group} {variant}.npy" if args.cache else None
        found = measure(vectors(encoder, pictures, change, kept), text, frame)
        if published is None:
            published = found
        rows += rows_of(group, variant, found, published)
    table = pd.DataFrame(rows).round(3)
    print(
        f"{len(frame)} photos, {encoder.name} {encoder.hash[:8]}; "
        "change against the photos as published [95 %]"
    )
    report(table)
    if args.write:
        table = with_provenance(table)
        write_text(table.to_csv(index=False, lineterminator="\n"), STORED)


if __name__ == "__main__":
    try:
        main()
    except MissingArtefact as missing:
        sys.exit(str(missing))
