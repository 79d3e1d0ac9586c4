"""Zero-shot labels of ten plain classes of pictures from elsewhere: Fashion-MNIST, 28 × 28 gray.

    python bench/plain_classes.py FOLDER [--split test] [--first 1000]

FOLDER holds the set's four files as published (`t10k-images-idx3-ubyte.gz` and so on); Debian's
package `dataset-fashion-mnist` brings them. The encoder was never trained on these pictures. The
prompts are the classes' published names in one template, or in the mean of several. They were
written down before the test pictures were looked at, and no class has words of its own.
"""

import argparse
import gzip
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score

from helpers.embeddings import ClipEncoder

CLASSES = (
    "t-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
ONE = ("a photo of a {}",)
SEVERAL = ("{}", "a photo of a {}", "a {}", "black {}", "grey {}", "white {}")
PREFIXES = {"train": "train", "test": "t10k"}
IMAGE_HEADER = 16
LABEL_HEADER = 8
SIDE = 28


def read(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 28, 28) uint8 and classes (n,) uint8 of a split.

    Raises
    ------
    FileNotFoundError
        If a file is not in the folder.
    """
    prefix = PREFIXES[split]
    pixels = gzip.decompress((folder / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())
    pictures = np.frombuffer(pixels, np.uint8, offset=IMAGE_HEADER).reshape(-1, SIDE, SIDE)
    return pictures, np.frombuffer(labels, np.uint8, offset=LABEL_HEADER)


def as_file(picture: np.ndarray) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def prompts(encoder: ClipEncoder, templates) -> np.ndarray:
    """One unit vector (10, d) for each class: the mean over its templates."""
    vectors = [
        encoder.encode_texts([template.format(name) for name in CLASSES]) for template in templates
    ]
    mean = np.mean(vectors, axis=0)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=list(PREFIXES), default="test")
    parser.add_argument("--first", type=int, help="read only so many pictures")
    args = parser.parse_args()
    try:
        pictures, classes = read(args.folder, args.split)
    except FileNotFoundError as missing:
        sys.exit(f"skipped: {missing.filename} is not there; it is part of Fashion-MNIST")
    pictures, classes = pictures[: args.first], classes[: args.first]
    encoder = ClipEncoder()
    vectors = encoder.encode_images([as_file(picture) for picture in pictures])
    print(f"{encoder.name} {encoder.hash[:8]}, {len(pictures)} pictures, {args.split} split")
    for name, templates in (("one template", ONE), ("mean of six", SEVERAL)):
        named = np.argmax(vectors @ prompts(encoder, templates).T, axis=1)
        score = f1_score(classes, named, average="weighted")
        print(f"{name}: weighted F1 {score:.3f}  accuracy {accuracy_score(classes, named):.3f}")
        each = f1_score(classes, named, average=None)
        print("  " + "  ".join(f"{c} {f:.2f}" for c, f in zip(CLASSES, each, strict=True)))


if __name__ == "__main__":
    main()
