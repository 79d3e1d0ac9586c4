"""From a garment's attributes to its picture: cut the parts its category and style name, paint them, sew on the trims."""

from functools import cache
from pathlib import Path
from string import Template

import numpy as np
import yaml

from helpers.catalog.garments.cloth import Dye, fragments, mix
from helpers.catalog.garments.outline import (
    TOP,
    Part,
    back_neck,
    leg,
    mirror,
    neckline,
    path,
    rib_band,
    ruffle,
    skirt,
    sleeve,
    torso,
)

EASE = {"slim": 0.93, "regular": 1.0, "relaxed": 1.1, "oversized": 1.2}
LEGS = {"slim": (46, 34), "regular": (60, 54), "relaxed": (74, 76), "oversized": (86, 108)}
HEMS = {"cropped": -48, "regular": 0, "longline": 36}


@cache
def _book() -> dict:
    text = (Path(__file__).parent / "garments.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def cut(spec: dict, a: dict, rng) -> tuple[list[Part], float]:
    """The garment's parts from back to front, and the y of its hem."""
    ease = EASE[a["fit"]] * spec.get("ease", 1.0)
    parts, hem = [], 0.0
    if "legs" in spec:
        knee, foot = LEGS[a["fit"]]
        legs = dict(spec["legs"])
        if legs["length"] > 250:
            legs["length"] -= 74 if a["length"] == "cropped" else 0
        else:
            legs["length"] += {"cropped": -34, "longline": 66}.get(a["length"], 0)
            knee, foot = 84 + 6 * (ease > 1), 84 + 14 * (ease - 1) * 10
        right = leg(knee=knee, hem=foot, rng=rng, **legs)
        left = leg(knee=knee, hem=foot, rng=rng, **legs).mirrored()
        hem = legs["top"] + legs["length"]
        parts += [left, right]
        parts += _leg_ends(spec, hem, foot)
    if "skirt" in spec:
        s = dict(spec["skirt"])
        frill, tier = s.pop("frill", 0), s.pop("tier", False)
        hem = spec["lengths"][a["length"]]
        wide = s["bottom"] * (0.8 + 0.2 * (hem - s["top"]) / 150) * {"slim": 0.92, "oversized": 1.08}.get(a["fit"], 1)
        if frill:
            parts.append(ruffle(wide - 2, hem - frill, frill, 7))
            hem -= frill
        parts.append(skirt(s.pop("top"), s.pop("waist"), hem, wide, rng, s.get("folds", 7), s.get("pleats", 0)))
        if tier:
            parts.append(ruffle(wide * 0.8, (spec["skirt"]["top"] + hem) / 2 - 10, 30, 6))
        hem += frill
    if "body" in spec:
        top, hem_top = _top(spec, a, ease, rng)
        parts = parts[:] + top if parts else top
        hem = hem or hem_top
    if "waistband" in spec:
        waist = (spec.get("legs") or spec["skirt"])["waist"]
        back = Part(
            [((-waist + 4, 42),), ((0, 32), (waist - 4, 42)), ((0, 58), (-waist + 4, 42))],
            (-60, 0, 60, 0),
            role="inside",
        )
        parts = [back, *parts, _waistband(waist, spec["waistband"], spec)]
    return parts, hem


def _top(spec, a, ease, rng):
    body = dict(spec["body"])
    hangs = "skirt" not in spec and "legs" not in spec
    hem = body.pop("hem") + (HEMS.get(a["length"], 0) if hangs else 0)
    kind, width, depth = spec["neck"]
    parts = [back_neck(width, min(depth, 70) if depth < 100 else depth)]
    if spec.get("sleeve"):
        s = dict(spec["sleeve"])
        role, band = s.pop("role", "main"), s.pop("band", 0)
        for side in (0, 1):
            for part in sleeve(ease, rng, **({**s, "rib": band} if band else s)):
                part.role = role if part.role == "main" else ("main" if band else "rib")
                parts.append(part.mirrored() if side == 0 else part)
    front = torso(neckline(kind, width, depth), ease, hem, rng, **body)
    if spec.get("rib"):
        front.stitches = []
    parts.append(front)
    half = 82 * ease * body.get("flare", 1.0)
    if spec.get("rib"):
        parts.append(rib_band(half - 1, hem, spec["rib"]))
        hem += spec["rib"]
    for at, y, depth in spec.get("ruffles", []):
        parts.append(ruffle(at * ease, y + (HEMS.get(a["length"], 0) if hangs else 0), depth))
    return parts, hem


def _waistband(waist, depth, spec):
    y = 60
    curve = [((-waist - 1, y + 1),), ((-waist + 3, y - depth),), ((0, y - depth + 9), (waist - 3, y - depth)), ((waist + 1, y + 1),),
             ((0, y + 9), (-waist - 1, y + 1))]  # fmt: skip
    lines = [
        [((-waist, y - 3),), ((0, y + 5), (waist, y - 3))],
        [((-waist + 3, y - depth + 4),), ((0, y - depth + 13), (waist - 3, y - depth + 4))],
    ]
    return Part(
        curve, (-waist, 0, waist, 0), stitches=lines, role="rib" if spec.get("weave") == "fleece" else "main"
    )


def _leg_ends(spec, hem, foot):
    centre = 44 + max(0, foot - 60) * 0.28
    ends = []
    for side in (-1, 1):
        x = side * centre
        if spec.get("frill_hem"):
            part = ruffle(foot / 2, hem, spec["frill_hem"], 4)
        elif spec.get("ribbed"):
            part = rib_band(foot / 2 * 0.86, hem, 24)
        elif spec.get("cuffs"):
            part = rib_band(foot / 2 + 3, hem - 18, 22, "main")
        else:
            continue
        part.curve = [tuple((px + x, py) for px, py in seg) for seg in part.curve]
        part.folds = [(x0 + x, y0, x1 + x, y1, b, w) for x0, y0, x1, y1, b, w in part.folds]
        part.light = (x - foot / 2, 0, x + foot / 2, 0)
        ends.append(part)
    return ends


def trims(spec: dict, hem: float, rng) -> str:
    """Buttons, pockets, collars and other trims in SVG, still with `$names` for the colours."""
    book, out = fragments("details"), []

    def put(name, x, y, sx=1.0, sy=None):
        if name in book:
            out.append(
                f'<g transform="translate({x:.1f} {y:.1f}) scale({sx:.2f} {sx if sy is None else sy:.2f})">{book[name]}</g>'
            )

    if spec.get("quilt"):
        put("quilt", 0, 166, 0.74, 1.6)
    if spec.get("trucker"):
        put("trucker", 0, 0, 0.98)
    if spec.get("yoke"):
        put("yoke", 0, TOP, 0.9)
    for name, x, y in spec.get("stretch") or []:
        put(name, x, y, 1, (hem - y) / 100)
    for name, x, y, to in spec.get("stretch_to", []):
        put(name, x, y, 1, (to - y) / 100)
    if spec.get("lapel"):
        put(spec["lapel"], 0, 0)
    if spec.get("biker"):
        put("biker", 0, 0)
        put("skewzip", 0, 0)
    for name, x, y, size in spec.get("pair") or []:
        put(name, x, y, size)
        put(name, -x, y, -size, size)
    for name, x, y, size in spec.get("put") or []:
        put(name, x, y, size)
    if spec.get("row"):
        name, x, y0, y1, n = spec["row"]
        for y in np.linspace(y0, min(y1, hem - 14), n):
            put(name, x, y)
    if spec.get("doubles"):
        y0, y1, n = spec["doubles"]
        for y in np.linspace(y0, y1, n):
            put("button", -20, y, 1.25)
            put("button", 20, y, 1.25)
    if spec.get("rips"):
        put("ripped", 50 + rng.uniform(-6, 6), 262, 1.1)
        put("ripped", -46 + rng.uniform(-6, 6), 232 + rng.uniform(-20, 30), 0.9)
    if spec.get("weave") == "weave-denim" and "legs" in spec:
        put("whiskers", 0, 60)
    return "".join(out)


def neckband(kind: str, width: float, depth: float, thick: float) -> str:
    """Ribbed band along a neck opening."""
    half = neckline(kind, width, depth)
    d = path(half, False) + path(mirror(half), False)
    return (f'<g fill="none" stroke-linejoin="round"><path d="{d}" stroke="$dark" stroke-width="{thick + 2}"/><path d="{d}" '
            f'stroke="$band" stroke-width="{thick}"/><path d="{d}" stroke="$dark" stroke-opacity=".35" '
            f'stroke-width="{thick}" stroke-dasharray="1.5 2.7"/></g>')  # fmt: skip


def choose(a: dict, spec: dict, rng) -> tuple[str, str | None]:
    """The weave of the cloth and the variant of its print."""
    weave, pattern = spec.get("weave", "plain"), a["pattern"]
    kinds = sorted(
        k for k in fragments("patterns") if k.startswith({"colour-block": "block"}.get(pattern, pattern) + "-")
    )
    variant = kinds[int(rng.integers(len(kinds)))] if kinds else None
    if pattern == "texture":
        weave = {"sweater": "weave-cable", "hoodie": "weave-rib", "dress": "weave-cable", "t-shirt": "weave-rib",
                 "blouse": "weave-rib", "trousers": "weave-cord", "coat": "weave-tweed", "blazer": "weave-tweed"}.get(
            a["category"], "weave-denim")  # fmt: skip
    return weave, variant


def draw(attributes: dict) -> str:
    """SVG of one garment.

    Parameters
    ----------
    attributes : dict
        category, colour, pattern, style (see `CATEGORIES`, `COLOURS`, `PATTERNS`, `STYLES`), fit (slim, regular, relaxed,
        oversized), length (cropped, regular, longline; mini, midi, maxi for dresses and skirts), seed, and, if wanted,
        backdrop, the colour behind it.

    Returns
    -------
    str
        A self-contained SVG without text or links, so that every machine draws the same pixels.
    """
    a = attributes
    rng = np.random.default_rng(a["seed"])
    spec = {**_book()[a["category"]]["all"], **(_book()[a["category"]].get(a["style"]) or {})}
    weave, variant = choose(a, spec, rng)
    spec = {**spec, "weave": weave}
    dye = Dye(a, weave, variant, rng.uniform(0.85, 1.15), rng)
    parts, hem = cut(spec, a, rng)
    xs = [x for p in parts for seg in p.curve for x, _ in seg]
    ys = [y for p in parts for seg in p.curve for _, y in seg] + ([6] if spec.get("hood") else [])
    dye.box = (min(xs), min(ys), max(xs), max(ys))
    names = dye.trim_names()
    layers = [f"<g>{Template(fragments('details')['hoodback']).substitute(names)}</g>"] if spec.get("hood") else []
    for part in parts:
        layers.append(dye.paint(part))
    after = []
    if spec.get("band"):
        after.append(neckband(*spec["neck"], spec["band"]))
    if spec.get("hood"):
        after.append(fragments("details")["hoodfront"])
    if a["pattern"] == "graphic":
        prints = sorted(fragments("graphics"))
        x, y, size = spec["print"]
        art = Template(fragments("graphics")[prints[int(rng.integers(len(prints)))]]).substitute(dye.names)
        after.append(f'<g transform="translate({x} {y}) scale({size})" opacity=".94">{art}</g>')
    after.append(trims(spec, hem, rng))
    layers.append(Template("".join(after)).substitute(names))
    return page(dye, layers, a.get("backdrop", "#f3f1ee"))


def page(dye, layers, backdrop) -> str:
    """Set the garment in the middle of its backdrop, as large as fits."""
    x0, y0, x1, y1 = dye.box
    scale = min(352 / (y1 - y0), 340 / (x1 - x0), 1.5)
    place = f"translate({200 - scale * (x0 + x1) / 2:.1f} {196 - scale * (y0 + y1) / 2:.1f}) scale({scale:.3f})"
    page = Template((Path(__file__).parent / "page.svg").read_text(encoding="utf-8"))
    return page.substitute(backdrop=backdrop, defs="".join(dye.defs), place=place, silhouette="".join(dye.outlines), s1=mix(backdrop, "#2a2230", 0.05), s2=mix(backdrop, "#2a2230", 0.1),
                           s3=mix(backdrop, "#2a2230", 0.16), s4=mix(backdrop, "#2a2230", 0.23),
                           layers="".join(layers))  # fmt: skip
