"""Gray pictures on black ground are read as negatives, and nothing else is."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from helpers.embeddings import ClipEncoder
from helpers.embeddings.negatives import on_light_ground


def framed(ground: int, garment: int, rim: int = 4) -> Image.Image:
    """A gray square of 28 pixels on an even ground."""
    pixels = np.full((28, 28), ground, np.uint8)
    pixels[rim:-rim, rim:-rim] = garment
    return Image.fromarray(pixels).convert("RGB")


def test_gray_on_black_is_inverted():
    picture = framed(ground=0, garment=200)
    assert np.array_equal(np.asarray(on_light_ground(picture)), 255 - np.asarray(picture))


def test_a_garment_may_touch_two_sides_of_the_border():
    pixels = np.zeros((28, 28), np.uint8)
    pixels[:, 8:20] = 180  # 24 of 108 border pixels
    picture = Image.fromarray(pixels).convert("RGB")
    assert np.asarray(on_light_ground(picture))[0, 0, 0] == 255


@pytest.mark.parametrize("ground", [60, 128, 255])
def test_other_grounds_stay(ground):
    picture = framed(ground, garment=20)
    assert on_light_ground(picture) is picture


def test_color_on_black_stays():
    picture = framed(ground=0, garment=200)
    picture.paste((200, 30, 30), (8, 8, 20, 20))
    assert on_light_ground(picture) is picture


def test_a_dark_border_on_less_than_half_stays():
    pixels = np.full((28, 28), 255, np.uint8)
    pixels[:14] = 0  # one side of four, and half of two
    pixels[13] = 255
    picture = Image.fromarray(pixels).convert("RGB")
    assert on_light_ground(picture) is picture


def test_the_encoder_sees_a_negative_as_its_positive(tmp_path):
    positive = framed(ground=255, garment=90).convert("L")
    paths = [tmp_path / "positive.png", tmp_path / "negative.png"]
    positive.save(paths[0])
    ImageOps.invert(positive).save(paths[1])
    seen, inverted = ClipEncoder().encode_images(paths)
    np.testing.assert_allclose(inverted, seen, atol=1e-6)
