"""Ways to frame, light and texture a product photo: what the standardisation study (bench/standardise.py) compares."""

import zlib

import numpy as np
from PIL import Image, ImageOps

LANCZOS = Image.Resampling.LANCZOS


def _picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).round().astype(np.uint8))


def trim(image: Image.Image, how: str) -> Image.Image:
    """Cut to what isn't white, then make it square: "stretch", "crop" (the middle), "edge" or a colour to pad with."""
    cut = image.crop(Image.fromarray(np.asarray(image).min(axis=2) < 240).getbbox())
    side = max(image.size)
    if how == "stretch":
        return cut.resize((side, side), LANCZOS)
    if how == "crop":
        return ImageOps.fit(cut, (side, side), LANCZOS)
    colour = tuple(_border(cut).astype(int)) if how == "edge" else how
    return ImageOps.pad(cut, (side, side), LANCZOS, colour)


def _border(image: Image.Image) -> np.ndarray:
    """Median colour of the outermost pixels."""
    x = np.asarray(image, np.float32)
    return np.median(np.concatenate([x[0], x[-1], x[:, 0], x[:, -1]]), axis=0)


def relight(image: Image.Image) -> Image.Image:
    """As another studio would have lit it: a gamma from a half to 2, and a cast of a tenth or so on each channel."""
    rng = np.random.default_rng(
        zlib.crc32(image.tobytes())
    )  # each picture its own, the same at each call
    return _picture(
        255 * (np.asarray(image) / 255) ** 2 ** rng.uniform(-1, 1) * np.exp(rng.normal(0, 0.1, 3))
    )


def grey_world(image: Image.Image) -> Image.Image:
    """Scale the channels to one mean (Buchsbaum 1980)."""
    means = np.asarray(image, np.float32).mean(axis=(0, 1)) + 1
    return _picture(np.asarray(image) * (means.mean() / means))


def white_backdrop(image: Image.Image) -> Image.Image:
    """Scale the channels so that the picture's border is white: von Kries, with the backdrop as white patch."""
    return _picture(np.asarray(image) * (255 / np.maximum(_border(image), 32)))


def weave(image: Image.Image) -> Image.Image:
    """A plain weave, three pixels a thread, over what isn't white: a garment's texture as augmentation changes it."""
    x, n = np.asarray(image, np.float32), np.arange(max(image.size))
    threads = (
        np.sin(2 * np.pi * n / 3)[: x.shape[0], None, None]
        * np.cos(2 * np.pi * n / 3)[None, : x.shape[1], None]
    )
    return _picture(np.where(x.min(axis=2, keepdims=True) < 240, x * (1 + 0.3 * threads), x))
