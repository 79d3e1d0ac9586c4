"""What changed between two runs: parameters, versions, and results by more than their intervals allow."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.artefacts import CHAPTERS, reports_dir
from helpers.evaluation.protocol import validate

KEY = ["split", "segment", "recommender", "metric", "variant", "k", "n_history"]
FIGURES = ["value", "low", "high"]


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side; `text` shows them.

    Attributes
    ----------
    names : two of str
    settings : DataFrame
        `what, a, b`: parameters, versions and other facts of the run that differ.
    results : DataFrame
        A row a result of either run, indexed by `KEY`: `a, b`, their bounds, and `verdict`: "up" or "down" where the
        95 % intervals don't overlap (a careful test: less than 1 in 100 by chance), "moved" within them or where there
        are none, "same", "only in A", "only in B".
    """

    names: tuple[str, str]
    settings: pd.DataFrame
    results: pd.DataFrame

    @property
    def changed(self) -> bool:
        """Whether a result moved beyond its interval, appeared or vanished."""
        return not self.results["verdict"].isin(["same", "moved"]).all()

    def text(self, everything: bool = False, most: int = 40) -> str:
        """The differences as text: the `most` results that changed most for their size.

        `everything` adds results that moved within their intervals.
        """
        counts = self.results["verdict"].value_counts()
        lines = [f"A  {self.names[0]}", f"B  {self.names[1]}", ""]
        lines += [f"{row.what:32} {row.a}  ->  {row.b}" for row in self.settings.itertuples()] or [
            "same settings"
        ]
        lines += ["", ", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "no results"]
        shown = self.results[
            ~self.results["verdict"].isin(["same"] if everything else ["same", "moved"])
        ]
        by = (shown["b"] - shown["a"]).abs() / shown[["a", "b"]].abs().max(axis=1)
        shown = shown.assign(by=by.fillna(9e9)).sort_values("by", ascending=False, kind="stable")
        for row in shown.head(most).reset_index().fillna({"k": -1, "n_history": -1}).itertuples():
            of = f"{row.recommender} {row.metric}" + (f"@{row.k:.0f}" if row.k >= 0 else "")
            where = row.split + (f", n={row.n_history:.0f}" if row.n_history >= 0 else "")
            where += f", {row.segment}" * (row.segment != "all")
            a = f"{_value(row.a, row.low_a, row.high_a)} -> {_value(row.b, row.low_b, row.high_b)}"
            lines.append(f"{row.verdict:9} {of:34} {a:46} {where} ({row.variant})")
        return "\n".join(lines + [f"… and {len(shown) - most} more"] * (len(shown) > most))


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
    (path_a, a), (path_b, b) = _load(first), _load(second)
    flat_a, flat_b = (pd.json_normalize(run["run"]).iloc[0].to_dict() for run in (a, b))
    differ = [
        k
        for k in {**flat_a, **flat_b}
        if flat_a.get(k) != flat_b.get(k) and k not in ("started", "seconds")
    ]
    settings = pd.DataFrame(
        [(k, flat_a.get(k, "-"), flat_b.get(k, "-")) for k in differ], columns=["what", "a", "b"]
    )
    sides = [_results(path, run["results"]) for path, run in ((path_a, a), (path_b, b))]
    results = sides[0].add_suffix("_a").join(sides[1].add_suffix("_b"), how="outer")
    results = results.rename(columns={"value_a": "a", "value_b": "b"})
    results["verdict"] = [_verdict(row) for row in results.itertuples()]
    return Comparison((str(path_a), str(path_b)), settings, results)


def _load(name: str) -> tuple[Path, dict]:
    path = Path(name) if Path(name).exists() else reports_dir(name)
    path = path / "metrics.json" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such run; chapter {CHAPTERS['07']} writes metrics.json"
        )
    try:
        return path, validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no metrics.json of a run: {error}") from None


def _results(path: Path, rows: list[dict]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*KEY, *FIGURES]).astype(
        dict.fromkeys(["k", "n_history", *FIGURES], float)
    )
    again = frame.duplicated(KEY)
    if again.any():
        raise ValueError(
            f"{path}: result {again.idxmax() + 1} is there twice: {rows[again.idxmax()]}"
        )
    return frame.set_index(KEY)


def _verdict(row) -> str:
    if pd.isna(row.a) or pd.isna(row.b):
        return (
            "same"
            if pd.isna(row.a) and pd.isna(row.b)
            else "only in B"
            if pd.isna(row.a)
            else "only in A"
        )
    if row.low_b > row.high_a:
        return "up"
    if row.high_b < row.low_a:
        return "down"
    return "same" if row.a == row.b else "moved"


def _value(value: float, low: float, high: float) -> str:
    return (
        "-"
        if pd.isna(value)
        else f"{value:.3f}" + (f" ({low:.3f}–{high:.3f})" if pd.notna(low) else "")
    )
