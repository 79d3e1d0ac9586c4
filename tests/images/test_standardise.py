"""Framing, light and texture: what each does to a picture whose pixels can be counted."""

import numpy as np
import pytest
from PIL import Image

from helpers.images.standardise import grey_world, relight, trim, weave, white_backdrop


def block(colour=(0, 0, 0), backdrop=(255, 255, 255)) -> Image.Image:
    """A block of 40 × 20 pixels on a page of 60 × 60."""
    page = Image.new("RGB", (60, 60), backdrop)
    page.paste(Image.new("RGB", (40, 20), colour), (5, 10))
    return page


@pytest.mark.parametrize(
    ("how", "white"), [("white", 60 * 30), ("edge", 0), ("stretch", 0), ("crop", 0)]
)
def test_a_trimmed_block_fills_the_page_as_told(how, white):
    # twice as wide as high: padded, it takes half of the page
    pixels = np.asarray(trim(block(), how))
    assert pixels.shape == (60, 60, 3)
    assert (pixels.min(axis=2) > 128).sum() == white


def test_padding_keeps_the_shape_and_stretching_does_not():
    # a grey block of 40 × 20 whose left quarter is black
    strip = np.full((20, 40, 3), 120, np.uint8)
    strip[:, :10] = 0
    page = Image.new("RGB", (60, 60), "white")
    page.paste(Image.fromarray(strip), (0, 0))
    dark = {
        how: (np.asarray(trim(page, how)).min(axis=2) < 60).sum()
        for how in ("white", "black", "stretch", "crop")
    }
    assert dark["white"] == pytest.approx(15 * 30, abs=40)
    assert dark["black"] == pytest.approx(15 * 30 + 60 * 30, abs=40)
    assert dark["stretch"] == pytest.approx(15 * 60, abs=70)
    assert dark["crop"] == 0  # the middle half of the block is left


def test_an_empty_page_stays_as_it_is():
    assert trim(Image.new("RGB", (8, 8), "white"), "white").getextrema() == ((255, 255),) * 3


def test_a_cast_goes_when_the_backdrop_is_made_white():
    cast = block(colour=(100, 55, 30), backdrop=(200, 220, 240))
    pixels = np.asarray(white_backdrop(cast)).astype(int)
    assert (pixels[0, 0] == 255).all()
    assert pixels[15, 10].tolist() == [
        round(100 * 255 / 200),
        round(55 * 255 / 220),
        round(30 * 255 / 240),
    ]


def test_grey_world_brings_the_channels_to_one_mean():
    means = np.asarray(grey_world(block(colour=(100, 55, 30), backdrop=(150, 120, 90)))).mean(
        axis=(0, 1)
    )
    assert np.ptp(means) < 1.5


def test_each_picture_has_its_own_light_the_same_every_time():
    first, second = block(colour=(90, 90, 90)), block(colour=(91, 90, 90))
    assert relight(first).tobytes() == relight(first).tobytes()
    assert np.abs(np.asarray(relight(first)).astype(int) - np.asarray(relight(second))).max() > 5


def test_a_weave_changes_the_garment_and_not_the_page():
    before, after = (
        np.asarray(picture).astype(int) for picture in (block((120,) * 3), weave(block((120,) * 3)))
    )
    garment = before.max(axis=2) < 240
    assert (after[~garment] == 255).all()
    assert after[garment].mean() == pytest.approx(120, abs=1) and after[garment].std() > 10
