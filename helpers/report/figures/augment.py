"""Figures and tables of chapter 01."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from PIL import Image
from scipy.stats import chi2_contingency

from helpers.feeds.files import read_rows
from helpers.images.standardise import grey_world, relight, trim, weave, white_backdrop
from helpers.report.plots import INK, MUTED, PALETTE, PICTURE_DPI, mosaic
from helpers.report.prose import sentence
from helpers.serving.personas import load_personas

ACCEPTED = "#0072B2"
REJECTED = "#D55E00"
MERGED = "#B3B3B3"
UNKNOWN_CATEGORY = "other"
WIDTH_OF_LETTER = 0.014
"""Of one letter in an account bar, as a share of the axis."""
SHOWN_CATEGORIES = 12
DEAREST_SHOWN = 260
"""Dollars up to which prices are drawn."""
BIN = 20
"""Dollars of a bar."""
LONGEST_CELL = 44
OBVIOUS = ("stripes", "check", "dots", "floral", "colour-block")
"""Patterns that anybody sees in a small picture."""
WRAPPED = 17
"""Characters of a line under or above a picture."""

FLAWS = {
    "blank": None,
    "a price that starts with Now or From": r"^(?:Now|From)\b",
    "an apostrophe that got lost (doesn t)": r"\b\w+n t\b|\byou re\b",
}
"""What is counted in a raw feed: a name, and a pattern that a cell of the row must match."""
SAME_AS = re.compile(r" as (?P<file>.+) row (?P<row>\d+)$")
"""Where the reason of a merged row names the row it repeats."""
PAIR_COLUMNS = ["product_id", "title", "colour", "price"]
FIELD_NAMES = {
    "colour": "color",
    "price_usd": "price",
    "image_urls": "picture's address",
}
COSTS = {
    "title": "nobody can be told what they are",
    "description": "their titles have to say everything",
    "brand": "a taste for brands cannot be followed",
    "category": "rules about categories do not reach them",
    "gender": "they cannot be filtered by gender",
    "colour": "only the title or the picture can tell it",
    "price_usd": "they cannot be filtered by price",
    "rating": "they cannot be compared by rating",
    "image_urls": "only words describe them",
}
"""What it costs later if products lack a field."""
PRICE_WORDS = re.compile(r"pri[cjsx]|preis|precio|prezzo|rrp|uvp", re.IGNORECASE)
"""What the name of a column of prices holds, in the languages that feeds are read in."""


def persona_table(path: Path) -> pd.DataFrame:
    """The newcomers: what each likes and the items that each brings, one row per persona."""
    rows = {}
    for name, persona in load_personas(path).items():
        liked = zip(persona.titles, persona.shops, strict=True)
        brought = [f"{title} ({shop})" for title, shop in liked]
        rows[name] = {
            "likes": persona.about,
            "brings": "; ".join(brought),
        }
    return pd.DataFrame(rows).T.rename_axis("shopper")


def persona_figure(path: Path) -> plt.Figure:
    """The newcomers: two pictures of what each brings, and in words what each likes."""
    personas = load_personas(path).values()
    figure, axes = plt.subplots(
        2,
        len(personas),
        figsize=(7.4, 4.2),
        dpi=PICTURE_DPI,
        squeeze=False,
    )
    for axis in axes.flat:
        axis.axis("off")
    for column, persona in zip(axes.T, personas, strict=True):
        pictured = [file for file in persona.pictures if file is not None]
        for axis, file in zip(column, pictured, strict=False):
            axis.imshow(Image.open(file).convert("RGB"))
        column[0].set_title(persona.name, fontsize=16, loc="center")
        told = textwrap.fill(persona.about, 22)
        place = {"ha": "center", "va": "top", "fontsize": 11}
        column[1].text(
            0.5,
            -0.05,
            told,
            transform=column[1].transAxes,
            **place,
        )
    return figure


def raw_table(path: Path) -> pd.DataFrame:
    """A feed's rows as text, before anything is read from them."""
    rows, *_ = read_rows(path)
    return pd.DataFrame([row for row in rows if row])


def shortened(rows: pd.DataFrame, length: int = LONGEST_CELL) -> pd.DataFrame:
    """A few rows on their side: one line per column, long cells cut in the middle."""
    return rows.T.map(lambda cell: _cut(str(cell), length))


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    half = length // 2 - 1
    return f"{text[:half]} … {text[-half:]}"


def flaw_table(feeds: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """How many rows of each feed have each flaw.

    Parameters
    ----------
    feeds : dict of str to DataFrame
        A feed's name, and its rows as `raw_table` gives them.
    """
    counts = {}
    for name, raw in feeds.items():
        own = {"rows": len(raw)}
        for flaw, pattern in FLAWS.items():
            own[flaw] = _rows_with(raw, pattern)
        own["a price without a number"] = _prices_without_number(raw)
        own["the picture of the next row's product"] = slipped_rows(raw)
        counts[name] = own
    return pd.DataFrame(counts)


def _rows_with(raw: pd.DataFrame, pattern: str | None) -> int:
    """Rows with a cell that matches a pattern; without one, rows that are blank."""
    cells = raw.fillna("").astype(str)
    if pattern is None:
        filled = cells.apply(lambda column: column.str.strip() != "")
        shop_only = filled.sum(axis=1) <= 1  # a feed may repeat the shop's own name
        return int(shop_only.sum())
    with_groups = re.compile(pattern)
    hits = cells.apply(lambda column: column.str.contains(with_groups))
    return int(hits.any(axis=1).sum())


def _prices_without_number(raw: pd.DataFrame) -> int:
    """Rows whose price is a text without a digit."""
    column = _price_column(list(raw.columns))
    if column is None:
        return 0
    price = raw[column].fillna("").astype(str).str.strip()
    has_digit = price.str.contains(r"\d")
    return int(((price != "") & ~has_digit).sum())


def _price_column(names: list[str]) -> str | None:
    """The column named `price`, else the first whose name speaks of prices."""
    if "price" in names:
        return "price"
    return next((name for name in names if PRICE_WORDS.search(name)), None)


def slipped_rows(raw: pd.DataFrame) -> int:
    """Rows whose image names the product of the next row's link, not of their own."""
    if not {"image", "url"} <= set(raw):
        return 0
    in_image = raw["image"].str.extract(r"(\d{6,})", expand=False)
    in_link = raw["url"].str.extract(r"(\d{6,})", expand=False)
    is_own = in_image == in_link
    is_next = in_image == in_link.shift(-1)
    return int((is_next & ~is_own).sum())


def merged_pair(merged: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame | None:
    """The first merged row beside the row it repeats; None if no reason names a row.

    Parameters
    ----------
    merged : DataFrame
        Merged rows with their reasons, as `harmonise` returns them.
    products : DataFrame
        Products of all feeds before rows were merged.
    """
    if merged.empty:
        return None
    by_row = products.set_index(["source_file", "source_row"])
    by_row = by_row[~by_row.index.duplicated()]
    places = merged[["reason", "source_file", "source_row"]]
    for reason, file, row in places.itertuples(index=False):
        named = SAME_AS.search(reason)
        if named is None:
            continue
        first = (named["file"], int(named["row"]))
        second = (file, row)
        if first in by_row.index and second in by_row.index:
            pair = pd.DataFrame(by_row.loc[[first, second], PAIR_COLUMNS]).T
            pair.columns = [f"{place[0]} row {place[1]}" for place in (first, second)]
            return pair.rename(index={"colour": "color"})
    return None


def most_missing(complete: pd.DataFrame, n: int = 2) -> list[str]:
    """The fields that a shop's products lack most often, and what that costs, in words.

    Parameters
    ----------
    complete : DataFrame
        Share of each shop's products that have each field, as `quality.completeness` gives it.
    """
    lacking = complete[complete["share"] < 1].sort_values("share", kind="stable").head(n)
    told = []
    is_only = complete["platform"].nunique() == 1
    for field, platform, share in lacking[["field", "platform", "share"]].itertuples(index=False):
        many = f"{1 - share:.1%}" if share else "All"
        name = FIELD_NAMES.get(field, field)
        shop = "the shop" if is_only else platform
        told.append(f"{many} of {shop}'s products lack a {name}: {COSTS[field]}.")
    return told


def account_bars(table: pd.DataFrame) -> plt.Figure:
    """What became of every row: one bar per platform, its parts named with their counts."""
    height = 1.6 + 1.0 * len(table)
    figure, axis = plt.subplots(figsize=(8.6, min(height, 6)))
    colors = {"accepted": ACCEPTED, "rejected": REJECTED, "merged": MERGED}
    left = np.zeros(len(table))
    for part, color in colors.items():
        counts = table[part].to_numpy()
        axis.barh(
            table.index,
            counts,
            left=left,
            color=color,
            label=part,
            height=0.6,
        )
        left = left + counts
    widest = table["read"].max() * 1.45
    for place, row in enumerate(table.to_dict("records")):
        end = row["read"]
        told = f"{row['accepted']:,} accepted"
        lost = f"{row['rejected']:,} rejected, {row['merged']:,} merged"
        if row["accepted"] / widest < WIDTH_OF_LETTER * len(told):  # the bar is too short for it
            lost = f"{told}, {lost}"
        else:
            axis.text(0.02 * end, place, told, color="white", va="center", fontsize=12)
        axis.text(end, place, f" {lost}", color=INK, va="center", fontsize=11)
    axis.set_xlim(0, widest)
    axis.set(xlabel="rows of the shop's feed")
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", labelsize=13, labelcolor=INK)
    axis.invert_yaxis()
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3)  # above the bars
    return figure


def title_pairs(
    catalog: pd.DataFrame,
    platforms: Sequence[str],
    n: int = 6,
) -> pd.DataFrame:
    """Titles of the largest categories that all platforms share, one column per platform."""
    is_known = catalog["category"] != UNKNOWN_CATEGORY
    largest_first = catalog.loc[is_known, "category"].value_counts().index
    rows: dict[str, dict[str, str]] = {}
    for category in largest_first:
        titles = [_example(catalog, platform, category) for platform in platforms]
        if all(titles) and len(rows) < n:
            rows[category] = dict(zip(platforms, titles, strict=True))
    return pd.DataFrame(rows).T.rename_axis("category")


def _example(catalog: pd.DataFrame, platform: str, category: str) -> str:
    """The shortest title of a platform's category, or nothing."""
    is_meant = (catalog["platform"] == platform) & (catalog["category"] == category)
    titles = sorted(
        catalog.loc[is_meant, "title"],
        key=lambda title: (len(title), title),
    )
    return titles[0] if titles else ""


def waiting_curve(
    seconds: dict[int, float],
    n_pictures: int,
    pause: float,
) -> plt.Figure:
    """Pictures per second against requests in flight, measured and by the formula c / ℓ.

    Parameters
    ----------
    seconds : dict of int to float
        Requests in flight, and how long the download took with them.
    """
    requests = np.array(list(seconds))
    measured = n_pictures / np.array(list(seconds.values()))
    figure, axis = plt.subplots(figsize=(8.6, 4.2))
    waiting = requests / pause
    axis.plot(requests, waiting, "--", color=MUTED, linewidth=1.5, label="waiting alone: c / ℓ")
    axis.plot(requests, measured, "o-", color=PALETTE[0], label="measured")
    for place, rate in zip(requests, measured, strict=True):
        axis.annotate(
            f"{rate:.0f}",
            (place, rate),
            xytext=(4, -16),
            textcoords="offset points",
            fontsize=12,
            color=PALETTE[0],
        )
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.set_ylim(bottom=measured.min() / 1.5)  # room for the first number
    axis.set(xticks=requests, xticklabels=requests, xlabel="c: requests in flight")
    axis.set_ylabel("pictures per second")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    gain = measured[-1] / measured[0]
    axis.set_title(f"{requests[-1]} requests in flight are {gain:.0f} times as fast as one")
    axis.legend()
    return figure


class Sheet(NamedTuple):
    """Where a catalog's pictures are, and which of them to show."""

    folder: Path
    show: int
    seed: int


def with_picture(catalog: pd.DataFrame, platform: str) -> pd.DataFrame:
    """A platform's products that have a picture."""
    is_meant = (catalog["platform"] == platform) & (catalog["image_path"] != "")
    return catalog[is_meant]


def sheet_of(
    catalog: pd.DataFrame,
    platform: str,
    sheet: Sheet,
) -> plt.Figure | None:
    """A random sample of a platform's pictures; None if it has none."""
    there = with_picture(catalog, platform)
    if there.empty:
        return None
    chosen = there.sample(
        min(sheet.show, len(there)),
        random_state=sheet.seed,
    )
    paths = [sheet.folder / path for path in chosen["image_path"]]
    return mosaic(paths, columns=12, size=0.68)


def sheet_caption(catalog: pd.DataFrame, platform: str, show: int) -> Markdown:
    """How many pictures a sheet shows, or that there are none."""
    n_pictures = len(with_picture(catalog, platform))
    if n_pictures == 0:
        return sentence("*No picture of {shop} arrived. The table above says why.*", shop=platform)
    return sentence(
        "*{n} of the {all:,} pictures of {shop}, chosen at random.*",
        n=min(show, n_pictures),
        all=n_pictures,
        shop=platform,
    )


def slipped_pairs(
    catalog: pd.DataFrame, attributes: pd.DataFrame, platform: str, folder: Path, n: int = 5
) -> plt.Figure:
    """Titles with the picture of their own row, and with the picture that bears their id.

    Shown are products whose title names a pattern that the wrong picture doesn't have.
    """
    pattern = attributes.set_index("image_key")["pattern"]
    products = with_picture(catalog, platform).sort_values("source_row")
    products = products.assign(pattern=products["image_key"].map(pattern))
    following = products.shift(-1)
    is_next = following["source_row"] == products["source_row"] + 1
    is_obvious = products["pattern"].isin(OBVIOUS)
    differs = is_obvious & (following["pattern"] != products["pattern"])
    shown = products[is_next & differs]
    step = max(len(shown) // n, 1)
    own = shown.iloc[: step * n : step]
    wrong = following.loc[own.index]
    figure, axes = plt.subplots(
        2,
        len(own),
        figsize=(7.6, 3.8),
        dpi=PICTURE_DPI,
        squeeze=False,
    )
    rows = {"joined by row": wrong, "joined by id": own}
    for line, (label, pictures) in zip(
        axes,
        rows.items(),
        strict=True,
    ):
        line[0].set_ylabel(label, fontsize=13, rotation=90)
        for axis, path in zip(line, pictures["image_path"], strict=True):
            axis.imshow(Image.open(folder / path).convert("RGB"))
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
    for axis, title in zip(axes[0], own["title"], strict=True):
        told = textwrap.fill(title, WRAPPED)
        axis.set_title(told, fontsize=11, loc="center", weight="normal")
    return figure


class Shelves(NamedTuple):
    """What the platforms sell, side by side.

    Attributes
    ----------
    counts : DataFrame
        Products by category and platform, the largest category last.
    prices : dict of str to Series
        Prices in dollars by platform.
    """

    counts: pd.DataFrame
    prices: dict[str, pd.Series]

    @property
    def shared(self) -> pd.DataFrame:
        """The categories that every platform sells."""
        return self.counts[(self.counts > 0).all(axis=1)]

    @property
    def p_value(self) -> float:
        """Chance of proportions that differ as much, if both shops had the same (χ² test)."""
        return float(chi2_contingency(self.shared).pvalue)

    @property
    def medians(self) -> dict[str, float]:
        """Median price in dollars of each platform that gives prices."""
        found = {}
        for platform, price in self.prices.items():
            if len(price):
                found[platform] = float(price.median())
        return found


def shelves_of(catalog: pd.DataFrame, platforms: Sequence[str]) -> Shelves:
    """Categories and prices of some platforms."""
    counts = pd.crosstab(catalog["category"], catalog["platform"])
    counts = counts.reindex(columns=list(platforms), fill_value=0)
    counts = counts[counts.any(axis=1)]  # a third shop's own categories are not theirs
    order = counts.sum(axis=1).sort_values(kind="stable").index
    prices = {}
    for platform in platforms:
        prices[platform] = catalog.loc[catalog["platform"] == platform, "price_usd"].dropna()
    return Shelves(counts.loc[order], prices)


def shelf_figure(shelves: Shelves) -> plt.Figure:
    """Share of each category, and of each price, by platform."""
    figure, axes = plt.subplots(
        1,
        2,
        figsize=(8.6, 4),
        width_ratios=[1.4, 1],
    )
    shares = 100 * shelves.counts / shelves.counts.sum()
    largest = shares.tail(SHOWN_CATEGORIES)
    colors: dict[Any, Any] = dict(zip(largest.columns, PALETTE, strict=False))
    largest.plot.barh(
        ax=axes[0],
        color=colors,
        width=0.8,
    )
    title = "Categories"
    if len(shares) > len(largest):
        title = f"The {len(largest)} largest of {len(shares)} categories"
    axes[0].set(xlabel="% of the shop's products", ylabel="", title=title)
    axes[0].legend(loc="lower right")
    bins = np.arange(0, DEAREST_SHOWN + BIN, BIN)
    for (platform, price), color in zip(
        shelves.prices.items(),
        PALETTE,
        strict=False,
    ):
        if len(price):
            weights = np.full(len(price), 100 / len(price))
            style = {"histtype": "step", "linewidth": 2, "color": color}
            axes[1].hist(
                price,
                bins=bins,
                weights=weights,
                label=platform,
                **style,
            )
            axes[1].legend()
    axes[1].set(
        xlabel="price (US dollars)",
        ylabel=f"% of the shop's products, per {BIN} dollars",
        title="Prices",
    )
    return figure


def treatments(photo: Image.Image) -> plt.Figure:
    """One photo under the treatments of the study."""
    lit = relight(photo)
    views = {
        "as stored": photo,
        "trimmed, stretched": trim(photo, "stretch"),
        "trimmed, center crop": trim(photo, "crop"),
        "trimmed, padded white": trim(photo, "white"),
        "trimmed, padded black": trim(photo, "black"),
        "64 px": photo.resize((64, 64)),
        "varied light": lit,
        "varied light, then white backdrop": white_backdrop(lit),
        "varied light, then gray world": grey_world(lit),
        "weave": weave(photo),
    }
    figure, axes = plt.subplots(2, 5, figsize=(6.8, 3.4), dpi=PICTURE_DPI)
    for axis, (name, view) in zip(
        axes.flat,
        views.items(),
        strict=True,
    ):
        axis.axis("off")
        axis.imshow(view)
        axis.set_title(textwrap.fill(name, 18), fontsize=8.5, loc="center", weight="normal")
    return figure


STUDIED = [
    "trimmed, padded white",
    "trimmed, padded black",
    "trimmed, stretched",
    "trimmed, center crop",
    "128 px",
    "64 px",
    "varied light",
    "varied light, then white backdrop",
    "varied light, then gray world",
    "weave",
]
STUDY_METRICS = ["text → image R@1", "category P@10", "color P@10"]


def study_table(study: pd.DataFrame) -> pd.DataFrame:
    """Changes of three scores under each treatment, with their 95% intervals as text."""
    shown = study.copy()
    columns = ("change", "change_low", "change_high")
    for column in columns:
        shown[column] = shown[column].map("{:+.3f}".format)
    interval = " [" + shown["change_low"] + ", " + shown["change_high"] + "]"
    shown["told"] = shown["change"] + interval
    table = shown.pivot(index="variant", columns="metric", values="told")
    return table.loc[STUDIED, STUDY_METRICS].rename_axis(index=None, columns=None)


def worst_and_best(study: pd.DataFrame, metric: str = STUDY_METRICS[0]) -> tuple[str, str]:
    """The studied treatments that cost a score most and least."""
    of_metric = study[(study["metric"] == metric) & study["variant"].isin(STUDIED)]
    changes = of_metric.set_index("variant")["change"]
    return str(changes.idxmin()), str(changes.idxmax())
