"""From a garment's attributes to its picture: cut the parts its category and style name, paint them, sew on trims."""

from functools import cache
from pathlib import Path
from string import Template

import numpy as np
import yaml

from helpers.sample.garments import outline as cut
from helpers.sample.garments.cloth import Dye, fragments, mix
from helpers.sample.garments.outline import Part, mirror, neckline, path

EASE = {"slim": 0.93, "regular": 1.0, "relaxed": 1.1, "oversized": 1.2}
LEGS = {
    "slim": (46, 34),
    "regular": (60, 54),
    "relaxed": (74, 76),
    "oversized": (86, 108),
}  # widths at knee and hem
LENGTHS = {"cropped": -48, "longline": 36}  # of tops
TEXTURES = {"sweater": "cable", "dress": "cable", "hoodie": "rib", "t-shirt": "rib", "blouse": "rib",
            "trousers": "cord", "coat": "tweed", "blazer": "tweed"}  # fmt: skip


@cache
def _book() -> dict:
    return yaml.safe_load((Path(__file__).parent / "garments.yaml").read_text(encoding="utf-8"))


def _legs(spec: dict, a: dict, rng) -> tuple[list[Part], float]:
    legs, (knee, foot) = dict(spec["legs"]), LEGS[a["fit"]]
    if legs["length"] > 250:
        legs["length"] -= 74 * (a["length"] == "cropped")
    else:
        legs["length"] += {"cropped": -34, "longline": 66}.get(a["length"], 0)
        knee = foot = 72 + 60 * (EASE[a["fit"]] - 1)
    parts = [cut.leg(knee=knee, hem=foot, rng=rng, **legs) for _ in range(2)]
    parts[0] = parts[0].mirrored()
    hem, centre, half = legs["top"] + legs["length"], 44 + max(0, foot - 60) * 0.28, foot / 2
    end = None
    if "frill_hem" in spec:
        end = cut.ruffle(half, hem, spec["frill_hem"], 4)
    elif "ribbed" in spec:
        end = cut.rib_band(half * 0.86, hem, 24)
    elif "cuffs" in spec:
        end = cut.rib_band(half + 3, hem - 18, 22, "main")
    return parts + ([end.moved(-centre), end.moved(centre)] if end else []), hem


def _skirt(spec: dict, a: dict, rng) -> tuple[list[Part], float]:
    s, hem, parts = dict(spec["skirt"]), spec["lengths"][a["length"]], []
    top, frill, tier = s["top"], s.pop("frill", 0), s.pop("tier", False)
    wide = (
        s.pop("bottom")
        * (0.8 + 0.2 * (hem - top) / 150)
        * {"slim": 0.92, "oversized": 1.08}.get(a["fit"], 1)
    )
    if frill:
        parts.append(cut.ruffle(wide - 2, hem - frill, frill, 7))
    parts.append(cut.skirt(hem=hem - frill, bottom=wide, rng=rng, **s))
    if tier:
        parts.append(cut.ruffle(wide * 0.8, (top + hem - frill) / 2 - 10, 30, 6))
    return parts, hem


def _top(spec: dict, a: dict, rng) -> tuple[list[Part], float]:
    ease, body, (kind, width, depth) = (
        EASE[a["fit"]] * spec.get("ease", 1),
        dict(spec["body"]),
        spec["neck"],
    )
    longer = 0 if "skirt" in spec or "legs" in spec else LENGTHS.get(a["length"], 0)
    hem = body.pop("hem") + longer
    parts = [cut.back_neck(width, min(depth, 70) if depth < 100 else depth)]
    for side in (0, 1) if spec.get("sleeve") else ():
        s = dict(spec["sleeve"])
        role, band = s.pop("role", "main"), s.pop("band", 0)  # a sewn cuff instead of a ribbed one
        arm, *cuff = cut.sleeve(ease, rng, **({**s, "rib": band} if band else s))
        arm.role = role
        for part in cuff:
            part.role = "main" if band else "rib"
        parts += [part if side else part.mirrored() for part in (arm, *cuff)]
    front = cut.torso(neckline(kind, width, depth), ease, hem, rng, **body)
    parts.append(front)
    if "rib" in spec:
        front.stitches = []
        parts.append(cut.rib_band(82 * ease * body.get("flare", 1.0) - 1, hem, spec["rib"]))
        hem += spec["rib"]
    return parts + [
        cut.ruffle(half * ease, y + longer, deep) for half, y, deep in spec.get("ruffles", [])
    ], hem


def _parts(spec: dict, a: dict, rng) -> tuple[list[Part], float]:
    """The garment's parts from back to front, and the y of its hem."""
    parts, hem = [], 0.0
    for name, make in (("legs", _legs), ("skirt", _skirt), ("body", _top)):
        if name in spec:
            more, end = make(spec, a, rng)
            parts, hem = parts + more, hem or end
    if "waistband" in spec:
        waist, y = (spec.get("legs") or spec["skirt"])["waist"], 60 - spec["waistband"]
        back = [((4 - waist, 42),), ((0, 32), (waist - 4, 42)), ((0, 58), (4 - waist, 42))]
        front = [((-waist - 1, 61),), ((3 - waist, y),), ((0, y + 9), (waist - 3, y)), ((waist + 1, 61),),
                 ((0, 69), (-waist - 1, 61))]  # fmt: skip
        seams = [
            [((-waist, 57),), ((0, 65), (waist, 57))],
            [((3 - waist, y + 4),), ((0, y + 13), (waist - 3, y + 4))],
        ]
        light = (-waist, 0, waist, 0)
        role = "rib" if spec.get("weave") == "fleece" else "main"
        parts = [
            Part(back, light, role="inside"),
            *parts,
            Part(front, light, stitches=seams, role=role),
        ]
    return parts, hem


def _trims(spec: dict, hem: float) -> str:
    """Buttons, pockets, collars and other trims in SVG, still with `$names` for the colours."""
    out = []

    def put(name, x, y, sx=1.0, sy=None):
        y = hem + y if y < 0 else y  # below 0: measured from the hem
        move = f"translate({x:.1f} {y:.1f}) scale({sx:.2f} {sx if sy is None else sy:.2f})"
        out.append(f'<g transform="{move}">{fragments("details")[name]}</g>')

    for name, x, y, *end in spec.get("stretch", []):
        put(name, x, y, 1, ((end[0] if end else hem) - y) / 100)
    for name, x, y, *scale in spec.get("put", []):
        put(name, x, y, *scale)
    for name, x, y, size in spec.get("pair", []):
        put(name, x, y, size)
        put(name, -x, y, -size, size)
    for name, x, y0, y1, n in spec.get("rows", []):
        for y in np.linspace(y0, max(y0, min(y1, hem - 14)), n):
            put(name, x, y)
    return "".join(out)


def _neckband(kind: str, width: float, depth: float, thick: float) -> str:
    """Ribbed band along a neck opening."""
    half = neckline(kind, width, depth)
    d = path(half, False) + path(mirror(half), False)
    ribs = f'stroke="$dark" stroke-opacity=".35" stroke-width="{thick}" stroke-dasharray="1.5 2.7"'
    strokes = (
        f'stroke="$dark" stroke-width="{thick + 2}"',
        f'stroke="$band" stroke-width="{thick}"',
        ribs,
    )
    return "".join(f'<path d="{d}" fill="none" {stroke}/>' for stroke in strokes)


def draw(attributes: dict) -> str:
    """SVG of one garment.

    Parameters
    ----------
    attributes : dict
        category, colour, pattern, style (see `CATEGORIES`, `COLOURS`, `PATTERNS`, `STYLES`); fit (slim, regular,
        relaxed, oversized); length (cropped, regular, longline; mini, midi, maxi for dresses and skirts); seed; and, if
        wanted, backdrop, the colour behind it.

    Returns
    -------
    str
        A self-contained SVG without text or links, so that every machine draws the same pixels.
    """
    a, book = attributes, _book()[attributes["category"]]
    rng = np.random.default_rng(a["seed"])
    spec = {**book["all"], **(book.get(a["style"]) or {})}
    if a["pattern"] == "texture":
        spec["weave"] = "weave-" + TEXTURES.get(a["category"], "denim")
    kind = {"colour-block": "block"}.get(a["pattern"], a["pattern"]) + "-"
    prints = sorted(name for name in fragments("patterns") if name.startswith(kind))
    dye = Dye(
        a["colour"],
        spec.get("weave", "plain"),
        prints[int(rng.integers(len(prints)))] if prints else None,
        rng,
    )
    parts, hem = _parts(spec, a, rng)
    points = [point for part in parts for segment in part.curve for point in segment] + [(0, 6)] * (
        "hood" in spec
    )
    dye.box = (*np.min(points, axis=0), *np.max(points, axis=0))
    hood = [
        fragments("details")[f"hood{end}"] if "hood" in spec else "" for end in ("back", "front")
    ]
    trims = [_neckband(*spec["neck"], spec["band"]) if spec.get("band") else "", hood[1]]
    if a["pattern"] == "graphic":
        art = sorted(fragments("graphics").items())[int(rng.integers(len(fragments("graphics"))))][
            1
        ]
        x, y, size = spec["print"]
        trims.append(
            f'<g transform="translate({x} {y}) scale({size})">{Template(art).substitute(dye.names)}</g>'
        )
    trims.append(_trims(spec, hem))
    return _page(dye, [hood[0], *map(dye.paint, parts), *trims], a.get("backdrop", "#f3f1ee"))


def _page(dye: Dye, layers: list[str], backdrop: str) -> str:
    """Set the garment and its shadow in the middle of its backdrop, as large as fits."""
    x0, y0, x1, y1 = dye.box
    scale = min(352 / (y1 - y0), 340 / (x1 - x0), 1.5)
    place = f"translate({200 - scale * (x0 + x1) / 2:.1f} {196 - scale * (y0 + y1) / 2:.1f}) scale({scale:.3f})"
    shadow = {
        f"s{i}": mix(backdrop, "#2a2230", depth)
        for i, depth in enumerate((0.05, 0.1, 0.16, 0.23), 1)
    }
    body = Template("".join(layers)).substitute(dye.trim_names())
    page = Template((Path(__file__).parent / "page.svg").read_text(encoding="utf-8"))
    return page.substitute(backdrop=backdrop, place=place, silhouette="".join(dye.outlines), layers=body, **shadow,
                           defs="".join(dye.defs))  # fmt: skip
