"""Self-checks: what an exercise says back, and trained figures that are stated as a range."""

import numpy as np


def in_range(name: str, value: float, low: float, high: float) -> str:
    """Say whether a measured figure lies in its stated range, in words that are the same on any machine.

    >>> in_range("ndcg@10", 0.66, 0.62, 0.70)
    'ndcg@10 within 0.62–0.70: ok'

    Raises
    ------
    ValueError
        If the range is wider than ±10 % of its middle: such a check would say nothing.
    """
    if not low < high or (high - low) / 2 > 0.1001 * abs(low + high) / 2:
        raise ValueError(f"range {low}–{high} of {name} is wider than ±10 % of its middle")
    decimals = max(len(f"{bound:.10g}".partition(".")[2]) for bound in (low, high))
    label = f"{name} within {low:.{decimals}f}–{high:.{decimals}f}"
    return f"{label}: ok" if low <= value <= high else f"{label}: NO, it is {value:.4g}"


def check(answer, expected, hint: str, tolerance: float = 1e-6) -> str:
    """Compare an exercise's answer with the expected value.

    `answer` still `...` or None: says it is to do. Arrays and numbers agree within `tolerance`; anything else must be
    equal.
    """
    if answer is None or answer is ...:
        return "to do: replace the ... above and run this cell again"
    try:
        same = bool(
            np.allclose(
                np.asarray(answer, dtype=float), np.asarray(expected, dtype=float), atol=tolerance
            )
        )
    except (TypeError, ValueError):
        same = bool(np.all(answer == expected))
    return "correct" if same else f"not yet: {hint}"
