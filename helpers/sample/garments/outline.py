"""Cut pieces of garments: plain geometry in units of a quarter centimetre, x = 0 on the centre line, y downwards."""

import math
from dataclasses import dataclass, field, replace

Curve = list[
    tuple[tuple[float, float], ...]
]  # a start, then 1 (line), 2 (quadratic) or 3 (cubic) points a segment
Fold = tuple[float, float, float, float, float, float]
TOP = 58.0  # y of the point where neck and shoulder meet


def mirror(curve: Curve) -> Curve:
    """The same curve on the other side of the centre line."""
    return [tuple((-x, y) for x, y in segment) for segment in curve]


def mirror_fold(fold: Fold) -> Fold:
    """The same fold on the other side."""
    x0, y0, x1, y1, bend, width = fold
    return -x0, y0, -x1, y1, -bend, width


def both(half: Curve) -> Curve:
    """Close a half outline (from the centre line at the top to the centre line at the bottom) by its mirror image."""
    ends = [segment[-1] for segment in half]
    return half + mirror([(*half[i][:-1][::-1], ends[i - 1]) for i in range(len(half) - 1, 0, -1)])


def path(curve: Curve, close: bool = True) -> str:
    """SVG path data of a curve."""
    words = [
        "MLQC"[len(s) if i else 0] + " ".join(f"{x:.1f} {y:.1f}" for x, y in s)
        for i, s in enumerate(curve)
    ]
    return "".join(words) + ("Z" if close else "")


def leaf(x0: float, y0: float, x1: float, y1: float, bend: float, width: float) -> Fold:
    """A fold: a sliver from (x0, y0) to (x1, y1), bent sideways by `bend`, `width` thick in its middle."""
    return x0, y0, x1, y1, bend, width


def sliver(fold: Fold, share: float, dx: float = 0.0, dy: float = 0.0) -> Curve:
    """Outline of a fold at a share of its width, moved by (dx, dy); a few of them, nested, make a soft edge."""
    x0, y0, x1, y1, bend, width = fold
    x0, y0, x1, y1, width = x0 + dx, y0 + dy, x1 + dx, y1 + dy, 2 * width * share
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    nx, ny = -(y1 - y0) / length, (x1 - x0) / length
    mx, my = (x0 + x1) / 2 + nx * bend, (y0 + y1) / 2 + ny * bend
    return [
        ((x0, y0),),
        ((mx + nx * width, my + ny * width), (x1, y1)),
        ((mx - nx * width, my - ny * width), (x0, y0)),
    ]


@dataclass
class Part:
    """One cut piece: its outline, how light runs across it, where it folds and how it is sewn."""

    curve: Curve
    light: tuple[float, float, float, float]  # from the lit edge to the shaded one
    folds: list[Fold] = field(default_factory=list)  # dark, each with a light twin beside it
    stitches: list[Curve] = field(default_factory=list)
    role: str = "main"  # main | second | inside | rib: which colour and which cloth
    angle: float = 0.0  # of the grain, degrees

    def mirrored(self) -> "Part":
        """The part on the other side; the light keeps coming from the left."""
        x0, y0, x1, y1 = self.light
        return replace(self, curve=mirror(self.curve), light=(-x1, y1, -x0, y0),
                       folds=[mirror_fold(f) for f in self.folds], stitches=[mirror(c) for c in self.stitches],
                       angle=-self.angle)  # fmt: skip

    def moved(self, dx: float) -> "Part":
        """The part, shifted sideways."""
        x0, y0, x1, y1 = self.light
        curve = [tuple((x + dx, y) for x, y in segment) for segment in self.curve]
        folds = [(a + dx, b, c + dx, *rest) for a, b, c, *rest in self.folds]
        return replace(self, curve=curve, light=(x0 + dx, y0, x1 + dx, y1), folds=folds)


def neckline(kind: str, width: float, depth: float) -> Curve:
    """Half a neck opening (round, v, square, heart), from its lowest point up to the shoulder."""
    y = TOP + depth
    return {
        "round": [((0, y),), ((width * 0.72, y), (width * 0.98, y - depth * 0.5), (width, TOP))],
        "v": [((0, y),), ((width * 0.62, TOP + depth * 0.45), (width, TOP))],
        "square": [((0, y),), ((width * 0.5, y + 1), (width * 0.92, y)), ((width, TOP),)],
        "heart": [
            ((0, y),),
            ((width * 0.2, y - 22), (width * 0.8, y - 22), (width * 0.95, y - 6)),
            ((width, TOP),),
        ],
    }[kind]


def torso(
    neck: Curve, ease: float, hem: float, rng, waist=0.94, flare=1.0, bare=0.0, sag=5.0
) -> Part:
    """Front of a top down to y = `hem`; `waist` and `flare` are widths against the chest, `bare` cuts the shoulder."""
    shoulder, chest, arm = (
        (88 - bare) + max(0, ease - 1) * 70,
        82 * ease,
        150 + max(0, ease - 1) * 60,
    )
    middle, bottom, at = chest * waist, chest * flare, min(arm + 66, hem - 12)
    half = [*neck, ((shoulder, TOP + 17 - bare * 0.12),),
            ((shoulder - 10, TOP + 50), (chest - 12, arm - 26), (chest, arm)),
            ((chest - 4, arm + 25), (middle, at - 25), (middle, at)),
            ((middle, at + (hem - at) * .3), (bottom, hem - (hem - at) * .5), (bottom, hem)),
            ((bottom / 2, hem + sag), (0, hem + sag))]  # fmt: skip
    folds = [leaf(side * (chest + 2), arm + rng.uniform(-2, 20) + 16 * i, side * rng.uniform(12, 40),
                  arm + 16 * i + rng.uniform(24, 70), rng.uniform(-9, 9), rng.uniform(3, 5.5))
             for side in (-1, 1) for i in range(3)]  # fmt: skip
    folds += [leaf(x * middle, at + rng.uniform(-20, 20), x * bottom * 1.05, hem - 4, rng.uniform(-8, 8),
                   rng.uniform(3, 6.5)) for x in rng.uniform(-0.8, 0.8, 4)]  # fmt: skip
    stitch = [((-bottom, hem - 8),), ((0, hem + sag * 1.6 - 8), (bottom, hem - 8))]
    return Part(both(half), (-chest, 0, chest, 0), folds, [stitch])


def back_neck(width: float, depth: float) -> Part:
    """The inside of the back that a neck opening shows, with its tape."""
    half = [((0, TOP - 6),), ((width * 0.7, TOP - 5), (width + 3, TOP)), ((width + 2, TOP + depth + 4),),
            ((width * 0.6, TOP + depth + 12), (0, TOP + depth + 12))]  # fmt: skip
    tape = [((-width, TOP + 3),), ((0, TOP), (width, TOP + 3))]
    return Part(both(half), (-40, 0, 40, 0), stitches=[tape], role="inside")


def sleeve(
    ease: float, rng, angle: float, length: float, cuff: float, puff: float = 0, rib: float = 0
) -> list[Part]:
    """Right sleeve and its ribbed end: `angle` degrees off the vertical, `cuff` half its end, `puff` swells its cap."""
    sx, sy, ax, ay = 86 + max(0, ease - 1) * 70, TOP + 16, 82 * ease, 150 + max(0, ease - 1) * 60
    dx, dy = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    mx, my = (sx + ax) / 2, (sy + ay) / 2
    cx, cy, l = mx + dx * length, my + dy * length, length
    outer, inner = (cx + dy * cuff, cy - dx * cuff), (cx - dy * cuff, cy + dx * cuff)
    curve = [((sx - 16, sy - 3),), ((sx, sy),),
             ((sx + 12 + puff, sy + 4 - puff * 0.3), (outer[0] - dx * l * 0.5 + puff, outer[1] - dy * l * 0.5), outer),
             ((cx + dx * 4, cy + dy * 4), inner),
             ((inner[0] - dx * l * 0.45, inner[1] - dy * l * 0.45), (ax + dx * 10, ay + dy * 16), (ax - 2, ay)),
             ((sx - 26, ay - 6),)]  # fmt: skip
    folds = [leaf(ax - 4, ay - 4, sx + 4, sy + 34, -4, 5)]
    for u in rng.uniform(0.15, 0.85, 2 + 3 * (length > 150)):
        a, b, w = rng.uniform(-0.9, -0.2), rng.uniform(0.2, 0.9), cuff * 1.1
        x, y = mx + dx * l * u, my + dy * l * u
        folds.append(leaf(x + dy * a * w, y - dx * a * w, x + dy * b * w + dx * 12, y - dx * b * w + dy * 12,
                          rng.uniform(-6, 6), rng.uniform(2.5, 4.5)))  # fmt: skip
    if puff > 14:
        folds += [
            leaf(sx - 4 + 4 * i, sy + 2 + 7 * i, sx + 14 + 3 * i, sy + 34 + 9 * i, 4, 3.5)
            for i in range(4)
        ]
    light = (
        mx + dx * l / 2 - dy * 44,
        my + dy * l / 2 + dx * 44,
        mx + dx * l / 2 + dy * 44,
        my + dy * l / 2 - dx * 44,
    )
    hem = [[(p[0] - dx * 7, p[1] - dy * 7)] for p in (outer, inner)]
    parts = [Part(curve, light, folds, [] if rib else [[tuple(h) for h in hem]], angle=-angle)]
    if rib:
        ends = [
            (p[0] * 0.93 + cx * 0.07 + dx * rib, p[1] * 0.93 + cy * 0.07 + dy * rib)
            for p in (outer, inner)
        ]
        parts.append(
            Part([(outer,), (ends[0],), (ends[1],), (inner,)], light, role="rib", angle=-angle)
        )
    return parts


def rib_band(half: float, y: float, depth: float, role: str = "rib") -> Part:
    """A band round hem or waist, `half` wide on each side, hung at y."""
    edge = [
        ((0, y),),
        ((half * 0.5, y), (half, y - 4)),
        ((half - 5, y + depth - 4),),
        ((half / 2, y + depth), (0, y + depth)),
    ]
    return Part(both(edge), (-half, 0, half, 0), role=role)


def skirt(
    top: float, waist: float, hem: float, bottom: float, rng, folds: int = 7, pleats: int = 0
) -> Part:
    """From a waist `2·waist` wide at y = `top` to a hem `2·bottom` wide at y = `hem`, in soft folds or sharp pleats."""
    hip = max(waist + 12, waist + (bottom - waist) * 0.42)
    half = [((0, top + 4),), ((waist / 2, top + 3), (waist, top)),
            ((waist + 6, top + 20), (hip - 4, top + 40), (hip, top + min(75, (hem - top) * 0.4))),
            ((hip + (bottom - hip) * 0.35, hem - (hem - top) * 0.4), (bottom - 3, hem - 25),
             (bottom, hem - 5))]  # fmt: skip
    waves = max(3, folds // 2)
    for i in range(waves):
        x0, x1 = bottom * (1 - i / waves), bottom * (1 - (i + 1) / waves)
        dip = 6 if bottom > waist * 1.35 else 1.5
        half.append(
            (
                ((x0 * 2 + x1) / 3, hem + dip),
                ((x0 + 2 * x1) / 3, hem - dip * 0.4 + 3),
                (x1, hem + 4),
            )
        )
    lines = []
    for i in range(pleats or folds):
        u = ((i + 0.5) / (pleats or folds)) * 2 - 1 + (0 if pleats else rng.uniform(-0.08, 0.08))
        start = top + 6 + (0 if pleats else rng.uniform(0, (hem - top) * 0.45))
        lines.append(leaf(u * (waist + (hip - waist) * min(1, (start - top) / 75)), start, u * bottom * 1.02, hem + 3,
                          -u * 10, 2.4 if pleats else rng.uniform(4, 8)))  # fmt: skip
    stitch = [] if pleats else [[((-bottom, hem - 13),), ((0, hem + 1), (bottom, hem - 13))]]
    return Part(both(half), (-hip, 0, hip, 0), lines, stitch)


def leg(
    top: float, waist: float, length: float, knee: float, hem: float, rng, rise: float = 112
) -> Part:
    """Right trouser leg from the waist at y = `top`; `knee` and `hem` are the widths of the leg there."""
    bottom, crotch = top + length, top + rise
    at = min(top + 235, top + rise + (length - rise) * 0.55)
    centre, bend = 44 + max(0, hem - 60) * 0.28, min(40, (at - crotch) * 0.6)
    half = [((0, top + 3),), ((waist * 0.5, top + 3), (waist, top)),
            ((waist + 6, top + 25), (waist + 17, top + 55), (waist + 17, crotch - 22)),
            ((waist + 16, crotch + bend * 0.7), (centre + knee / 2 + 2, at - bend), (centre + knee / 2, at)),
            ((centre + knee / 2 - 1, at + bend * 0.6), (centre + hem / 2, bottom - bend * 0.6),
             (centre + hem / 2, bottom)),
            ((centre, bottom + 5), (centre - hem / 2, bottom)),
            ((centre - hem / 2, bottom - bend * 0.6), (centre - knee / 2, at + bend * 0.6), (centre - knee / 2, at)),
            ((centre - knee / 2, at - bend), (5, crotch + bend * 0.7), (1, crotch))]  # fmt: skip
    folds = [leaf(2, crotch - 4 + 10 * i, 52 + rng.uniform(-8, 12), crotch - 20 + 22 * i + rng.uniform(-6, 6), 5, 4)
             for i in range(3)]  # fmt: skip
    if length > 250:
        for y in (at, at + 14, bottom - 34, bottom - 18):
            w = knee / 2 if y < bottom - 60 else hem / 2
            side = rng.choice([-1, 1])
            folds.append(leaf(centre - side * w, y + rng.uniform(-6, 6), centre + side * w * 0.5,
                              y + rng.uniform(4, 16), rng.uniform(-6, 6), rng.uniform(3, 5)))  # fmt: skip
    x = centre + rng.uniform(-10, 10)
    folds.append(
        leaf(
            x,
            crotch + 30,
            x + rng.uniform(-6, 6),
            bottom - 10,
            rng.uniform(-6, 6),
            4 + max(0, hem - 70) * 0.1,
        )
    )
    stitch = [
        ((centre + hem / 2, bottom - 9),),
        ((centre, bottom - 4), (centre - hem / 2, bottom - 9)),
    ]
    return Part(half, (centre - 52, 0, centre + 50, 0), folds, [stitch])


def ruffle(half: float, y: float, depth: float, waves: int = 6) -> Part:
    """A gathered frill, `half` wide on each side, hung at y."""
    curve = [((0, y),), ((half * 0.5, y), (half - 2, y - 4)), ((half + 9, y + depth - 4),)]
    for i in range(waves):
        x0, x1 = (half + 9) * (1 - i / waves), (half + 9) * (1 - (i + 1) / waves)
        curve.append(
            (
                (x0 * 0.7 + x1 * 0.3, y + depth + 8),
                (x0 * 0.3 + x1 * 0.7, y + depth - 5),
                (x1, y + depth + 1),
            )
        )
    folds = [
        leaf(x, y - 1, x * 1.07, y + depth, 2, 2.6)
        for x in [half * (i + 0.5) / 6 for i in range(6)]
    ]
    return Part(both(curve), (-half, 0, half, 0), folds + [mirror_fold(f) for f in folds])
