"""Offsets of groups of ratings for the Gibbs sampler of chapter 05, which only a bench uses."""

import numpy as np

from helpers.recommenders.gibbs import Sampler

TAU = 20.0  # first guess of 1 / variance of the offsets


class Effects:
    """An offset for each group of ratings, such as a shopper's day: N(0, 1/τ), τ drawn as well.

    Parameters
    ----------
    groups : (n_ratings,) int array
        The group of each rating.
    n_groups : int
        Groups without a rating keep 0.
    rng : np.random.Generator
    """

    def __init__(self, groups, n_groups: int, rng):
        self.groups = groups
        self.rng = rng
        self.tau = TAU
        self.counts = np.bincount(groups, minlength=n_groups)
        self.values = np.zeros(n_groups)

    def of_ratings(self) -> np.ndarray:
        """The offset of each rating, (n_ratings,)."""
        return self.values[self.groups]

    def draw(self, residual, alpha: float) -> None:
        """Draw the offsets and τ, given what is left of each rating and 1 / its variance."""
        seen = self.counts > 0
        n_seen = seen.sum()
        precision = self.tau + alpha * self.counts[seen]
        total = np.bincount(self.groups, residual, len(self.counts))
        total = total[seen]
        noise = self.rng.standard_normal(n_seen)
        noise = noise / np.sqrt(precision)
        mean = alpha * total / precision
        self.values[seen] = mean + noise
        squares = np.sum(self.values**2)
        drawn = self.rng.gamma(n_seen / 2 + 1)
        self.tau = drawn / (squares / 2 + 0.5)


class GroupSampler(Sampler):
    """A `Sampler` that explains ratings by their groups too.

    Parameters
    ----------
    groups : list of ((nnz,) int array in the order of `R.data`, int)
        Groups of ratings that share an offset, and how many there are.
    R, settings
        As in `Sampler`.
    """

    def __init__(self, groups, R, **settings):
        super().__init__(R, **settings)
        self.effects = [Effects(label, n, self.rng) for label, n in groups]

    def draw_noise(self) -> None:
        """The offsets of each kind of group in turn, then α."""
        residual = self.residual.cpu().numpy()
        for effect in self.effects:
            others = self._sum([e for e in self.effects if e is not effect])
            effect.draw(residual - others, self.alpha)
        if self.effects:
            offset = self._sum(self.effects)
            self.offset = self.known.tensor(offset)
        super().draw_noise()

    def _sum(self, effects):
        return sum(effect.of_ratings() for effect in effects)
