"""What a hundred million products and a billion shoppers would take, from what was measured.

    python bench/scale_report.py            # prints reports/scale.md
    python bench/scale_report.py --write    # and stores it

Every number comes from data/studies/scale.csv, which bench/scale.py measured, or from
data/studies/unit_prices.csv, where each price is an assumption with a date. A step is carried on
from its largest measured size by its measured growth exponent, taken as 1 where it is less.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scale import DIMS, SEARCHED, STEPS, exponents

from helpers.artefacts import ROOT, write_text
from helpers.serving.search import EXACT_BELOW

STUDIES = ROOT / "data" / "studies"
REPORT = ROOT / "reports" / "scale.md"
OF_PRODUCTS = ("catalogue", "encode pictures", "index")  # steps whose size is the products
PIECES = "ItemKNN in pieces"  # tells why ItemKNN grows as it does; no step of its own
SPARSE_LISTS = "ItemKNN, lists for everyone"
OF_SHOPPERS = ("orders", "ItemKNN", "iALS", "towers, one epoch", SPARSE_LISTS)
LISTS = ("Content, 1,000 lists", "Bridge, 1,000 lists")  # of a thousand shoppers
SEARCHES = "1,000 searches"
ENCODE = "encode pictures"  # its sizes are pictures
STEEP = 1.1
LEAST_MB = 100  # above the start: less tells nothing of how memory grows
HOUR = 3600
KB, MB, GB = 1e3, 1e6, 1e9
MIB = 2**20
YEAR = 24 * 365  # hours
CENT = 0.01
UNKNOWN = "—"
LIMIT_GB = 16  # of a machine that most learners can get

DESIGN = {
    "catalogue": "Feeds are read by partition, one for each shop, into Parquet in a bucket.",
    "encode pictures": "Partitions on GPUs (`--engine ray`); each picture once, by its hash.",
    "index": "Shards by id (`serving/shards.py`), searched side by side and merged; or LanceDB, "
    "which searches where the vectors lie.",
    SEARCHES: "Shards answer side by side; each holds a part of the items.",
    "orders": "Logs are read by partition and hashed there, and kept by blocks of shoppers.",
    "ItemKNN": "Blocks of items on many machines (`kernels/item_blocks.py`); each needs only the "
    "orders of its items' shoppers.",
    SPARSE_LISTS: "Partitions of shoppers (`recommenders/everyone.py`); every worker holds the "
    "neighbors of all items.",
    "iALS": "Shoppers' factors are solved by partition; items' factors are shared by all.",
    "towers, one epoch": "Items' own vectors go into a sharded table with sparse updates. Without "
    "them (`own=False`) the towers' size doesn't depend on the shop.",
    LISTS[0]: "No list scores the whole shop: the index finds some hundred candidates, and methods "
    "score those alone.",
    LISTS[1]: "Candidates come from the index and from the neighbors of what it finds; no list "
    "scores the whole shop.",
}
REASONS = {
    "index": "Each item is compared with the centers of all lists, and there are 2 √n lists. So "
    "putting the items into lists takes n^1.5.",
    SEARCHES: "A query is compared with 2 √n centers and reads a fixed number of lists, each of "
    "which holds about √n / 2 items. That is n^0.5; the rest is that a larger index doesn't fit "
    "into the processor's cache.",
    "towers, one epoch": "An epoch has n / 128 steps, and Adam moves every item's own vector in "
    "each of them.",
    "orders": "Each look-up of a name in a table of a million waits for memory.",
    "catalogue": "The larger tables of texts don't fit into the processor's cache.",
    "iALS": "Each order reads the factors of its item. Those of 100,000 items still fit into the "
    "processor's cache, those of a million don't.",
}
"""Why a step's time may grow faster than its size."""


@dataclass(frozen=True)
class Prices:
    """The table of assumptions, by name."""

    table: pd.DataFrame

    def __getitem__(self, name: str) -> float:
        return float(self.table.loc[name, "value"])


def steps_of(study: pd.DataFrame) -> pd.DataFrame:
    """The largest measured size of each step, its costs there, and its exponents."""
    largest = study.sort_values("size").groupby("step").last()
    growth = exponents(study)
    known = [step for step in STEPS if step in largest.index]
    found = largest.loc[known, ["whose", "size", "seconds", "peak_mb", "start_mb", "found"]]
    return found.join(growth[["time", "memory"]])


def found_of(text: str) -> dict[str, float]:
    """What a step found, by name: "rows 9.6e6, bytes 12" and the like."""
    pairs = [part.rsplit(" ", 1) for part in text.split(", ")]
    return {name: float(value) for name, value in pairs}


def seconds_at(step: pd.Series, size: float) -> float:
    """Processor seconds at a size, from the largest measured one."""
    growth = np.nanmax([1.0, step["time"]])
    return step["seconds"] * (size / step["size"]) ** growth


def breaks_at(step: pd.Series, memory_gb: float) -> float:
    """The size at which a step needs more memory than one machine has; inf where nothing tells."""
    more_mb = step["peak_mb"] - step["start_mb"]
    growth = step["memory"]
    if np.isnan(growth) or more_mb < LEAST_MB:
        return np.inf
    room_mb = memory_gb * GB / MIB - step["start_mb"]
    return step["size"] * (room_mb / more_mb) ** (1 / max(1.0, growth))


# ------------------------------------------------------------------ tables
def markdown(table: pd.DataFrame) -> str:
    """A table of texts, its index first."""
    head = [table.index.name or "", *table.columns]
    marks = ["---:" if _is_numbers(table[column]) else "---" for column in table]
    lines = [_line(head), _line(["---", *marks])]
    lines += [_line([name, *row]) for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(lines)


def _is_numbers(column: pd.Series) -> bool:
    """Whether a column of texts holds numbers alone, and so is set to the right."""
    return not column.astype(str).str.contains("[a-z]{3}", regex=True).any()


def _line(cells) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def short(value: float) -> str:
    """At most three digits that count: 1,230 or 0.0123 or 12."""
    if not np.isfinite(value):
        return "—"
    if value == 0:
        return "0"
    digits = 2 - int(np.floor(np.log10(abs(value))))
    text = f"{round(value, digits):,.{max(0, digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: float) -> str:
    """Dollars: 98,200 or 2.56 or "under 0.01"."""
    if 0 < value < CENT:
        return f"under {CENT}"
    if value < 100:
        return f"{value:.2f}"
    return short(value)


def measured_table(study: pd.DataFrame) -> pd.DataFrame:
    """Seconds and memory at each size, and the exponents."""
    growth = exponents(study)
    rows = {}
    for step, part in study.groupby("step", sort=False):
        part = part.sort_values("size")
        more = (part["peak_mb"] - part["start_mb"]).clip(lower=0)
        rows[step] = {
            "sizes": " · ".join(f"{size:,}" for size in part["size"]),
            "seconds": " · ".join(short(value) for value in part["seconds"]),
            "MiB above the start": " · ".join(f"{value:,.0f}" for value in more),
            "peak MiB": f"{part['peak_mb'].max():,.0f}",
            "time ~ n^": _exponent(growth.loc[step, "time"]),
            "memory ~ n^": _exponent(growth.loc[step, "memory"]) if more.max() >= LEAST_MB else "—",
        }
    found = pd.DataFrame(rows).T
    return found.rename_axis(index="step")


def _exponent(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:.2f}"


def hours_table(steps: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """Core hours and money of each step at full size, once."""
    rows = {}
    for name in (*OF_PRODUCTS, *OF_SHOPPERS):
        if name not in steps.index:
            continue
        size = prices["products"] if name in OF_PRODUCTS else prices["shoppers"]
        rows[name] = _hours_row(steps.loc[name], size, 1, prices)
    for name in (*LISTS, SEARCHES):
        if name not in steps.index:
            continue
        thousands = prices["shoppers"] / 1000
        rows[f"{name.replace('1,000 ', '')} for everyone"] = _hours_row(
            steps.loc[name], prices["products"], thousands, prices
        )
    return pd.DataFrame(rows).T.rename_axis(index="step")


def _hours_row(step: pd.Series, size: float, times: float, prices: Prices) -> dict[str, str]:
    hours = seconds_at(step, size) * times / HOUR
    return {
        "from": f"{short(step['seconds'])} s at {step['size']:,}",
        "growth": _exponent(np.nanmax([1.0, step["time"]])),
        "core hours": short(hours),
        "USD": money(hours * prices["core_hour"]),
    }


def storage_table(steps: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """Bytes that lie somewhere, and what they cost a month."""
    n_products = prices["products"]
    n_orders = prices["shoppers"] * prices["orders_per_shopper"]
    each = {"vectors": (4 * DIMS, f"{DIMS} numbers of 4 bytes", n_products)}
    for name, label in (("catalogue", "catalogue"), ("index", "index")):
        if name in steps.index:
            found = found_of(steps.loc[name, "found"])
            size = steps.loc[name, "size"]
            of_one = found["bytes"] / size
            why = f"{short(found['bytes'] / MB)} MB for {size:,}"
            each[label] = (of_one, why, n_products)
    if "encode pictures" in steps.index:
        of_one = found_of(steps.loc["encode pictures", "found"])["bytes"]
        each["pictures, 256 pixels wide"] = (of_one, "mean of those encoded", n_products)
    each["orders"] = (12, "shopper, product and day as 4 bytes each", n_orders)
    rows = {}
    for label, (of_one, why, number) in each.items():
        total = of_one * number
        rows[label] = {
            "bytes each": short(of_one),
            "from": why,
            "GB": short(total / GB),
            "USD a month": money(total / GB * prices["gb_month"]),
        }
    return pd.DataFrame(rows).T.rename_axis(index="what lies there")


def breaking_table(steps: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """The steps in the order in which one machine's memory is too small for them."""
    ours = steps[steps["whose"] == "ours"].drop(index=PIECES, errors="ignore")
    sizes = {name: breaks_at(step, prices["memory_gb"]) for name, step in ours.iterrows()}
    order = sorted(sizes, key=lambda name: sizes[name])
    rows = {}
    for name in order:
        size = sizes[name]
        rows[name] = {
            "one machine is too small from": short(size) if np.isfinite(size) else UNKNOWN,
            "what then": DESIGN.get(name, ""),
        }
    return pd.DataFrame(rows).T.rename_axis(index="step")


# ------------------------------------------------------------------ the report
def report(study: pd.DataFrame, table: pd.DataFrame) -> str:
    """The whole page."""
    prices = Prices(table.set_index("name"))
    steps = steps_of(study)
    first = breaking_table(steps, prices).index[0]
    first_size = breaks_at(steps.loc[first], prices["memory_gb"])
    parts = [
        "# From a million to a billion",
        "This page is made by `python bench/scale_report.py --write` from "
        "`data/studies/scale.csv`, which `bench/scale.py` measured, and from "
        "`data/studies/unit_prices.csv`. A test makes it again and compares.",
        "## What was measured",
        "Size N is N products, and N customers with ten orders each on average, both made up with "
        "a long tail. One thread; seconds are processor seconds. Encoding was measured on fewer "
        "pictures, because each costs the same.",
        markdown(measured_table(study)),
        _where_from(study),
        f"The exponents of the {SEARCHED[0]} and of the {SEARCHED[1]} are of the sizes from "
        f"{EXACT_BELOW:,} on. A smaller index has no lists and compares all items.",
        _peak(study),
        _steep(steps, study),
        "## Processor time at full size",
        f"{prices['products']:,.0f} products and {prices['shoppers']:,.0f} shoppers. A step is "
        "carried on from its largest measured size by its exponent, taken as 1 where it is less.",
        markdown(hours_table(steps, prices)),
        _encoding(steps, prices),
        _everyone(steps, prices),
        "## Storage and network",
        markdown(storage_table(steps, prices)),
        _network(prices),
        "## What breaks first",
        f"On a machine of {prices['memory_gb']:.0f} GB, **{first}** is the first step that needs "
        f"more memory than there is, at about {short(first_size)} products and customers.",
        markdown(breaking_table(steps, prices)),
        f"“{UNKNOWN}”: the step was measured at one size, or took less than {LEAST_MB} MiB. "
        "An exponent of memory, too, is taken as 1 where it is less.",
        "## Assumptions",
        markdown(_assumptions(table)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _where_from(study: pd.DataFrame) -> str:
    commits = ", ".join(sorted(study["commit"].unique()))
    days = ", ".join(sorted(study["date"].unique()))
    versions = study["versions"].iloc[0]
    return f"Measured on {days} at {commits} ({versions}), on a machine that others used, too."


def _peak(study: pd.DataFrame) -> str:
    """The largest memory of a step at the largest size, beside the limit; and what is missing."""
    largest = study["size"].max()
    ours = study[study["whose"] == "ours"]
    at_largest = ours[ours["size"] == largest]
    worst = at_largest.loc[at_largest["peak_mb"].idxmax()]
    peak_gb = worst["peak_mb"] * MIB / GB
    verdict = "below" if peak_gb <= LIMIT_GB else "above"
    told = (
        f"At {largest:,} products and {largest:,} customers, the largest peak of any step is "
        f"{short(peak_gb)} GB ({worst['step']}), {verdict} the {LIMIT_GB} GB that we allow."
    )
    others = ours[~ours["step"].isin([*at_largest["step"], ENCODE])]
    if others.empty:
        return told
    last = others.sort_values("size").groupby("step", sort=False).last()
    at_most_gb = (last["peak_mb"] * largest / last["size"]).max() * MIB / GB
    return (
        f"{told} Not measured at that size, because it takes long: {'; '.join(last.index)}. "
        "If all of their memory grew with the size, what they hold before the step included, it "
        f"would be {short(at_most_gb)} GB at most."
    )


def _steep(steps: pd.DataFrame, study: pd.DataFrame) -> str:
    """Which steps take more time or memory than n^1.1, and why."""
    ours = steps[steps["whose"] == "ours"]
    lines = []
    for name, step in ours[ours["time"].round(2) > STEEP].iterrows():
        reason = REASONS.get(name)
        if name in MEASURED_REASONS:
            reason = MEASURED_REASONS[name](study)
        lines.append(f"- {name}, n^{step['time']:.2f}. {reason or 'Not explained yet.'}")
    told = f"No step's time grows faster than n^{STEEP}."
    if lines:
        told = f"Steps whose time grows faster than n^{STEEP}, and why:\n\n" + "\n".join(lines)
    is_known = ours["peak_mb"] - ours["start_mb"] >= LEAST_MB
    is_steep = is_known & (ours["memory"].round(2) > STEEP)
    memory = f"No step's memory grows faster than n^{STEEP}."
    if is_steep.any():
        named = ", ".join(f"{name} ({ours['memory'][name]:.2f})" for name in ours.index[is_steep])
        memory = f"Steps whose memory grows faster than n^{STEEP}: {named}."
    return f"{told}\n\n{memory}"


def _waits(study: pd.DataFrame) -> str:
    """Why ItemKNN grows: the same work in small shops beside it."""
    of_pieces = study[study["step"] == PIECES]
    of_whole = study[study["step"] == "ItemKNN"]
    both = of_pieces.merge(of_whole, on="size", suffixes=("", "_whole"))
    if both.empty:
        return ""
    last = both.loc[both["size"].idxmax()]
    visits = found_of(last["found"])["visits"]
    visits_whole = found_of(last["found_whole"])["visits"]
    return (
        f"At {last['size']:,} its kernel visits {short(visits_whole / 1e6)} million pairs of a "
        f"rating and an item in {short(last['seconds_whole'])} s; in small shops that share no "
        f"shopper and fit into the processor's cache, {short(visits / 1e6)} million take "
        f"{short(last['seconds'])} s. The rest is waiting for memory."
    )


def _links(study: pd.DataFrame) -> str:
    """Why lists for everyone grow: how many links one list follows at each size."""
    told = []
    for _, row in study[study["step"] == SPARSE_LISTS].sort_values("size").iterrows():
        found = found_of(row["found"])
        if "links" in found:
            told.append(f"{short(found['links'] / found['lists'])} at {row['size']:,}")
    return (
        "An item that many buy is among the nearest of very many others, the more the larger the "
        f"shop is. Links that one list follows: {', '.join(told)}."
    )


MEASURED_REASONS = {"ItemKNN": _waits, SPARSE_LISTS: _links}
"""Reasons that tell numbers of the study."""


def _encoding(steps: pd.DataFrame, prices: Prices) -> str:
    name = "encode pictures"
    if name not in steps.index:
        return ""
    hours = seconds_at(steps.loc[name], prices["products"]) / HOUR
    gpu_hours = hours / prices["gpu_speedup"]
    return (
        f"Encoding is the step for GPUs. If one replaces {prices['gpu_speedup']:.0f} cores, all "
        f"pictures take {short(gpu_hours)} GPU hours, {money(gpu_hours * prices['gpu_hour'])} USD. "
        "That number of cores is an assumption: `bench/gpu.py` measures it where there is a GPU."
    )


def _everyone(steps: pd.DataFrame, prices: Prices) -> str:
    if SEARCHES not in steps.index or LISTS[0] not in steps.index:
        return ""
    thousands = prices["shoppers"] / 1000
    scored = seconds_at(steps.loc[LISTS[0]], prices["products"]) * thousands / HOUR
    searched = seconds_at(steps.loc[SEARCHES], prices["products"]) * thousands / HOUR
    return (
        "Scoring every item for every shopper grows with the product of both: "
        f"{short(scored / YEAR)} core years for Content. The index takes {short(searched / YEAR)}, "
        "so lists must start from its candidates. Lists on demand cost only for those who come."
        f"{_sparse_lists(steps, prices)}"
    )


def _sparse_lists(steps: pd.DataFrame, prices: Prices) -> str:
    if SPARSE_LISTS not in steps.index:
        return ""
    hours = seconds_at(steps.loc[SPARSE_LISTS], prices["shoppers"]) / HOUR
    return (
        " ItemKNN writes no score of an item that no neighbor leads to: its lists for everyone "
        f"take {short(hours)} core hours."
    )


def _network(prices: Prices) -> str:
    total_gb = prices["products"] * prices["photo_kb"] * KB / GB
    return (
        f"Fetching one photo of each product moves {short(total_gb / 1000)} TB, "
        f"{money(total_gb * prices['network_gb'])} USD if it crosses a zone."
    )


def _assumptions(table: pd.DataFrame) -> pd.DataFrame:
    rows = table.set_index("name")
    value = rows["value"].map(lambda number: f"{number:,.10g}")
    return rows.assign(value=value)[["value", "unit", "why", "date"]].rename_axis(index="name")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="store the page")
    arguments = parser.parse_args()
    study = pd.read_csv(STUDIES / "scale.csv")
    page = report(study, pd.read_csv(STUDIES / "unit_prices.csv"))
    print(page)
    if arguments.write:
        write_text(page, REPORT)


if __name__ == "__main__":
    main()
