"""What changed between two runs: parameters, versions, and results beyond their intervals."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.artefacts import CHAPTERS, reports_dir
from helpers.evaluation.protocol import validate

KEY = ["split", "segment", "recommender", "metric", "variant", "k", "n_history"]
FIGURES = ["value", "low", "high"]
HEADLINE = "cross_platform"
EVERYONE = "all"  # the segment of all test shoppers
TIME_OF_DAY = ("started", "seconds")
UNCHANGED = ["same", "moved"]


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side; `text` shows them.

    Attributes
    ----------
    names : two of str
    settings : DataFrame
        `what, a, b`: parameters, versions and other facts of the run that differ.
    results : DataFrame
        One row per result of either run, indexed by `KEY`: `a, b`, their bounds, and `verdict`.
        That is "up" or "down" where the 95% intervals don't overlap (a careful test: less than 1
        in 100 by chance), "moved" within them or where there are none, "same", "only in A" or
        "only in B".
    """

    names: tuple[str, str]
    settings: pd.DataFrame
    results: pd.DataFrame

    @property
    def changed(self) -> bool:
        """Whether a result moved beyond its interval, appeared or vanished."""
        return not self.results["verdict"].isin(UNCHANGED).all()

    def text(self, everything: bool = False, most: int = 40) -> str:
        """The differences as text: the headline, then other splits, then segments of shoppers.

        Parameters
        ----------
        everything : bool
            Also list results that moved within their intervals.
        most : int
            Results to list; within each group, those that changed most for their size.
        """
        shown = self._shown(everything)
        lines = [f"A  {self.names[0]}", f"B  {self.names[1]}", ""]
        lines += self._setting_lines()
        lines += ["", self._counts()]
        listed = shown.head(most).reset_index().fillna({"k": -1, "n_history": -1})
        lines += [_result_line(row) for row in listed.itertuples()]
        if len(shown) > most:
            lines.append(f"… and {len(shown) - most} more")
        return "\n".join(printable(line) for line in lines)

    def _shown(self, everything: bool) -> pd.DataFrame:
        hidden = ["same"] if everything else UNCHANGED
        shown = self.results[~self.results["verdict"].isin(hidden)]
        size = shown[["a", "b"]].abs().max(axis=1)
        change = (shown["b"] - shown["a"]).abs() / size
        change = change.fillna(float("inf"))  # what only one run has
        keys = shown.index.to_frame()
        of_segment = keys["segment"] != EVERYONE
        elsewhere = keys["split"] != HEADLINE
        shown = shown.assign(of_segment=of_segment, elsewhere=elsewhere, change=change)
        order = ["of_segment", "elsewhere", "change"]
        return shown.sort_values(order, ascending=[True, True, False], kind="stable")

    def _setting_lines(self) -> list[str]:
        if self.settings.empty:
            return ["same settings"]
        return [f"{row.what:32} {row.a}  ->  {row.b}" for row in self.settings.itertuples()]

    def _counts(self) -> str:
        counts = self.results["verdict"].value_counts()
        return ", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "no results"


def printable(line: str) -> str:
    """A line without signs that would move a terminal's cursor, color it or name its window.

    A metrics.json may come from anybody. Each such sign is shown as its escape, such as `\\x1b`.
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)


def compare_runs(first: str, second: str) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    first, second : str
        A metrics.json, a folder that holds one, or a profile's name.

    Raises
    ------
    ValueError
        If a file is no metrics.json.
    FileNotFoundError
        If there is none.
    """
    path_a = _metrics_path(first)
    path_b = _metrics_path(second)
    run_a = _load(path_a)
    run_b = _load(path_b)
    a = _results(path_a, run_a["results"]).add_suffix("_a")
    b = _results(path_b, run_b["results"]).add_suffix("_b")
    results = a.join(b, how="outer")
    results = results.rename(columns={"value_a": "a", "value_b": "b"})
    results["verdict"] = [_verdict(row) for row in results.itertuples()]
    settings = _settings(run_a["run"], run_b["run"])
    return Comparison((str(path_a), str(path_b)), settings, results)


def _metrics_path(name: str) -> Path:
    path = Path(name) if Path(name).exists() else reports_dir(name)
    if path.is_dir():
        path = path / "metrics.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such run; chapter {CHAPTERS['07']} writes metrics.json"
        )
    return path


def _load(path: Path) -> dict[str, Any]:
    try:
        return validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no metrics.json of a run: {error}") from None


def _settings(a: dict[str, Any], b: dict[str, Any]) -> pd.DataFrame:
    """Facts of the two runs that differ, nested ones by their path."""
    flat_a = _flat(a)
    flat_b = _flat(b)
    rows = []
    for name in {**flat_a, **flat_b}:
        in_a = flat_a.get(name, "-")
        in_b = flat_b.get(name, "-")
        if name not in TIME_OF_DAY and in_a != in_b:
            rows.append((name, in_a, in_b))
    return pd.DataFrame(rows, columns=["what", "a", "b"])


def _flat(facts: dict[str, Any]) -> dict[str, Any]:
    """Nested facts as one level, `{"market": {"noise": 1}}` → `{"market.noise": 1}`."""
    found = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            for inner, part in _flat(value).items():
                found[f"{name}.{inner}"] = part
        else:
            found[name] = value
    return found


def _results(path: Path, rows: list[dict[str, Any]]) -> pd.DataFrame:
    numbers = ["k", "n_history", *FIGURES]
    frame = pd.DataFrame(rows, columns=[*KEY, *FIGURES])
    frame = frame.astype(dict.fromkeys(numbers, float))
    again = frame.duplicated(KEY)
    if again.any():
        place = int(again.to_numpy().argmax())
        raise ValueError(f"{path}: result {place + 1} is there twice: {rows[place]}")
    return frame.set_index(KEY)


def _verdict(row: Any) -> str:
    in_a, in_b = pd.notna(row.a), pd.notna(row.b)
    if not in_a and not in_b:
        return "same"
    if not in_a:
        return "only in B"
    if not in_b:
        return "only in A"
    if row.low_b > row.high_a:
        return "up"
    if row.high_b < row.low_a:
        return "down"
    return "same" if row.a == row.b else "moved"


def _result_line(row: Any) -> str:
    what = f"{row.recommender} {row.metric}"
    if row.k >= 0:
        what += f"@{row.k:.0f}"
    where = row.split
    if row.n_history >= 0:
        where += f", n={row.n_history:.0f}"
    if row.segment != EVERYONE:
        where += f", {row.segment}"
    a = _value(row.a, row.low_a, row.high_a)
    b = _value(row.b, row.low_b, row.high_b)
    change = f"{a} -> {b}"
    return f"{row.verdict:9} {what:34} {change:46} {where} ({row.variant})"


def _value(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return "-"
    if pd.isna(low):
        return f"{value:.3f}"
    return f"{value:.3f} ({low:.3f}–{high:.3f})"
