"""The second stage of the blend: which recipe serves shoppers with n liked items best.

A recipe is a weight of each signal. There are the learned weights, plain ones (popularity alone,
each member alone, a plain sum of all) and mixtures of the two. Practice shoppers whom the weights
were not learned from say which recipe gives the best lists, for each history length.

The winner among so many is partly a matter of luck. So the practice shoppers are drawn anew, with
replacement, many times, and every recipe counts by the share of draws in which it wins (Breiman
1996, "Bagging predictors"). Recipes are linear in the signals, so this is one recipe again.
"""

from dataclasses import dataclass

import numpy as np

from helpers.recommenders import blend

SUM_OF_MEMBERS = 2.5  # weight of all members together in the plain sum; popularity has 1
TIE = 1e-3  # weight of popularity beside a single member: it orders equals
SHARES = (0.25, 0.5, 0.75)  # of the learned weights in a mixture
BORROWED = 100  # rows of all lengths that count beside a length's own
FLOOR_ERRORS = 2.0  # standard errors by which the best of so many must lead popularity
EQUALS = 1e-5  # weight of the learned blend beside any recipe: it orders equals, such as new items
NOTHING = 1e-6  # spread of a signal that says the same of all candidates
DRAWS = 200  # of practice shoppers, with replacement
SEED = 7
POPULARITY = 0  # place of popularity among the recipes
LEARNED = -1  # place of the learned weights


@dataclass(frozen=True)
class Choice:
    """What serves each history length.

    Attributes
    ----------
    weights : (n_lengths, n_signals) float32
        Of the signals, the plain recipes and the learned weights taken together.
    alpha : (n_lengths,) float32
        Share of the learned weights: 0 is a plain recipe.
    """

    weights: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class Trial:
    """All recipes for one history length, and what they are worth to its practice rows.

    Attributes
    ----------
    weights : (n_recipes, n_signals) float32
    alpha : (n_recipes,) float32
        Share of the learned weights.
    ndcg : (n_recipes, n) float32
    """

    weights: np.ndarray
    alpha: np.ndarray
    ndcg: np.ndarray


def popularity_alone(n_signals: int) -> np.ndarray:
    """Weights (n_signals,) of the popularity list."""
    weight = np.zeros(n_signals, np.float32)
    weight[0] = 1
    return weight


def plain_sum(n_signals: int) -> np.ndarray:
    """Weights (n_signals,) of the sum of popularity and all members."""
    n_members = max(n_signals - 1, 1)
    weight = np.full(n_signals, SUM_OF_MEMBERS / n_members, np.float32)
    weight[0] = 1
    return weight


def plain_recipes(n_signals: int) -> np.ndarray:
    """Plain weights, (n_signals + 1, n_signals): popularity, the sum, each member alone."""
    alone = np.eye(n_signals, dtype=np.float32)[1:]
    alone[:, 0] = TIE
    first = [popularity_alone(n_signals), plain_sum(n_signals)]
    return np.concatenate([np.stack(first), alone])


def choose(rows: blend.Rows, learned: np.ndarray, lengths) -> Choice:
    """The recipe of each history length.

    Parameters
    ----------
    rows : Rows
        Practice rows, evidence in logarithms.
    learned : (2, n_signals)
        Weights learned from all rows; recipes are judged by weights learned from others.
    lengths : sequence of int
    """
    own = blend.at_lengths(rows, learned, lengths)
    scores = blend.cross_fitted(rows, lengths, learned)
    places = [np.flatnonzero(rows.length == n) for n in lengths]
    trials = []
    for place, weights in zip(places, own, strict=True):
        trial = tried(rows[place], scores[place], weights)
        trials.append(trial)
    ndcg = np.concatenate([trial.ndcg for trial in trials], axis=1)
    sizes = [len(place) for place in places]
    number = np.repeat(np.arange(len(lengths)), sizes)
    rng = np.random.default_rng(SEED)
    weights = []
    alpha = []
    for k, trial in enumerate(trials):
        share = shares_of(ndcg, number == k, rng)
        chosen = share @ trial.weights
        weights.append(chosen + EQUALS * trial.weights[LEARNED])
        alpha.append(share @ trial.alpha)
    return Choice(
        np.stack(weights).astype(np.float32),
        np.array(alpha, np.float32),
    )


def tried(rows: blend.Rows, scores: np.ndarray, learned: np.ndarray) -> Trial:
    """All recipes for rows of one length: plain ones, the learned weights, mixtures.

    A plain recipe v enters a mixture as c v, where c gives its scores the spread of the learned
    ones, so that both count by their share.

    Parameters
    ----------
    rows : Rows
    scores : (n, m)
        By weights learned from other rows.
    learned : (n_signals,)
        Weights learned from all.
    """
    spread = _spread(scores, rows)
    weights = []
    alpha = []
    ndcg = []
    for plain in plain_recipes(len(learned)):
        used = np.flatnonzero(plain)
        own = np.einsum("s,nsm->nm", plain[used], rows.z[:, used])
        own_spread = _spread(own, rows)
        c = spread / own_spread if own_spread > NOTHING else 1.0
        for share in (0, *SHARES):
            weights.append((1 - share) * c * plain + share * learned)
            alpha.append(share)
            ndcg.append(blend.ndcg10((1 - share) * c * own + share * scores, rows))
    weights.append(learned)
    alpha.append(1)
    ndcg.append(blend.ndcg10(scores, rows))
    return Trial(
        np.stack(weights).astype(np.float32),
        np.array(alpha, np.float32),
        np.stack(ndcg),
    )


def _spread(scores: np.ndarray, rows: blend.Rows) -> float:
    """Standard deviation of a row's scores over its candidates, the mean of all rows."""
    if len(rows) == 0:
        return 1.0
    is_candidate = np.isfinite(rows.log_weight)
    mean = scores.mean(axis=1, where=is_candidate, keepdims=True)
    variance = np.square(scores - mean).mean(axis=1, where=is_candidate)
    return max(float(np.sqrt(variance).mean()), NOTHING)


def shares_of(ndcg: np.ndarray, here: np.ndarray, rng) -> np.ndarray:
    """How often each recipe is the best one for the columns marked `here`, (n_recipes,).

    All of it goes to popularity, row 0, if the lead of the best may be luck.

    Parameters
    ----------
    ndcg : (n_recipes, n)
    here : (n,) bool
    rng : numpy.random.Generator
    """
    estimate = _estimates(ndcg, here)
    best = estimate.argmax()
    gain = estimate[best] - estimate[POPULARITY]
    if gain <= FLOOR_ERRORS * _error(ndcg[best] - ndcg[POPULARITY], here):
        return np.eye(len(ndcg), dtype=np.float32)[POPULARITY]
    n = int(here.sum())
    times = np.zeros((DRAWS, n))  # how often each shopper is drawn
    if n > 0:
        times = rng.multinomial(n, np.full(n, 1 / n), size=DRAWS)
    overall = ndcg.mean(axis=1)
    total = ndcg[:, here] @ times.T + BORROWED * overall[:, None]
    wins = np.bincount(total.argmax(axis=0), minlength=len(ndcg))
    return (wins / DRAWS).astype(np.float32)


def _estimates(table: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Mean NDCG of each recipe, (n_recipes,): a length's own rows, and a few of all lengths."""
    n = int(here.sum())
    overall = table.mean(axis=1)
    own = table[:, here].sum(axis=1)
    return (own + BORROWED * overall) / (n + BORROWED)


def _error(difference: np.ndarray, here: np.ndarray) -> float:
    """Standard error of the mean difference of two recipes at one length."""
    n = int(here.sum()) + BORROWED
    return float(difference.std() / np.sqrt(n))
