"""Ways to frame, light and texture a product photo.

What the standardisation study (bench/standardise.py) compares.
"""

import zlib

import numpy as np
from PIL import Image, ImageOps

LANCZOS = Image.Resampling.LANCZOS
_WHITE_FROM = 240  # of 255, in every channel
_DARKEST_BACKDROP = 32
_THREAD = 3  # pixels


def _picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).round().astype(np.uint8))


def trim(image: Image.Image, how: str) -> Image.Image:
    """Cut to what isn't white, then make it square.

    Parameters
    ----------
    image : Image
        RGB.
    how : str
        "stretch", "crop" (the middle), "edge" (pad with the border's colour) or a colour to pad
        with.
    """
    is_garment = np.asarray(image).min(axis=2) < _WHITE_FROM
    cut = image.crop(Image.fromarray(is_garment).getbbox())
    side = max(image.size)
    if how == "stretch":
        return cut.resize((side, side), LANCZOS)
    if how == "crop":
        return ImageOps.fit(cut, (side, side), LANCZOS)
    if how == "edge":
        red, green, blue = (int(channel) for channel in _border(cut))
        return ImageOps.pad(cut, (side, side), LANCZOS, (red, green, blue))
    return ImageOps.pad(cut, (side, side), LANCZOS, how)


def _border(image: Image.Image) -> np.ndarray:
    """Median colour of the outermost pixels."""
    pixels = np.asarray(image, np.float32)
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    return np.median(np.concatenate(edges), axis=0)


def relight(image: Image.Image) -> Image.Image:
    """As another studio would have lit it: a gamma from a half to 2, and a cast of a tenth or so on
    each channel.

    Each picture has its own light, the same at each call.
    """
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    gamma = 2 ** rng.uniform(-1, 1)
    cast = np.exp(rng.normal(0, 0.1, 3))
    shares = np.asarray(image) / 255
    return _picture(255 * shares**gamma * cast)


def grey_world(image: Image.Image) -> Image.Image:
    """Scale the channels to one mean (Buchsbaum 1980)."""
    means = np.asarray(image, np.float32).mean(axis=(0, 1)) + 1
    return _picture(np.asarray(image) * (means.mean() / means))


def white_backdrop(image: Image.Image) -> Image.Image:
    """Scale the channels so that the picture's border is white: von Kries, with the backdrop as
    white patch.
    """
    backdrop = np.maximum(_border(image), _DARKEST_BACKDROP)
    return _picture(np.asarray(image) * (255 / backdrop))


def weave(image: Image.Image) -> Image.Image:
    """A plain weave, three pixels per thread, over what isn't white.

    It changes a garment's texture as augmentation does.
    """
    pixels = np.asarray(image, np.float32)
    height, width, _ = pixels.shape
    phase = 2 * np.pi * np.arange(max(height, width)) / _THREAD
    weft = np.sin(phase)[:height, None, None]
    warp = np.cos(phase)[None, :width, None]
    woven = pixels * (1 + 0.3 * (weft * warp))
    is_garment = pixels.min(axis=2, keepdims=True) < _WHITE_FROM
    return _picture(np.where(is_garment, woven, pixels))
