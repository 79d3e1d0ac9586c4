"""Drawn garments: parametric SVG templates for the sample store.

Deterministic: the same attributes, the same bytes.
"""

import io

import numpy as np

from helpers.sample.garments.cloth import COLOURS as _COLOURS
from helpers.sample.garments.tailor import draw

CATEGORIES = [
    "t-shirt",
    "shirt",
    "blouse",
    "sweater",
    "hoodie",
    "dress",
    "skirt",
    "jeans",
    "trousers",
    "shorts",
    "jacket",
    "coat",
    "blazer",
    "jumpsuit",
]
COLOURS = list(_COLOURS)
PATTERNS = ["plain", "stripes", "check", "dots", "floral", "colour-block", "graphic", "texture"]
STYLES = ["minimal", "classic", "sporty", "romantic", "streetwear"]

__all__ = ["CATEGORIES", "COLOURS", "PATTERNS", "STYLES", "draw", "render"]


def render(svg: str, size: int = 256) -> np.ndarray:
    """Pixels of a drawn garment, by resvg.

    Parameters
    ----------
    svg : str
        As from `draw`.
    size : int
        Side in pixels.

    Returns
    -------
    (size, size, 3) uint8
    """
    import resvg
    from PIL import Image

    tree = resvg.usvg.Tree.from_str(svg, resvg.usvg.Options.default())
    scale = size / tree.int_size()[0]
    transform = (scale, 0, 0, 0, scale, 0)
    png = resvg.render(tree, transform, bg_size=(size, size))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
