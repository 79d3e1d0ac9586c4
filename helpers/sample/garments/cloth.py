"""Painting: colours, prints and weaves, light and shade laid over a garment's parts."""

import colorsys
import math
import re
from functools import cache
from pathlib import Path
from string import Template

import numpy as np

from helpers.sample.garments.outline import Part, path, sliver

HERE = Path(__file__).parent
COLOURS = {"black": "#2b2a2e", "white": "#f4f1ea", "grey": "#9a9c9f", "navy": "#27365a", "blue": "#4a7fc1",
           "red": "#b92f34", "pink": "#e79fb4", "green": "#4f7a52", "beige": "#d3bd9c", "brown": "#7b5136",
           "yellow": "#e6b93c", "purple": "#7c5a9e"}  # fmt: skip
# Print colours that shops set on each cloth: what is read at a glance must stay the cloth's own name.
PRINTS = {"black": ["#f1ece2", "#d8d4cc", "#c9a24b"], "white": ["#2b3350", "#a8323a", "#2f2e33"],
          "grey": ["#f3f1ec", "#3a3d44", "#5d6470"], "navy": ["#f2eee4", "#c9d6ea", "#d94f4f"],
          "blue": ["#f5f3ec", "#1f3560", "#cfe0f2"], "red": ["#f6ece0", "#3a1a22", "#f0c7b4"],
          "pink": ["#fbf3ef", "#9c2f52", "#c4577a"], "green": ["#f2efdf", "#1f3a2c", "#c8d8ae"],
          "beige": ["#fbf6ea", "#6b4a32", "#8c7450"], "brown": ["#f0e2cc", "#35211a", "#d09a63"],
          "yellow": ["#fdf7e4", "#4a3a1c", "#b9772a"], "purple": ["#f3ecf6", "#36244f", "#c9a9dd"]}  # fmt: skip
ACCENTS = ["#d9574a", "#e0a83a", "#3f7f8c", "#e8b7b0", "#5b8a5a", "#4a5fa5"]


def mix(a: str, b: str, share: float) -> str:
    """Colour `share` of the way from `a` to `b`, both `#rrggbb`."""
    pairs = zip(_rgb(a), _rgb(b), strict=True)
    return "#" + "".join(f"{round(255 * (x + (y - x) * share)):02x}" for x, y in pairs)


def tinted(colour: str, rng) -> str:
    """A dye lot: the named colour, a little lighter, warmer or duller."""
    h, l, s = colorsys.rgb_to_hls(*_rgb(colour))
    h, l, s = h + rng.normal(0, 0.008), l + rng.normal(0, 0.022), s * (1 + rng.normal(0, 0.09))
    rgb = colorsys.hls_to_rgb(h % 1, min(max(l, 0.08), 0.96), min(max(s, 0), 1))
    return "#" + "".join(f"{round(255 * x):02x}" for x in rgb)


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def luminance(colour: str) -> float:
    """Rec. 601 luma, 0–1."""
    r, g, b = _rgb(colour)
    return 0.299 * r + 0.587 * g + 0.114 * b


@cache
def fragments(name: str) -> dict[str, str]:
    """The `<pattern id>` or `<g id>` elements, by id, of an SVG template file lying beside this module."""
    text = (HERE / f"{name}.svg").read_text(encoding="utf-8")
    found = re.findall(
        r'^<(pattern|g) id="([\w-]+)"(.*?)^(?=<pattern|<g |<!--|</svg>|\s*$)', text, re.S | re.M
    )
    return {ident: f"<{tag}{rest.rstrip()}" for tag, ident, rest in found}


class Dye:
    """The colours and cloth of one garment; `paint` turns a part into SVG and collects the definitions it needs."""

    def __init__(self, colour: str, weave: str, print_name: str | None, rng):
        self.main, prints = tinted(COLOURS[colour], rng), PRINTS[colour]
        pick = int(rng.integers(len(prints)))
        accent = ACCENTS[int(rng.integers(len(ACCENTS)))]
        self.second = tinted(prints[pick], rng)
        self.names = {"a": self.main, "b": self.second, "c": mix(accent, prints[(pick + 1) % 3], 0.25),
                 "d": mix("#5d7d55", self.main, 0.25), "e": "#e8c65a"}  # fmt: skip
        self.weave, self.print, self.light = weave, print_name, luminance(self.main)
        self.scale, self.turn, self.shift = (
            rng.uniform(0.85, 1.15),
            rng.normal(0, 1.5),
            rng.uniform(0, 60, 2),
        )
        self.box = (
            -100.0,
            0.0,
            100.0,
            400.0,
        )  # of the whole garment: colour blocks are stretched over it
        self.defs: list[str] = []
        self.outlines: list[str] = []
        self.seen: set[str] = set()

    def colour(self, role: str) -> str:
        """Flat colour of a part's role."""
        return {"second": self.second, "inside": mix(self.main, "#15101c", 0.42)}.get(
            role, self.main
        )

    def trim_names(self) -> dict[str, str]:
        """What `$names` in details.svg stand for."""
        main, ink, pale = self.main, "#140d1e", self.light > 0.3
        flat = not self.print or self.print.startswith("block")
        return {"cloth": main if flat else self.cloth(self.print, 0), "dark": mix(main, ink, 0.8),
                "bright": mix(main, "#ffffff", 0.7), "shade": mix(main, ink, 0.28), "band": main, "second": self.second,
                "trim": mix(main, ink, 0.4) if pale else mix(main, "#ffffff", 0.16), "thread": self.thread(main),
                "metal": "#c9c6bf", "button": mix(main, "#1c1512", 0.72) if pale else "#e9e2d2",
                "inside": self.colour("inside"),
                "cord": "#f2efe8" if self.light < 0.6 else mix(main, "#1c1512", 0.6)}  # fmt: skip

    def cloth(self, name: str, angle: float) -> str:
        """Define a print or weave at this angle, once, and return its url."""
        ident = f"{name}{angle:.0f}".replace("-", "_")
        if ident not in self.seen:
            self.seen.add(ident)
            if name.startswith("block"):
                x0, y0, x1, y1 = self.box
                move = f"translate({(x0 + x1) / 2:.1f} {y0:.1f}) scale({(x1 - x0) / 200:.3f} {(y1 - y0) / 100:.3f})"
            else:
                (x, y), scale = self.shift, 1.0 if name.startswith("weave") else self.scale
                move = (
                    f"translate({x:.1f} {y:.1f}) rotate({angle + self.turn:.1f}) scale({scale:.2f})"
                )
            moved = f'<pattern id="{ident}" patternUnits="userSpaceOnUse" patternTransform="{move}"'
            text = Template(fragments("patterns")[name]).substitute(self.names)
            if not name.startswith(
                "weave"
            ):  # opaque, so that a pocket of printed cloth covers what is under it
                text = text.replace(
                    ">",
                    f'><rect x="-500" y="-500" width="999" height="999" fill="{self.main}"/>',
                    1,
                )
            self.defs.append(text.replace("<pattern", moved, 1))
        return f"url(#{ident})"

    def paint(self, part: Part) -> str:
        """SVG of one part: cloth, print, weave, light across it, folds and inner shade, stitches, edge."""
        d, n, base = path(part.curve), len(self.outlines), self.colour(part.role)
        self.outlines.append(d)
        self.defs.append(f'<clipPath id="k{n}"><path d="{d}"/></clipPath>')
        light, dark, bright = luminance(base), mix(base, "#140d1e", 0.8), mix(base, "#ffffff", 0.75)
        shade, shine = (0.5 - 0.18 * light), (0.42 - 0.2 * light if light < 0.85 else 0.8)
        run = np.interp(
            np.linspace(0, 1, 28), [0, 0.3, 0.6, 1], [-shade * 0.5, shine * 0.5, 0, -shade]
        )
        lights = [(dark if k < 0 else bright, abs(float(k))) for k in run]  # across a rounded piece
        weave = {"rib": "weave-rib", "inside": "plain"}.get(part.role, self.weave)
        woven = (
            [f'<path d="{d}" fill="{self.cloth(weave, part.angle)}"/>']
            if weave.startswith("weave")
            else []
        )
        if part.role == "main" and self.print:
            self.defs.append(_gradient(f"g{n}", part.light, lights[::4] + lights[-1:]))
            prints = f'<path d="{d}" fill="{self.cloth(self.print, part.angle)}"/>'
            flat = [prints, *woven, f'<path d="{d}" fill="url(#g{n})"/>']
        else:
            flat = [_strips(part, [mix(base, colour, k) for colour, k in lights]), *woven]
        flat += [f'<path d="{d}" fill="none" stroke="{dark}" stroke-opacity="{shade * 0.36:.2f}" stroke-width="{w}"/>'
                 for w in (15, 7)]  # fmt: skip
        folds = [(bright, shine * 0.36, [sliver(f, 1.7, 6, -2) for f in part.folds])]
        folds += [
            (dark, shade * 0.34, [sliver(f, share) for f in part.folds]) for share in (1.5, 0.7)
        ]
        soft = [f'<path d="{"".join(map(path, curves))}" fill="{colour}" fill-opacity="{k:.2f}"/>'
                for colour, k, curves in folds if curves]  # fmt: skip
        seams = "".join(path(c, close=False) for c in part.stitches)
        if seams:
            soft.append(f'<path d="{seams}" fill="none" stroke="{self.thread(base)}" stroke-width="1.2" '
                        f'stroke-dasharray="3.4 2.2"/>')  # fmt: skip
        return (f'<g clip-path="url(#k{n})"><g shape-rendering="crispEdges">{"".join(flat)}</g>{"".join(soft)}</g>'
                f'<path d="{d}" fill="none" stroke="{mix(base, dark, 0.75)}" stroke-width="1.4"/>')  # fmt: skip

    def thread(self, base: str) -> str:
        """Colour of topstitching: orange on denim, else a shade off the cloth."""
        if self.weave == "weave-denim":
            return "#d9a45a"
        return mix(base, "#000000", 0.35) if luminance(base) > 0.35 else mix(base, "#ffffff", 0.32)


def _gradient(ident: str, line: tuple, stops: list[tuple[str, float]]) -> str:
    x0, y0, x1, y1 = line
    inner = "".join(f'<stop offset="{i / (len(stops) - 1):.2f}" stop-color="{colour}" stop-opacity="{k:.2f}"/>'
                    for i, (colour, k) in enumerate(stops))  # fmt: skip
    return (f'<linearGradient id="{ident}" gradientUnits="userSpaceOnUse" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" '
            f'y2="{y1:.1f}">{inner}</linearGradient>')  # fmt: skip


def _strips(part: Part, colours: list[str]) -> str:
    """A gradient in opaque strips: an SVG renderer fills those several times faster than a real one."""
    x0, y0, x1, y1 = part.light
    length, turn = math.hypot(x1 - x0, y1 - y0), math.degrees(math.atan2(y1 - y0, x1 - x0))
    t = math.radians(turn)
    points = [(x - x0, y - y0) for segment in part.curve for x, y in segment]
    along = [x * math.cos(t) + y * math.sin(t) for x, y in points]
    across = [y * math.cos(t) - x * math.sin(t) for x, y in points]
    low, high, step = min(across), max(across), length / len(colours)
    edges = [min(*along, 0), *(i * step for i in range(1, len(colours))), max(*along, length)]
    rects = "".join(
        f'<rect x="{a:.1f}" y="{low:.1f}" width="{b - a + 0.8:.1f}" height="{high - low:.1f}" fill="{colour}"/>'
        for a, b, colour in zip(edges, edges[1:], colours, strict=False)
    )
    return f'<g transform="translate({x0:.1f} {y0:.1f}) rotate({turn:.1f})">{rects}</g>'
