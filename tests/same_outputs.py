"""How nbval decides whether a notebook's fresh outputs are the stored ones.

Words must be equal, line by line; spaces within a line don't count. Numbers may differ by one unit
of the last digit that is printed: 0.43 passes for 0.44, but not for 0.45. Where the two print
different numbers of decimals, the finer one counts. Whole numbers are counts and must be equal;
only before a % may they differ by one. NaN and inf are words. HTML tables are compared in the same
way, and their tags must be equal. Of a picture we only check that there is one. Where an output has
HTML, its plain twin is not compared.

A cell's metadata may say more, beside its `tags`:

`"rtol": 0.03`
    For trained results. Each number of the cell, counts too, may differ by this share of the stored
    one. At most 0.1: whoever needs more should print fewer digits.
`"any_order": true`
    Rows of tables, or printed lines, may come in another order. Each must find its own partner.
`"timing_columns": ["seconds", "MB"]`
    Numbers below these headings of a table are not compared. Words and all other columns are.
`"timing_rows": ["images per second"]`
    Numbers in table rows with this heading, or in printed lines that begin with it, are not
    compared.

The names given must occur in the output. No tag exempts a cell as a whole: `tests/test_house.py`
refuses those.

pytest-doctestplus also compares numbers. It has a single tolerance, though, which doesn't follow
the printed digits, and it reads no `1,234`, no `43 %`, no `−0.3` (Unicode minus), and no HTML. So
the comparison is our own.
"""

import difflib
import html
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bs4 import BeautifulSoup, Tag
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

LARGEST_RTOL = 0.1
KEYS = ("rtol", "any_order", "timing_columns", "timing_rows")
LIKE_OURS = re.compile(r"[ar]tol|tol|any|timing")
SHOWN = 8  # differences that a report names

NUMBER = re.compile(
    r"""(?<![\w.])                                    # not within a word (x86) or a version (2.4.6)
        (?P<sign>(?<![)\]%])[-+−])?                   # after a bracket it is an operator
        (?P<digits>\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))
        (?:\.(?P<decimals>\d+))?
        (?:[eE](?P<exponent>[-+]?\d+)(?!\w))?
        (?!\.?\d)
        (?=(?P<percent>[\s\u00a0\u202f]?%)?)""",
    re.VERBOSE,
)
TAG = re.compile(r"(<[^>]*>)")
BETWEEN_ROWS = re.compile(r"\n|(?=<tr\b)|(?<=</tr>)")
EMBEDDED = re.compile(r"data:image/[^\"')\s]+")
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


@dataclass(frozen=True)
class Rules:
    """What a cell's metadata says about the comparison; see the module's docstring."""

    rtol: float = 0.0
    any_order: bool = False
    timing_columns: tuple[str, ...] = ()
    timing_rows: tuple[str, ...] = ()

    @classmethod
    def of(cls, metadata) -> "Rules":
        """Read a cell's metadata.

        Raises
        ------
        ValueError
            If a value is out of range or of the wrong type, or if a key looks like ours but isn't.
        """
        for key in metadata:
            if key not in KEYS and LIKE_OURS.match(key):
                choices = ", ".join(KEYS)
                raise ValueError(f"cell metadata {key!r} is unknown; choose from: {choices}")
        rtol = metadata.get("rtol", 0.0)
        if not isinstance(rtol, int | float) or not 0 <= rtol <= LARGEST_RTOL:
            message = (
                f"rtol {rtol!r} is not between 0 and {LARGEST_RTOL}; print fewer digits instead"
            )
            raise ValueError(message)
        any_order = metadata.get("any_order", False)
        if not isinstance(any_order, bool):
            raise ValueError(f"any_order {any_order!r} is neither true nor false")
        return cls(
            rtol=float(rtol),
            any_order=any_order,
            timing_columns=_names(metadata, "timing_columns"),
            timing_rows=_names(metadata, "timing_rows"),
        )


STRICT = Rules()


def _names(metadata, key: str) -> tuple[str, ...]:
    names = metadata.get(key, [])
    if not isinstance(names, list):
        raise ValueError(f"{key} {names!r} is not a list of names")
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(f"{key} {names!r} is not a list of names")
    return tuple(names)


@dataclass(frozen=True)
class Number:
    """A printed number: its value, and the size of one unit of its last digit (0 for counts)."""

    value: float
    unit: float

    @classmethod
    def of(cls, match: re.Match) -> "Number":
        """The number that `NUMBER` matched."""
        text = match[0].replace(",", "")
        value = float(text.replace("−", "-"))
        exponent = match["exponent"]
        decimals = match["decimals"]
        rounded = exponent or decimals or match["percent"]
        if not rounded:
            return cls(value, unit=0.0)
        digits = len(decimals or "")
        power = int(exponent or 0) - digits
        return cls(value, unit=10.0**power)

    def allows(self, fresh: "Number", rtol: float) -> bool:
        """Whether a fresh number passes for this stored one."""
        units = [number.unit for number in (self, fresh) if number.unit]
        unit = min(units, default=0.0)
        absolute = 1.0001 * unit
        relative = rtol * abs(self.value)
        return abs(self.value - fresh.value) <= max(absolute, relative)


@dataclass(frozen=True)
class Line:
    """A printed line or a row of a table: its words, # where numbers stood, and the numbers."""

    text: str
    words: str
    numbers: tuple[Number, ...]

    @classmethod
    def of(cls, text: str, is_html: bool) -> "Line":
        """Read a line; in HTML, what stands in tags belongs to the words."""
        if not is_html:
            words, numbers = _words_and_numbers(text)
            return cls(_squeezed(text), _squeezed(words), tuple(numbers))
        shown = []
        all_words = []
        all_numbers = []
        for piece in TAG.split(text):
            if TAG.fullmatch(piece):
                all_words.append(piece)
                continue
            readable = html.unescape(piece)
            words, numbers = _words_and_numbers(readable)
            shown.append(readable)
            all_words.append(words)
            all_numbers += numbers
        return cls(_squeezed(" ".join(shown)), _squeezed("".join(all_words)), tuple(all_numbers))

    def allows(self, fresh: "Line", rtol: float) -> bool:
        """Whether a fresh line passes for this stored one."""
        if self.words != fresh.words:
            return False
        if len(self.numbers) != len(fresh.numbers):
            return False
        pairs = zip(self.numbers, fresh.numbers, strict=True)
        return all(number.allows(new, rtol) for number, new in pairs)


def _words_and_numbers(text: str) -> tuple[str, list[Number]]:
    numbers = [Number.of(match) for match in NUMBER.finditer(text)]
    return _without_numbers(text), numbers


def _without_numbers(text: str) -> str:
    return NUMBER.sub("#", text)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def differences(stored: list, fresh: list, rules: Rules = STRICT) -> list[str]:
    """What differs between a cell's stored and fresh outputs; an empty list where nothing does.

    Parameters
    ----------
    stored, fresh : list of nbformat outputs
        With streams of one name already joined.
    rules : Rules
    """
    before = _by_kind(stored)
    after = _by_kind(fresh)
    found = _absent_names(before, rules)
    for kind in sorted(before.keys() | after.keys()):
        texts = before[kind]
        new_texts = after[kind]
        if len(texts) != len(new_texts):
            found.append(f"{kind}: {len(texts)} stored, {len(new_texts)} now")
            continue
        for text, new_text in zip(texts, new_texts, strict=True):
            told = compare(text, new_text, rules, is_html=kind == "text/html")
            found += [f"{kind}: {difference}" for difference in told]
    return found


def _by_kind(outputs: list) -> dict[str, list[str]]:
    """Kind (stdout, text/html, image/png, …) → texts in their order."""
    kinds = defaultdict(list)
    for output in outputs:
        if output["output_type"] == "stream":
            kinds[output["name"]].append(output["text"])
        elif output["output_type"] == "error":
            kinds["error"].append(f"{output['ename']}: {output['evalue']}")
        else:
            for kind, text in _compared(output["data"]).items():
                kinds[kind].append(text)
    return kinds


def _compared(data: dict) -> dict[str, str]:
    """Those texts of an output that are compared; a picture's is empty."""
    texts = {}
    for kind, text in data.items():
        texts[kind] = "" if kind.startswith("image/") else str(text)
        if kind == "text/markdown":  # in it, a text from results has its signs escaped
            texts[kind] = html.unescape(texts[kind])
    if "text/html" in texts or any(kind.startswith("image/") for kind in texts):
        texts.pop("text/plain", None)  # of a picture it tells the size alone
    return texts


def _absent_names(kinds: dict[str, list[str]], rules: Rules) -> list[str]:
    """A complaint for each name in the metadata that the stored outputs don't hold."""
    texts = [text for of_kind in kinds.values() for text in of_kind]
    everything = html.unescape("\n".join(texts))
    found = []
    for name in rules.timing_columns + rules.timing_rows:
        if name not in everything:
            found.append(f"metadata names {name!r}, which no output holds")
    return found


def compare(stored: str, fresh: str, rules: Rules = STRICT, is_html: bool = False) -> list[str]:
    """What differs between two texts, the first few differences only."""
    before = _lines(stored, rules, is_html)
    after = _lines(fresh, rules, is_html)
    if len(before) != len(after):
        found = [f"{len(before)} lines stored, {len(after)} now", *_diff(before, after)]
    elif rules.any_order:
        found = _unpartnered(before, after, rules.rtol)
    else:
        found = _changed(before, after, rules.rtol)
    return found[:SHOWN]


def _diff(before: list[Line], after: list[Line]) -> list[str]:
    """Lines as `diff` prints them, without its two lines of file names."""
    texts = [line.text for line in before]
    new_texts = [line.text for line in after]
    told = difflib.unified_diff(texts, new_texts, lineterm="", n=0)
    return list(told)[2:]


def _changed(before: list[Line], after: list[Line], rtol: float) -> list[str]:
    found = []
    for number, (line, new) in enumerate(zip(before, after, strict=True), 1):
        if not line.allows(new, rtol):
            found.append(f"line {number} was  {line.text}\n    and is now  {new.text}")
    return found


def _unpartnered(before: list[Line], after: list[Line], rtol: float) -> list[str]:
    """Stored lines left over when as many as possible have each a fresh line of their own."""
    n = len(before)
    allowed = np.zeros((n, n), bool)
    for row, line in enumerate(before):
        allowed[row] = [line.allows(new, rtol) for new in after]
    partners = maximum_bipartite_matching(csr_matrix(allowed), perm_type="column")
    left_over = np.flatnonzero(partners < 0)
    return [f"no such line now: {before[row].text}" for row in left_over]


def _lines(text: str, rules: Rules, is_html: bool) -> list[Line]:
    """A text's lines, or an HTML text's rows and what stands between them, without timings."""
    text = ADDRESS.sub("0xADDRESS", text)
    if is_html:
        text = _html_without_timings(EMBEDDED.sub("data:image", text), rules)
        joined = re.sub(r">\s+<", "><", text)
        pieces = BETWEEN_ROWS.split(joined)
    else:
        pieces = _printed_without_timings(text, rules)
    return [Line.of(piece, is_html) for piece in pieces if piece.strip()]


def _html_without_timings(text: str, rules: Rules) -> str:
    """Numbers give way to # in the table rows and columns that hold timings."""
    page = BeautifulSoup(text, "html.parser")
    for table in page.find_all("table"):
        columns = _timing_places(table, rules.timing_columns)
        for row in table.find_all("tr"):
            whole_row = _is_timing_row(row, rules.timing_rows)
            for cell, places in _placed(row):
                if cell.name == "td" and (whole_row or places[0] in columns):
                    cell.string = _without_numbers(cell.get_text())
    return str(page)


def _is_timing_row(row: Tag, names: tuple[str, ...]) -> bool:
    cells = row.find_all(["th", "td"])
    return any(_label(cell) in names for cell in cells)


def _timing_places(table: Tag, names: tuple[str, ...]) -> set[int]:
    """Places, counted from a row's right end, of the columns with these headings."""
    found: set[int] = set()
    for row in table.find_all("tr"):
        if row.find("td"):
            continue
        for cell, places in _placed(row):
            if _label(cell) in names:
                found.update(places)
    return found


def _placed(row: Tag) -> Iterator[tuple[Tag, range]]:
    """Each cell and the places it covers, from right to left.

    On the left, cells of rows above may reach down into this one.
    """
    place = 0
    for cell in reversed(row.find_all(["th", "td"])):
        width = int(cell.get("colspan", 1))
        yield cell, range(place, place + width)
        place += width


def _label(cell: Tag) -> str:
    return _squeezed(cell.get_text())


def _printed_without_timings(text: str, rules: Rules) -> list[str]:
    """Lines with # for the numbers that are timings; a printed table ends at an empty line."""
    lines = []
    columns: list[tuple[int, int]] = []
    for line in text.splitlines():
        headings = _headings(line, rules.timing_columns)
        if not line.strip():
            columns = []
        elif headings:
            columns = headings
        elif line.strip().startswith(rules.timing_rows):
            line = _without_numbers(line)
        else:
            line = _without_numbers_below(line, columns)
        lines.append(line)
    return lines


def _headings(line: str, names: tuple[str, ...]) -> list[tuple[int, int]]:
    """Where in a line these names begin and end."""
    found = []
    for name in names:
        alone = rf"(?<!\S){re.escape(name)}(?!\S)"
        found += [match.span() for match in re.finditer(alone, line)]
    return found


def _without_numbers_below(line: str, columns: list[tuple[int, int]]) -> str:
    def blank(match: re.Match) -> str:
        for start, end in columns:
            if match.start() < end and match.end() > start:
                return "#"
        return match[0]

    return NUMBER.sub(blank, line)


def install() -> None:
    """Let nbval's cells compare their outputs in this way, and its kernels use no ports."""
    import nbval.kernel
    from nbval.plugin import IPyNbCell

    def compare_outputs(self, test, ref, skip_compare=None):
        rules = Rules.of(self.cell.metadata)
        self.comparison_traceback = differences(ref, test, rules)
        return not self.comparison_traceback

    IPyNbCell.compare_outputs = compare_outputs
    nbval.kernel.KernelManager = kernel_without_ports


def kernel_without_ports(**options):
    """The manager of a kernel that needs no ports, which the tests beside it may take first."""
    from jupyter_client.manager import KernelManager

    from helpers.runner.execute import speak_through_files

    manager = KernelManager(**options)
    folder = tempfile.TemporaryDirectory(prefix="kernel-")
    speak_through_files(manager, Path(folder.name) / "socket")
    manager.folder_of_sockets = folder  # removed with the manager
    return manager
