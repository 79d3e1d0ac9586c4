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
from pathlib import Path

import numpy as np
import pandas as pd
from encoder import photos
from PIL import Image, ImageFilter, ImageOps
from tqdm import tqdm

from helpers.artefacts import ROOT, MissingArtefact, write_text
from helpers.embeddings import ClipEncoder
from helpers.evaluation.significance import bootstrap
from helpers.images.standardise import LANCZOS, grey_world, relight, trim, weave, white_backdrop

METRICS = ["text → image R@1", "text → image R@10", "category P@10", "colour P@10"]
STORED = ROOT / "data" / "studies" / "standardise.csv"


def noise(image: Image.Image) -> Image.Image:
    """Grain: 16 of 255 grey levels, another for each picture."""
    grain = np.random.default_rng(zlib.crc32(image.tobytes())).normal(0, 16, (*image.size[::-1], 3))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> Image.Image:
    """Packed to a tenth of JPEG's quality."""
    image.save(out := io.BytesIO(), "JPEG", quality=10)
    return Image.open(out).convert("RGB")


PADS = {"padded white": "white", "padded in its edge's colour": "edge", "padded black": "black"}
FRAMES = {"stretched": "stretch", "centre crop": "crop", **PADS}
LIGHTS = {
    "white backdrop": white_backdrop,
    "grey world": grey_world,
    "auto-contrast": ImageOps.autocontrast,
}
STUDY = {  # group → variant → RGB picture in, RGB picture out
    "as published": {"": lambda image: image},
    "framing": {f"trimmed, {name}": lambda image, how=how: trim(image, how) for name, how in FRAMES.items()},
    "resolution": {f"{n} px": lambda image, n=n: image.resize((n, n), LANCZOS) for n in (64, 96, 128, 160, 256)},
    "light": LIGHTS
    | {"varied light": relight}
    | {f"varied light, then {name}": lambda image, fix=fix: fix(relight(image)) for name, fix in LIGHTS.items()},
    "texture": {"weave": weave, "noise": noise, "blur": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
                "JPEG, quality 10": jpeg},
}  # fmt: skip


def measure(image: np.ndarray, text: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    """Per query, (n, 4): the METRICS; any photo of the same title is right, ties count against."""
    titles = frame["productDisplayName"].to_numpy()
    scores, same = text @ image.T, titles[:, None] == titles[None, :]
    ahead = ((scores >= np.where(same, scores, -np.inf).max(axis=1)[:, None]) & ~same).sum(axis=1)
    alike = image @ image.T
    np.fill_diagonal(alike, -np.inf)
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :10]
    labels = [frame[column].astype(str).to_numpy() for column in ("articleType", "baseColour")]
    shares = [(label[nearest] == label[:, None]).mean(axis=1) for label in labels]
    return np.column_stack([ahead < 1, ahead < 10, *shares]).astype(float)


def encode(encoder: ClipEncoder, pictures: list[Image.Image], change) -> np.ndarray:
    """Vectors of the pictures, each changed.

    Uncompressed in between, so that nothing else is measured.
    """
    files = []
    for picture in pictures:
        change(picture).save(out := io.BytesIO(), "BMP")
        files.append(out.getvalue())
    return encoder.encode_images(files)


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
    frame, files = photos("myntra", lambda f: f["id"].str.endswith("7"))
    frame, files = frame[: args.photos], files[: args.photos]
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    encoder = ClipEncoder()
    text = encoder.encode_texts(frame["productDisplayName"])
    rows, published = [], None
    plan = [(group, name, change) for group in STUDY for name, change in STUDY[group].items()]
    for group, name, change in tqdm(plan, disable=None):
        kept = args.cache and args.cache / f"{group} {name}.npy"
        image = np.load(kept) if kept and kept.exists() else encode(encoder, pictures, change)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.save(kept, image)
        found = measure(image, text, frame)
        published = found if published is None else published
        columns = ("value", "low", "high", "change", "change_low", "change_high")
        for metric, *values in zip(
            METRICS, *bootstrap(found), *bootstrap(found - published), strict=True
        ):
            rows.append(
                {
                    "group": group,
                    "variant": name,
                    "metric": metric,
                    **dict(zip(columns, values, strict=True)),
                }
            )
    table = pd.DataFrame(rows).round(3)
    print(
        f"{len(frame)} photos, {encoder.name} {encoder.hash[:8]}; change against the photos as published [95 %]"
    )
    for metric, part in table.groupby("metric", sort=False):
        print(f"\n{metric}")
        for row in part.itertuples():
            told = (
                f"{row.change:+.3f} [{row.change_low:+.3f}, {row.change_high:+.3f}]"
                if row.variant
                else ""
            )
            print(
                f"  {row.group:12s} {row.variant:42s} {row.value:.3f} [{row.low:.3f}, {row.high:.3f}]  {told}"
            )
    if args.write:
        write_text(table.to_csv(index=False, lineterminator="\n"), STORED)


if __name__ == "__main__":
    try:
        main()
    except MissingArtefact as missing:
        sys.exit(str(missing))
