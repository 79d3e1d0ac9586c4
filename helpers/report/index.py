"""The first page of a run: what was found, for whom, and where everything is."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import nbformat
import pandas as pd

from helpers.artefacts import CHAPTERS, MissingArtefact, data_dir, reports_dir
from helpers.report import results as read
from helpers.report.advice import (
    advice_table,
    advise,
    best_rival,
    bestsellers,
    choice,
    first_choice,
    most_gain,
    uses,
)
from helpers.report.blocks import without_marks
from helpers.report.figures.guide import flowchart
from helpers.report.figures.shops import SHOPS
from helpers.report.html import chapter_title
from helpers.report.prose import counted
from helpers.report.results import CEILINGS, FEW, FLOOR, REAL, Results, called
from helpers.templates import write_page

if TYPE_CHECKING:  # a run that stops before chapter 07 needs no models
    from helpers.report.personas import PersonaLists

FLOWCHART_DPI = 120
OVERVIEW_DECK = Path("decks") / "overview.html"
CHAPTER_METHODS = {
    "03": ("UserKNN", "ItemKNN", "EASE", "NeuralCF"),
    "04": ("Content", "Attributes", "Bridge", "Taste"),
    "05": ("MatrixCompletion",),
    "06": ("TwoTower", "Hybrid"),
}
"""The methods that a chapter builds; its key number is of the best among them."""


def render_index(
    profile: str,
    executed: dict[str, Path],
    decks: bool,
    people: "list[PersonaLists] | None" = None,
) -> None:
    """Write index.html of a profile.

    Parameters
    ----------
    profile : str
    executed : dict of str to Path
        Chapter number → executed notebook.
    decks : bool
        Whether slides were written.
    people : list of PersonaLists, optional
        Those whose pages were written.
    """
    folder = reports_dir(profile)
    notebooks = {}
    for chapter, path in sorted(executed.items()):
        notebooks[chapter] = nbformat.read(path, as_version=4)
    results = _results(profile)
    numbers = key_numbers(profile, results)
    chapters = []
    for number, book in notebooks.items():
        chapters.append(_chapter(folder, number, book, decks, numbers.get(number, "")))
    write_page(
        "index.html.j2",
        folder / "index.html",
        profile=profile,
        whose=whose(results),
        place=results.place if results is not None else "shop",
        takeaway=takeaway(results),
        chapters=chapters,
        headline=_picture_of(notebooks, "07", "headline"),
        catalogue=_picture_of(notebooks, "01", "cover"),
        run=results.run if results is not None else {},
        lengths=results.lengths if results is not None else [],
        table=_headline_table(results),
        candidates=_candidates(results),
        guide=_guide(results),
        real=_real_table(results),
        verdict=_verdict(),
        people=_people(results, people or []),
        flowchart=_flowchart(results),
        overview=(folder / OVERVIEW_DECK).exists(),
    )


def _results(profile: str) -> Results | None:
    """The run's results; None before chapter 07, or where none is across platforms."""
    try:
        results = read.load_results(profile)
    except MissingArtefact:
        return None
    return results if results.lengths else None


def whose(results: Results | None) -> str:
    """ "simulated shoppers", "real customers", or nothing before chapter 07."""
    if results is None:
        return ""
    return "real customers" if results.shoppers == REAL else "simulated shoppers"


def takeaway(results: Results | None) -> str:
    """What was found, in two sentences."""
    if results is None:
        return ""
    few = results.length_near(FEW)
    name = choice(results, few)
    liked = 5 * results.at(few, "precision", 5)["value"]
    if name == FLOOR:
        return _nothing_beats_bestsellers(results, few)
    share = results.gap_closed(name, few)
    known = counted(few, "liked item")
    said = f"With {known} from another {results.place}, the method {name} "
    if pd.isna(share):
        values = results.at(few)["value"]
        said += f"ranks with NDCG@10 {values[name]:.2f}; bestsellers get {values[FLOOR]:.2f}."
    else:
        said += f"closes {share:.0%} of the gap between bestsellers and knowing the shopper."
    used = uses(name, results.reads_pictures)
    if used:
        said += f" {name} uses {used}."
    return (
        f"{said} Of five items shown, {liked[name]:.1f} are {results.done}; of five bestsellers, "
        f"{liked[FLOOR]:.1f}."
    )


def _nothing_beats_bestsellers(results: Results, few: int) -> str:
    rival = best_rival(results, few)
    values = results.at(few)["value"]
    liked = 5 * results.at(few, "precision", 5)["value"]
    known = counted(few, "liked item")
    return (
        f"With {known} from another {results.place}, no method clearly beats "
        f"bestsellers, which rank with NDCG@10 {values[FLOOR]:.2f}; {rival} gets "
        f"{values[rival]:.2f}. Of five bestsellers, {liked[FLOOR]:.1f} are {results.done}."
    )


def key_numbers(profile: str, results: Results | None) -> dict[str, str]:
    """Chapter number → the one number to remember of it."""
    found = {}
    catalog = data_dir(profile) / "catalog.parquet"
    if catalog.exists():
        products = pd.read_parquet(catalog)
        found["01"] = counted(len(products), "product")
        if "image_path" in products:
            n_pictures = int(products["image_path"].fillna("").astype(bool).sum())
            found["01"] += f", {n_pictures:,} with a picture"
    if results is None:
        return found
    rows = results.headline()
    n_users = int(rows["n_users"].max())
    found["02"] = f"{n_users:,} {whose(results)} test every method"
    few = results.length_near(FEW)
    known = counted(few, "item")
    values = results.at(few)["value"]
    floor = f"bestsellers {values[FLOOR]:.2f}"
    for number, names in CHAPTER_METHODS.items():
        there = [name for name in names if name in values]
        if there:
            best = str(values[there].round(2).idxmax())
            told = f"{best}: NDCG@10 {values[best]:.2f} with {known}, {floor}"
            found[number] = f"{told} ({results.shoppers})"
    name = choice(results, few)
    told = f"Ship {name} with {known}: {values[name]:.2f}, {floor}"
    if name == FLOOR:
        rival = best_rival(results, few)
        told = f"Ship bestsellers with {known}: {values[FLOOR]:.2f}, {rival} {values[rival]:.2f}"
    found["07"] = f"{told} ({results.shoppers})"
    return found


def tagged_picture(notebook, tag: str) -> str | None:
    """Data URI of the first picture among the outputs of cells with a tag."""
    for cell in notebook.cells:
        if tag not in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                return "data:image/png;base64," + data["image/png"].replace("\n", "")
    return None


def _picture_of(notebooks: dict, chapter: str, tag: str) -> str | None:
    if chapter not in notebooks:
        return None
    return tagged_picture(notebooks[chapter], tag)


def _chapter(folder: Path, number: str, notebook, decks: bool, key: str) -> dict[str, Any]:
    """What the index says of a chapter."""
    name = CHAPTERS[number]
    return {
        "name": name,
        "number": number,
        "title": chapter_title(notebook),
        "promise": _promise(notebook),
        "key": key,
        "deck": decks and (folder / "decks" / f"{name}.html").exists(),
    }


def _promise(notebook) -> str:
    """What a chapter's reader will be able to do: the first list of the notebook, in a sentence."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        items: list[str] = []
        for line in cell.source.splitlines():
            if line.startswith(("- ", "* ")):
                items.append(line.lstrip("-* "))
            elif items and line.startswith("  "):  # the item goes on
                items[-1] += f" {line.strip()}"
        if items:
            text = without_marks("; ".join(item.rstrip(" ,.;") for item in items))
            return f"{text[:1].upper()}{text[1:]}."
    return ""


def _headline_table(results: Results | None) -> list[dict[str, Any]]:
    """NDCG@10 across platforms with intervals: one row per recommender, best first."""
    if results is None:
        return []
    rows = results.headline()
    table = []
    for name, part in rows.groupby("recommender", sort=False):
        part = part.set_index("n_history").reindex(results.lengths)
        if name == CEILINGS[-1] or part["value"].isna().any():
            continue
        values = part["value"]
        half = (part["high"] - part["low"]) / 2
        told = [f"{value:.2f} ± {wide:.2f}" for value, wide in zip(values, half, strict=True)]
        row: dict[str, Any] = {"recommender": called(str(name)), "told": told}
        row |= {"reads": uses(str(name), results.reads_pictures), "best": values.max()}
        table.append(row)
    return sorted(table, key=lambda row: -row["best"])


def _candidates(results: Results | None) -> str:
    return "" if results is None else f"{int(results.headline()['candidates'].max()):,}"


def _people(results: Results | None, people: "list[PersonaLists]") -> list[dict[str, Any]]:
    """What the index says of each persona: the method to ship to them, and bestsellers."""
    cards = []
    for one in people:
        card = {"page": one.page, "persona": one.persona, "history": one.history, "told": ""}
        made = one.lists[0]
        if results is not None:
            made = first_choice(results, one)
        floor = bestsellers(one)
        if made.liked is not None and floor.liked is not None:
            card["told"] = (
                f"{made.name}: {made.liked:.1f} of {len(made.items)} liked, bestsellers "
                f"{floor.liked:.1f} (simulated)"
            )
        cards.append(card)
    return cards


def _flowchart(results: Results | None) -> str:
    """The decision guide as a picture: a data URI, or nothing before chapter 07."""
    if results is None:
        return ""
    figure = flowchart(advise(results, results.length_near(FEW), read.real_study()))
    file = io.BytesIO()
    figure.savefig(file, dpi=FLOWCHART_DPI)
    plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _guide(results: Results | None) -> list[dict[str, Any]]:
    if results is None:
        return []
    frame = advice_table(advise(results, results.length_near(FEW), read.real_study()))
    rows = frame.astype(str).to_dict("records")
    return [{str(name): text for name, text in row.items()} for row in rows]


def _verdict() -> str:
    """What the study of real customers found, in two sentences; empty where it was not made."""
    study = read.real_study()
    if not len(study):
        return ""
    name = most_gain(study)
    rows = study[study["recommender"] == name]
    above = int((rows["gain_low"] > 0).sum())
    below = int((rows["gain_high"] < 0).sum())
    return (
        f"For real customers of {rows['shop'].nunique()} public logs, the method {name} clearly "
        f"beats bestsellers in {above} of {len(rows)} tests and clearly loses in "
        f"{below or 'none'}. A test is one shop with one number of known items."
    )


def _of_no_chapter(name: str) -> tuple[str, str] | None:
    """A method that no chapter builds, and what it uses: nothing above has said it."""
    built = [method for names in CHAPTER_METHODS.values() for method in names]
    used = uses(name, reads_pictures=True)
    return None if name in (FLOOR, *built) or not used else (called(name), used)


def _real_table(results: Results | None) -> list[dict[str, Any]]:
    """What gains most over bestsellers in each shop of the study of real customers."""
    study = read.real_study()
    if not len(study):
        return []
    rows = []
    for shop, part in study.groupby("shop"):
        few = part[part["n_history"] <= FEW]["n_history"].max()
        at = part[part["n_history"] == few].set_index("recommender")
        best = at["value"].idxmax()
        row = at.loc[best]
        gain = f"{row['gain']:+.3f} ({row['gain_low']:+.3f} to {row['gain_high']:+.3f})"
        if best == FLOOR:
            gain = "nothing gains more"
        rows.append(
            {
                "shop": SHOPS.get(str(shop), str(shop)),
                "items": f"{few:.0f}",
                "best": called(str(best)),
                "reads": _of_no_chapter(str(best)),
                "value": f"{row['value']:.2f}",
                "gain": gain,
                "customers": f"{row['n_users']:,.0f}",
            }
        )
    return rows
