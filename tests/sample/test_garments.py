"""Drawn garments: every combination draws, the same seed gives the same bytes, and what differs
looks different.
"""

import hashlib
import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from helpers.sample.garments import CATEGORIES, COLOURS, PATTERNS, STYLES, draw, render
from helpers.sample.garments.cloth import COLOURS as DYES
from helpers.sample.garments.outline import both, leaf, mirror, path, sliver


def garment(**changed):
    usual = {
        "category": "dress",
        "colour": "red",
        "pattern": "plain",
        "style": "classic",
        "fit": "regular",
        "length": "midi",
        "seed": 3,
    }
    return {**usual, **changed}


def length_of(category):
    return "midi" if category in ("dress", "skirt") else "regular"


def test_an_outline_is_closed_by_its_mirror_image():
    half = [((0, 0),), ((3, 0), (4, 2)), ((4, 6),), ((0, 8),)]
    assert both(half) == [*half, ((-4, 6),), ((-4, 2),), ((-3, 0), (0, 0))]
    assert mirror(mirror(half)) == half
    assert path([((0, 0),), ((1, 2),), ((3, 4), (5, 6))]) == "M0.0 0.0L1.0 2.0Q3.0 4.0 5.0 6.0Z"


def test_a_fold_is_as_thick_in_its_middle_as_told():
    # a quadratic curve passes half way to its control point, so the two sides lie `width` apart on
    # each side
    start, (control, end), (back, again) = sliver(leaf(0, 0, 0, 10, 0, 3), share=1.0)
    assert start == ((0, 0),) and end == (0, 10) and again == (0, 0)
    assert (control[0] / 2, back[0] / 2) == (-3.0, 3.0)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_style_pattern_fit_and_length_of_a_category_is_an_svg_inside_its_page(category):
    lengths = (
        ["mini", "midi", "maxi"]
        if category in ("dress", "skirt")
        else ["cropped", "regular", "longline"]
    )
    fits = ["slim", "regular", "relaxed", "oversized"]
    for i, (style, pattern) in enumerate(itertools.product(STYLES, PATTERNS)):
        colour, fit, length = COLOURS[i % 12], fits[i % 4], lengths[i % 3]
        svg = draw(
            garment(
                category=category,
                style=style,
                pattern=pattern,
                colour=colour,
                fit=fit,
                length=length,
            )
        )
        ET.fromstring(svg)
        assert (
            "$" not in svg
            and "nan" not in svg
            and "http" not in svg.replace("http://www.w3.org/2000/svg", "")
        )
        assert "<text" not in svg  # letters would differ with a machine's fonts


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others():
    svg = draw(garment(pattern="floral"))
    assert svg == draw(garment(pattern="floral"))
    assert svg != draw(garment(pattern="floral", seed=4))
    assert (
        hashlib.sha256(render(svg, 64).tobytes()).digest()
        == hashlib.sha256(render(svg, 64).tobytes()).digest()
    )


def test_the_garment_fills_its_page_and_leaves_a_margin():
    pixels = render(draw(garment(backdrop="#ffffff")), 128).astype(int)
    inked = (pixels.min(axis=2) < 200).nonzero()
    assert pixels.shape == (128, 128, 3)
    assert 2 < inked[0].min() < 16 and 112 < inked[0].max() < 126  # within 6 % of top and bottom


def test_a_plain_garment_has_the_colour_it_is_named_after():
    names = list(DYES)
    dyes = np.array([[int(DYES[name][i : i + 2], 16) for i in (1, 3, 5)] for name in names])
    for name in names:
        pixels = render(draw(garment(colour=name, category="t-shirt", length="regular")), 96)
        middle = np.median(pixels[40:64, 36:60].reshape(-1, 3), axis=0)
        assert names[int(((dyes - middle) ** 2).sum(axis=1).argmin())] == name


@pytest.fixture(scope="module")
def silhouettes():
    """Where each category's garments are on a 48-pixel page, two styles of two seeds."""
    found = {}
    for category in CATEGORIES:
        rows = []
        for seed, style in itertools.product((1, 2), ("minimal", "classic")):
            svg = draw(
                garment(
                    category=category,
                    style=style,
                    seed=seed,
                    length=length_of(category),
                    colour="blue",
                )
            )
            rows.append(render(svg, 48).astype(float).ravel())
        found[category] = np.array(rows)
    return found


def test_categories_can_be_told_apart_by_their_pictures(silhouettes):
    # nearest other picture, of another seed, is of the same category: far above 1 in 14
    names = np.repeat(CATEGORIES, 4)
    seeds = np.tile(np.repeat([1, 2], 2), len(CATEGORIES))
    pixels = np.concatenate(list(silhouettes.values()))
    apart = ((pixels[:, None] - pixels[None]) ** 2).sum(axis=2)
    apart[seeds[:, None] == seeds[None]] = np.inf
    assert (names[apart.argmin(axis=1)] == names).mean() > 0.9


def test_every_pattern_changes_the_cloth():
    plain = dict(
        category="t-shirt", style="minimal", length="regular"
    )  # no pocket or collar that could show a print
    drawn = {
        p: render(draw(garment(pattern=p, **plain)), 128).astype(float)[52:100, 44:84]
        for p in PATTERNS
    }
    for a, b in itertools.combinations(PATTERNS, 2):
        assert np.abs(drawn[a] - drawn[b]).mean() > 3, (a, b)


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError):
        draw(garment(category="toga"))
    with pytest.raises(KeyError):
        draw(garment(colour="octarine"))
