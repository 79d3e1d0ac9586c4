"""What sold just before the shopper's own last purchase: bestsellers of those weeks."""

import numpy as np
import scipy.sparse as sp

from helpers.recommenders.baselines import ByDate, dated_likes

BINS = 64  # periods of equal length; likes are counted in each
SPAN_IN_HALF_LIVES = 12  # the default half-life is a twelfth of the log: a month of a year
PRIOR = 1000.0  # likes, spread as in the whole log, that are added to those around a history


class SeasonalPopularity(ByDate):
    """The items that most training shoppers liked just before the shopper's own last like.

    Shops sell other things in December than in June, and a film that isn't out yet is not watched.
    So a shopper's dates tell what was for sale. They do so even in a shop that shares no shopper
    with the one of the history:

        share(j | u) = (Σ_b k_ub c_jb + PRIOR share(j)) / (Σ_i Σ_b k_ub c_ib + PRIOR)
        k_ub = 0.5^((t_u - t_b) / half_life)  where the period had ended by then, else 0

    with c_jb the likes of item j in the b-th of 64 equal periods, t_b the end of that period, and
    t_u the last date of the history. Adding share(j), item j's share of all likes, smooths the
    shares. What was liked later does not count, as nobody knows it yet of today's shopper.

    A history without dates gets plain popularity, and so does everyone if the log has no dates.

    Parameters
    ----------
    half_life : float or None
        Days; None is a twelfth of the time that the log spans.

    Raises
    ------
    ValueError
        If `half_life` is not above 0.
    """

    def _fit(self, train, items, validate):
        # without dates: no periods, so that scores equal popularity
        self.days_ = 1.0
        self.ends_ = np.zeros(0)
        self.counts_ = np.zeros((self.n_items_, 0), np.float32)
        likes = dated_likes(train)
        if likes is not None:
            self._count(*likes)

    def _count(self, when: np.ndarray, item: np.ndarray) -> None:
        """Learn c and t of the formula from the day and the item of each like, (n_likes,) both."""
        span = np.ptp(when)
        self.days_ = float(self._half_life(when, SPAN_IN_HALF_LIVES))
        first = when.min()
        period = span / BINS
        self.ends_ = first + period * (np.arange(BINS) + 1)
        counts, _, _ = np.histogram2d(
            item,
            when,
            bins=(self.n_items_, BINS),
            range=((0, self.n_items_), (first, when.max())),
        )
        self.counts_ = counts.astype(np.float32)

    def _score(self, histories):
        """share(j | u) times all likes, which is on the scale of popularity."""
        nearness = self._nearness(histories)
        around = nearness @ self.counts_.T
        n_around = around.sum(axis=1, keepdims=True)
        n_likes = max(self.popularity_.sum(), 1)
        share = self.popularity_ / n_likes
        smoothed = around + PRIOR * share
        found = n_likes * smoothed / (n_around + PRIOR)
        return found.astype(np.float32)

    def _nearness(self, histories) -> np.ndarray:
        """k of the formula, (n_users, BINS) float32; 0 for a history without dates."""
        found = np.zeros((len(histories), len(self.ends_)), np.float32)
        if histories.times is None:
            return found
        times = sp.csr_matrix(histories.times)
        dated = np.diff(times.indptr) > 0
        first_cells = times.indptr[:-1][dated]
        last = np.maximum.reduceat(times.data, first_cells) if dated.any() else times.data
        days_ago = last[:, None] - self.ends_
        weight = 0.5 ** (np.maximum(days_ago, 0) / self.days_)
        found[dated] = np.where(days_ago >= 0, weight, 0)
        return found
