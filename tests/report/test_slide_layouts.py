"""What shares a slide, what the presenter says instead, and what a title slide tells."""

import re

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.report.blocks import WIDEST_ROW, Block, code, markdown_blocks, picture, table
from helpers.report.front import front_of
from helpers.report.layouts import Slide, classes_of, deck_markdown, markdown_of, split_slide
from helpers.report.marp import MarpExporter

DOT = picture("image/png", "QUJD")


def slide(*blocks, layouts=()):
    made = []
    for block in blocks:
        made += markdown_blocks(block) if isinstance(block, str) else [block]
    return Slide(made, ["what to say"], set(layouts))


def shown(part):
    return "\n".join(block.text for block in part.blocks)


def classes(*blocks):
    return set(classes_of(slide(*blocks), dark=False))


def test_little_prose_gets_letters_that_fill_its_slide():
    few = "One sentence of a few words. " * 4
    assert {"roomy", "sparse"} <= classes("## Title", few)
    assert "sparse" not in classes("## Title", few * 5)
    listed = "\n".join(f"- point {n}" for n in range(5))
    assert "sparse" not in classes("## Title", listed)  # whose spaces would not fit
    assert "sparse" not in classes("## Title", DOT, few)


def test_a_figure_keeps_one_caption_and_the_rest_is_said():
    (part,) = split_slide(slide("## Title", "An introduction.", DOT, "*The caption.*", "More."))
    assert "*The caption.*" in shown(part)
    assert "introduction" not in shown(part) and "More." not in shown(part)
    assert part.notes == ["what to say", "An introduction.", "More."]


def test_a_long_caption_is_cut_at_a_sentence():
    first = "The first sentence has some forty letters."
    rest = "The second goes on for very long. " * 6
    (part,) = split_slide(slide("## Title", DOT, f"*{first} {rest.strip()}*"))
    caption = part.blocks[-1].text
    assert caption.startswith(f"*{first}") and caption.endswith(".*") and len(caption) < 180
    assert part.notes[-1].endswith("The second goes on for very long.")


def test_notes_are_one_text_without_marks():
    """A presenter view shows them as they are: a lone asterisk would be read aloud."""
    (part,) = split_slide(slide("## Title", DOT, "*The caption.*", "More, with $k=200$ and *all*."))
    text = markdown_of(part, dark=False)
    assert text.count("Notes.") == 1 and "More, with k=200 and all." in text


def test_formulas_lists_and_code_never_share_a_slide_with_a_figure():
    parts = split_slide(
        slide("## Title", "$$a = b$$", DOT, "- one\n- two", code("a = 1", "python"))
    )
    assert ["$$" in shown(part) for part in parts] == [True, False, False]
    assert ["![](" in shown(part) for part in parts] == [False, True, False]
    assert all(shown(part).startswith("## Title") for part in parts)


def test_a_short_formula_stands_beside_a_table():
    rows = "| a | b |\n|---|---|\n| 1 | 2 |"
    (part,) = split_slide(slide("## Title", rows, "So it is:", "$$a = b$$"))
    assert "$$" in shown(part) and "So it is:" in shown(part)
    long = "$$" + r"a \\\\ b \\\\ c" + "$$"
    assert len(split_slide(slide("## Title", rows, long))) == 2


def test_columns_hold_text_beside_a_figure():
    (part,) = split_slide(slide("## Title", "- one\n- two", DOT, layouts=["columns"]))
    assert "- one" in shown(part) and "![](" in shown(part)


@pytest.mark.parametrize(
    "blocks, wanted",
    [
        (["## Title", DOT], "figure"),
        (["## Title", "| a | b |\n|---|---|\n| 1 | 2 |"], "table"),
        (["## Title"], "section"),
        (["## Title", "> Words of somebody."], "quote"),
        (["## Title", "A few words."], "roomy"),
        (["## Title", "Words.", "$$a = b$$"], "formula"),
    ],
)
def test_the_layout_follows_from_what_a_slide_holds(blocks, wanted):
    text = deck_markdown([slide(*blocks)], "T")
    classes = text.split("_class: ")[1].split(" -->")[0].split()
    assert wanted in classes
    dark = deck_markdown([slide(*blocks)], "T", dark=True)
    assert {"dark", "invert", wanted} <= set(dark.split("_class: ")[1].split(" -->")[0].split())


def test_a_wide_table_is_cut_and_says_so():
    columns = {f"a column {n}": ["some words of a product's title " * 3] for n in range(9)}
    text = table(pd.DataFrame(columns).to_html(index=False)).text
    assert "more in the report" in text and "…" in text
    row = text.split("<tbody>")[1].split("</tr>")[0]
    assert row.count("<td") < 9
    cells = [cell.split("<")[0] for cell in row.split('">')[1:]]
    assert sum(len(cell) for cell in cells) <= WIDEST_ROW


def test_a_table_that_fits_is_left_alone():
    frame = pd.DataFrame({"method": ["ItemKNN"], "NDCG@10": [0.5]})
    assert "more" not in table(frame.to_html(index=False)).text


def test_a_column_that_only_counts_rows_is_left_out():
    frame = pd.DataFrame({"method": ["a", "b"]})
    assert '<td class="numbers">' not in table(frame.to_html()).text
    named = frame.rename_axis("place")
    assert '<td class="numbers">' in table(named.to_html()).text


def executed(profile, parameters=None, tags=(), title="# 05 · A title"):
    notebook = new_notebook(cells=[new_markdown_cell(title)])
    notebook.cells += [new_code_cell(metadata={"tags": [tag]}) for tag in tags]
    run = {"parameters": {"profile": profile, **(parameters or {})}}
    run["end_time"] = "2026-03-04T05:06:07+00:00"
    notebook.metadata["papermill"] = run
    return notebook


def test_the_title_slide_names_the_run(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    notebook = executed("mine", {"rank": 9, "note": "a --> b"}, ["real-only"])
    text, _ = MarpExporter().from_notebook_node(notebook)
    first = text.split("---\n", 2)[2]
    assert "# 05 · A title" in first
    assert "Real customers · profile mine · 4 March 2026" in first
    assert "rank &#61; 9" in first and "a --> b" not in first.split("<!--\nNotes")[0]
    assert '"profile mine · 4 March 2026"' in text.split("---\n")[1]  # the other slides' footer


def test_a_footer_says_whose_results_its_slide_shows():
    notebook = executed("other", tags=["simulated-only"])
    for title, tags in (
        ("Toy", []),
        ("Ours", ["shows-shoppers"]),
        ("Theirs", ["shows-real"]),
        ("Both", ["shows-shoppers", "shows-real"]),
    ):
        slide = {"slideshow": {"slide_type": "slide"}, "tags": tags}
        notebook.cells.append(new_markdown_cell(f"## {title}", metadata=slide))
    text, _ = MarpExporter().from_notebook_node(notebook)
    footers = re.findall(r'_footer: "(.*?) · profile other.*" -->', text)
    assert footers == [
        "Simulated shoppers",
        "Real customers",
        "Simulated shoppers and real customers",
    ]
    text, _ = MarpExporter(footer="Mine").from_notebook_node(notebook)
    assert "_footer" not in text and 'footer: "Mine"' in text


def test_whose_shoppers_is_what_chapter_02_left(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    (tmp_path / "mine").mkdir()
    facts = '{"shoppers": "real", "source": "A", "target": "B"}'
    (tmp_path / "mine" / "interactions.json").write_text(facts)
    assert front_of(executed("mine", tags=["simulated-only"]), "T").shoppers == "real"
    assert front_of(executed("other", tags=["simulated-only"]), "T").shoppers == "simulated"


def test_the_usual_profile_is_no_parameter_worth_telling(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert front_of(executed("sample"), "T").given == {}
    stored = nbformat.v4.new_notebook(
        cells=[new_code_cell('profile: str = "photos"  # which', metadata={"tags": ["parameters"]})]
    )
    assert front_of(stored, "T").profile == "photos"


def test_what_a_reader_will_learn_stays_in_the_report():
    notebook = new_notebook(
        cells=[
            new_markdown_cell(
                "# Five\n\nAfter this you will\n\n- be able",
                metadata={"slideshow": {"slide_type": "slide"}},
            )
        ]
    )
    text, _ = MarpExporter().from_notebook_node(notebook)
    assert "# Five" in text and "be able" not in text


def test_a_list_takes_the_same_room_however_its_source_is_wrapped():
    long = "- Compare with the *untrained* network before you say that training helps anyone else."
    first, _, rest = long.rpartition(" that ")
    (whole,) = markdown_blocks(f"{long}\n- another")
    (wrapped,) = markdown_blocks(f"{first}\n  that {rest}\n- another")
    assert wrapped.lines == whole.lines


def test_a_block_says_whether_it_can_be_said():
    assert [block.is_prose for block in markdown_blocks("words\n\n- a\n\n> q\n\n$$x$$")] == [
        True,
        False,
        False,
        False,
    ]
    assert not Block("# a", 1.0).is_prose
