"""From a garment's attributes to its picture: cut the parts its category and style name, paint
them, sew on trims.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

import numpy as np
import yaml

from helpers.sample.garments import outline as cut
from helpers.sample.garments.cloth import Dye, fragments, mix
from helpers.sample.garments.outline import Curve, Part, mirror, neckline, path

HERE = Path(__file__).parent
EASE = {"slim": 0.93, "regular": 1.0, "relaxed": 1.1, "oversized": 1.2}
LEGS: dict[str, tuple[float, float]] = {
    "slim": (46, 34),
    "regular": (60, 54),
    "relaxed": (74, 76),
    "oversized": (86, 108),
}
"""Widths at knee and hem."""
SKIRTS = {"slim": 0.92, "oversized": 1.08}
"""Widths of a skirt's hem against the usual one."""
TOP_LENGTHS = {"cropped": -48, "longline": 36}
SHORTS_LENGTHS = {"cropped": -34, "longline": 66}
TEXTURES = {
    "sweater": "cable",
    "dress": "cable",
    "hoodie": "rib",
    "t-shirt": "rib",
    "blouse": "rib",
    "trousers": "cord",
    "coat": "tweed",
    "blazer": "tweed",
}
BACKDROP = "#f3f1ee"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where it is built
_SHADOW = "#2a2230"
_SHADOW_DEPTHS = (0.05, 0.1, 0.16, 0.23)
_CENTRE_X = 200  # of the page
_CENTRE_Y = 196
_WIDEST = 340  # that a garment may be on the page
_HIGHEST = 352
_LARGEST = 1.5  # times its size in the book


@dataclass
class _Piece:
    """Parts of a garment from back to front, and the y of their hem."""

    parts: list[Part]
    hem: float


@cache
def _book() -> dict:
    text = (HERE / "garments.yaml").read_text(encoding="utf-8")
    book: dict = yaml.load(text, _Loader)
    return book


def _legs(spec: dict, attributes: dict, rng: np.random.Generator) -> _Piece:
    """Two trouser legs and what ends them."""
    legs = dict(spec["legs"])
    fit = attributes["fit"]
    knee, foot = LEGS[fit]
    if legs["length"] > 250:
        if attributes["length"] == "cropped":
            legs["length"] -= 74
    else:
        legs["length"] += SHORTS_LENGTHS.get(attributes["length"], 0)
        knee = foot = 72 + 60 * (EASE[fit] - 1)
    left = cut.leg(knee=knee, hem=foot, rng=rng, **legs).mirrored()
    right = cut.leg(knee=knee, hem=foot, rng=rng, **legs)
    hem = legs["top"] + legs["length"]
    parts = [left, right]
    end = _leg_end(spec, foot / 2, hem)
    if end is not None:
        centre = cut.leg_centre(foot)
        parts += [end.moved(-centre), end.moved(centre)]
    return _Piece(parts, hem)


def _leg_end(spec: dict, half: float, hem: float) -> Part | None:
    """A frill, a ribbed end or a cuff, on the centre line."""
    if "frill_hem" in spec:
        return cut.ruffle(half, hem, spec["frill_hem"], 4)
    if "ribbed" in spec:
        return cut.rib_band(half * 0.86, hem, 24)
    if "cuffs" in spec:
        return cut.rib_band(half + 3, hem - 18, 22, "main")
    return None


def _skirt(spec: dict, attributes: dict, rng: np.random.Generator) -> _Piece:
    """A skirt with its frill and its tier."""
    shape = dict(spec["skirt"])
    frill = shape.pop("frill", 0)
    has_tier = shape.pop("tier", False)
    top = shape["top"]
    hem = spec["lengths"][attributes["length"]]
    longer_is_wider = 0.8 + 0.2 * (hem - top) / 150
    wide = shape.pop("bottom") * longer_is_wider * SKIRTS.get(attributes["fit"], 1)
    parts = []
    if frill:
        parts.append(cut.ruffle(wide - 2, hem - frill, frill, 7))
    parts.append(cut.skirt(hem=hem - frill, bottom=wide, rng=rng, **shape))
    if has_tier:
        middle = (top + hem - frill) / 2
        parts.append(cut.ruffle(wide * 0.8, middle - 10, 30, 6))
    return _Piece(parts, hem)


def _top(spec: dict, attributes: dict, rng: np.random.Generator) -> _Piece:
    """The upper half: back of the neck, sleeves, front, ribbed hem, ruffles."""
    ease = EASE[attributes["fit"]] * spec.get("ease", 1)
    body = dict(spec["body"])
    kind, width, depth = spec["neck"]
    is_all = "skirt" not in spec and "legs" not in spec
    longer = TOP_LENGTHS.get(attributes["length"], 0) if is_all else 0
    hem = body.pop("hem") + longer
    inside_depth = min(depth, 70) if depth < 100 else depth
    parts = [cut.back_neck(width, inside_depth)]
    if spec.get("sleeve"):
        left = _sleeve(spec["sleeve"], ease, rng)
        right = _sleeve(spec["sleeve"], ease, rng)
        parts += [part.mirrored() for part in left]
        parts += right
    front = cut.torso(neckline(kind, width, depth), ease, hem, rng, **body)
    parts.append(front)
    if "rib" in spec:
        front.stitches = []
        chest = cut.CHEST * ease * body.get("flare", 1.0)
        parts.append(cut.rib_band(chest - 1, hem, spec["rib"]))
        hem += spec["rib"]
    for half, y, deep in spec.get("ruffles", []):
        parts.append(cut.ruffle(half * ease, y + longer, deep))
    return _Piece(parts, hem)


def _sleeve(spec: dict, ease: float, rng: np.random.Generator) -> list[Part]:
    """A right sleeve and its end, which is ribbed or a sewn cuff."""
    shape = dict(spec)
    role = shape.pop("role", "main")
    band = shape.pop("band", 0)
    if band:
        shape["rib"] = band
    arm, *ends = cut.sleeve(ease, rng, **shape)
    arm.role = role
    for end in ends:
        end.role = "main" if band else "rib"
    return [arm, *ends]


def _parts(spec: dict, attributes: dict, rng: np.random.Generator) -> _Piece:
    """All of the garment."""
    parts: list[Part] = []
    hem = 0.0
    for name, make in (("legs", _legs), ("skirt", _skirt), ("body", _top)):
        if name in spec:
            piece = make(spec, attributes, rng)
            parts += piece.parts
            hem = hem or piece.hem
    if "waistband" in spec:
        waist = (spec.get("legs") or spec["skirt"])["waist"]
        back, front = _waistband(waist, 60 - spec["waistband"])
        if spec.get("weave") == "fleece":
            front.role = "rib"
        parts = [back, *parts, front]
    return _Piece(parts, hem)


def _waistband(waist: float, y: float) -> tuple[Part, Part]:
    """The inside of a waistband at the back, and the waistband at the front, whose upper edge is at
    y.
    """
    inner = waist - 4
    upper = waist - 3
    outer = waist + 1
    back: Curve = [
        ((-inner, 42),),
        ((0, 32), (inner, 42)),
        ((0, 58), (-inner, 42)),
    ]
    front: Curve = [
        ((-outer, 61),),
        ((-upper, y),),
        ((0, y + 9), (upper, y)),
        ((outer, 61),),
        ((0, 69), (-outer, 61)),
    ]
    lower_seam: Curve = [
        ((-waist, 57),),
        ((0, 65), (waist, 57)),
    ]
    upper_seam: Curve = [
        ((-upper, y + 4),),
        ((0, y + 13), (upper, y + 4)),
    ]
    light = (-waist, 0, waist, 0)
    return (
        Part(back, light, role="inside"),
        Part(front, light, stitches=[lower_seam, upper_seam]),
    )


def _trims(spec: dict, hem: float) -> str:
    """Buttons, pockets, collars and other trims in SVG, still with `$names` for the colours."""
    trims = ""
    for name, x, y, *end in spec.get("stretch", []):
        bottom = end[0] if end else hem
        trims += _trim(hem, name, x, y, 1, (bottom - y) / 100)
    for name, x, y, *scale in spec.get("put", []):
        trims += _trim(hem, name, x, y, *scale)
    for name, x, y, size in spec.get("pair", []):
        trims += _trim(hem, name, x, y, size)
        trims += _trim(hem, name, -x, y, -size, size)
    for name, x, first, last, count in spec.get("rows", []):
        lowest = max(first, min(last, hem - 14))
        for y in np.linspace(first, lowest, count):
            trims += _trim(hem, name, x, y)
    return trims


def _trim(
    hem: float, name: str, x: float, y: float, wide: float = 1.0, high: float | None = None
) -> str:
    """One trim at (x, y), as often its size as told; a negative y is measured from the hem."""
    if y < 0:
        y += hem
    if high is None:
        high = wide
    move = f"translate({x:.1f} {y:.1f}) scale({wide:.2f} {high:.2f})"
    return f'<g transform="{move}">{fragments("details")[name]}</g>'


def _neckband(neck: tuple[str, float, float], thick: float) -> str:
    """Ribbed band along a neck opening."""
    half = neckline(*neck)
    line = path(half, False) + path(mirror(half), False)
    edge = f'stroke="$dark" stroke-width="{thick + 2}"'
    band = f'stroke="$band" stroke-width="{thick}"'
    ribs = f'stroke="$dark" stroke-opacity=".35" stroke-width="{thick}" stroke-dasharray="1.5 2.7"'
    return "".join(f'<path d="{line}" fill="none" {stroke}/>' for stroke in (edge, band, ribs))


def draw(attributes: dict) -> str:
    """SVG of one garment.

    Parameters
    ----------
    attributes : dict
        category, colour, pattern, style (see `CATEGORIES`, `COLOURS`, `PATTERNS`, `STYLES`);
        fit (slim, regular, relaxed, oversized); length (cropped, regular, longline; mini, midi,
        maxi for dresses and skirts); seed; and, if wanted, backdrop, the colour behind it.

    Returns
    -------
    str
        A self-contained SVG without text or links, so that every machine draws the same pixels.

    Raises
    ------
    KeyError
        For an unknown name.
    """
    rng = np.random.default_rng(attributes["seed"])
    spec = _specification(attributes)
    dye = _dye(attributes, spec, rng)
    garment = _parts(spec, attributes, rng)
    dye.box = _box(garment.parts, has_hood="hood" in spec)
    details = fragments("details")
    hood_back = details["hoodback"] if "hood" in spec else ""
    hood_front = details["hoodfront"] if "hood" in spec else ""
    layers = [hood_back]
    layers += [dye.paint(part) for part in garment.parts]
    if spec.get("band"):
        layers.append(_neckband(spec["neck"], spec["band"]))
    layers.append(hood_front)
    if attributes["pattern"] == "graphic":
        layers.append(_graphic(spec, dye, rng))
    layers.append(_trims(spec, garment.hem))
    return _page(dye, layers, attributes.get("backdrop", BACKDROP))


def _specification(attributes: dict) -> dict:
    """What garments.yaml says of a category in a style."""
    book = _book()[attributes["category"]]
    spec = {**book["all"], **(book.get(attributes["style"]) or {})}
    if attributes["pattern"] == "texture":
        spec["weave"] = "weave-" + TEXTURES.get(attributes["category"], "denim")
    return spec


def _dye(attributes: dict, spec: dict, rng: np.random.Generator) -> Dye:
    """The garment's cloth, with one of the prints of its pattern."""
    pattern = attributes["pattern"]
    kind = "block-" if pattern == "colour-block" else f"{pattern}-"
    prints = sorted(name for name in fragments("patterns") if name.startswith(kind))
    chosen = None
    if prints:
        chosen = prints[int(rng.integers(len(prints)))]
    return Dye(attributes["colour"], spec.get("weave", "plain"), chosen, rng)


def _box(parts: list[Part], has_hood: bool) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 around all parts."""
    points = [(0.0, 6.0)] if has_hood else []
    for part in parts:
        for segment in part.curve:
            points += segment
    x0, y0 = np.min(points, axis=0)
    x1, y1 = np.max(points, axis=0)
    return x0, y0, x1, y1


def _graphic(spec: dict, dye: Dye, rng: np.random.Generator) -> str:
    """One of the graphics, in the garment's colours, where it is printed."""
    graphics = fragments("graphics")
    name = sorted(graphics)[int(rng.integers(len(graphics)))]
    x, y, size = spec["print"]
    art = Template(graphics[name]).substitute(dye.names)
    return f'<g transform="translate({x} {y}) scale({size})">{art}</g>'


def _page(dye: Dye, layers: list[str], backdrop: str) -> str:
    """Set the garment and its shadow in the middle of its backdrop, as large as fits."""
    x0, y0, x1, y1 = dye.box
    scale = min(_HIGHEST / (y1 - y0), _WIDEST / (x1 - x0), _LARGEST)
    x = _CENTRE_X - scale * (x0 + x1) / 2
    y = _CENTRE_Y - scale * (y0 + y1) / 2
    shadows = {}
    for number, depth in enumerate(_SHADOW_DEPTHS, start=1):
        shadows[f"s{number}"] = mix(backdrop, _SHADOW, depth)
    body = Template("".join(layers)).substitute(dye.trim_names())
    page = Template((HERE / "page.svg").read_text(encoding="utf-8"))
    return page.substitute(
        backdrop=backdrop,
        place=f"translate({x:.1f} {y:.1f}) scale({scale:.3f})",
        silhouette="".join(dye.outlines),
        layers=body,
        defs="".join(dye.defs),
        **shadows,
    )
