"""The table of symbols: each is used where the table says, and no formula has one that it lacks."""

import re
from functools import cache

import nbformat
import pytest

from helpers.artefacts import CHAPTERS, ROOT

NOTATION = ROOT / "notebooks" / "notation.md"
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$]+?)\$", re.DOTALL)
DISPLAYED = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
ROW = re.compile(r"^\| (?P<symbols>\$.+?) \| (?P<meaning>.+) \| (?P<chapters>\[\d\d\].*) \|$", re.M)
CODE = re.compile(r"`[^`]*`")
TOKEN = re.compile(
    r"\\(?:text|mathrm)\{[^{}]*\}"  # words
    r"|\\(?:begin|end)\{[^{}]*\}"
    r"|\\[a-zA-Z]+|\\.|[^\s]"
)
GREEK = (
    "alpha beta gamma delta varepsilon epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma "
    "tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell"
).split()
SPACES = (r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad", r"\qquad")
SIZES = (r"\bigl", r"\bigr", r"\Bigl", r"\Bigr", r"\Big", r"\left", r"\right")
ALIKE = {r"\lvert": "|", r"\rvert": "|", r"\lVert": r"\|", r"\rVert": r"\|"}
# A row stands for all symbols of its form: the length of any vector, an estimate of anything.
FORMS = {r"\lVert z \rVert": [r"\|"], r"\lvert A \rvert": ["|"], r"\hat r": [r"\hat"]}


def markdown(chapter: str) -> list[str]:
    path = ROOT / "notebooks" / f"{CHAPTERS[chapter]}.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    return [CODE.sub("", cell.source) for cell in cells if cell.cell_type == "markdown"]


def tokens(formula: str) -> list[str]:
    """The parts of a formula, such that two ways to set it are alike."""
    found = []
    for token in TOKEN.findall(formula):
        if token not in SPACES + SIZES:
            found.append(ALIKE.get(token, token.replace(r"\mathrm", r"\text")))
    return found


@cache
def formulas(chapter: str) -> list[list[str]]:
    found = []
    for text in markdown(chapter):
        found += [tokens(displayed or inline) for displayed, inline in FORMULA.findall(text)]
    return found


def letters(formula: str) -> set[str]:
    """The letters of a formula, without its words."""
    found = set()
    for token in tokens(formula):
        if token.lstrip("\\") in GREEK or (len(token) == 1 and token.isalpha()):
            found.add(token)
    return found


def rows() -> list[tuple[list[str], set[str]]]:
    """The symbols of each row, and the chapters where they are used."""
    text = NOTATION.read_text(encoding="utf-8").split("## Shops, shoppers")[0]
    found = []
    for row in ROW.finditer(text):
        symbols = re.findall(r"\$([^$]+)\$", row["symbols"])
        chapters = set(re.findall(r"\[(\d\d)\]", row["chapters"]))
        found.append((symbols, chapters))
    return found


def is_used(symbol: str, chapter: str) -> bool:
    wanted = FORMS.get(symbol, tokens(symbol))
    n = len(wanted)
    for formula in formulas(chapter):
        starts = range(len(formula) - n + 1)
        if any(formula[start : start + n] == wanted for start in starts):
            return True
    return False


def test_the_table_is_read():
    assert len(rows()) > 60


def test_every_symbol_is_used_where_the_table_says():
    missing = []
    for symbols, chapters in rows():
        for symbol in symbols:
            missing += [(symbol, chapter) for chapter in chapters if not is_used(symbol, chapter)]
    assert missing == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_letter_of_a_displayed_formula_is_in_the_table(chapter):
    listed = set()
    for symbols, chapters in rows():
        if chapter in chapters:
            listed |= set().union(*map(letters, symbols))
    unlisted = {}
    for text in markdown(chapter):
        for formula in DISPLAYED.findall(text):
            if letters(formula) - listed:
                unlisted[formula] = sorted(letters(formula) - listed)
    assert unlisted == {}
