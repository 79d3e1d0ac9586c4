"""One exam for both kinds of shoppers: what later chapters need, whoever the shoppers are.

Simulated shoppers come with a market that knows what each would say of every item. Real customers
come with a log alone. `load_exam` gives both through the same calls, and says which they are.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from helpers.interactions.loading import (
    DEALT,
    LogFacts,
    load_facts,
    load_interactions,
    load_items,
    with_platforms,
)
from helpers.interactions.matrix import LIKED, REAL, Interactions, ItemFeatures
from helpers.interactions.splits import (
    N_HISTORY,
    Split,
    cross_platform,
    cross_platform_log,
    in_fold,
    shuffle_log,
    warm_by_time,
)
from helpers.simulator.loading import load_market
from helpers.simulator.market import Market

FOLDS = 5  # of the customers; one fold is examined
FEWEST_TESTED = 30  # customers for whom a longer history is worth asking


class NobodyToExamine(ValueError):
    """A log in which no customer has enough likes; the message says what is missing."""


@dataclass(frozen=True)
class Exam:
    """Who is examined on what in a profile.

    Attributes
    ----------
    profile : str
    facts : LogFacts
    items : ItemFeatures
        Their `platform` is the one that the exam crosses.
    log : DataFrame
        user, item, rating, timestamp (s), event, platform. Of simulated shoppers, the training log;
        of real customers, everyone's.
    market : Market or None
        Only simulated shoppers have one.
    """

    profile: str
    facts: LogFacts
    items: ItemFeatures
    log: pd.DataFrame
    market: Market | None = None

    @property
    def shoppers(self) -> str:
        """ "simulated" or "real"."""
        return self.facts.shoppers

    @property
    def is_real(self) -> bool:
        """Whether the shoppers are real customers."""
        return self.shoppers == REAL

    @property
    def source(self) -> str:
        """Platform of the histories."""
        return self.facts.source

    @property
    def target(self) -> str:
        """Platform that recommends."""
        return self.facts.target

    @property
    def place(self) -> str:
        """What histories cross: "shop", or "platform" where it is a part of one shop."""
        return self.facts.place

    @property
    def judged_by(self) -> str:
        """Which of a split's relevances counts: "complete" where all is known, else "observed"."""
        return "observed" if self.is_real else "complete"

    @property
    def names(self) -> pd.Index:
        """`image_key` of each item, in order."""
        return pd.Index(self.items.frame["image_key"])

    @cached_property
    def interactions(self) -> Interactions:
        """The log as a matrix: simulated training shoppers, or all real customers."""
        return Interactions.from_frame(self.log, self.names, shoppers=self.shoppers)

    @property
    def lengths(self) -> tuple[int, ...]:
        """History lengths that enough customers can be asked with."""
        if self.market is not None:
            return N_HISTORY
        return lengths_for(self.interactions, self.items, self.source, self.target, self.facts.seed)

    def cross_platform(self, n_history: tuple[int, ...] | None = None) -> Split:
        """The headline: strangers with a history on `source`, ranked items of `target`.

        Of real customers, one fold of five is examined and the others are trained on.

        Parameters
        ----------
        n_history : tuple of int, optional
            History lengths; by default all that can be asked.

        Raises
        ------
        NobodyToExamine
            If no real customer likes anything on both platforms.
        """
        if self.market is not None:
            return cross_platform(self.market, self.items, n_history=n_history or N_HISTORY)
        return self.cross_platform_of(self.interactions, n_history)

    def cross_platform_of(
        self, interactions: Interactions, n_history: tuple[int, ...] | None = None
    ) -> Split:
        """The headline on another log of the same real customers and items, such as a shuffled
        one."""
        return cross_platform_log(
            interactions,
            self.items,
            self.source,
            self.target,
            n_history=n_history or self.lengths,
            overlap=self.facts.overlap,
            folds=FOLDS,
            seed=self.facts.seed,
        )

    def control(self, n_history: tuple[int, ...] | None = None) -> Split:
        """The headline after the log's rows were dealt to its shoppers at random.

        What a method still scores here owes nothing to what one shopper likes. Simulated test
        shoppers stay as they are: they are not in the log.
        """
        shuffled = shuffle_log(self.log, self.facts.seed)
        matrix = Interactions.from_frame(shuffled, self.names, shoppers=self.shoppers)
        if self.market is not None:
            return replace(self.cross_platform(n_history), train=matrix)
        return self.cross_platform_of(matrix, n_history or self.lengths)

    def warm_by_time(self) -> Split | None:
        """Train on the past, ask about the last fifth of the log; None where the log has no
        times."""
        if self.interactions.times is None:
            return None
        return warm_by_time(self.log, self.names, shoppers=self.shoppers)

    @property
    def title(self) -> str:
        """Whose shoppers a table or figure shows, in words."""
        if not self.is_real:
            return "simulated shoppers"
        if self.facts.platforms == DEALT:
            return "real customers, products dealt to two platforms"
        return f"real customers, {self.source} → {self.target}"

    @property
    def title_of_figure(self) -> str:
        """The title as a line begins with it; names of platforms stay as they are."""
        return self.title[0].upper() + self.title[1:]


def load_exam(profile: str) -> Exam:
    """The exam of a profile, from what chapters 01 and 02 left.

    Raises
    ------
    MissingArtefact
        If they haven't run.
    """
    facts = load_facts(profile)
    items = with_platforms(load_items(profile), facts)
    log = load_interactions(profile)
    if facts.shoppers == REAL:
        platform = items.frame.set_index("image_key")["platform"]
        return Exam(profile, facts, items, log.assign(platform=log["item"].map(platform)))
    return Exam(profile, facts, items, log, load_market(profile))


def lengths_for(
    interactions: Interactions,
    items: ItemFeatures,
    source: str,
    target: str,
    seed: int = 7,
    fewest: int = FEWEST_TESTED,
) -> tuple[int, ...]:
    """History lengths, 0 first, up to the longest that `fewest` customers of the fold can be asked.

    All lengths ask the same customers, so a length that few of them have would leave few for all.

    Raises
    ------
    NobodyToExamine
        If no customer of the fold likes an item on each platform.
    """
    n_able = n_able_for(interactions, items, source, target, seed)
    if not n_able[1]:
        platform = items.frame["platform"].to_numpy(dtype=object)
        n_source = _n_likes(interactions, platform == source)
        n_target = _n_likes(interactions, platform == target)
        raise NobodyToExamine(
            f"no customer among the fifth who are examined bought on both {source!r} and "
            f"{target!r}: {len(interactions.users)} customers, "
            f"{int(((n_source > 0) & (n_target > 0)).sum())} of them on both. More customers, or "
            "another column for the platforms, would help"
        )
    enough = min(fewest, n_able[1])
    return tuple(n for n in N_HISTORY if n_able[n] >= enough)


def n_able_for(
    interactions: Interactions, items: ItemFeatures, source: str, target: str, seed: int = 7
) -> dict[int, int]:
    """History length → how many customers of the examined fold have as many likes on `source`, and
    one or more on `target`.
    """
    platform = items.frame["platform"].to_numpy(dtype=object)
    n_source = _n_likes(interactions, platform == source)
    n_target = _n_likes(interactions, platform == target)
    examined = in_fold(interactions.users, 0, FOLDS, seed) & (n_target > 0)
    return {n: int((examined & (n_source >= n)).sum()) for n in N_HISTORY}


def _n_likes(interactions: Interactions, where: np.ndarray) -> np.ndarray:
    """Likes of each user among the items marked in `where`, (n_users,)."""
    likes = interactions.ratings[:, np.flatnonzero(where)] >= LIKED
    return np.asarray(likes.sum(axis=1)).ravel()
