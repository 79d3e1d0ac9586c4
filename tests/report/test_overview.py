"""The talk on a run: every number on it comes from the results, and it can be shown as it is."""

import itertools
import json
import re
from dataclasses import asdict, replace

import made_results as made
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from browser import (
    BROKEN,
    CUT_TABLES,
    FILL,
    LOW_CONTRAST,
    OVERFLOWING,
    SMALL_TEXT,
    needs_browser,
    page,
)
from matplotlib.text import Text

from helpers.evaluation.guide import NO_COST, Situation, guide
from helpers.interactions.loading import LogFacts
from helpers.report import index, overview, results, slides
from helpers.report.advice import (
    KNOWN_ITEMS,
    OWN_HISTORY,
    PURCHASES,
    SPECIAL,
    advise,
    best_rival,
    choice,
    simplest_of_best,
)
from helpers.report.figures.compare import as_records
from helpers.report.figures.guide import flowchart
from helpers.report.figures.overview import (
    LEADER,
    by_group,
    cold_start,
    gains,
    liked_of_five,
    milliseconds,
    paired_gains,
)
from helpers.report.layouts import Slide
from helpers.report.one_shopper import OneShopper, Picture
from helpers.report.personas import Item, MethodList, PersonaLists
from helpers.report.plots import LEAST_LABEL, SLIDE_HEIGHT, SLIDE_WIDTH
from helpers.report.results import called
from helpers.serving.personas import load_personas

DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk"
    "+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
NAMED = ("NDCG@10", "95%", "80%", "5%", "100 visits", "chapter 06", "Chapter 02", "chapter 07")
NAMED += ("is 1 for",)
"""Numbers of the course, not of a run."""
SITUATIONS = ("no history", "one known item", "three known items", "ten known items")
SITUATIONS += ("items that nobody has rated", "no pictures", "a million items")
SITUATIONS += ("groceries, one known item", "groceries, ten known items")
"""The rows of chapter 07's guide: one slide must hold them all."""
GUIDE_TITLE = "No method wins everywhere"
REAL_TITLES = ("Study of", "Real")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def people(shift=0.0):
    """Two of the personas with invented lists."""
    found = []
    for number, persona in enumerate(list(load_personas().values())[:2]):
        lists = []
        for place, name in enumerate(("Hybrid", "Content", "Bestsellers")):
            chance = 0.911 - 0.1 * place - shift * (1 + place / 3) - 0.03 * number
            item = Item(f"k{place}", "A <b>title</b> | $x$", "$9", "", DOT, "jeans", "navy", chance)
            stands_for = ["EASE"] if name == "Bestsellers" else []
            lists.append(MethodList(name, [item] * 5, 5 * chance, stands_for))
        titles = persona.history.items["title"]
        history = [(title, shop, DOT) for title, shop in zip(titles, persona.shops, strict=True)]
        agreed = [("A coat", ["Hybrid", "Content"])]
        found.append(PersonaLists(persona, history, lists, agreed))
    return found


def shopper(shift=0.0):
    """A shopper with three liked items and invented lists."""
    liked = [Picture("a title", DOT)] * 3
    lists = {}
    for place, name in enumerate(("Popularity", "Content", "Hybrid")):
        lists[name] = [Picture("a title", DOT, 0.31 + 0.2 * place + shift)] * 5
    return OneShopper(liked, lists)


def deck(shift=0.0, study=None, **settings):
    study = pd.DataFrame() if study is None else study
    return overview.overview_slides(
        made.results(shift, **settings), people(shift), shopper(shift), study
    )


def words_of(slide):
    """All text of a slide and its notes, without pictures."""
    text = "\n".join([block.text for block in slide.blocks] + slide.notes)
    text = re.sub(r"data:image/[^)\s]+", "", text)
    text = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), text)
    return re.sub(r"<[^>]+>", " ", text)


def numbers_of(slide):
    text = words_of(slide)
    for name in NAMED:
        text = text.replace(name, " ")
    return re.findall(r"\d+(?:[.,]\d+)*", text)


def test_the_talk_has_its_arc():
    titles = [words_of(slide).splitlines()[0] for slide in deck(study=made.study())]
    assert "likes 4 things elsewhere" in titles[0] and titles[0].endswith("?")
    assert "simulated" in titles[3] and "real shops" in titles[4]
    assert titles[-1].startswith("## On Monday")
    assert 10 <= len(titles) <= 15


def test_each_footer_says_whose_results_its_slide_shows():
    plain = made.results()
    live = made.results(0.03, shoppers="real").rows.assign(data="groceries")
    rows = pd.concat([plain.rows, live], ignore_index=True)
    both = replace(plain, rows=rows, guide=saved_guide())
    text = overview.deck_of(both, people(), shopper(), made.study())
    footers = {}
    for page_text in text.split("\n---\n")[2:]:
        title = re.search(r"^##? (.+)$", page_text, re.MULTILINE)[1]
        found = re.search(r'<!-- _footer: "(.*)" -->', page_text)
        footers[title] = found[1] if found else ""
    run = "profile made · 4 March 2026"
    for title, footer in footers.items():
        if title.startswith(REAL_TITLES):
            assert footer == f"Real customers · {run}"
        elif title.startswith(GUIDE_TITLE):
            assert footer == f"Simulated shoppers and real customers · {run}"
        elif "simulated" in title:
            assert footer == f"Simulated shoppers · {run}", title
    asked = [footer for title, footer in footers.items() if title.endswith("first&#63;")]
    assert all(footer == run for footer in asked)  # no result yet
    assert sum(title.startswith(REAL_TITLES) for title in footers) == 2
    assert sum(title.startswith(GUIDE_TITLE) for title in footers) == 1


def test_the_method_that_never_lost_is_named():
    """A second method in the study: it gains less on average, but loses nowhere."""
    study = made.study()
    hybrid = study["recommender"] == "Hybrid"
    careful = study[hybrid].assign(recommender="EASE", gain=0.01, gain_low=0.001, gain_high=0.02)
    lost = hybrid & (study["shop"] == "films") & (study["n_history"] == 1)
    study.loc[lost, ["gain", "gain_low", "gain_high"]] = [-0.002, -0.003, -0.001]
    peer = careful.assign(recommender="somebody's EASE")  # not of the course
    both = pd.concat([study, peer, careful], ignore_index=True)
    text = "\n".join(words_of(slide) for slide in deck(study=both))
    assert "EASE was in 4 of these tests: it clearly wins 4 and loses none." in text
    alone = "\n".join(words_of(slide) for slide in deck(study=study))
    assert "loses none" not in alone


@pytest.mark.parametrize("name", ["SeasonalPopularity", "RecentPopularity", "RandomWalk"])
def test_no_count_and_no_part_of_the_blend_is_named_as_the_method_that_never_lost(name):
    """Whatever it wins: `course run` compares no such method, and a count is a floor."""
    study = made.study()
    hybrid = study[study["recommender"] == "Hybrid"]
    other = hybrid.assign(recommender=name, gain=0.3, gain_low=0.2, gain_high=0.4)
    lost = hybrid.assign(gain_high=-0.001)
    assert overview._safest(pd.concat([hybrid, other])) == "Hybrid"
    assert overview._safest(pd.concat([lost, other])) == ""


def test_a_count_of_what_sold_is_a_floor_and_no_rival_of_bestsellers():
    plain = made.results()
    renamed = plain.rows.replace({"recommender": {"Hybrid": "SeasonalPopularity"}})
    saved = replace(plain, rows=renamed, guide=saved_guide("Popularity"))
    assert saved.methods(3)[0] == "SeasonalPopularity"
    assert (choice(saved, 3), best_rival(saved, 3)) == ("Popularity", "TwoTower")


def slide_about(found, words):
    """The slide whose title begins so: what stands on it, and its notes."""
    for slide in found:
        title = words_of(slide).splitlines()[0]
        if title.startswith(f"## {words}"):
            shown = words_of(Slide(slide.blocks, []))
            return " ".join(shown.split()), slide.notes[0]
    raise AssertionError(words)


def test_what_the_real_shops_did_not_show_stands_on_the_slide():
    """Not only in the notes, which nobody in the room can read."""
    study = made.study()
    flat = study["shop"] == "films"
    study.loc[flat, "gain_low"] = -0.001
    swapped = study.replace("Hybrid", "EASE")
    shown, notes = slide_about(deck(study=swapped), "Study of 2 real shops")
    assert "No clear gain in films. Hybrid, our first choice, was not tested here." in shown
    assert "begins with what is missing" in notes
    shown, notes = slide_about(deck(study=made.study()), "Study of 2 real shops")
    assert "No clear gain" not in shown and "was not tested" not in shown
    assert "what is missing" not in notes


def test_a_title_says_whom_the_first_choice_helps():
    assert overview._helped({"Matt": 2.6, "Vivian": 0.0, "Megan": 2.4}) == (
        "Better than bestsellers for Matt and Megan (+2.4 to +2.6 of five), not for Vivian"
    )
    assert overview._helped({"Matt": 0.4}) == "Better than bestsellers for Matt (+0.4 of five)"
    assert overview._helped({"Matt": -0.1}).startswith("Bestsellers serve Matt")


def test_groups_are_praised_only_where_all_intervals_are_above_bestsellers():
    plain = made.results()
    shown, _ = slide_about(deck(), "Hybrid beats bestsellers in every style")
    assert "once we know three liked items" in shown and "not with none" not in shown
    rows = plain.rows.copy()
    nothing = rows["n_history"] == 0  # nobody is ahead
    rows.loc[nothing, ["value", "low", "high"]] = [0.3, 0.29, 0.31]
    parts = overview.overview_slides(replace(plain, rows=rows), [], None, pd.DataFrame())
    shown, _ = slide_about(parts, "Hybrid beats bestsellers in every style")
    assert "three liked items, not with none" in shown
    of_floor = (rows["recommender"] == "Popularity") & (rows["segment"] == "sporty")
    rows.loc[of_floor, "high"] = 0.9
    parts = overview.overview_slides(replace(plain, rows=rows), [], None, pd.DataFrame())
    slide_about(parts, "By style, Hybrid gets")


def test_the_first_item_is_praised_only_where_it_adds_most():
    plain = made.results()
    text = "\n".join(words_of(slide) for slide in deck())
    assert "No later item adds as much" not in text  # each item adds the same
    rows = plain.rows.copy()
    for n in (1, 3):  # less for each step after the first
        later = (rows["metric"] == "precision") & (rows["n_history"] > n)
        rows.loc[later, "value"] -= 0.01
    steep = overview.overview_slides(replace(plain, rows=rows), [], None, pd.DataFrame())
    assert "No later item adds as much" in "\n".join(words_of(slide) for slide in steep)


def test_cost_is_played_down_only_where_it_is_small():
    plain = made.results()
    slow = plain.rows.assign(score_seconds=100.0)
    for found, said in ((plain, True), (replace(plain, rows=slow), False)):
        slides_of = overview.overview_slides(found, [], None, pd.DataFrame())
        text = "\n".join(words_of(slide) for slide in slides_of)
        assert ("Cost does not decide" in text) == said


def test_notes_on_every_slide_say_what_to_say():
    for slide in deck(study=made.study()):
        assert all(len(note.split()) >= 20 for note in slide.notes) and slide.notes, words_of(slide)


def moved_deck(shift, **settings):
    """The whole talk, its real customers included, of a run whose results moved by `shift`."""
    found = made.with_customers(shift, **settings)
    return overview.overview_slides(found, people(shift), shopper(shift), made.study(shift))


def test_no_number_is_typed():
    """Two runs that share no result say other numbers in the same places, but for counts."""
    before = moved_deck(0.0)
    after = moved_deck(0.0617, n_users=962, candidates=704)
    assert len(before) == len(after)
    n_situations = len(advise(made.results(), 3, made.study()))
    counts = {str(n) for n in (*made.LENGTHS, *range(6), n_situations)}  # places, of five
    for old, new in zip(before, after, strict=True):
        pairs = zip(numbers_of(old), numbers_of(new), strict=True)
        typed = [was for was, number in pairs if was == number and was not in counts]
        assert typed == [], words_of(old)


def times(value, text):
    """How often a value stands in a text, with two decimals or three."""
    return text.count(f"{value:.2f} ") + text.count(f"{value:.2f}.") + text.count(f"{value:.3f}")


def test_a_changed_result_is_seen_in_every_place():
    plain = made.results()
    rows = plain.rows[plain.rows["segment"] == "all"].copy()  # groups have results of their own
    asked = (rows["recommender"] == "Hybrid") & (rows["n_history"] == 3)
    asked &= (rows["metric"] == "ndcg") & (rows["segment"] == "all")
    rows.loc[asked, ["value", "low", "high"]] = [0.987, 0.98, 0.99]
    better = results.Results("made", plain.run, rows)
    texts = {}
    for name, found in (("plain", plain), ("better", better)):
        parts = overview.overview_slides(found, [], None, pd.DataFrame())
        texts[name] = "\n".join(words_of(part) for part in parts)
    old = plain.at(3)["value"]["Hybrid"]
    assert times(old, texts["plain"]) >= 3 and times(0.987, texts["plain"]) == 0
    assert times(0.987, texts["better"]) >= 3 and times(old, texts["better"]) == 0


def test_real_customers_are_called_so():
    parts = overview.overview_slides(made.results(shoppers="real"), [], None, pd.DataFrame())
    text = "\n".join(words_of(part) for part in parts)
    assert "real customers" in text and "simulated" not in text
    assert "another shop" in text and "bought" in words_of(parts[1])
    assert "close" not in words_of(parts[0]).splitlines()[0]  # no gap without a ceiling


def test_a_part_of_one_shop_is_not_called_another_shop():
    """Customers of one shop, whose departments or random halves are its platforms."""
    own = made.results(shoppers="real")
    log = asdict(LogFacts("real", "A", "B", "dealt", 0.2))
    run = own.run | {"parameters": {"market": {"log": log}}}
    dealt = results.Results("made", run, own.rows)
    assert (own.place, dealt.place) == ("shop", "platform")
    markdown = overview.deck_of(dealt, [], None, made.study())
    assert "another platform" in markdown
    assert not re.search("another shop|other shops|elsewhere and|from one drawn", markdown)
    assert "The next slide asks the same of real customers" not in markdown


def test_where_no_pictures_are_read_no_method_is_said_to_use_them():
    own = made.results(shoppers="real")
    told = {}
    for vectors in ("looks", "words"):
        log = asdict(LogFacts("real", "A", "B", "dealt", 0.2, vectors=vectors))
        run = own.run | {"parameters": {"market": {"log": log}}}
        told[vectors] = results.Results("made", run, own.rows)
    assert told["looks"].reads_pictures and not told["words"].reads_pictures
    for vectors, is_said in (("looks", True), ("words", False)):
        markdown = overview.deck_of(told[vectors], [], None, made.study())
        assert ("pictures and words" in markdown) == is_said


def test_a_history_of_one_item_is_told_as_one():
    one = made.results(shoppers="real")
    rows = one.rows[one.rows["n_history"].isin([0, 1]) | one.rows["n_history"].isna()]
    short = results.Results("made", one.run, rows)
    told = overview.deck_of(short, [], None, made.study()) + index.takeaway(short)
    told += " ".join(index.key_numbers("made", short).values())
    assert "1 liked item" in told
    assert not re.search(r"\b1 (liked |known )?items", told)


def test_a_first_item_that_adds_nothing_is_not_asked_for_as_a_gain():
    one = made.results(shoppers="real")
    is_flat = (one.rows["metric"] == "precision") & one.rows["n_history"].isin([0, 1])
    rows = one.rows.assign(value=one.rows["value"].mask(is_flat, 0.3))
    flat = results.Results("made", one.run, rows)
    assert overview._next_title(flat).startswith("On Monday, ask newcomers what they like")
    assert overview._first_item_words(flat) == "With one known item, no list is better here."
    assert "more bought items of five" in overview._next_title(one)


def test_where_nothing_beats_bestsellers_the_talk_and_the_index_say_so():
    """Bestsellers are not compared with themselves, nor called by another name."""
    swapped = {"Popularity": "TwoTower", "TwoTower": "Popularity"}
    rows = made.results(shoppers="real").rows
    rows = rows[~rows["recommender"].isin(["Hybrid", "Random"])]
    floor = results.Results("made", made.results().run, rows.replace({"recommender": swapped}))
    assert choice(floor, 3) == "Popularity"
    assert best_rival(floor, 3) == "Taste"
    markdown = overview.deck_of(floor, [], None, made.study())
    assert "no method clearly beats bestsellers" in markdown
    assert "keep the bestsellers" in markdown
    assert not re.search("Popularity (gets|ranks with|is the method)|Of five items, Pop", markdown)
    assert "no method clearly beats bestsellers" in index.takeaway(floor)
    assert "Ship bestsellers" in index.key_numbers("made", floor)["07"]


@pytest.mark.parametrize(("best", "said"), [("Hybrid", "it gains most"), ("Taste", "Hybrid gains")])
def test_what_the_real_shops_name_is_read_from_the_study(best, said):
    study = pd.concat([made.study(), made.study(-0.05).replace("Hybrid", "Taste")])
    assert said in overview._tested_elsewhere(study, best)


def test_live_rows_of_real_customers_stand_beside_simulated_ones():
    plain = made.results()
    live = made.results(0.03, shoppers="real").rows.assign(data="groceries")
    both = results.Results("made", plain.run, pd.concat([plain.rows, live], ignore_index=True))
    assert both.shoppers == "simulated" and len(both.live)
    titles = [words_of(part).splitlines()[0] for part in deck()]
    assert any("Real customers were not examined" in title for title in titles)
    parts = overview.overview_slides(both, [], None, pd.DataFrame())
    assert any("groceries" in words_of(part).splitlines()[0] for part in parts)


def live_slide(paired):
    """What the slide on real customers says where each method's own interval is wide."""
    found = made.with_customers()
    rows = found.rows.assign(low=found.rows["value"] - 0.4, high=found.rows["value"] + 0.4)
    found = replace(found, rows=rows, paired=paired)
    (slide,) = overview._real(found, pd.DataFrame())
    return words_of(slide)


def test_a_gain_of_real_customers_is_judged_by_their_paired_differences():
    """The methods' own intervals overlap. They hold what makes customers differ, too."""
    paired = made.gains()
    text = live_slide(paired)
    title = "## Real groceries: with 3 items, Hybrid beats bestsellers by 0.052 NDCG@10"
    assert text.splitlines()[0] == title
    assert "(+0.033 to +0.071)" in text and "corrected p = 0.024" in text
    unsure = [{**row, "low": -0.001} for row in paired]
    text = live_slide(unsure)
    assert "no method clearly beats bestsellers" in text.splitlines()[0]
    assert "more than luck explains" not in text.replace("not more than luck explains", "")
    picked = [{**row, "p_holm": 0.06} for row in paired]  # one of many, picked after the fact
    assert "no method clearly beats" in live_slide(picked)


def test_slide_and_notes_say_where_the_study_has_the_same_method_below_bestsellers():
    study = made.study().replace({"shop": {"films": "groceries"}})
    hybrid = (study["shop"] == "groceries") & (study["recommender"] == "Hybrid")
    assert overview._against(study, "groceries", "Hybrid", 3) == ""
    study.loc[hybrid, ["gain", "gain_low", "gain_high"]] = [-0.031, -0.042, -0.021]
    shown, notes = slide_about(overview._real(made.with_customers(), study), "Real groceries")
    assert "but not in the study" in shown and "In the study: -0.031 (-0.042 to -0.021)." in shown
    assert "Hybrid is below bestsellers for groceries with three known items, by 0.031" in notes
    assert overview._against(study, "groceries", "Hybrid", 10) == ""  # not of this length


def test_real_shops_that_know_only_purchases_have_an_answer_of_their_own():
    study = made.study()
    saved = replace(made.results(), guide=saved_guide())
    found = advise(saved, 3, study)
    told = next(one for one in found if one.has == "gift shop, purchases (real)")
    assert (told.ship, told.question, told.shoppers) == ("Hybrid", PURCHASES, "real")
    assert len(found) == len(advise(saved, 3)) + 1
    assert len(advise(made.results(shoppers="real"), 3, study)) == len(
        advise(made.results(shoppers="real"), 3)
    )
    slides_of = overview.overview_slides(saved, [], None, study)
    shown, notes = slide_about(slides_of, GUIDE_TITLE)
    assert "the simplest method that the best one does not clearly beat" in shown
    assert "Chapter 07’s guide has 3 of these 5 situations." in notes
    assert "Being wrong costs most with three known items: 2.0 fewer liked" in notes
    assert "The box “gift shop, purchases” is from the study of real shops" in notes
    assert "Hybrid gains most on average. It clearly beats bestsellers in 2 of 2 tests." in notes
    flat = study.assign(gain_low=-0.1)
    _, notes = slide_about(overview.overview_slides(saved, [], None, flat), GUIDE_TITLE)
    assert "Chapter 07’s guide has 3 of these 4 situations." in notes and "gift shop" not in notes
    assert advise(saved, 3, flat) == advise(saved, 3)  # no row where nothing is clearly gained


def of_own_customers(rows):
    """Invented results in which known customers have these values and intervals."""
    plain = made.results()
    first = plain.rows[plain.rows["split"] == "warm"].iloc[0]
    warm = [{**first, "recommender": name, **told} for name, told in rows.items()]
    others = plain.rows[plain.rows["split"] != "warm"]
    return replace(plain, rows=pd.concat([others, pd.DataFrame(warm)], ignore_index=True))


def test_a_simpler_method_for_known_customers_is_said_to_be_level():
    ends = {"low": 0.103, "high": 0.127}
    rows = {"TwoTower": {"value": 0.115, **ends}}
    rows["Hybrid"] = {"value": 0.1265, "low": 0.113, "high": 0.14}
    rows["MatrixCompletion-content"] = {"value": 0.042, "low": 0.03, "high": 0.05}
    found = of_own_customers(rows)
    assert list(found.warm.index) == ["TwoTower", "Hybrid", "MatrixCompletion"]  # as elsewhere
    told = words_of(overview._good_at(found))
    assert "TwoTower (0.103 to 0.127) is level with Hybrid (0.113 to 0.140) and simpler" in told
    rows["TwoTower"]["high"] = 0.12
    assert "level" not in words_of(overview._good_at(of_own_customers(rows)))


def test_the_talk_begins_with_whom_most_pictures_are_known_of():
    first, second = people()
    words = [(title, shop, "") for title, shop, _ in first.history]
    unseen = replace(first, history=words)
    assert overview._most_pictured_first([first, second]) == [first, second]
    assert overview._most_pictured_first([unseen, second]) == [second, unseen]


def test_the_number_of_bestsellers_stands_beside_the_method():
    """So that whoever reads the title's difference can check it."""
    ours, theirs = MethodList("Taste", [], 3.31), MethodList("Bestsellers", [], 3.29)
    assert overview._chosen_words(ours, theirs) == "Taste 3.3, bestsellers 3.3"
    assert overview._chosen_words(replace(ours, liked=None), theirs) == "Taste"


def test_a_method_has_one_color_in_all_figures():
    found = made.results()
    rows = found.headline(segment=None)
    rows = rows[rows["n_history"] == 3]
    figure = by_group(rows, ["Taste", "Content", "Popularity"], "style", "Taste", overview.PEOPLE)
    colors = {}
    for bars in figure.axes[0].containers:
        colors[bars.get_label()] = bars.lines[0].get_color()
    lines = cold_start(found.headline(), "items", "Taste", overview.PEOPLE).axes[0].get_lines()
    drawn = {line.get_color() for line in lines}
    assert colors["Taste"] == LEADER != colors["Content"] and set(colors.values()) <= drawn


def test_the_clear_gain_is_told_where_a_larger_one_may_be_luck():
    paired = made.gains()
    for row in paired:
        if row["recommender"] == "Hybrid":
            row["low"] = -0.01
        if row["recommender"] == "ItemKNN":
            row["low"] = 0.001
    assert "ItemKNN beats bestsellers" in live_slide(paired)


def test_methods_that_clearly_lose_are_counted():
    paired = made.gains()
    assert "0 of 3 methods clearly lose" in live_slide(paired)
    behind = [{**row, "high": -0.001, "low": -0.2} for row in paired if row["n_history"] == 3]
    others = [row for row in paired if row["n_history"] != 3]
    assert "3 of 3 methods clearly lose" in live_slide([*behind, *others])


def test_a_run_without_paired_gains_claims_none():
    text = live_slide([])
    title = text.splitlines()[0]
    assert "clear" not in title and "beats" not in title
    assert "Run chapter 07 again" in text


def test_the_simplest_method_of_equals_is_shipped():
    rows = pd.DataFrame(
        {"value": [0.50, 0.499, 0.3], "high": [0.52, 0.51, 0.31]},
        index=["Hybrid", "Content", "Popularity"],
    )
    assert simplest_of_best(rows) == "Content"
    rows.loc["Content"] = [0.47, 0.49]
    assert simplest_of_best(rows) == "Hybrid"


def test_advice_covers_each_length_and_says_what_being_wrong_costs():
    found = advise(made.results(), 3)
    assert [one.has for one in found][:4] == [
        "no history",
        "one known item",
        "three known items",
        "ten known items",
    ]
    assert found[2].ship == choice(made.results(), 3) == "Hybrid"
    five = 5 * made.results().at(3, "precision", 5)["value"]
    assert found[2].cost == pytest.approx(five["Hybrid"] - five["Popularity"])
    assert found[-1].price.endswith("NDCG@10 with bestsellers")


def words_in(figure):
    """All that is written in a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_the_flowchart_holds_every_situation_and_its_price():
    saved = replace(made.results(), guide=saved_guide())
    found = advise(saved, 3)
    written = words_in(flowchart(found))
    for one in found:
        assert one.has.removesuffix(" (real)") in written.replace("\n", " ")
        assert called(one.ship) in written
    assert "3.5 of five liked" in written and "3.5 of five bought" in written
    assert "−2.0 with bestsellers" in written and "the usual choice" in written
    known = found[-1]
    assert f"NDCG@10 −{known.cost:.2f} with" in written
    assert {one.question for one in found} == {OWN_HISTORY, PURCHASES, KNOWN_ITEMS}
    assert SPECIAL not in written.replace("\n", " ")  # a question without a situation


def test_every_number_of_the_flowchart_is_computed():
    plain = made.results()
    before = numbers_in(flowchart(advise(plain, 3)))
    after = numbers_in(flowchart(advise(made.results(0.0617), 3)))
    assert len(before) == len(after) > 5
    assert not [one for one, other in zip(before, after, strict=True) if one == other]


def numbers_in(figure):
    return re.findall(r"\d+\.\d+", words_in(figure))


def saved_guide(ship="Taste", liked_items=3.5):
    """A guide as chapter 07 saves it: two situations of this log, one of real customers."""
    few = pd.DataFrame({"Popularity": [0.1] * 9, ship: [0.3] * 9})
    liked = pd.Series({"Popularity": 1.5, ship: liked_items})
    situations = [
        Situation("three known items", "simulated", few, liked),
        Situation("no history", "simulated", few[["Popularity"]], liked[["Popularity"]]),
        Situation("groceries, one known item", "real", few, liked),
    ]
    return as_records(guide(situations))


def whole_guide():
    """All situations of chapter 07."""
    rows = []
    for has in SITUATIONS:
        row = saved_guide()[2 if has.startswith("groceries") else 0]
        rows.append({**row, "you have": has})
    return rows


def test_a_saved_guide_decides_instead_of_the_intervals():
    plain = made.results()
    saved = replace(plain, guide=saved_guide())
    assert (choice(plain, 3), choice(saved, 3)) == ("Hybrid", "Taste")
    assert choice(saved, 10) == choice(plain, 10)  # a length that the guide doesn't name
    few, none, real, known = advise(saved, 3)
    assert (few.ship, few.liked, few.wrong, few.cost) == ("Taste", 3.5, "Popularity", 2.0)
    assert few.price == "2.0 fewer liked with bestsellers"
    assert (none.ship, none.cost, none.price) == ("Popularity", 0.0, NO_COST)
    assert real.has == "groceries, one known item (real)"
    assert known.has == "a history in our own shop"


def test_a_saved_guide_names_a_method_as_the_results_do():
    saved = replace(made.results(), guide=saved_guide("MatrixCompletion-content"))
    assert advise(saved, 3)[0].ship == "MatrixCompletion"
    assert choice(saved, 3) == "Hybrid"  # these results lack the method


def test_the_guide_is_read_from_beside_the_results(tmp_path, monkeypatch):
    plain = made.results()
    document = {"run": plain.run, "results": plain.rows.to_dict("records")}
    (tmp_path / "metrics.json").write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr(results, "reports_dir", lambda profile: tmp_path)
    assert results.load_results("made").guide == []
    (tmp_path / "guide.json").write_text(json.dumps(saved_guide()), encoding="utf-8")
    assert results.load_results("made").guide == saved_guide()


def test_the_study_of_real_shops_is_read_without_its_control(tmp_path):
    rows = made.study().assign(exam="across 20 %", control=False)
    other = rows.assign(exam="in-shop")
    control = rows.assign(control=True, value=9.0)
    pd.concat([control, other, rows]).to_csv(tmp_path / "real.csv", index=False)
    found = results.real_study(tmp_path / "real.csv")
    assert len(found) == len(rows) and found["value"].max() < 1
    assert results.real_study(tmp_path / "none.csv").empty


def shown_texts(figure):
    """All that can be read on a figure of one axis; ticks beyond its ends are not drawn."""
    (axis,) = figure.axes
    found = [*axis.texts, axis.xaxis.label, axis.yaxis.label]
    for legend in figure.legends:
        found += legend.get_texts()
    for side, ends in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
        for tick in side.get_major_ticks():
            if ends[0] <= tick.get_loc() <= ends[1]:
                found.append(tick.label1)
    return found


def overlapping(figure):
    """Pairs of texts of which one covers the other."""
    figure.canvas.draw()
    boxes = {}
    for text in shown_texts(figure):
        words = Text.get_window_extent(text)  # without the line to what it names
        boxes[text] = words.shrunk(1, 0.8)  # letters leave some of their height
    pairs = []
    for one, other in itertools.combinations(boxes, 2):
        if boxes[one].overlaps(boxes[other]):
            pairs.append((one.get_text(), other.get_text()))
    return pairs


@pytest.mark.parametrize("spread", [1.0, 0.02], ids=["apart", "nearly equal"])
def test_names_of_lines_cover_nothing_and_axes_are_titled(spread):
    """Nearly equal lines are the hard case: their names have to leave the lines' ends."""
    gains = made.with_customers().gains
    more = [gains.assign(recommender=f"Method {n}", difference=0.001 * n) for n in range(8)]
    gains = pd.concat([gains, *more], ignore_index=True)
    for column in ("difference", "low", "high"):
        gains[column] *= spread
    figure = paired_gains(gains, "items bought", "Hybrid", overview.PEOPLE)
    assert overlapping(figure) == []
    (axis,) = figure.axes
    assert axis.get_xlabel() == "items bought" and "bestsellers" in axis.get_ylabel()
    names = {text.get_text() for text in axis.texts}
    assert {"Hybrid", "bestsellers", "Method 7"} <= names
    crowded = paired_gains(gains, "items bought", "Hybrid", overview.PEOPLE)
    crowded.axes[0].texts[0].set_position(crowded.axes[0].texts[1].get_position())
    assert overlapping(crowded)  # the measurement itself


def test_a_name_that_left_its_line_is_led_back_to_it():
    rows = made.results().headline()
    figure = cold_start(rows, "items", "Hybrid", overview.PEOPLE)
    leaders = [text for text in figure.axes[0].texts if text.arrow_patch is not None]
    for text in leaders:
        assert text.arrow_patch.get_linewidth() < 1 and text.xy[1] != text.xyann[1]
    flat = rows.assign(value=0.5, low=0.49, high=0.51)
    figure = cold_start(flat, "items", "Hybrid", overview.PEOPLE)
    crowd = [text for text in figure.axes[0].texts if text.arrow_patch is not None]
    assert len(crowd) >= len(figure.axes[0].texts) - 1


@pytest.mark.parametrize(
    "draw", [cold_start, liked_of_five, flowchart, milliseconds, paired_gains, by_group, gains]
)
def test_the_letters_of_a_figure_can_be_read_from_the_back(draw):
    found = made.results()
    if draw is cold_start:
        figure = cold_start(found.headline(), "items", "Hybrid", overview.PEOPLE)
    elif draw is flowchart:
        figure = flowchart(advise(replace(found, guide=whole_guide()), 3))
    elif draw is paired_gains:
        figure = paired_gains(made.with_customers().gains, "items", "Hybrid", overview.PEOPLE)
    elif draw is gains:
        figure = gains(made.study(), "Hybrid", "Hybrid", overview.PEOPLE)
    elif draw is by_group:
        rows = found.headline(segment=None)
        figure = by_group(
            rows[rows["n_history"] == 3],
            ["Hybrid", "Popularity"],
            "style",
            "Hybrid",
            overview.PEOPLE,
        )
    elif draw is milliseconds:
        figure = milliseconds(found.at(3)["score_seconds"], "Hybrid", overview.PEOPLE)
    else:
        figure = liked_of_five(found.at(3, "precision", 5), "Hybrid", overview.PEOPLE)
    figure.canvas.draw()
    width, height = figure.get_size_inches()
    pixels_per_point = min(SLIDE_WIDTH / width, SLIDE_HEIGHT / height) / 72
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert len(texts) > 10
    assert min(text.get_fontsize() * pixels_per_point for text in texts) >= LEAST_LABEL


@pytest.mark.browser
@needs_browser[1]
@pytest.mark.skipif(
    slides.find_marp() is None, reason="marp-cli is not installed: run make install"
)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_talk_in_a_browser(tmp_path, dark):
    found = replace(made.with_customers(), guide=whole_guide())
    text = overview.deck_of(found, people(), shopper(), made.study(), dark)
    assert slides.render_decks({}, tmp_path, ["html"], written={"overview": text}) == ""
    with page(tmp_path / "overview.html") as tab:
        tab.emulate_media(media="print")
        tab.wait_for_timeout(300)
        assert tab.evaluate(BROKEN) == tab.evaluate(OVERFLOWING) == tab.evaluate(CUT_TABLES) == []
        assert tab.evaluate(SMALL_TEXT) == tab.evaluate(LOW_CONTRAST) == tab.refused == []
        filled = tab.evaluate(FILL)
        assert len(filled) > 7 and all(one["share"] >= 0.6 for one in filled), filled


@pytest.mark.browser
@needs_browser[1]
@pytest.mark.skipif(
    slides.find_marp() is None, reason="marp-cli is not installed: run make install"
)
def test_a_deck_that_cannot_be_read_is_noticed(tmp_path):
    """The measurements themselves: each finds what it is for."""
    bad = overview.deck_of(made.results(), [], None, pd.DataFrame())
    bad += '\n---\n\n<!-- style: "section p {font-size: 15px; color: #c8c8c8}" -->\n\nfaint'
    bad += f"\n\n---\n\n## Small\n\n![w:300]({DOT})\n\n" + "words\n\n" * 14
    slides.render_decks({}, tmp_path, ["html"], written={"bad": bad})
    with page(tmp_path / "bad.html") as tab:
        tab.emulate_media(media="print")
        tab.wait_for_timeout(300)
        assert tab.evaluate(SMALL_TEXT) and tab.evaluate(LOW_CONTRAST)
        assert min(one["share"] for one in tab.evaluate(FILL)) < 0.6
