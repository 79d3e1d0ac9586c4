"""Cut pieces of garments: plain geometry in units of a quarter centimetre, x = 0 on the centre
line, y downwards.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

Point = tuple[float, float]
Segment = tuple[Point, ...]
Curve = list[Segment]
"""A start, then 1 (line), 2 (quadratic) or 3 (cubic) points per segment."""

Fold = tuple[float, float, float, float, float, float]
"""As `leaf` takes them: two ends, bend and width."""

Light = tuple[float, float, float, float]
"""x0, y0, x1, y1: from the lit edge of a piece to the shaded one."""

TOP = 58.0  # y of the point where neck and shoulder meet
SHOULDER = 88.0  # half the width from shoulder to shoulder
CHEST = 82.0  # half the width of the chest
ARMPIT = 150.0  # its y
_COMMANDS = " LQC"  # of SVG paths, by the number of points


def mirror(curve: Curve) -> Curve:
    """The same curve on the other side of the centre line."""
    return [tuple((-x, y) for x, y in segment) for segment in curve]


def mirror_fold(fold: Fold) -> Fold:
    """The same fold on the other side."""
    x0, y0, x1, y1, bend, width = fold
    return -x0, y0, -x1, y1, -bend, width


def both(half: Curve) -> Curve:
    """Close a half outline (from the centre line at the top to the centre line at the bottom) by
    its mirror image.
    """
    backwards = []
    for at in range(len(half) - 1, 0, -1):
        controls = half[at][:-1]
        end = half[at - 1][-1]
        backwards.append((*reversed(controls), end))
    return half + mirror(backwards)


def path(curve: Curve, close: bool = True) -> str:
    """SVG path data of a curve."""
    data = ""
    for number, segment in enumerate(curve):
        command = _COMMANDS[len(segment)] if number > 0 else "M"
        points = " ".join(f"{x:.1f} {y:.1f}" for x, y in segment)
        data += command + points
    return data + "Z" if close else data


def leaf(x0: float, y0: float, x1: float, y1: float, bend: float, width: float) -> Fold:
    """A fold: a sliver from (x0, y0) to (x1, y1), bent sideways by `bend`, `width` thick in its
    middle.
    """
    return x0, y0, x1, y1, bend, width


def sliver(fold: Fold, share: float, dx: float = 0.0, dy: float = 0.0) -> Curve:
    """Outline of a fold at a share of its width, moved by (dx, dy).

    A few of them, nested, make a soft edge.
    """
    x0, y0, x1, y1, bend, width = fold
    x0 += dx
    y0 += dy
    x1 += dx
    y1 += dy
    thick = 2 * width * share
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    normal_x = -(y1 - y0) / length
    normal_y = (x1 - x0) / length
    middle_x = (x0 + x1) / 2 + normal_x * bend
    middle_y = (y0 + y1) / 2 + normal_y * bend
    there = (middle_x + normal_x * thick, middle_y + normal_y * thick)
    back = (middle_x - normal_x * thick, middle_y - normal_y * thick)
    start = (x0, y0)
    end = (x1, y1)
    return [(start,), (there, end), (back, start)]


@dataclass
class Part:
    """One cut piece: its outline, how light runs across it, where it folds and how it is sewn.

    Attributes
    ----------
    curve : Curve
    light : Light
    folds : list of Fold
        Dark, each with a light twin beside it.
    stitches : list of Curve
    role : {"main", "second", "inside", "rib"}
        Which colour and which cloth.
    angle : float
        Of the grain, in degrees.
    """

    curve: Curve
    light: Light
    folds: list[Fold] = field(default_factory=list)
    stitches: list[Curve] = field(default_factory=list)
    role: str = "main"
    angle: float = 0.0

    def mirrored(self) -> "Part":
        """The part on the other side; the light keeps coming from the left."""
        x0, y0, x1, y1 = self.light
        return replace(
            self,
            curve=mirror(self.curve),
            light=(-x1, y1, -x0, y0),
            folds=[mirror_fold(fold) for fold in self.folds],
            stitches=[mirror(curve) for curve in self.stitches],
            angle=-self.angle,
        )

    def moved(self, dx: float) -> "Part":
        """The part, shifted sideways."""
        x0, y0, x1, y1 = self.light
        return replace(
            self,
            curve=[tuple((x + dx, y) for x, y in segment) for segment in self.curve],
            light=(x0 + dx, y0, x1 + dx, y1),
            folds=[_moved_fold(fold, dx) for fold in self.folds],
        )


def _moved_fold(fold: Fold, dx: float) -> Fold:
    x0, y0, x1, y1, bend, width = fold
    return x0 + dx, y0, x1 + dx, y1, bend, width


def neckline(kind: str, width: float, depth: float) -> Curve:
    """Half a neck opening (round, v, square, heart), from its lowest point up to the shoulder.

    Raises
    ------
    KeyError
        For another kind.
    """
    low = TOP + depth
    shoulder = (width, TOP)
    start = ((0, low),)
    if kind == "round":
        controls = ((width * 0.72, low), (width * 0.98, low - depth * 0.5))
        return [start, (*controls, shoulder)]
    if kind == "v":
        return [start, ((width * 0.62, TOP + depth * 0.45), shoulder)]
    if kind == "square":
        corner = (width * 0.92, low)
        return [start, ((width * 0.5, low + 1), corner), (shoulder,)]
    if kind == "heart":
        dip = (width * 0.95, low - 6)
        controls = ((width * 0.2, low - 22), (width * 0.8, low - 22))
        return [start, (*controls, dip), (shoulder,)]
    raise KeyError(kind)


def torso(  # noqa: PLR0913  # measures of a garment
    neck: Curve,
    ease: float,
    hem: float,
    rng: np.random.Generator,
    waist: float = 0.94,
    flare: float = 1.0,
    bare: float = 0.0,
    sag: float = 5.0,
) -> Part:
    """Front of a top down to y = `hem`.

    Parameters
    ----------
    neck : Curve
        As from `neckline`.
    ease : float
        Width against the body: 1.2 is loose.
    hem : float
        y at the sides; the middle hangs `sag` lower.
    rng : Generator
        Where the folds fall.
    waist, flare : float
        Widths there and at the hem, against the chest.
    bare : float
        How much of the shoulder is cut away.
    """
    loose = max(0, ease - 1)
    shoulder = (SHOULDER - bare) + loose * 70
    chest = CHEST * ease
    arm = ARMPIT + loose * 60
    middle = chest * waist
    bottom = chest * flare
    at = min(arm + 66, hem - 12)
    half = [
        *neck,
        ((shoulder, TOP + 17 - bare * 0.12),),
        (
            (shoulder - 10, TOP + 50),
            (chest - 12, arm - 26),
            (chest, arm),
        ),
        (
            (chest - 4, arm + 25),
            (middle, at - 25),
            (middle, at),
        ),
        (
            (middle, at + (hem - at) * 0.3),
            (bottom, hem - (hem - at) * 0.5),
            (bottom, hem),
        ),
        (
            (bottom / 2, hem + sag),
            (0, hem + sag),
        ),
    ]
    folds = []
    for side in (-1, 1):
        for number in range(3):
            folds.append(_armpit_fold(side, chest, arm, 16 * number, rng))
    for across in rng.uniform(-0.8, 0.8, 4):
        x0 = across * middle
        y0 = at + rng.uniform(-20, 20)
        x1 = across * bottom * 1.05
        bend = rng.uniform(-8, 8)
        width = rng.uniform(3, 6.5)
        folds.append(leaf(x0, y0, x1, hem - 4, bend, width))
    middle_of_stitch = (0, hem + sag * 1.6 - 8)
    stitch = [
        ((-bottom, hem - 8),),
        (middle_of_stitch, (bottom, hem - 8)),
    ]
    return Part(both(half), (-chest, 0, chest, 0), folds, [stitch])


def _armpit_fold(
    side: int, chest: float, arm: float, lower: float, rng: np.random.Generator
) -> Fold:
    """A fold from the armpit towards the middle, `lower` than the highest one."""
    x0 = side * (chest + 2)
    y0 = arm + rng.uniform(-2, 20) + lower
    x1 = side * rng.uniform(12, 40)
    y1 = arm + lower + rng.uniform(24, 70)
    bend = rng.uniform(-9, 9)
    width = rng.uniform(3, 5.5)
    return leaf(x0, y0, x1, y1, bend, width)


def back_neck(width: float, depth: float) -> Part:
    """The inside of the back that a neck opening shows, with its tape."""
    low = TOP + depth + 12
    half = [
        ((0, TOP - 6),),
        (
            (width * 0.7, TOP - 5),
            (width + 3, TOP),
        ),
        ((width + 2, TOP + depth + 4),),
        (
            (width * 0.6, low),
            (0, low),
        ),
    ]
    tape = [
        ((-width, TOP + 3),),
        ((0, TOP), (width, TOP + 3)),
    ]
    return Part(both(half), (-40, 0, 40, 0), stitches=[tape], role="inside")


def sleeve(
    ease: float,
    rng: np.random.Generator,
    angle: float,
    length: float,
    cuff: float,
    puff: float = 0,
    rib: float = 0,
) -> list[Part]:
    """Right sleeve and, if it has one, its ribbed end.

    Parameters
    ----------
    ease : float
        As in `torso`.
    rng : Generator
        Where the folds fall.
    angle : float
        Degrees off the vertical.
    length : float
    cuff : float
        Half the width of its end.
    puff : float
        How much its cap swells.
    rib : float
        Length of the ribbed end; 0 for a hem.
    """
    loose = max(0, ease - 1)
    top_x = 86 + loose * 70  # where it is set in at the shoulder
    top_y = TOP + 16
    arm_x = CHEST * ease  # and at the armpit
    arm_y = ARMPIT + loose * 60
    dx = math.sin(math.radians(angle))
    dy = math.cos(math.radians(angle))
    mid_x = (top_x + arm_x) / 2
    mid_y = (top_y + arm_y) / 2
    end_x = mid_x + dx * length
    end_y = mid_y + dy * length
    outer = (end_x + dy * cuff, end_y - dx * cuff)
    inner = (end_x - dy * cuff, end_y + dx * cuff)
    curve: Curve = [
        ((top_x - 16, top_y - 3),),
        ((top_x, top_y),),
        (
            (top_x + 12 + puff, top_y + 4 - puff * 0.3),
            (outer[0] - dx * length * 0.5 + puff, outer[1] - dy * length * 0.5),
            outer,
        ),
        ((end_x + dx * 4, end_y + dy * 4), inner),
        (
            (inner[0] - dx * length * 0.45, inner[1] - dy * length * 0.45),
            (arm_x + dx * 10, arm_y + dy * 16),
            (arm_x - 2, arm_y),
        ),
        ((top_x - 26, arm_y - 6),),
    ]
    folds = [leaf(arm_x - 4, arm_y - 4, top_x + 4, top_y + 34, -4, 5)]
    n_folds = 5 if length > 150 else 2
    for share in rng.uniform(0.15, 0.85, n_folds):
        x = mid_x + dx * length * share
        y = mid_y + dy * length * share
        folds.append(_sleeve_fold(x, y, dx, dy, cuff * 1.1, rng))
    if puff > 14:
        folds += [_puff_fold(top_x, top_y, number) for number in range(4)]
    light = (
        mid_x + dx * length / 2 - dy * 44,
        mid_y + dy * length / 2 + dx * 44,
        mid_x + dx * length / 2 + dy * 44,
        mid_y + dy * length / 2 - dx * 44,
    )
    if not rib:
        hem: Curve = [((x - dx * 7, y - dy * 7),) for x, y in (outer, inner)]
        return [Part(curve, light, folds, [hem], angle=-angle)]
    ends = []
    for x, y in (outer, inner):
        narrower_x = x * 0.93 + end_x * 0.07
        narrower_y = y * 0.93 + end_y * 0.07
        ends.append((narrower_x + dx * rib, narrower_y + dy * rib))
    band: Curve = [(outer,), (ends[0],), (ends[1],), (inner,)]
    return [
        Part(curve, light, folds, angle=-angle),
        Part(band, light, role="rib", angle=-angle),
    ]


def _sleeve_fold(
    x: float, y: float, dx: float, dy: float, half: float, rng: np.random.Generator
) -> Fold:
    """A fold across a sleeve that runs along (dx, dy) through (x, y) and is `half` wide on each
    side.
    """
    left = rng.uniform(-0.9, -0.2)
    right = rng.uniform(0.2, 0.9)
    x0 = x + dy * left * half
    y0 = y - dx * left * half
    x1 = x + dy * right * half + dx * 12
    y1 = y - dx * right * half + dy * 12
    bend = rng.uniform(-6, 6)
    width = rng.uniform(2.5, 4.5)
    return leaf(x0, y0, x1, y1, bend, width)


def _puff_fold(x: float, y: float, number: int) -> Fold:
    """One of the folds that run down from a gathered cap."""
    x0 = x - 4 + 4 * number
    y0 = y + 2 + 7 * number
    x1 = x + 14 + 3 * number
    y1 = y + 34 + 9 * number
    return leaf(x0, y0, x1, y1, bend=4, width=3.5)


def rib_band(half: float, y: float, depth: float, role: str = "rib") -> Part:
    """A band round hem or waist, `half` wide on each side, hung at y."""
    low = y + depth
    edge = [
        ((0, y),),
        (
            (half * 0.5, y),
            (half, y - 4),
        ),
        ((half - 5, low - 4),),
        (
            (half / 2, low),
            (0, low),
        ),
    ]
    return Part(both(edge), (-half, 0, half, 0), role=role)


def skirt(
    top: float,
    waist: float,
    hem: float,
    bottom: float,
    rng: np.random.Generator,
    folds: int = 7,
    pleats: int = 0,
) -> Part:
    """A skirt in soft folds or sharp pleats.

    Parameters
    ----------
    top, hem : float
        y of the waist and of the hem.
    waist, bottom : float
        Half the widths there.
    rng : Generator
        Where the folds fall.
    folds, pleats : int
        How many; with pleats there are no folds.
    """
    hip = max(waist + 12, waist + (bottom - waist) * 0.42)
    is_wide = bottom > waist * 1.35
    dip = 6.0 if is_wide else 1.5
    half = [
        ((0, top + 4),),
        (
            (waist / 2, top + 3),
            (waist, top),
        ),
        (
            (waist + 6, top + 20),
            (hip - 4, top + 40),
            (hip, top + min(75, (hem - top) * 0.4)),
        ),
        (
            (hip + (bottom - hip) * 0.35, hem - (hem - top) * 0.4),
            (bottom - 3, hem - 25),
            (bottom, hem - 5),
        ),
        *_wavy_hem(bottom, hem, dip, waves=max(3, folds // 2)),
    ]
    count = pleats or folds
    lines = []
    for number in range(count):
        across = ((number + 0.5) / count) * 2 - 1
        start = top + 6
        if not pleats:
            across += rng.uniform(-0.08, 0.08)
            start += rng.uniform(0, (hem - top) * 0.45)
        width_there = waist + (hip - waist) * min(1, (start - top) / 75)
        thick = 2.4 if pleats else rng.uniform(4, 8)
        x0 = across * width_there
        x1 = across * bottom * 1.02
        lines.append(leaf(x0, start, x1, hem + 3, -across * 10, thick))
    side = hem - 13
    stitch = [
        ((-bottom, side),),
        ((0, hem + 1), (bottom, side)),
    ]
    stitches = [] if pleats else [stitch]
    return Part(both(half), (-hip, 0, hip, 0), lines, stitches)


def _wavy_hem(bottom: float, hem: float, dip: float, waves: int) -> Curve:
    """From the side of a hem to its middle in a few waves."""
    curve: Curve = []
    for number in range(waves):
        x0 = bottom * (1 - number / waves)
        x1 = bottom * (1 - (number + 1) / waves)
        wave = (
            ((x0 * 2 + x1) / 3, hem + dip),
            ((x0 + 2 * x1) / 3, hem - dip * 0.4 + 3),
            (x1, hem + 4),
        )
        curve.append(wave)
    return curve


def leg(
    top: float,
    waist: float,
    length: float,
    knee: float,
    hem: float,
    rng: np.random.Generator,
    rise: float = 112,
) -> Part:
    """Right trouser leg from the waist at y = `top`.

    Parameters
    ----------
    waist : float
        Half its width.
    length : float
        From waist to hem.
    knee, hem : float
        Widths of the leg there.
    rng : Generator
        Where the folds fall.
    rise : float
        From waist to crotch.
    """
    bottom = top + length
    crotch = top + rise
    at = min(top + 235, top + rise + (length - rise) * 0.55)  # y of the knee
    centre = leg_centre(hem)
    reach = min(40, (at - crotch) * 0.6)
    outer_knee = centre + knee / 2
    inner_knee = centre - knee / 2
    outer_hem = centre + hem / 2
    inner_hem = centre - hem / 2
    half: Curve = [
        ((0, top + 3),),
        (
            (waist * 0.5, top + 3),
            (waist, top),
        ),
        (
            (waist + 6, top + 25),
            (waist + 17, top + 55),
            (waist + 17, crotch - 22),
        ),
        (
            (waist + 16, crotch + reach * 0.7),
            (outer_knee + 2, at - reach),
            (outer_knee, at),
        ),
        (
            (outer_knee - 1, at + reach * 0.6),
            (outer_hem, bottom - reach * 0.6),
            (outer_hem, bottom),
        ),
        (
            (centre, bottom + 5),
            (inner_hem, bottom),
        ),
        (
            (inner_hem, bottom - reach * 0.6),
            (inner_knee, at + reach * 0.6),
            (inner_knee, at),
        ),
        (
            (inner_knee, at - reach),
            (5, crotch + reach * 0.7),
            (1, crotch),
        ),
    ]
    folds = [_crotch_fold(crotch, number, rng) for number in range(3)]
    if length > 250:
        for y in (at, at + 14, bottom - 34, bottom - 18):
            half_width = knee / 2 if y < bottom - 60 else hem / 2
            folds.append(_leg_fold(centre, y, half_width, rng))
    x = centre + rng.uniform(-10, 10)
    x1 = x + rng.uniform(-6, 6)
    bend = rng.uniform(-6, 6)
    thick = 4 + max(0, hem - 70) * 0.1
    folds.append(leaf(x, crotch + 30, x1, bottom - 10, bend, thick))
    stitch: Curve = [
        ((outer_hem, bottom - 9),),
        (
            (centre, bottom - 4),
            (inner_hem, bottom - 9),
        ),
    ]
    return Part(half, (centre - 52, 0, centre + 50, 0), folds, [stitch])


def leg_centre(hem: float) -> float:
    """x of the middle of a leg that is `hem` wide at its end."""
    return 44 + max(0, hem - 60) * 0.28


def _crotch_fold(crotch: float, number: int, rng: np.random.Generator) -> Fold:
    end_x = 52 + rng.uniform(-8, 12)
    end_y = crotch - 20 + 22 * number + rng.uniform(-6, 6)
    return leaf(2, crotch - 4 + 10 * number, end_x, end_y, 5, 4)


def _leg_fold(centre: float, y: float, half_width: float, rng: np.random.Generator) -> Fold:
    """A fold across a leg, from either side."""
    side = rng.choice([-1, 1])
    x0 = centre - side * half_width
    y0 = y + rng.uniform(-6, 6)
    x1 = centre + side * half_width * 0.5
    y1 = y + rng.uniform(4, 16)
    bend = rng.uniform(-6, 6)
    width = rng.uniform(3, 5)
    return leaf(x0, y0, x1, y1, bend, width)


def ruffle(half: float, y: float, depth: float, waves: int = 6) -> Part:
    """A gathered frill, `half` wide on each side, hung at y."""
    wide = half + 9
    curve: Curve = [
        ((0, y),),
        (
            (half * 0.5, y),
            (half - 2, y - 4),
        ),
        ((wide, y + depth - 4),),
    ]
    for number in range(waves):
        x0 = wide * (1 - number / waves)
        x1 = wide * (1 - (number + 1) / waves)
        wave = (
            (x0 * 0.7 + x1 * 0.3, y + depth + 8),
            (x0 * 0.3 + x1 * 0.7, y + depth - 5),
            (x1, y + depth + 1),
        )
        curve.append(wave)
    folds = []
    for number in range(6):
        x = half * (number + 0.5) / 6
        folds.append(leaf(x, y - 1, x * 1.07, y + depth, 2, 2.6))
    folds += [mirror_fold(fold) for fold in folds]
    return Part(both(curve), (-half, 0, half, 0), folds)
