"""What else a photo may look like: tiny and gray, or as people take it."""

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy import ndimage
from torchvision import transforms

SIZE = 224
SAME = 14
"""Difference of a channel, of 255, up to which a pixel has the ground's color."""
BICUBIC = transforms.InterpolationMode.BICUBIC
LEAST_EVEN = 0.5
"""Share of the border that must have one color."""
SIDES = (28, 28, 28, 28, 32, 40, 56)
"""Of tiny pictures, in pixels; most are the first."""
SCALERS = (Image.NEAREST, Image.BILINEAR, Image.BICUBIC, Image.LANCZOS, Image.BOX)
WHITE = (255, 255, 255)

by_hand = transforms.Compose(
    [
        transforms.RandomResizedCrop(SIZE, (0.4, 1.0), (0.7, 1.4), BICUBIC),
        transforms.RandomRotation(15, fill=200),
        transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(0.3, 0.3, 0.3, 0.03),
    ]
)
"""Closer, more tilted, in other light."""


def ground_of(photo: Image.Image) -> np.ndarray | None:
    """Where a photo's even ground is, (h, w) bool; None if its border has several colors."""
    pixels = np.asarray(photo).astype(np.int16)
    border = rim_of(pixels)
    color = np.median(border, axis=0)
    if is_near(border, color).mean() < LEAST_EVEN:
        return None
    areas, _ = ndimage.label(is_near(pixels, color))
    at_border = np.setdiff1d(rim_of(areas), [0])
    return np.isin(areas, at_border)


def rim_of(pixels: np.ndarray) -> np.ndarray:
    """The outermost pixels of (h, w, ...), one after the other."""
    sides = [
        pixels[0],
        pixels[-1],
        pixels[:, 0],
        pixels[:, -1],
    ]
    return np.concatenate(sides)


def is_near(pixels: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Which pixels have a color, up to SAME."""
    difference = np.abs(pixels - color)
    return difference.max(axis=-1) <= SAME


def on_white(photo: Image.Image, where: np.ndarray) -> Image.Image:
    """The photo with its ground `where` in white."""
    mask = Image.fromarray(where)
    white = Image.new("RGB", photo.size, WHITE)
    return Image.composite(white, photo, mask)


def trimmed(photo: Image.Image) -> Image.Image:
    """The garment on white, without the ground around it."""
    where = ground_of(photo)
    if where is None or where.all():
        return photo
    rows = np.flatnonzero(~where.all(axis=1))
    columns = np.flatnonzero(~where.all(axis=0))
    left, right = columns[[0, -1]]
    top, bottom = rows[[0, -1]]
    box = (left, top, right + 1, bottom + 1)
    return on_white(photo, where).crop(box)


def tiny(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Gray, of 28 pixels or a few more, the garment as large as the picture."""
    gray = trimmed(photo).convert("L")
    if rng.random() < 0.5:
        gray = ImageOps.mirror(gray)
    if rng.random() < 0.5:
        light = rng.uniform(0.8, 1.15)
        gray = ImageEnhance.Brightness(gray).enhance(light)
    side = int(rng.choice(SIDES))
    scaler = SCALERS[rng.integers(len(SCALERS))]
    small = ImageOps.contain(gray, (side, side), scaler)
    if rng.random() < 0.6:
        small = small.filter(ImageFilter.SHARPEN)
    return ImageOps.pad(small, (side, side), color=255)
