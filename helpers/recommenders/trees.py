"""Trees that rank: rules that a weighted sum of evidence can't express.

One member's evidence may count only where another has nothing to say, or only in a long history.
Gradient-boosted trees find such rules: each tree splits the candidates by what a member says of
them, and mends what the trees before it ranked wrongly (Burges 2010, "From RankNet to LambdaRank
to LambdaMART"). LightGBM grows them. They are kept as plain arrays, which can be saved and read
without running code, and which need no LightGBM to rank by.

Trees rank a short list: the best candidates of each signal. All others are level with the last of
those.
"""

import warnings
from dataclasses import dataclass, fields, replace

import numpy as np

from helpers.kernels.tree_sums import sums
from helpers.recommenders import blend
from helpers.recommenders.practice import PARTS

TREES = 50  # that learn from one part of the rows
SPLITS = 14  # of one tree, at most
DECIMALS = 3  # of the evidence that trees read
SETTINGS = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 15,
    "label_gain": [0, 1],
    "num_leaves": SPLITS + 1,
    "min_data_in_leaf": 100,
    "learning_rate": 0.1,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "max_bin": 31,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


@dataclass(frozen=True)
class Forest:
    """Trees whose values are summed.

    A child above 0 is a split, one below 0 is leaf ~child. Split 0 is the root. Splits that a tree
    lacks are never reached.

    Attributes
    ----------
    feature : (n_trees, n_splits) int32
        Which column a split reads.
    threshold : (n_trees, n_splits) float64
        What is at most this goes left.
    left, right : (n_trees, n_splits) int32
        Children.
    value : (n_trees, n_splits + 1) float32
        Of the leaves.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    def __post_init__(self) -> None:
        """Refuse trees that would read beyond their arrays or never end; `score` checks columns."""
        n_trees, n_splits = self.feature.shape
        shapes = [array.shape for array in (self.threshold, self.left, self.right)]
        fit = shapes == [(n_trees, n_splits)] * 3 and self.value.shape == (n_trees, n_splits + 1)
        if n_splits < 1 or not fit:
            raise ValueError("the trees' arrays don't fit each other; fit the model again")
        own = np.arange(n_splits)
        for child in (self.left, self.right):
            is_leaf = (child < 0) & (~child <= n_splits)
            is_later = (child > own) & (child < n_splits)
            if not (is_leaf | is_later).all():
                raise ValueError("a tree's split has no such child; fit the model again")

    def score(self, lines: np.ndarray) -> np.ndarray:
        """Sum of the leaves that each line (n, n_features) reaches, (n,) float32."""
        n_features = lines.shape[1]
        is_known = (self.feature >= 0) & (self.feature < n_features)
        if not is_known.all():
            raise ValueError(
                f"the trees read other columns than these {n_features}; fit the model again"
            )
        return sums(
            lines,
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.value,
        )

    @classmethod
    def empty(cls, n_trees: int = TREES) -> "Forest":
        """Trees that say 0 of everything."""
        shape = (n_trees, SPLITS)
        first_leaf = np.full(shape, ~0, np.int32)
        return cls(
            feature=np.zeros(shape, np.int32),
            threshold=np.zeros(shape),
            left=first_leaf,
            right=first_leaf.copy(),
            value=np.zeros((n_trees, SPLITS + 1), np.float32),
        )

    @classmethod
    def mean(cls, forests: list["Forest"]) -> "Forest":
        """One forest whose sum is the mean of the sums of several."""
        arrays = {}
        for name in ARRAYS:
            parts = [getattr(forest, name) for forest in forests]
            arrays[name] = np.concatenate(parts)
        arrays["value"] /= np.float32(len(forests))
        return cls(**arrays)

    @classmethod
    def of(cls, booster) -> "Forest":
        """The trees of a LightGBM booster."""
        found = cls.empty()
        table = booster.trees_to_dataframe()
        node = _numbers(table["node_index"])
        tree = table["tree_index"].to_numpy()
        is_leaf = node < 0
        found.value[tree[is_leaf], ~node[is_leaf]] = table["value"][is_leaf]
        split = table[~is_leaf]
        at = tree[~is_leaf], node[~is_leaf]
        place = {name: place for place, name in enumerate(booster.feature_name())}
        found.feature[at] = split["split_feature"].map(place)
        found.threshold[at] = split["threshold"]
        found.left[at] = _numbers(split["left_child"])
        found.right[at] = _numbers(split["right_child"])
        return found


ARRAYS = [field.name for field in fields(Forest)]


def _numbers(names) -> np.ndarray:
    """Numbers of nodes that LightGBM calls "0-S3" (split 3) or "0-L3" (leaf 3, ~3 here), (n,)."""
    parts = names.str.extract(r"-([SL])(\d+)$")
    place = parts[1].astype(int).to_numpy()
    return np.where(parts[0] == "S", place, ~place)


def can_grow() -> bool:
    """Whether LightGBM starts; a warning tells why it doesn't.

    Its wheel for Macs needs a library that macOS lacks.
    """
    try:
        import lightgbm  # noqa: F401  # only whether it can be imported
    except OSError as error:
        warnings.warn(
            f"Hybrid does without its trees, since LightGBM doesn't start: {error}\n"
            "On a Mac, `brew install libomp` brings what it needs",
            stacklevel=4,
        )
        return False
    return True


def grown(rows: blend.Rows, part: np.ndarray, seed: int) -> tuple[Forest, np.ndarray]:
    """Trees that rank practice rows, and what they say of those.

    Parameters
    ----------
    rows : Rows
        Evidence in logarithms.
    part : (n,) int
        Shoppers of one part are scored by trees that learned from the other parts. Where all are of
        one part, as in questions practiced apart, they are dealt into several.
    seed : int

    Returns
    -------
    forest : Forest
        The trees of all parts, `PARTS` · `TREES`; its sum is the mean of the parts' sums.
    scores : (n, m) float32
        Of the rows, by trees that have not seen their shoppers.
    """
    if len(np.unique(part)) == 1:
        _, number = np.unique(rows.shopper, return_inverse=True)
        part = number % PARTS
    scores = np.zeros(rows.liked.shape, np.float32)
    forests = []
    for held in range(PARTS):
        test = part == held
        forest = _fitted(rows[~test], seed)
        forests.append(forest)
        scores[test] = score(forest, rows[test])
    return Forest.mean(forests), scores


def score(forest: Forest, rows: blend.Rows) -> np.ndarray:
    """What the trees say of each candidate, (n, m) float32.

    Candidates that they don't rank get the least of what is ranked for their shopper.
    """
    which = considered(rows)
    found = np.full(rows.liked.shape, np.inf, np.float32)
    found[which] = forest.score(_lines(rows, which))
    least = found.min(axis=1, keepdims=True)
    least[np.isinf(least)] = 0  # of shoppers of whom nothing is ranked
    return np.where(which, found, least)


def considered(rows: blend.Rows) -> np.ndarray:
    """The candidates that trees rank, (n, m) bool: the best of each signal, fewer than `KEPT`.

    Practice rows hold all that a shopper liked, even what no signal speaks for, but only a few of
    the other such items. Trees that saw both would learn that what nothing speaks for is liked.
    """
    is_candidate = np.isfinite(rows.log_weight)
    n_kept = min(blend.KEPT, rows.z.shape[2])
    found = np.zeros_like(is_candidate)
    for number in range(rows.z.shape[1]):
        evidence = np.where(is_candidate, rows.z[:, number], -np.inf)
        last = np.partition(evidence, -n_kept, axis=1)[:, [-n_kept]]
        found |= evidence > last  # not >=: where a signal is silent, all tie with the last
    return found


def _lines(rows: blend.Rows, which: np.ndarray) -> np.ndarray:
    """What the trees read of each marked candidate, (n_marked, n_signals + 1) float32: each
    signal, less its most among the shopper's candidates, and the length of the history.

    Log popularity as it is would grow with the number of shoppers, and what was learned in
    practice, where some are held out, would not fit later. What is equal but for the last bits,
    which differ among processors, nearly always rounds to the same number.
    """
    is_candidate = np.isfinite(rows.log_weight)
    most = rows.z.max(axis=2, where=is_candidate[:, None], initial=-np.inf)
    n_marked = which.sum(axis=1)
    by_candidate = np.moveaxis(rows.z, 1, 2)
    evidence = by_candidate[which] - np.repeat(most, n_marked, axis=0)
    n_history = np.repeat(rows.length, n_marked)
    lines = np.column_stack([evidence.round(DECIMALS), n_history])
    return lines.astype(np.float32)


def _fitted(rows: blend.Rows, seed: int) -> Forest:
    """A forest that ranks the liked candidates of each row above the others."""
    import lightgbm  # here, since only fitting needs it; see `can_grow`

    which = considered(rows)
    if not which.any():
        return Forest.empty()
    n_each = which.sum(axis=1)
    data = lightgbm.Dataset(
        _lines(rows, which),
        rows.liked[which].astype(int),
        group=n_each[n_each > 0],
    )
    booster = lightgbm.train(SETTINGS | {"seed": seed}, data, TREES)
    return Forest.of(booster)


def with_scores(rows: blend.Rows, scores: np.ndarray) -> blend.Rows:
    """The rows with one more signal (n, m)."""
    return replace(rows, z=np.concatenate([rows.z, scores[:, None]], axis=1))
