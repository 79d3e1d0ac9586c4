"""Painting: colours, prints and weaves, light and shade laid over a garment's parts."""

import colorsys
import re
from functools import cache
from pathlib import Path
from string import Template

from helpers.catalog.garments.outline import Part, path, sliver

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
    found = re.findall(r'^<(pattern|g) id="([\w-]+)"(.*?)^(?=<pattern|<g |<!--|</svg>|\s*$)', text, re.S | re.M)
    return {ident: f"<{tag}{rest.rstrip()}" for tag, ident, rest in found}


class Dye:
    """The colours and cloth of one garment; `paint` turns a part into SVG and collects the definitions it needs."""

    def __init__(self, attributes: dict, weave: str, print_name: str | None, scale: float, rng):
        self.main = tinted(COLOURS[attributes["colour"]], rng)
        prints = PRINTS[attributes["colour"]]
        pick = int(rng.integers(len(prints)))
        accent = ACCENTS[int(rng.integers(len(ACCENTS)))]
        self.second = tinted(prints[pick], rng)
        names = {"a": self.main, "b": self.second, "c": mix(accent, prints[(pick + 1) % 3], 0.25),
                 "d": mix("#5d7d55", self.main, 0.25), "e": "#e8c65a"}  # fmt: skip
        self.names, self.weave, self.print = names, weave, print_name
        self.scale, self.turn, self.shift = scale, rng.normal(0, 1.5), rng.uniform(0, 60, 2)
        self.light = luminance(self.main)
        self.defs: list[str] = []
        self.outlines: list[str] = []
        self.seen: set[str] = set()

    def colour(self, role: str) -> str:
        """Flat colour of a part's role."""
        return {"second": self.second, "inside": mix(self.main, "#15101c", 0.42)}.get(role, self.main)

    def trim_names(self) -> dict[str, str]:
        """What `$names` in details.svg stand for."""
        cloth = (
            self.cloth(self.print, 0, self.scale) if self.print and not self.print.startswith("block") else self.main
        )
        dark, bright = mix(self.main, "#140d1e", 0.8), mix(self.main, "#ffffff", 0.7)
        button = "#e9e2d2" if self.light < 0.35 else mix(self.main, "#1c1512", 0.72)
        return {"cloth": cloth, "dark": dark, "bright": bright, "shade": mix(self.main, "#140d1e", 0.28), "band": self.main,
                "trim": mix(self.main, "#140d1e", 0.4) if self.light > 0.3 else mix(self.main, "#ffffff", 0.16),
                "thread": self.thread(self.main), "metal": "#c9c6bf", "button": button, "inside": self.colour("inside"),
                "cord": "#f2efe8" if self.light < 0.6 else mix(self.main, "#1c1512", 0.6), "second": self.second}  # fmt: skip

    def cloth(self, name: str, angle: float, scale: float) -> str:
        """Define a print or weave at this angle, once, and return its url."""
        ident = f"{name}{angle:.0f}".replace("-", "_")
        if ident not in self.seen:
            self.seen.add(ident)
            if name.startswith("block"):
                x0, y0, x1, y1 = self.box
                move = f"translate({(x0 + x1) / 2:.1f} {y0:.1f}) scale({(x1 - x0) / 200:.3f} {(y1 - y0) / 100:.3f})"
            else:
                move = f"translate({self.shift[0]:.1f} {self.shift[1]:.1f}) rotate({angle + self.turn:.1f}) scale({scale:.2f})"
            moved = f'<pattern id="{ident}" patternUnits="userSpaceOnUse" patternTransform="{move}"'
            text = Template(fragments("patterns")[name]).substitute(self.names)
            if not name.startswith("weave"):  # opaque, so that a pocket of printed cloth covers what is under it
                text = text.replace(">", f'><rect x="-500" y="-500" width="999" height="999" fill="{self.main}"/>', 1)
            self.defs.append(text.replace("<pattern", moved, 1))
        return f"url(#{ident})"

    def paint(self, part: Part, shadow: bool = True) -> str:
        """SVG of one part: cloth, print, weave, light across it, folds and inner shade, stitches, edge."""
        d, n = path(part.curve), len(self.defs)
        if shadow:
            self.outlines.append(d)
        x0, y0, x1, y1 = part.light
        base = self.colour(part.role)
        light = luminance(base)
        dark, bright = mix(base, "#140d1e", 0.8), mix(base, "#ffffff", 0.75)
        shade, shine = (0.5 - 0.18 * light), (0.42 - 0.2 * light if light < 0.85 else 0.8)
        self.defs.append(
            f'<clipPath id="k{n}"><path d="{d}"/></clipPath><linearGradient id="g{n}" gradientUnits="userSpaceOnUse" '
            f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"><stop stop-color="{dark}" stop-opacity="'
            f'{shade * 0.5:.2f}"/><stop offset=".3" stop-color="{bright}" stop-opacity="{shine * 0.55:.2f}"/><stop '
            f'offset=".58" stop-color="{dark}" stop-opacity="0"/><stop offset="1" stop-color="{dark}" '
            f'stop-opacity="{shade:.2f}"/></linearGradient>')  # fmt: skip
        layers = [f'<path d="{d}" fill="{base}"/>']
        if part.role == "main" and self.print:
            layers.append(f'<path d="{d}" fill="{self.cloth(self.print, part.angle, self.scale)}"/>')
        weave = {"rib": "weave-rib", "inside": "plain"}.get(part.role, self.weave)
        if weave.startswith("weave"):
            layers.append(f'<path d="{d}" fill="{self.cloth(weave, part.angle, 1.0)}"/>')
        layers.append(f'<path d="{d}" fill="url(#g{n})"/>')
        for share in (1.15, 0.55):
            lit = "".join(path(sliver(f, share, 4.5, -1.5)) for f in part.folds)
            shut = "".join(path(sliver(f, share)) for f in part.folds)
            layers.append(f'<path d="{lit}" fill="{bright}" fill-opacity="{shine * 0.5:.2f}"/>'
                          f'<path d="{shut}" fill="{dark}" fill-opacity="{shade * 0.5:.2f}"/>')  # fmt: skip
        for width in (15, 7):
            layers.append(f'<path d="{d}" fill="none" stroke="{dark}" stroke-opacity="{shade * 0.42:.2f}" '
                          f'stroke-width="{width}"/>')  # fmt: skip
        thread = self.thread(base)
        if part.stitches:
            layers.append(f'<path d="{"".join(path(c, False) for c in part.stitches)}" fill="none" stroke="{thread}" stroke-width="1.2" '
                          f'stroke-dasharray="3.4 2.2" stroke-opacity=".85"/>')  # fmt: skip
        edge = f'<path d="{d}" fill="none" stroke="{dark}" stroke-opacity=".75" stroke-width="1.4"/>'
        return f'<g clip-path="url(#k{n})">{"".join(layers)}</g>{edge}'

    def thread(self, base: str) -> str:
        """Colour of topstitching: orange on denim, else a shade off the cloth."""
        if self.weave == "weave-denim":
            return "#d9a45a"
        return mix(base, "#000000", 0.35) if luminance(base) > 0.35 else mix(base, "#ffffff", 0.32)
