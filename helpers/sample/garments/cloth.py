"""Painting: colours, prints and weaves, light and shade laid over a garment's parts."""

import colorsys
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

import numpy as np

from helpers.sample.garments.outline import Curve, Light, Part, path, sliver

HERE = Path(__file__).parent
COLOURS = {
    "black": "#2b2a2e",
    "white": "#f4f1ea",
    "grey": "#9a9c9f",
    "navy": "#27365a",
    "blue": "#4a7fc1",
    "red": "#b92f34",
    "pink": "#e79fb4",
    "green": "#4f7a52",
    "beige": "#d3bd9c",
    "brown": "#7b5136",
    "yellow": "#e6b93c",
    "purple": "#7c5a9e",
}
# Print colours that shops set on each cloth: what is read at a glance must stay the cloth's own
# name.
PRINTS = {
    "black": ["#f1ece2", "#d8d4cc", "#c9a24b"],
    "white": ["#2b3350", "#a8323a", "#2f2e33"],
    "grey": ["#f3f1ec", "#3a3d44", "#5d6470"],
    "navy": ["#f2eee4", "#c9d6ea", "#d94f4f"],
    "blue": ["#f5f3ec", "#1f3560", "#cfe0f2"],
    "red": ["#f6ece0", "#3a1a22", "#f0c7b4"],
    "pink": ["#fbf3ef", "#9c2f52", "#c4577a"],
    "green": ["#f2efdf", "#1f3a2c", "#c8d8ae"],
    "beige": ["#fbf6ea", "#6b4a32", "#8c7450"],
    "brown": ["#f0e2cc", "#35211a", "#d09a63"],
    "yellow": ["#fdf7e4", "#4a3a1c", "#b9772a"],
    "purple": ["#f3ecf6", "#36244f", "#c9a9dd"],
}
ACCENTS = ["#d9574a", "#e0a83a", "#3f7f8c", "#e8b7b0", "#5b8a5a", "#4a5fa5"]
_INK = "#140d1e"
_SHADOW = "#15101c"
_WHITE = "#ffffff"
_BROWN = "#1c1512"
_LEAF_GREEN = "#5d7d55"
_POLLEN = "#e8c65a"
_WEAVE_OF_ROLE = {"rib": "weave-rib", "inside": "plain"}


@cache
def mix(first: str, second: str, share: float) -> str:
    """Colour `share` of the way from `first` to `second`, both `#rrggbb`."""
    pairs = zip(_rgb(first), _rgb(second), strict=True)
    return _hex([a + (b - a) * share for a, b in pairs])


def tinted(colour: str, rng: np.random.Generator) -> str:
    """A dye lot: the named colour, a little lighter, warmer or duller."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(colour))
    hue += rng.normal(0, 0.008)
    lightness += rng.normal(0, 0.022)
    saturation *= 1 + rng.normal(0, 0.09)
    lightness = min(max(lightness, 0.08), 0.96)
    saturation = min(max(saturation, 0), 1)
    return _hex(colorsys.hls_to_rgb(hue % 1, lightness, saturation))


@cache
def _rgb(colour: str) -> tuple[float, float, float]:
    red = int(colour[1:3], 16) / 255
    green = int(colour[3:5], 16) / 255
    blue = int(colour[5:7], 16) / 255
    return red, green, blue


def _hex(rgb: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in rgb)


def luminance(colour: str) -> float:
    """Rec. 601 luma, 0–1."""
    red, green, blue = _rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


@cache
def fragments(name: str) -> dict[str, str]:
    """The `<pattern id>` or `<g id>` elements of an SVG template file beside this module, by id."""
    text = (HERE / f"{name}.svg").read_text(encoding="utf-8")
    element = r'^<(pattern|g) id="([\w-]+)"(.*?)^(?=<pattern|<g |<!--|</svg>|\s*$)'
    found = re.findall(element, text, re.DOTALL | re.MULTILINE)
    return {ident: f"<{tag}{rest.rstrip()}" for tag, ident, rest in found}


class Dye:
    """The colours and cloth of one garment.

    `paint` turns a part into SVG and collects the definitions and outlines that the page needs.

    Parameters
    ----------
    colour : str
        One of `COLOURS`.
    weave : str
        "plain", "fleece" or the id of a weave in patterns.svg.
    print_name : str or None
        The id of a print in patterns.svg.
    rng : Generator
        Draws the dye lot and how the print lies.

    Attributes
    ----------
    box : tuple of float
        x0, y0, x1, y1 of the whole garment: colour blocks are stretched over it.
    """

    def __init__(self, colour: str, weave: str, print_name: str | None, rng: np.random.Generator):
        self.main = tinted(COLOURS[colour], rng)
        prints = PRINTS[colour]
        pick = int(rng.integers(len(prints)))
        accent = ACCENTS[int(rng.integers(len(ACCENTS)))]
        self.second = tinted(prints[pick], rng)
        self.names = {
            "a": self.main,
            "b": self.second,
            "c": mix(accent, prints[(pick + 1) % 3], 0.25),
            "d": mix(_LEAF_GREEN, self.main, 0.25),
            "e": _POLLEN,
        }
        self.weave = weave
        self.print = print_name
        self.light = luminance(self.main)
        self.scale = rng.uniform(0.85, 1.15)
        self.turn = rng.normal(0, 1.5)
        self.shift = rng.uniform(0, 60, 2)
        self.box = (-100.0, 0.0, 100.0, 400.0)
        self.defs: list[str] = []
        self.outlines: list[str] = []
        self.seen: set[str] = set()

    def colour(self, role: str) -> str:
        """Flat colour of a part's role."""
        if role == "second":
            return self.second
        if role == "inside":
            return mix(self.main, _SHADOW, 0.42)
        return self.main

    def trim_names(self) -> dict[str, str]:
        """What `$names` in details.svg stand for."""
        main = self.main
        is_pale = self.light > 0.3
        is_flat = self.print is None or self.print.startswith("block")
        darker_trim = mix(main, _INK, 0.4)
        lighter_trim = mix(main, _WHITE, 0.16)
        brown_button = mix(main, _BROWN, 0.72)
        brown_cord = mix(main, _BROWN, 0.6)
        return {
            "cloth": main if is_flat else self.cloth(str(self.print), 0),
            "dark": mix(main, _INK, 0.8),
            "bright": mix(main, _WHITE, 0.7),
            "shade": mix(main, _INK, 0.28),
            "band": main,
            "second": self.second,
            "trim": darker_trim if is_pale else lighter_trim,
            "thread": self.thread(main),
            "metal": "#c9c6bf",
            "button": brown_button if is_pale else "#e9e2d2",
            "inside": self.colour("inside"),
            "cord": "#f2efe8" if self.light < 0.6 else brown_cord,
        }

    def cloth(self, name: str, angle: float) -> str:
        """Define a print or weave at this angle, once, and return its url."""
        ident = f"{name}{angle:.0f}".replace("-", "_")
        if ident not in self.seen:
            self.seen.add(ident)
            self.defs.append(self._pattern(name, ident, angle))
        return f"url(#{ident})"

    def _pattern(self, name: str, ident: str, angle: float) -> str:
        """The `<pattern>` of a print or weave, moved, turned and scaled."""
        move = self._stretched() if name.startswith("block") else self._laid(name, angle)
        text = Template(fragments("patterns")[name]).substitute(self.names)
        if not name.startswith("weave"):
            # opaque, so that a pocket of printed cloth covers what is under it
            area = 'x="-500" y="-500" width="999" height="999"'
            text = text.replace(">", f'><rect {area} fill="{self.main}"/>', 1)
        attributes = f'id="{ident}" patternUnits="userSpaceOnUse" patternTransform="{move}"'
        return text.replace("<pattern", f"<pattern {attributes}", 1)

    def _stretched(self) -> str:
        """Colour blocks lie over the whole garment."""
        x0, y0, x1, y1 = self.box
        wide = (x1 - x0) / 200
        high = (y1 - y0) / 100
        return f"translate({(x0 + x1) / 2:.1f} {y0:.1f}) scale({wide:.3f} {high:.3f})"

    def _laid(self, name: str, angle: float) -> str:
        """Cloth lies as it happened to; a weave in its own size."""
        x, y = self.shift
        scale = 1.0 if name.startswith("weave") else self.scale
        turn = angle + self.turn
        return f"translate({x:.1f} {y:.1f}) rotate({turn:.1f}) scale({scale:.2f})"

    def paint(self, part: Part) -> str:
        """SVG of one part: cloth, print, weave, light across it, folds and inner shade, stitches,
        edge.
        """
        outline = path(part.curve)
        number = len(self.outlines)
        self.outlines.append(outline)
        self.defs.append(f'<clipPath id="k{number}"><path d="{outline}"/></clipPath>')
        base = self.colour(part.role)
        tones = _Tones.of(base)
        flat = self._cloths(part, outline, number, tones)
        for width in (15, 7):
            flat.append(_stroke(outline, tones.dark, tones.shade * 0.36, width))
        soft = [*_soft_folds(part, tones), *self._seams(part, base)]
        inside = f'<g shape-rendering="crispEdges">{"".join(flat)}</g>{"".join(soft)}'
        edge = mix(base, tones.dark, 0.75)
        return (
            f'<g clip-path="url(#k{number})">{inside}</g>'
            f'<path d="{outline}" fill="none" stroke="{edge}" stroke-width="1.4"/>'
        )

    def _cloths(self, part: Part, outline: str, number: int, tones: "_Tones") -> list[str]:
        """What covers a part's whole area, and the light across it."""
        woven = []
        weave = _WEAVE_OF_ROLE.get(part.role, self.weave)
        if weave.startswith("weave"):
            woven = [f'<path d="{outline}" fill="{self.cloth(weave, part.angle)}"/>']
        lights = tones.across()
        if part.role == "main" and self.print:
            self.defs.append(_gradient(f"g{number}", part.light, lights[::4] + lights[-1:]))
            printed = f'<path d="{outline}" fill="{self.cloth(self.print, part.angle)}"/>'
            return [printed, *woven, f'<path d="{outline}" fill="url(#g{number})"/>']
        colours = [mix(tones.base, light, strength) for light, strength in lights]
        return [_strips(part, colours), *woven]

    def _seams(self, part: Part, base: str) -> list[str]:
        """Topstitching."""
        seams = "".join(path(curve, close=False) for curve in part.stitches)
        if not seams:
            return []
        return [
            f'<path d="{seams}" fill="none" stroke="{self.thread(base)}" stroke-width="1.2" '
            'stroke-dasharray="3.4 2.2"/>'
        ]

    def thread(self, base: str) -> str:
        """Colour of topstitching: orange on denim, else a shade off the cloth."""
        if self.weave == "weave-denim":
            return "#d9a45a"
        if luminance(base) > 0.35:
            return mix(base, "#000000", 0.35)
        return mix(base, _WHITE, 0.32)


@dataclass(frozen=True)
class _Tones:
    """Dark and bright of a cloth, and how strongly shade and shine show on it."""

    base: str
    dark: str
    bright: str
    shade: float
    shine: float

    @classmethod
    def of(cls, base: str) -> "_Tones":
        """The tones of a flat colour."""
        light = luminance(base)
        return cls(
            base=base,
            dark=mix(base, _INK, 0.8),
            bright=mix(base, _WHITE, 0.75),
            shade=0.5 - 0.18 * light,
            shine=0.42 - 0.2 * light if light < 0.85 else 0.8,
        )

    def across(self) -> list[tuple[str, float]]:
        """Colour and strength of the light in 28 steps across a rounded piece, from the lit edge
        on.
        """
        places = np.linspace(0, 1, 28)
        corners = [-self.shade * 0.5, self.shine * 0.5, 0, -self.shade]
        steps = np.interp(places, [0, 0.3, 0.6, 1], corners)
        lights = []
        for step in steps:
            colour = self.dark if step < 0 else self.bright
            lights.append((colour, abs(float(step))))
        return lights


def _stroke(outline: str, colour: str, opacity: float, width: float) -> str:
    return (
        f'<path d="{outline}" fill="none" stroke="{colour}" '
        f'stroke-opacity="{opacity:.2f}" stroke-width="{width}"/>'
    )


def _soft_folds(part: Part, tones: _Tones) -> list[str]:
    """Each fold as two dark slivers, one in the other, with a bright one beside them."""
    if not part.folds:
        return []
    bright = [sliver(fold, 1.7, 6, -2) for fold in part.folds]
    wide = [sliver(fold, 1.5) for fold in part.folds]
    narrow = [sliver(fold, 0.7) for fold in part.folds]
    return [
        _filled(bright, tones.bright, tones.shine * 0.36),
        _filled(wide, tones.dark, tones.shade * 0.34),
        _filled(narrow, tones.dark, tones.shade * 0.34),
    ]


def _filled(curves: list[Curve], colour: str, opacity: float) -> str:
    outlines = "".join(path(curve) for curve in curves)
    return f'<path d="{outlines}" fill="{colour}" fill-opacity="{opacity:.2f}"/>'


def _gradient(ident: str, line: Light, stops: list[tuple[str, float]]) -> str:
    """A linear gradient from one end of a line to the other, of (colour, opacity) at even steps."""
    x0, y0, x1, y1 = line
    inner = ""
    for number, (colour, opacity) in enumerate(stops):
        offset = number / (len(stops) - 1)
        inner += f'<stop offset="{offset:.2f}" stop-color="{colour}" stop-opacity="{opacity:.2f}"/>'
    ends = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'
    attributes = f'id="{ident}" gradientUnits="userSpaceOnUse" {ends}'
    return f"<linearGradient {attributes}>{inner}</linearGradient>"


def _strips(part: Part, colours: list[str]) -> str:
    """A gradient in opaque strips: an SVG renderer fills those several times faster than a real
    one.
    """
    x0, y0, x1, y1 = part.light
    length = math.hypot(x1 - x0, y1 - y0)
    degrees = math.degrees(math.atan2(y1 - y0, x1 - x0))
    turn = math.radians(degrees)
    along, across = [], []
    for segment in part.curve:
        for point_x, point_y in segment:
            x = point_x - x0
            y = point_y - y0
            along.append(x * math.cos(turn) + y * math.sin(turn))
            across.append(y * math.cos(turn) - x * math.sin(turn))
    low = min(across)
    high = max(across) - low
    step = length / len(colours)
    inner_edges = [number * step for number in range(1, len(colours))]
    edges = [min(*along, 0), *inner_edges, max(*along, length)]
    rects = ""
    for number, colour in enumerate(colours):
        left = edges[number]
        width = edges[number + 1] - left + 0.8
        rects += (
            f'<rect x="{left:.1f}" y="{low:.1f}" width="{width:.1f}" '
            f'height="{high:.1f}" fill="{colour}"/>'
        )
    return f'<g transform="translate({x0:.1f} {y0:.1f}) rotate({degrees:.1f})">{rects}</g>'
