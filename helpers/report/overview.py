"""The talk on a whole run: one deck that is made of its results, with what to say on each slide.

Nothing here is a result. Titles, captions and notes are templates that the run's numbers fill in.
"""

import base64
import io
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.evaluation import online
from helpers.evaluation.contenders import NOT_COMPARED
from helpers.evaluation.guide import in_words, known_items
from helpers.report import results as read
from helpers.report.advice import (
    MILLION,
    OF_PURCHASES,
    PURCHASES,
    READS,
    SPECIAL,
    Told,
    advise,
    best_rival,
    bestsellers,
    choice,
    first_choice,
    most_gain,
    saved_advice,
    simplest_of_best,
    uses,
)
from helpers.report.blocks import Block, as_text, markdown_blocks, picture, table
from helpers.report.figures import overview as figures
from helpers.report.figures.guide import flowchart
from helpers.report.figures.shops import SHOPS, without_gain
from helpers.report.front import BOTH, Front
from helpers.report.layouts import Slide, deck_markdown
from helpers.report.one_shopper import SHOWN, OneShopper, one_shopper
from helpers.report.personas import MethodList, PersonaLists
from helpers.report.prose import counted, listed
from helpers.report.results import (
    FEW,
    FLOOR,
    HISTORY_ORACLE,
    ORACLE,
    REAL,
    SIMULATED,
    Results,
    called,
)

TITLE = "A new shopper with a little history"
MANY = 10
LUCK = 0.05
"""Of 95% intervals, the share that leaves out the truth."""
CLEAR = 0.05
"""Of a p-value, corrected for the number of methods, below which a gain counts as clear."""
POWER_NOTE = "with 80% power at the 5% level"
LEAST_GAIN = 0.05
"""Of five items, the gain that is 0.1 when it is rounded."""
UNNOTICED = 50.0
"""Milliseconds of waiting that nobody notices."""
KNOWN = "own shop"
"""The column of shoppers with a history in this shop."""
_MILLION = (
    " A million items were not tested: that box keeps the methods whose scores are dot products, "
    "and takes their scores in this shop."
)
ARROW = ("", "→")
MOST_LARGE = 5
"""Pictures in a row that leave room beside them."""
LIKES_PER_ROW = 2
"""Liked items of each persona where several share a slide."""
LISTS_PER_SLIDE = 3
"""Methods whose lists fit a slide beside the history, in pictures of 120 pixels."""
PEOPLE = ("UserKNN", "ItemKNN", "EASE", "NeuralCF")
LONGEST_TITLE = 40


def deck(results: Results, people: list[PersonaLists], dark: bool = False) -> str:
    """The overview of a profile's last run as Marp Markdown.

    Raises
    ------
    MissingArtefact
        If chapters 01 to 06 have not run.
    """
    few = results.length_near(FEW)
    names = [FLOOR, "Content"]
    best = choice(results, few)
    if best not in names:
        names.append(best)
    shopper = one_shopper(results.profile, names, few)
    real = read.real_study()
    return deck_of(results, people, shopper, real, dark)


def deck_of(
    results: Results,
    people: list[PersonaLists],
    shopper: OneShopper | None,
    study: pd.DataFrame,
    dark: bool = False,
) -> str:
    """As `deck`, from parts in memory."""
    front = front_of(results)
    opening = front.slide([_opening(results)])
    opening.blocks.insert(1, Block(as_text(_promise(results)), 2.0))
    slides = [opening]
    slides += overview_slides(results, people, shopper, study)
    for slide in slides:
        slide.footer = front.line_of(slide.shows)
    return deck_markdown(slides, TITLE, front.line_of(""), dark=dark)


def front_of(results: Results) -> Front:
    """The title slide's facts."""
    day = datetime.fromisoformat(results.run["started"]).date()
    return Front(TITLE, results.profile, results.shoppers, day)


def overview_slides(
    results: Results,
    people: list[PersonaLists],
    shopper: OneShopper | None,
    study: pd.DataFrame,
) -> list[Slide]:
    """All slides after the title slide, in the order of the talk."""
    slides: list[Slide | None] = []
    people = _most_pictured_first(people)
    if people:
        slides += [_hook(people[0]), _persona(results, people[0])]
    if shopper is not None:
        slides.append(_three_items(results, shopper))
    slides.append(_headline(results))
    slides += _real(results, study)
    slides += [_liked_of_five(results), _good_at(results)]
    slides.append(_groups(results))
    if people[1:]:
        slides.append(_others(results, people[1:]))
    slides += [_cost(results), _unknown(results, study)]
    slides += [_guide(results, study), _next(results, study)]
    return [slide for slide in slides if slide is not None]


def _most_pictured_first(people: list[PersonaLists]) -> list[PersonaLists]:
    """The persona with the fewest items that have words only, then the others as they stand."""
    if not people:
        return []
    first = min(people, key=lambda one: sum(not uri for _, _, uri in one.history))
    return [first, *(one for one in people if one is not first)]


# ------------------------------------------------------------------------------ pieces
def _slide(title: str, *blocks: Block, notes: str, layout: str = "", shows: str = "") -> Slide:
    """A slide under a plain title, which is data as far as Markdown goes."""
    heading = Block(f"## {as_text(title)}", 2.0)
    layouts = {layout} if layout else set()
    return Slide([heading, *blocks], [notes], layouts, shows)


def _caption(text: str) -> Block:
    return Block(as_text(text), 1.5, is_prose=True)


def _figure(draw: Callable[..., plt.Figure], *args: Any) -> Block:
    """A figure as it stands on a slide, sharp at the slide's own size."""
    figure = draw(*args)
    file = io.BytesIO()
    figure.savefig(file, dpi=150)
    plt.close(figure)
    return picture("image/png", base64.b64encode(file.getvalue()).decode())


def _table(frame: pd.DataFrame, chosen: Iterable[str] = ()) -> Block:
    """A data frame as a table; cells that hold one of `chosen` alone stand out."""
    found = table(frame.to_html(index=False))
    assert found is not None, "a data frame always has a table"
    text = found.text
    for name in chosen:
        cell = f'<td class="words">{as_text(name)}</td>'
        text = text.replace(cell, cell.replace("words", "words chosen", 1))
    return replace(found, text=text)


def _picture_table(rows: list[tuple[str, list[tuple[str, str]]]]) -> Block:
    """Rows of pictures, each with a label at its left.

    `rows` holds (data URI, title) for each item; where there is no picture, the title stands.
    """
    width = max(len(pictures) for _, pictures in rows)
    lines = ["|" + " |" * (width + 1), "|" + "---|" * (width + 1)]
    for label, pictures in rows:
        cells = []
        for uri, title in pictures:
            cells.append(f"![]({uri})" if uri else as_text(_short(title)))
        cells += [""] * (width - len(cells))
        lines.append("| " + " | ".join([label, *cells]) + " |")
    crowded = ("many",) if width > MOST_LARGE else ()
    return Block("\n".join(lines), 13.0, big=True, classes=crowded)


def _short(title: str) -> str:
    """A title of few words: cut between two of them, never inside one."""
    short = textwrap.shorten(title, LONGEST_TITLE, placeholder="…", break_on_hyphens=False)
    return _unbroken(short)


def _unbroken(title: str) -> str:
    """A title whose words with a hyphen, "t-shirt", stay on one line."""
    return title.replace("-", "\N{NON-BREAKING HYPHEN}")


def _capital(name: str) -> str:
    """A name as a line starts with it."""
    return name[0].upper() + name[1:]


def _label(name: str, told: str) -> str:
    return f"**{as_text(name)}**" + (f"<br>{as_text(told)}" if told else "")


def _promise(results: Results) -> str:
    """The result in one sentence, for the title slide."""
    few = results.length_near(FEW)
    items = counted(few, "item")
    best = choice(results, few)
    liked = 5 * results.at(few, "precision", 5)["value"]
    known = "somebody likes elsewhere"
    if results.shoppers == REAL:
        known = f"a customer bought on one {results.place}"
    task = f"We know {items} that {known} and show five of {_ours(results)}. "
    if best == FLOOR:
        return (
            f"{task}Of five bestsellers, {liked[FLOOR]:.1f} are {results.done} on average. "
            "No method does clearly better."
        )
    return (
        f"{task}On average {liked[best]:.1f} are {results.done}. "
        f"Of five bestsellers, {liked[FLOOR]:.1f} are."
    )


def _ours(results: Results) -> str:
    """Whose items are recommended: the shop's that we stand for, or another platform's."""
    return "ours" if results.place == "shop" else f"another {results.place}'s"


def _opening(results: Results) -> str:
    few = results.length_near(FEW)
    things = counted(few, "thing")
    known = counted(few, "liked item")
    best = choice(results, few)
    remember = f"{best} is the method to beat"
    if best == FLOOR:
        remember = "no method clearly beats bestsellers"
    by_style = results.headline(segment=None)
    fails = "for whom it fails, " if (by_style["n_history"] == few).any() else ""
    return (
        f"Somebody new walks in. We know {things} they {_know_from(results)}. This talk says "
        f"what to show them, how sure we are, {fails}and what to do next. If you "
        f"remember one thing: with {known}, {remember}. {_uses(results, best)} "
        f"The results are from {front_of(results).whose}, unless a slide says otherwise."
    )


def _know_from(results: Results) -> str:
    if results.shoppers == REAL:
        return f"bought on another {results.place}"
    return "like in other shops"


# ------------------------------------------------------------------------------ the problem
def _hook(one: PersonaLists) -> Slide:
    name = one.persona.name
    n_items = len(one.history)
    block = _history_block(one)
    notes = (
        f"This is {name}: {one.persona.about}. {name} likes these {n_items} items, all from other "
        f"shops, and has never been here. We have no rating, no click and no purchase. "
        "The easy answer is the bestsellers, the same for everybody. "
        "Ask the room: what would you show first? The next slide has the answers. "
        f"We begin with {name}, who has the fewest items without a picture."
    )
    title = f"{name} likes {n_items} things elsewhere. What do we show first?"
    return _slide(title, block, notes=notes, layout="personas")


def _history_block(one: PersonaLists) -> Block:
    """The history as one large row: pictures above their titles."""
    width = len(one.history)
    pictures = [f"![]({uri})" if uri else "*words only*" for _, _, uri in one.history]
    titles = [f"{as_text(_unbroken(title))}<br>{as_text(shop)}" for title, shop, _ in one.history]
    lines = ["|" + " |" * width, "|" + "---|" * width]
    lines.append("| " + " | ".join(pictures) + " |")
    lines.append("| " + " | ".join(titles) + " |")
    return Block("\n".join(lines), 13.0, big=True, classes=("large",))


def _persona(results: Results, one: PersonaLists) -> Slide:
    name = one.persona.name
    chosen = _distinct(one, first_choice(results, one))
    best, last = chosen[0], chosen[-1]
    likes = [(uri, title) for title, _, uri in one.history]
    rows = [(_label("Likes elsewhere", ""), likes)]
    for made in chosen:
        shown = [(item.picture, item.title) for item in made.items]
        rows.append((_label(made.name, _liked_words(made)), shown))
    title = f"What {name} is shown first"
    if best.liked is not None and last.liked is not None:
        title = (
            f"{name}: {best.name} {best.liked:.1f} of {len(best.items)} liked, "
            f"{last.name.lower()} {last.liked:.1f} (simulated)"
        )
    missing = f"Not told to the simulator: {one.missing}. " if one.missing else ""
    used = " ".join(_uses(results, made.name) for made in chosen[:-1])
    notes = (
        f"The top row is what {name} likes elsewhere. Below are the first five items of "
        f"{len(chosen)} methods. {used} Bestsellers ignore what {name} likes. But every list, "
        f"theirs too, keeps a place for each category that {name} likes, if the shop sells it. "
        f"We wrote {name} as a simulated shopper, who likes each item with some chance. "
        f"The number liked is the sum of these chances. {best.name} is our first choice for a list "
        f"as long as {name}'s. The row below it is the best list that differs from it, bestsellers "
        f"apart. We chose it after we had seen the scores. {missing}"
        f"The page of {name} in the report shows all methods and why each item is there."
    )
    shows = "" if best.liked is None else SIMULATED
    return _slide(title, _picture_table(rows), notes=notes, layout="personas", shows=shows)


def _uses(results: Results, name: str) -> str:
    """What a method works with, in a sentence; nothing where nobody has said it."""
    used = uses(name, results.reads_pictures)
    return f"{name} uses {used}." if used else ""


def _liked_words(made: MethodList) -> str:
    return "" if made.liked is None else f"{made.liked:.1f} of {len(made.items)} liked"


def _chosen_words(made: MethodList, floor: MethodList) -> str:
    """The first choice and how many are liked, beside bestsellers."""
    if made.liked is None or floor.liked is None:
        return made.name
    return f"{made.name} {made.liked:.1f}, {floor.name.lower()} {floor.liked:.1f}"


def _others(results: Results, people: list[PersonaLists]) -> Slide:
    """The other personas: what each likes, and what the first choice shows."""
    rows = []
    told = []
    gains: dict[str, float] = {}
    for one in people:
        made = first_choice(results, one)
        floor = bestsellers(one)
        likes = [(uri, title) for title, _, uri in one.history if uri][:LIKES_PER_ROW]
        likes += [("", "")] * (LIKES_PER_ROW - len(likes))
        shown = [(item.picture, item.title) for item in made.items]
        label = _label(one.name, _chosen_words(made, floor))
        rows.append((label, [*likes, ARROW, *shown]))
        words = f"{one.name}: {one.persona.about}. {made.name} shows {one.name} five items"
        if made.liked is not None and floor.liked is not None:
            words += f", {made.liked:.1f} of them liked; of bestsellers, {floor.liked:.1f}"
            # what the notes give, so that the title's difference is theirs
            gains[one.name] = round(made.liked, 1) - round(floor.liked, 1)
        told.append(f"{words}.")
    names = listed([one.name for one in people])
    title = f"{names}: what our first choice shows them"
    shows = ""
    if gains:
        title = f"{_helped(gains)} (simulated)"
        shows = SIMULATED
    notes = (
        "Left of the arrow: what they like elsewhere, of the items with a picture. Right: what "
        "our first choice shows. The title says for whom more of the five are liked than of "
        f"bestsellers. {' '.join(told)} Their pages in the report show every method, and why each "
        "item is there."
    )
    return _slide(title, _picture_table(rows), notes=notes, layout="personas", shows=shows)


def _helped(gains: dict[str, float]) -> str:
    """Whom the first choice serves better than bestsellers, and whom not, as a title."""
    helped = [name for name, gain in gains.items() if gain > 0]
    others = [name for name in gains if name not in helped]
    if not helped:
        return f"Bestsellers serve {listed(others)} as well as our first choice"
    told = f"Better than bestsellers for {listed(helped)}"
    least = min(gains[name] for name in helped)
    most = max(gains[name] for name in helped)
    steps = " to ".join(dict.fromkeys(f"{gain:+.1f}" for gain in (least, most)))
    told += f" ({steps} of five)"
    if others:
        told += f", not for {listed(others)}"
    return told


def _distinct(one: PersonaLists, first: MethodList) -> list[MethodList]:
    """The first choice, then the best lists that differ from it, and the bestsellers last."""
    last = bestsellers(one)
    chosen: list[MethodList] = []
    for made in [first, *one.lists]:
        keys = {item.key for item in made.items}
        is_new = all(keys != {item.key for item in other.items} for other in chosen)
        if made is not last and is_new and len(chosen) < LISTS_PER_SLIDE - 1:
            chosen.append(made)
    return [*chosen, last]


def _three_items(results: Results, shopper: OneShopper) -> Slide:
    few = len(shopper.history)
    names = list(shopper.lists)
    history = [(item.picture, item.title) for item in shopper.history]
    rows = [(_label(counted(few, "liked item"), ""), history)]
    for name in reversed(names):  # the first choice at the top, as on the slide before
        items = shopper.lists[name]
        told = f"{shopper.liked(name):.1f} of {len(items)} liked"
        shown = [(item.picture, item.title) for item in items]
        rows.append((_label(_capital(called(name)), told), shown))
    best, floor = names[-1], names[0]
    title = (
        f"A lucky shopper: {called(best)} {shopper.liked(best):.1f} of {SHOWN}, {called(floor)} "
        f"{shopper.liked(floor):.1f} (simulated)"
    )
    notes = (
        "One simulated shopper, whose taste we know. The top row is all that the methods see. "
        "Each row below is one method's first five items of our shop, with how many of them this "
        f"shopper likes. {_capital(called(floor))} are the plain list here, the same for "
        "everybody. Say it openly: we chose a lucky shopper. About nine in ten gain no more than "
        "this one. The next slide has the average over everybody."
    )
    block = _picture_table(rows)
    return _slide(title, block, notes=notes, layout="personas", shows=SIMULATED)


# ------------------------------------------------------------------------------ the results
def _whose(results: Results) -> str:
    return "real customers" if results.shoppers == REAL else "simulated shoppers"


def _headline(results: Results) -> Slide:
    few = results.length_near(FEW)
    items = counted(few, "item")
    best = best_rival(results, few)
    is_floor_shipped = choice(results, few) == FLOOR
    rows = results.headline()
    n_users = int(rows["n_users"].max())
    share = results.gap_closed(best, few)
    values = results.at(few)["value"]
    known = counted(few, "liked item")
    title = f"{known}: {best} {values[best]:.2f}, bestsellers {values[FLOOR]:.2f}"
    if is_floor_shipped:
        title += ", no clear gain"
    elif not pd.isna(share):
        title = f"With {known}, {best} closes {share:.0%} of the gap"
    title += f" ({results.shoppers})"
    caption = (
        "NDCG@10 is 1 for the best possible first ten items and falls with every miss; "
        f"{n_users:,} {_whose(results)}, bands are 95% intervals."
    )
    if not pd.isna(share):
        caption = f"The gap: from bestsellers to knowing the shopper. {caption}"
    candidates = int(rows["candidates"].max())
    notes = (
        f"Left to right: how many liked items from another {results.place} we know. "
        "Up: how well the first "
        f"ten of {candidates:,} items are ranked. With {items}, {best} gets {values[best]:.3f} "
        f"and bestsellers {values[FLOOR]:.3f}. {_ceiling_words(results, few)} These are "
        f"{_whose(results)}."
    )
    if results.shoppers != REAL:
        notes += " The next slide asks the same of real customers."
    brought = f"liked items from another {results.place}"
    block = _figure(figures.cold_start, rows, brought, best, PEOPLE)
    return _slide(title, block, _caption(caption), notes=notes, shows=results.shoppers)


def _ceiling_words(results: Results, n_history: int) -> str:
    values = results.at(n_history)["value"]
    if HISTORY_ORACLE not in values:
        return "Nobody knows what real customers would have liked, so there is no ceiling."
    best = choice(results, n_history)
    share = results.gap_closed(best, n_history, HISTORY_ORACLE)
    return (
        f"Knowing the shopper would give {values[ORACLE]:.3f}. The best that anyone could make of "
        f"these few items is {values[HISTORY_ORACLE]:.3f}, and {best} comes {share:.0%} of the way "
        "from bestsellers to there."
    )


def _real(results: Results, study: pd.DataFrame) -> list[Slide]:
    """The same question for real customers: from the study of real shops, and from live rows."""
    slides = []
    if len(study):
        slides.append(_real_study(results, study))
    if len(results.live):
        slides.append(_real_live(results, study))
    if slides or results.shoppers == REAL:
        return slides
    notes = (
        "Be open about this: nothing in this run was measured on real customers. The simulator's "
        "shoppers are tidier than people. Before anybody quotes a number, run the profile on your "
        "own order log."
    )
    block = Block("> Not one number of this run comes from a real customer.", 3.0)
    return [_slide("Real customers were not examined", block, notes=notes)]


def _real_study(results: Results, study: pd.DataFrame) -> Slide:
    name = most_gain(study)
    rows = study[study["recommender"] == name]
    above = int((rows["gain_low"] > 0).sum())
    below = int((rows["gain_high"] < 0).sum())
    n_shops = rows["shop"].nunique()
    lost_tests = str(below) if below else "none"
    shops = counted(n_shops, "real shop")
    title = f"Study of {shops}: {name} wins {above} of {len(rows)} tests, loses {lost_tests}"
    loses = rows["gain_high"] < 0
    lost = sorted({SHOPS.get(shop, shop) for shop in rows.loc[loses, "shop"]})
    where = f", all of them in {listed(lost)}" if lost else ""
    best = choice(results, results.length_near(FEW))
    flat = sorted(without_gain(rows))
    fails = f"No clear gain in {listed(flat)}. " if flat else ""
    absent = ""
    if best not in set(study["recommender"]):
        absent = f"{best}, our first choice, was not tested here. "
    caption = (
        f"{fails}{absent}At the points: how many items are known. A test is won or lost where its "
        "95% interval leaves out 0."
    )
    read_aloud = ""
    if fails or absent:
        read_aloud = "Read the line below the figure aloud: it begins with what is missing. "
    notes = (
        f"These are the customers of {n_shops} public logs. Each point is one test: a "
        "shop and a number of known items. Where the study examines a shop several times, the "
        f"talk shows one exam. Above the line, {name} beats bestsellers. It does so "
        f"clearly in {above} of {len(rows)} tests and loses clearly in {lost_tests}{where}. By "
        f"luck alone, about {LUCK * len(rows):.0f} of {len(rows)} would look clear. "
        f"{read_aloud}{_safe_words(study, name)}"
        f"{_uses(results, name)} We show it because it gains most on average, of the "
        "methods in most tests. In a single shop another one may be better. What real customers "
        "would have liked and never saw counts as a miss, so read the order, not the height."
    )
    leader = best_rival(results, results.length_near(FEW))
    block = _figure(figures.gains, study, name, leader, PEOPLE)
    return _slide(title, block, _caption(caption), notes=notes, shows=REAL)


def _safe_words(study: pd.DataFrame, shown: str) -> str:
    """Which method never clearly lost, where that is not the one that is shown."""
    name = _safest(study)
    if name in ("", shown):
        return ""
    rows = study[study["recommender"] == name]
    won = int((rows["gain_low"] > 0).sum())
    return f"{name} was in {len(rows)} of these tests: it clearly wins {won} and loses none. "


def _safest(study: pd.DataFrame) -> str:
    """The method with most clear wins, of those without a clear loss; else "".

    Only methods that chapter 07 compares count: no floor, no part of the blend that no chapter
    teaches, and nothing of other packages.
    """
    methods = [name for name in READS if name not in NOT_COMPARED]
    is_method = study["recommender"].isin(methods)
    losers = study[study["gain_high"] < 0]["recommender"]
    never_lost = study[is_method & ~study["recommender"].isin(losers)]
    wins = never_lost[never_lost["gain_low"] > 0]["recommender"].value_counts()
    return str(wins.index[0]) if len(wins) else ""


def _real_live(results: Results, study: pd.DataFrame) -> Slide:
    """The live exam of real customers, judged by what each of them gains."""
    log = listed(sorted(results.live["data"].unique()))
    if not len(results.gains):
        return _real_live_alone(results, log)
    few = _few_of(results.gains)
    items = counted(few, "item")
    gains = results.gains.set_index("recommender")
    at = gains[gains["n_history"] == few].sort_values("difference", ascending=False)
    clear = at[(at["low"] > 0) & (at["p_holm"] < CLEAR)]
    name = str((clear if len(clear) else at).index[0])
    best = at.loc[name].to_dict()
    interval = f"{best['low']:+.3f} to {best['high']:+.3f}"
    title = f"Real {log}: no method clearly beats bestsellers"
    verdict = f"not more than luck explains (corrected p = {best['p_holm']:.2f})"
    if len(clear):
        gain = f"{best['difference']:.3f} NDCG@10"
        title = f"Real {log}: with {items}, {name} beats bestsellers by {gain}"
        verdict = f"more than luck explains (corrected p = {best['p_holm']:.3f})"
    behind = at[(at["high"] < 0) & (at["p_holm"] < CLEAR)]
    also = f"{len(behind)} of {len(at)} methods clearly lose."
    loss = _loss_in_study(study, log, name, few)
    if loss is not None:
        # on the slide, not only in the notes: who reads the title should see it, too
        title += ", but not in the study" if len(clear) else ""
        also = f"In the study: {loss['gain']:+.3f} ({_ends(loss)})."
    caption = (
        f"{int(best['n_users']):,} real customers; bands are 95% intervals of the difference. With "
        f"{items}, {name} gains {best['difference']:+.3f} ({interval}). {also}"
    )
    values = results.live[results.live["n_history"] == few].set_index("recommender")["value"]
    notes = (
        f"The same test on real customers of {log}. The dashed line is bestsellers. A method above "
        "it ranks better than bestsellers for the same customers, so what makes one customer "
        f"easier than another drops out. With {items} known, bestsellers have "
        f"{values[FLOOR]:.3f}, and {name} gains {best['difference']:+.3f} over them (95% interval "
        f"{interval}). We picked {name} after the fact, from {len(at)} methods. Corrected "
        f"for that, the gain is {verdict}. {_against(study, log, name, few)}"
        "Simulated shoppers show what could be gained where "
        "tastes differ; these customers show what one log does show."
    )
    asked = "items bought on another platform"
    leader = best_rival(results, results.length_near(FEW))
    block = _figure(figures.paired_gains, results.gains, asked, leader, PEOPLE)
    return _slide(title, block, _caption(caption), notes=notes, shows=REAL)


def _loss_in_study(
    study: pd.DataFrame, log: str, name: str, n_history: int
) -> dict[str, float] | None:
    """The study's row in which the method is below bestsellers in the same shop, if it is."""
    if not len(study):
        return None
    rows = study[(study["shop"] == log) & (study["recommender"] == name)]
    rows = rows[rows["n_history"] == n_history]
    if not len(rows) or rows["gain"].iloc[0] >= 0:
        return None
    ends = rows[["gain", "gain_low", "gain_high"]].iloc[0]
    return {str(name): float(value) for name, value in ends.items()}


def _ends(row: dict[str, float]) -> str:
    """The interval of a gain of the study."""
    return f"{row['gain_low']:+.3f} to {row['gain_high']:+.3f}"


def _against(study: pd.DataFrame, log: str, name: str, n_history: int) -> str:
    """A warning where the study has the method below bestsellers in the same shop; else ""."""
    loss = _loss_in_study(study, log, name, n_history)
    if loss is None:
        return ""
    return (
        f"The study of real shops, on the slide before, disagrees: there, {name} is below "
        f"bestsellers for {log} with {known_items(n_history)}, by {-loss['gain']:.3f} (gain "
        f"{_ends(loss)}). It asks more customers about more products. So this gain may not last. "
    )


def _real_live_alone(results: Results, log: str) -> Slide:
    """The same from a run that saved no paired gains: it can't say what is clear."""
    rows = results.live
    few = _few_of(rows)
    items = counted(few, "item")
    at = rows[rows["n_history"] == few].set_index("recommender")["value"]
    name = str(at.drop(FLOOR).idxmax())
    title = f"Real {log}: {name} {at[name]:.2f}, bestsellers {at[FLOOR]:.2f}"
    caption = f"{int(rows['n_users'].max()):,} real customers; bands are 95% intervals."
    notes = (
        f"The same test on real customers of {log}. With {items} known, the best method is "
        f"{name} with {at[name]:.2f}; bestsellers get {at[FLOOR]:.2f}. The bands are of each "
        "method alone, so they can't say whether the difference is clear. Run chapter 07 again "
        "to have it. What customers would have liked and never saw counts as a miss, so read "
        "the order, not the height."
    )
    asked = "items bought on another platform"
    leader = best_rival(results, results.length_near(FEW))
    block = _figure(figures.cold_start, rows, asked, leader, PEOPLE)
    return _slide(title, block, _caption(caption), notes=notes, shows=REAL)


def _few_of(rows: pd.DataFrame) -> int:
    """The longest history of at most `FEW` items; the shortest where all are longer."""
    lengths = rows["n_history"].unique()
    return int(max((n for n in lengths if n <= FEW), default=lengths.min()))


def _liked_of_five(results: Results) -> Slide:
    few = results.length_near(FEW)
    known = counted(few, "liked item")
    rows = results.at(few, "precision", 5)
    best = best_rival(results, few)
    ours, theirs = 5 * rows["value"][best], 5 * rows["value"][FLOOR]
    kind = results.shoppers
    done = results.done
    title = f"Of five items, {best} gets {ours:.1f} {done}, bestsellers {theirs:.1f} ({kind})"
    visits = results.at(few, "hit_rate", 5)["value"]
    caption = (
        f"{known} known. Of 100 visits, {100 * visits[best]:.0f} have at least one "
        f"{done} item among the first five; with bestsellers {100 * visits[FLOOR]:.0f}."
    )
    notes = (
        f"This is the number to take to a product manager. Five items fit above the fold. With "
        f"{best}, {ours:.1f} of them are {done}; with bestsellers {theirs:.1f}; with a random "
        f"list {5 * rows['value'].get('Random', float('nan')):.1f}. A visit succeeds if at least "
        f"one of the five is {done}: {visits[best]:.1%} against {visits[FLOOR]:.1%}. The thin "
        "lines are 95% intervals."
    )
    rows = rows.drop("Oracle(exposure=True)", errors="ignore")
    block = _figure(figures.liked_of_five, rows, best, PEOPLE, done)
    return _slide(title, block, _caption(caption), notes=notes, shows=kind)


def _good_at(results: Results) -> Slide:
    shown = [n for n in (0, 1, FEW, MANY) if n in results.lengths]
    at = {n: results.at(n)["value"] for n in shown}
    warm = results.warm["value"] if len(results.warm) else pd.Series(dtype=float)
    rows = []
    for name in results.methods(shown[-1]):
        row = {"method": called(name), "uses": uses(name, results.reads_pictures) or "–"}
        for n in shown:
            row[counted(n, "item")] = _number(at[n].get(name))
        if len(warm):
            row[KNOWN] = _number(warm.get(name), 3)
        rows.append(row)
    few = shown[-2] if len(shown) > 1 else shown[-1]
    items = counted(few, "item")
    best = choice(results, few)
    title = f"{_capital(called(best))} for newcomers"
    chosen = {called(best)}
    if len(warm):
        ship = called(simplest_of_best(results.warm))
        title += f", {ship} for our own customers"
        chosen.add(ship)
    caption = (
        f"NDCG@10, {_whose(results)}. “{KNOWN}”: known customers"
        f"{_level_words(results)}. “–”: not tested."
    )
    on_both = "in both shops" if results.place == "shop" else f"on both {results.place}s"
    notes = (
        f"Each method has a place. Columns are situations: a newcomer with {shown[0]} to "
        f"{counted(shown[-1], 'liked item')} from elsewhere, and a shopper with a history in this "
        "very shop. We would take "
        f"{called(best)} for newcomers with {items}: the simplest method that the best one "
        "does not clearly beat. Methods that learn who liked what need people "
        f"who bought {on_both}; methods that read the items need none. In the last column only a "
        "few hidden likes count: compare within a column, never across."
    )
    block = _table(pd.DataFrame(rows), chosen)
    return _slide(title, block, _caption(caption), notes=notes, shows=results.shoppers)


def _level_words(results: Results) -> str:
    """Why the method for known customers is taken though another scores more; else ""."""
    if not len(results.warm):
        return ""
    ship = simplest_of_best(results.warm)
    best = str(results.warm["value"].idxmax())
    if ship == best:
        return ""
    told = []
    for name in (ship, best):
        low, high = results.warm.loc[name, ["low", "high"]]
        told.append(f"{called(name)} ({low:.3f} to {high:.3f})")
    return f"; {told[0]} is level with {told[1]} and simpler"


def _number(value: float | None, decimals: int = 2) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:.{decimals}f}"


def _groups(results: Results) -> Slide | None:
    few = results.length_near(FEW)
    known = counted(few, "liked item")
    rows = results.headline(segment=None)
    rows = rows[rows["n_history"] == few]
    if not len(rows):
        return None
    best = choice(results, few)
    names = list(dict.fromkeys([best, "Content", FLOOR]))
    ours = rows[rows["recommender"] == best].set_index("segment")
    own = ours["value"]
    worst = str(own.idxmin())
    top = str(own.idxmax())
    nothing = results.at(0)["value"]
    floor = rows[rows["recommender"] == FLOOR].set_index("segment")
    told = f"By style, {called(best)} gets {own[worst]:.2f} to {own[top]:.2f}"
    if (ours["low"] > floor["high"].reindex(ours.index)).all():
        items = "liked item" if few == 1 else "liked items"
        told = f"{best} beats bestsellers in every style once we know {in_words(few)} {items}"
    if best != FLOOR and nothing[best] <= nothing[FLOOR]:
        told += ", not with none"
    title = f"{told} ({results.shoppers})"
    caption = (
        f"NDCG@10 with {known}, by the style a shopper likes most; at the right, "
        "everybody, with no liked item. 95% intervals."
    )
    notes = (
        "For whom does it fail? At the left are the shoppers by the style they like most. The "
        f"score of {best} goes from {own[worst]:.2f} for {worst} to {own[top]:.2f} for {top} "
        "shoppers. Where the intervals overlap, the order of the styles may be luck. At the right "
        f"is everybody, before they tell us anything: {best} gets {nothing[best]:.2f}, bestsellers "
        f"{nothing[FLOOR]:.2f}. So the first thing to get from a newcomer is one liked item."
    )
    unknown = results.headline()
    unknown = unknown[unknown["n_history"] == 0].assign(segment=figures.NOBODY)
    rows = pd.concat([rows, unknown], ignore_index=True)
    asked = "style the shopper likes most"
    leader = best_rival(results, few)
    block = _figure(figures.by_group, rows, names, asked, leader, PEOPLE)
    return _slide(title, block, _caption(caption), notes=notes, shows=results.shoppers)


# ------------------------------------------------------------------------------ what it takes
def _cost(results: Results) -> Slide:
    few = results.length_near(FEW)
    at = results.at(few)
    best = choice(results, few)
    milliseconds = 1000 * at["score_seconds"] / at["n_users"]
    milliseconds = milliseconds[results.methods(few)]
    cost = "Cost does not decide this. " if milliseconds.max() < UNNOTICED else ""
    candidates = int(at["candidates"].max())
    slowest = str(milliseconds.idxmax())
    longest = "and no other method takes longer"
    if slowest != best:
        longest = f"the slowest method, {called(slowest)}, in {milliseconds[slowest]:.2f}"
    title = f"{best} ranks {candidates:,} items in {milliseconds[best]:.2f} ms per shopper"
    caption = (
        f"One run on one machine ({results.run['device']}), shoppers ranked in batches. Training "
        "is not counted."
    )
    notes = (
        f"{cost}On this machine ({results.run['device']}), {best} ranks all "
        f"{candidates:,} items in {milliseconds[best]:.2f} milliseconds per shopper, {longest}. "
        "Times are of one run and vary from machine to machine."
        f"{_training_words(results, best)} With a million items, methods whose "
        "items are vectors use an index; chapter 06 shows how."
    )
    block = _figure(figures.milliseconds, milliseconds, best, PEOPLE)
    return _slide(title, block, _caption(caption), notes=notes)


def _training_words(results: Results, name: str) -> str:
    seconds = results.fit_seconds(name)
    if pd.isna(seconds):
        return ""
    return f" To train {name} took {seconds:.1f} seconds, once."


def _unknown(results: Results, study: pd.DataFrame) -> Slide:
    n_users = int(results.headline()["n_users"].max())
    few = results.length_near(FEW)
    best = choice(results, few)
    row = results.at(few).loc[best]
    tested = f"{_tested_elsewhere(study, best)}{_tested_live(results, study, best)}"
    half = (row["high"] - row["low"]) / 2
    if results.shoppers == REAL:
        lines = [
            "- A log holds what customers saw and bought. What they never saw counts as a miss.",
            "- There is no ceiling: nobody knows what they would have liked.",
            "- Customers who bought little could not be examined.",
        ]
    else:
        lines = [
            f"- **Real taste.** The {n_users:,} test shoppers are simulated. They like categories, "
            "colors, patterns, styles and prices. People also care about fit, mood and friends.",
            f"- **Other shops.** The headline is from one catalog. {tested}",
        ]
    lines += [
        f"- **Luck.** {_owner(best)} {row['value']:.2f} is accurate to ± {half:.2f}. That covers "
        "the luck of which shoppers were tested, not the luck of training.",
        "- **What a list does.** What we show changes what is bought next. For people, only a live "
        "test tells how; chapter 07 plays it through in a simulation.",
    ]
    notes = (
        "Say what could change the picture. The interval covers the luck of which shoppers were "
        "tested. It does not cover whether our shoppers behave like yours. If somebody asks how "
        f"sure we are: in this run, the score is accurate to ± {half:.2f}. In your shop it may be "
        "quite different, and another method may win. That is why the talk ends with a test."
    )
    block = markdown_blocks("\n".join(lines))
    title = f"How sure are we? ± {half:.2f} here, unknown in your shop"
    return _slide(title, *block, notes=notes, shows=results.shoppers)


def _owner(name: str) -> str:
    return f"{name}’" if name.endswith("s") else f"{name}’s"


def _tested_elsewhere(study: pd.DataFrame, best: str) -> str:
    """Whether the first choice was tested in real shops, in a sentence."""
    if not len(study):
        return "Chapter 02 varies the market."
    n_shops = study["shop"].nunique()
    if best in set(study["recommender"]):
        name = most_gain(study)
        if name == best:
            return f"In the {n_shops} real shops, it gains most on average, too."
        return f"In the {n_shops} real shops, {name} gains most on average."
    return f"The study of {n_shops} real shops did not test {best}."


def _tested_live(results: Results, study: pd.DataFrame, best: str) -> str:
    """What the first choice gained for the real customers of this run, in a sentence."""
    gains = results.gains
    if not len(gains):
        return ""
    few = _few_of(gains)
    gains = gains[gains["n_history"] == few].set_index("recommender")
    if best not in gains.index:
        return ""
    gain, low, high = gains.loc[best, ["difference", "low", "high"]]
    log = listed(sorted(results.live["data"].unique()))
    told = f"{gain:+.3f} over bestsellers ({low:+.3f} to {high:+.3f})"
    loss = _loss_in_study(study, log, best, few)
    if loss is not None:
        told = f"{gain:+.3f} over bestsellers in one test and {loss['gain']:+.3f} in the study"
    return f" For real customers of {log}, {best} gains {told}."


def _guide(results: Results, study: pd.DataFrame) -> Slide:
    """The decision guide as questions, one after the other."""
    few = results.length_near(FEW)
    found = advise(results, few, study)
    n_answers = len({one.ship for one in found})
    title = f"One method wins in all {len(found)} situations"
    if n_answers > 1:
        title = f"No method wins everywhere: {n_answers} answers in {len(found)} situations"
    caption = (
        "Each box: the simplest method that the best one does not clearly beat. After the minus: "
        "how many fewer of five (or less NDCG@10) the worst usual choice gets. Orange: real "
        "customers."
    )
    notes = (
        "Start at the top left and follow the questions. The first one that you answer with yes "
        "leads to the boxes on its right. Each box names the method and, where we counted, how "
        "many of five items are liked. After the minus stands what is lost with the worst of the "
        "usual choices: bestsellers, ItemKNN or Content. Where that is little, keep what you have. "
        "An orange box is of real customers, who bought. Nobody knows what else they would "
        f"have liked.{_dearest_words(found)}"
    )
    if any(one.question == SPECIAL for one in found):
        notes += f" The boxes of “{SPECIAL}” are of {_whose(results)} with {known_items(few)}."
    if any(one.has == MILLION for one in found):
        notes += _MILLION
    notes += _study_words(study, found) + _beyond_chapter(results, found)
    if not results.guide:
        notes += " Products that nobody has rated were not examined apart."
    block = _figure(flowchart, found)
    return _slide(title, block, _caption(caption), notes=notes, shows=_shown_by(found))


def _dearest_words(found: list[Told]) -> str:
    """Where being wrong costs most, in a sentence; "" where it costs nothing."""
    with_likes = [one for one in found if not pd.isna(one.liked)]
    dearest = max(with_likes, key=lambda one: one.fewer)
    if dearest.wrong == dearest.ship:
        return ""
    return f" Being wrong costs most with {dearest.has}: {dearest.price}."


def _beyond_chapter(results: Results, found: list[Told]) -> str:
    """How many of the situations stand in chapter 07's guide, where that isn't all."""
    n_saved = len(saved_advice(results))
    if n_saved in (0, len(found)):
        return ""
    return f" Chapter 07’s guide has {n_saved} of these {len(found)} situations."


def _study_words(study: pd.DataFrame, found: list[Told]) -> str:
    """What the study's answer for logs of purchases rests on; "" where it gives none."""
    told = _of_study(found)
    if told is None:
        return ""
    rows = _of_purchases(study, told.ship)
    shops = listed([SHOPS[shop] for shop in OF_PURCHASES if shop in set(rows["shop"])])
    won = int((rows["gain_low"] > 0).sum())
    flat = without_gain(rows)
    where = f", none in {listed(flat)}" if flat else ""
    box = told.has.removesuffix(f" ({REAL})")
    return (
        f" The box “{box}” is from the study of real shops: from "
        f"its logs of purchases, groceries apart ({shops}). There {told.ship} gains most on "
        f"average. It clearly beats bestsellers in {won} of {len(rows)} tests{where}."
    )


def _of_study(found: list[Told]) -> Told | None:
    """The study's answer for logs of purchases, where it gives one."""
    ours = [one for one in found if one.question == PURCHASES and pd.isna(one.liked)]
    return ours[0] if ours else None


def _of_purchases(study: pd.DataFrame, name: str) -> pd.DataFrame:
    """A method's rows of the shops whose logs hold purchases and no ratings."""
    return study[study["shop"].isin(OF_PURCHASES) & (study["recommender"] == name)]


def _shown_by(found: list[Told]) -> str:
    """Whose results the guide holds."""
    kinds = {one.shoppers for one in found}
    return kinds.pop() if len(kinds) == 1 else BOTH


def _next(results: Results, study: pd.DataFrame) -> Slide:
    few = results.length_near(FEW)
    best = best_rival(results, few)
    is_floor_shipped = choice(results, few) == FLOOR
    visits = results.at(few, "hit_rate", 5)["value"]
    lift = visits[best] - visits[FLOOR]
    test = "- **Then:** an A/B test against bestsellers."
    power = ""
    if lift > 0 and visits[best] < 1:
        power = (
            f"The number of shoppers is what it takes to see {visits[FLOOR]:.1%} of visits become "
            f"{visits[best]:.1%} {POWER_NOTE}. "
        )
        size = online.sample_size(visits[FLOOR], lift)
        test = (
            f"- **Then:** an A/B test against bestsellers. To see a gain as large as here takes "
            f"{size:,} shoppers in each arm (80% power). A smaller gain takes more."
        )
    monday = "put one question on the first page: what do you like elsewhere?"
    this_week = f"rank with {best} for newcomers who tell us; bestsellers for the others."
    ranking = "that ranking"
    where = " on a small share of visits"
    if is_floor_shipped:
        monday = "keep the bestsellers, and ask newcomers what they like elsewhere."
        this_week = f"on your own order log, compare {best} and bestsellers."
        ranking = "the better one"
        where = ""
    differ = ""
    if len(study):
        name = most_gain(study)
        if name != best:
            why = "best rival here" if is_floor_shipped else "first choice here"
            this_week = (
                f"on your own order log, compare {best} ({why}), "
                f"{name} (most gain in real shops){_safe_choice(study, name)} and bestsellers."
            )
            ranking = "the better one"
            differ = "This run and the real shops name different methods, so your log decides. "
    lines = [
        f"- **Monday:** {monday}",
        f"- **This week:** {this_week}",
        f"- **Next week:** interleave {ranking} with bestsellers{where}.",
        test,
        "- **Your own shop:** `course shop FEED --orders ORDERS --name NAME`, then "
        "`course run --profile NAME` compare all methods on your data.",
    ]
    notes = (
        f"Five steps. {_first_item_words(results)} {differ}Interleaving mixes two rankings into "
        "one list and counts whose items are clicked. It answers sooner than an A/B test, because "
        "each shopper compares both. "
        f"{power}Expect a smaller "
        "gain in your shop, and plan for more shoppers."
    )
    blocks = markdown_blocks("\n".join(lines))
    return _slide(_next_title(results), *blocks, notes=notes, shows=results.shoppers)


def _safe_choice(study: pd.DataFrame, other: str) -> str:
    name = _safest(study)
    return "" if name in ("", other) else f", {name} (never clearly lost there)"


def _gain_of_first_item(results: Results) -> tuple[int, float]:
    """The shortest history, and how many more of five items are liked with it than with none."""
    first = next((n for n in results.lengths if n > 0), 0)
    name = choice(results, results.length_near(FEW))
    shares = []
    for n in (0, first):
        liked = 5 * results.at(n, "precision", 5)["value"].to_dict()[name]
        shares.append(round(float(liked), 1))  # as the guide gives it: its readers subtract
    return first, shares[1] - shares[0]


def _next_title(results: Results) -> str:
    n_items, gain = _gain_of_first_item(results)
    items = counted(n_items, "liked item")
    kind = results.shoppers
    if choice(results, results.length_near(FEW)) == FLOOR:
        return f"On Monday, keep the bestsellers and test one rival ({kind})"
    if gain < LEAST_GAIN:
        return f"On Monday, ask newcomers what they like and test the lists ({kind})"
    return f"On Monday, ask for {items}: {gain:.1f} more {results.done} items of five ({kind})"


def _first_item_words(results: Results) -> str:
    if choice(results, results.length_near(FEW)) == FLOOR:
        return "Here no history made a list clearly better than bestsellers."
    n_items, gain = _gain_of_first_item(results)
    items = counted(n_items, "liked item")
    if gain < LEAST_GAIN:
        return f"With {known_items(n_items)}, no list is better here."
    adds = "adds" if n_items == 1 else "add"
    words = f"The first step is the cheapest: {items} {adds} {gain:.1f} of five."
    if _first_step_is_steepest(results):
        words += " No later item adds as much."
    return words


def _first_step_is_steepest(results: Results) -> bool:
    """Whether each item of the shortest history adds more than any later one, on average."""
    name = choice(results, results.length_near(FEW))
    liked = []
    for n in results.lengths:
        precision = results.at(n, "precision", 5)["value"]
        liked.append(precision[name])
    per_item = np.diff(liked) / np.diff(results.lengths)
    later = per_item[1:]
    return len(later) > 0 and bool((per_item[0] > later).all())
