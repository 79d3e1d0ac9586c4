"""The drawn shops' photos: one product drawn, encoded and written whole.

Worker processes import this module alone: it needs neither pandas nor the feeds.
"""

import io
import os
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from PIL import Image

from helpers.artefacts import whole
from helpers.sample.garments import draw, render

BACKDROPS = {"asos": "#f3f1ee", "myntra": "#ffffff"}
ENCODERS: dict[str, dict[str, Any]] = {
    "avif": {"format": "AVIF", "quality": 70, "speed": 10, "max_threads": 1},
    "webp": {"format": "WEBP", "quality": 84, "method": 1},
    "jpg": {"format": "JPEG", "quality": 90},
}


@dataclass(frozen=True)
class Drawing:
    """A photo that is still to be drawn.

    Attributes
    ----------
    product : dict
        A row of `stock.sample_products`.
    path : Path
        Where the photo goes.
    size : int
        Side in pixels.
    """

    product: dict
    path: Path
    size: int


def draw_photo(drawing: Drawing) -> None:
    """Draw one product's photo and save it whole."""
    product = drawing.product
    svg = draw(product | {"backdrop": BACKDROPS[product["platform"]]})
    pixels = render(svg, drawing.size)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, **ENCODERS[product["format"]])
    with whole(drawing.path) as aside:
        aside.write_bytes(out.getvalue())


def is_picture(path: Path) -> bool:
    """Whether a file is a picture to its last byte."""
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, EOFError):  # all that Pillow raises
        return False
    return True


def end_with_parent() -> None:
    """Start of a worker: one whose parent was killed would wait for work for ever."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
