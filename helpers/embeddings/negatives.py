"""Gray pictures on a black ground, read as what they are: negatives of product photos.

Product photos stand on a light ground. Collections of small gray pictures are often stored with
inverted brightness, so that the ground is 0. The picture tower has never met such a ground.
"""

import numpy as np

DARK = 24
"""Brightness, of 255, up to which a pixel counts as black ground."""
TINT = 8
"""Largest difference of a pixel's channels, of 255, in a picture that counts as gray."""
LEAST_SHARE = 0.5
"""Share of the border's pixels that must be black ground."""


def on_light_ground(image):
    """The picture, inverted if it is gray and at least half of its outermost pixels are black.

    Every other picture is returned as it is. A color picture on black ground is one of them:
    inverting it would change its colors.

    Parameters
    ----------
    image : PIL.Image.Image
        In mode `RGB`.
    """
    from PIL import ImageOps

    if _has_black_border(image) and _is_gray(image):
        return ImageOps.invert(image)
    return image


def _has_black_border(image) -> bool:
    width, height = image.size
    sides = [
        (0, 0, width, 1),
        (0, height - 1, width, height),
        (0, 0, 1, height),
        (width - 1, 0, width, height),
    ]
    strips = [np.asarray(image.crop(side).convert("L")).ravel() for side in sides]
    brightness = np.concatenate(strips)
    return float((brightness <= DARK).mean()) >= LEAST_SHARE


def _is_gray(image) -> bool:
    pixels = np.asarray(image).astype(np.int16)
    tint = pixels.max(axis=2) - pixels.min(axis=2)
    return int(tint.max()) <= TINT
