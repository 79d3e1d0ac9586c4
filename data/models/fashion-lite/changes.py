"""What else a photo may look like: tiny and gray, or as people take it."""

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy import ndimage
from torchvision import transforms

SIZE = 224
SAME = 14
"""Difference of a channel, of 255, up to which a pixel has the ground's color."""
BICUBIC = transforms.InterpolationMode.BICUBIC
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
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    color = np.median(border, axis=0)
    is_same = np.abs(border - color).max(axis=1) <= SAME
    if is_same.mean() < 0.5:
        return None
    alike = np.abs(pixels - color).max(axis=2) <= SAME
    areas, _ = ndimage.label(alike)
    rims = np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]])
    at_border = np.setdiff1d(rims, [0])
    return np.isin(areas, at_border)


def on_ground(photo: Image.Image, ground: Image.Image) -> Image.Image:
    """The photo's garment on another ground; the photo itself if its own is not even."""
    where = ground_of(photo)
    if where is None:
        return photo
    mask = Image.fromarray((255 * where).astype(np.uint8))
    return Image.composite(ground.resize(photo.size), photo, mask)


def trimmed(photo: Image.Image) -> Image.Image:
    """The garment on white, without the ground around it."""
    where = ground_of(photo)
    if where is None or where.all():
        return photo
    rows = np.flatnonzero(~where.all(axis=1))
    columns = np.flatnonzero(~where.all(axis=0))
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    return on_ground(photo, Image.new("RGB", photo.size, WHITE)).crop(box)


def tiny(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Gray, of 28 pixels or a few more, the garment as large as the picture."""
    gray = trimmed(photo).convert("L")
    if rng.random() < 0.5:
        gray = ImageOps.mirror(gray)
    if rng.random() < 0.5:
        gray = ImageEnhance.Brightness(gray).enhance(rng.uniform(0.8, 1.15))
    side = int(rng.choice([28, 28, 28, 28, 32, 40, 56]))
    small = ImageOps.contain(gray, (side, side), SCALERS[rng.integers(len(SCALERS))])
    if rng.random() < 0.6:
        small = small.filter(ImageFilter.SHARPEN)
    return ImageOps.pad(small, (side, side), color=255)
