"""A learned blend that is never far from its best member: another takes over where it is better."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.sparse as sp

from helpers.interactions.matrix import Histories, Interactions, ItemFeatures, liked_only
from helpers.recommenders import blend, choice, trees
from helpers.recommenders.base import Recommender
from helpers.recommenders.negatives import has_dislikes
from helpers.recommenders.parts import build, spec_of
from helpers.recommenders.practice import (
    LEAST_CROSSING,
    LENGTHS,
    PARTS,
    TIERS,
    Cut,
    across,
    dealt,
    from_one_part_to_the_other,
    likes_in_order,
    split_by_date,
    split_by_item,
    within,
)

GOALS = ("chosen", "enjoyed")
CELLS = 16_000_000  # of evidence, (shoppers, n_signals, n_items), that are dense at once: 64 MB
SHOPPERS = {"chosen": 800, "enjoyed": 400}  # who practice for a question, at most
IN_ALL = 2400  # who practice for all questions together
AT_LEAST = 200  # for a question, however many there are
WORDS = {"name": "Content", "parameters": {"reads": "words"}}
PEOPLE = {"name": "UserKNN", "parameters": {}}
ITEMS = {"name": "ItemKNN", "parameters": {}}
MEMBERS = (
    {"name": "RecentPopularity", "parameters": {}},
    {"name": "SeasonalPopularity", "parameters": {}},
    {"name": "UserKNN", "parameters": {}},
    {"name": "ItemKNN", "parameters": {}},
    {"name": "EASE", "parameters": {}},
    {"name": "MatrixCompletion", "parameters": {"solver": "ials", "prior": "content"}},
    {"name": "Content", "parameters": {}},
    WORDS,
    {"name": "Bridge", "parameters": {"content": WORDS, "inside": PEOPLE, "near": 50}},
    {"name": "Bridge", "parameters": {"content": WORDS, "inside": ITEMS, "near": 50}},
    {"name": "RandomWalk", "parameters": {}},
    {"name": "WordWalk", "parameters": {}},
    {"name": "Attributes", "parameters": {"weighting": "lift"}},
)
JUDGES = (  # members that say what a shopper would enjoy, whether or not they would come across it
    {"name": "EASE", "parameters": {}},
    {"name": "ItemKNN", "parameters": {}},
    {"name": "Content", "parameters": {}},
    {"name": "Attributes", "parameters": {}},
    {"name": "Taste", "parameters": {}},
)
# Questions: "what else in the shops of the history", "what next, of a shopper whom the log knows",
# "which of these items, all of them new"; others are numbers of target shops
OWN = -1
NEXT = -2
NEW = -3


class Hybrid(Recommender):
    """Blends popularity and the evidence of other recommenders.

    `blend.py` has the formula and how it is learned.

    The practice copies the exam. Training shoppers that the members have not seen are cut down to
    their first n likes; asked is what else they like, or what they like in a shop that the history
    doesn't know. Each of these questions has weights of its own. Where too few shoppers are known
    in two shops, each shop is dealt into two for practice.

    A shopper of the training log, known by name, poses another question: what will they choose
    next? It is practiced in the order of time, where the log has dates: members learn from the log
    up to its last fifth, and asked is what a shopper liked in that fifth. So what sells now and
    what sells always get their own weights. For candidates that nobody has liked yet, a fifth
    of the items is hidden from the members, and asked is which of these a shopper liked.

    Parameters
    ----------
    goal : "chosen" or "enjoyed"
        What is asked, as in `TwoTower`. "chosen": what a shopper will choose, which exposure has a
        part in; all items are candidates, and for each history length plain recipes, such as
        popularity, join or take over where that gives better lists (`choice.py`). "enjoyed": what
        they would like if they saw everything; candidates are what they saw, which takes a log
        with dislikes, and popularity is a signal among others.
    trees : bool
        Whether trees that rank by the members' evidence (`trees.py`) are one more signal. They are
        grown only for what a shopper will choose.
    members : list or None
        Recommenders or their specs (see `parts.build`); None is the default ones of the goal.
    shoppers : int or None
        Practice shoppers for each question, at most, each at several lengths of history. The choice
        among recipes needs hundreds. None is 800 (400 for "enjoyed"), or fewer where there are many
        shops. What comes next has one history of each, so more shoppers practice it.
    """

    handles_cold_users = True
    handles_cold_items = True
    # as in a model saved before these questions were practiced
    place_of_next_ = -1
    place_of_new_ = -1
    customers_ = np.zeros(0, np.uint64)

    def __init__(
        self,
        members=None,
        goal="chosen",
        shoppers=None,
        trees=True,
        seed=7,
    ):
        if goal not in GOALS:
            raise ValueError(f"goal must be 'chosen' or 'enjoyed', not {goal!r}")
        if members is None:
            members = MEMBERS if goal == "chosen" else JUDGES
        self._members = [build(member) for member in members]
        self.goal = goal
        self.shoppers = shoppers
        self.trees = trees
        self.seed = seed

    @property
    def members(self) -> list[dict]:
        """What the constructor needs to build the same members again."""
        return [spec_of(member) for member in self._members]

    def parts(self):
        """As in `Recommender`."""
        return {str(number): member for number, member in enumerate(self._members)}

    @property
    def signals(self) -> list[str]:
        """Names of the blended signals."""
        names = ["Popularity", *(type(member).__name__ for member in self._members)]
        return [*names, "Trees"] if self.has_trees_ else names

    def weights(self, n_history, shop: int = OWN) -> np.ndarray:
        """Weight of each signal, (len(n_history), n_signals), in the order of `signals`.

        Of a target shop if given, or of `NEXT` or `NEW`; ValueError where there is no such
        question.
        """
        n_history = np.asarray(n_history)
        place = np.full(len(n_history), self._place(shop))
        return self._weights_of(place, self._as_practiced(n_history, place))

    def _usable(self, histories):
        return np.ones(len(histories), dtype=bool)

    def _fit(self, train, items, validate):
        if items is None:
            raise ValueError(
                "Hybrid reads the items' shops, words and vectors: call fit(train, items)"
            )
        self._asks_all = self.goal == "chosen" or not has_dislikes(train.ratings)
        if self.goal == "enjoyed" and self._asks_all:
            warnings.warn(
                "Hybrid: the log has no dislikes, so it can't tell what was seen and not enjoyed; "
                "learning what is chosen instead",
                stacklevel=3,
            )
        self.floor_ = bool(self._asks_all)
        self.has_trees_ = bool(self.trees and self._asks_all and trees.can_grow())
        self.shop_ = _shop_numbers(items)
        n_shops = self.shop_.max() + 1
        questions = [OWN]
        if n_shops > 1:
            questions += range(n_shops)
        self._n_practicing = self._how_many(len(questions))
        rows_of_questions = self._practise(train, items, questions)
        self._add_practice(train, items, rows_of_questions)
        _warn_if_silent(rows_of_questions)
        _, part = _lots_of(train, self.seed)
        self._learn(rows_of_questions, part)
        del rows_of_questions  # before the members are fitted
        for member in self._members:
            if not hasattr(member, "n_items_"):
                member.fit(train, items)

    # ------------------------------------------------------------------ practice
    def _how_many(self, n_questions: int) -> int:
        """Practice shoppers for each of so many questions."""
        if self.shoppers is not None:
            return self.shoppers
        fair = max(IN_ALL // n_questions, AT_LEAST)
        return min(fair, SHOPPERS[self.goal])

    def _practise(
        self,
        train,
        items,
        questions,
    ) -> dict[int, blend.Rows | None]:
        """Practice rows of each question, in the order of the questions."""
        crowd = _Crowd.of(train, self.seed)
        cuts = {question: self._cuts(question, crowd) for question in questions}
        apart = [question for question in questions if _too_few(question, cuts[question])]
        together = [question for question in questions if question not in apart]
        rows = {question: [] for question in questions}
        for held in range(PARTS if together else 0):
            known = train.rows(crowd.part != held)
            clones = self._clones(known, items)
            for question in together:
                mine = [cut for cut in cuts[question] if crowd.part[cut.shopper] == held]
                allowed = self._allowed(question)
                found = self._evidence_of(clones, train, mine, allowed, self._lots(question, held))
                rows[question].append(found)
            del clones  # before the next ones are fitted: in a large shop they are large
        if apart:
            rows |= self._practise_apart(train, items, apart, crowd)
        # each list of parts is given up as soon as it is joined: together they are large
        return {question: self._join(rows.pop(question)) for question in questions}

    def _cuts(
        self,
        question: int,
        crowd: "_Crowd",
    ) -> list[Cut]:
        """Shoppers cut down for a question.

        An empty history is practiced only if it has a gate of its own.
        """
        lengths = LENGTHS if self._asks_all else (0, *LENGTHS)
        if question == OWN:
            return within(crowd.likes, crowd.order, self._n_practicing, lengths)
        return across(
            crowd.likes,
            self.shop_,
            question,
            crowd.order,
            self._n_practicing,
            lengths,
        )

    def _practise_apart(
        self,
        train,
        items,
        questions,
        crowd: "_Crowd",
    ) -> dict[int, list]:
        """Practice rows of target shops that share too few shoppers with others: each shop is
        dealt into two.
        """
        known, halves = dealt(train.rows(crowd.part != 0), items, self.seed)
        clones = self._clones(known, halves)
        shop = _shop_numbers(halves)
        users = [user for user in crowd.order if crowd.part[user] == 0]
        found = {}
        for question in questions:
            mine = self.shop_ == question
            second_half = shop[mine].max()
            inside = [likes_of[mine[likes_of]] for likes_of in crowd.likes]
            cuts = across(inside, shop, second_half, users, self._n_practicing)
            allowed = shop == second_half
            rows = self._evidence_of(clones, train, cuts, allowed, self._lots(question))
            found[question] = [rows]
        return found

    def _add_practice(self, train, items, rows_of_questions) -> None:
        """Practice of `NEXT` and `NEW` where there is any; -1 is the place of a question without.

        Neither is asked for "enjoyed", whose candidates are what a shopper saw.
        """
        self.place_of_next_ = -1
        self.place_of_new_ = -1
        self.customers_ = np.zeros(0, np.uint64)
        if not self._asks_all:
            return
        of_next = self._practise_next(train, items)
        if of_next is not None:
            self.place_of_next_ = len(rows_of_questions)
            self.customers_ = np.sort(_name_numbers(train.users))
            rows_of_questions[NEXT] = of_next
        of_new = self._practise_new(train, items)
        if of_new is not None:
            self.place_of_new_ = len(rows_of_questions)
            rows_of_questions[NEW] = of_new

    def _practise_next(self, train, items) -> blend.Rows | None:
        """Practice rows of "what next"; None where dates or shoppers are too few."""
        split = split_by_date(train)
        if split is None:
            return None
        past, late = split
        return self._practise_in_full(past, late, items, NEXT, self._allowed(NEXT))

    def _practise_new(self, train, items) -> blend.Rows | None:
        """Practice rows of "which of the new items"; None where shoppers are too few."""
        known, unknown, hidden = split_by_item(train, self.seed)
        return self._practise_in_full(known, unknown, items, NEW, hidden)

    def _practise_in_full(
        self,
        known: Interactions,
        unknown: Interactions,
        items,
        question: int,
        allowed: np.ndarray,
    ) -> blend.Rows | None:
        """Practice rows of shoppers with all that `known` has of them; what they liked in
        `unknown` alone is asked for.
        """
        order, _ = _lots_of(known, self.seed)
        at_most = len(LENGTHS) * self._n_practicing  # as many rows as of another question
        cuts = from_one_part_to_the_other(known, unknown, order, at_most)
        if len(cuts) < blend.LEAST:
            return None
        clones = self._clones(known, items)
        lots = self._lots(question)
        rows = self._evidence_of(clones, known, cuts, allowed, lots, in_full=True)
        return replace(rows, length=_practiced(rows.length))

    def _lots(self, question: int, part: int = 0) -> np.random.Generator:
        """Random numbers of a question: what it draws doesn't depend on the other questions."""
        number = question + 1 if question >= OWN else len(self.shop_) - question
        return np.random.default_rng([self.seed, number, part])

    def _clones(self, train, items) -> list[Recommender]:
        """Popularity and new members, fitted on a part of the shoppers."""
        specs = [{"name": "Popularity", "parameters": {}}, *self.members]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return [build(spec).fit(train, items) for spec in specs]

    def _allowed(self, question: int) -> np.ndarray:
        """The candidates of a question, (n_items,) bool."""
        if question in (OWN, NEXT):
            return np.ones(self.n_items_, bool)
        return self.shop_ == question

    def _evidence_of(
        self,
        members: list[Recommender],
        train: Interactions,
        cuts: list[Cut],
        allowed: np.ndarray,
        rng,
        in_full: bool = False,
    ) -> blend.Rows | None:
        """Practice rows of some cuts, candidates being the items marked in `allowed`.

        The members know the shoppers by their cuts, or by all that `train` has of them.
        """
        parts = []
        step = self._rows_at_once()
        for start in range(0, len(cuts), step):
            some = cuts[start : start + step]
            histories = _in_full(train, some) if in_full else _cut_down(train, some)
            parts.append(self._rows_of(members, train, some, histories, allowed, rng))
        return blend.joined(parts) if parts else None

    def _rows_of(
        self,
        members: list[Recommender],
        train: Interactions,
        cuts: list[Cut],
        histories: Histories,
        allowed: np.ndarray,
        rng,
    ) -> blend.Rows:
        """As `_evidence_of`, of so few cuts that their evidence may be dense."""
        shoppers = [cut.shopper for cut in cuts]
        liked = _matrix([cut.liked for cut in cuts], self.n_items_)
        places = np.flatnonzero(allowed)
        evidence = _stacked(members, histories, places)
        candidates = histories.ratings[:, places].toarray() == 0
        if not self._asks_all:
            seen = train.ratings[shoppers][:, places]
            candidates &= seen.toarray() > 0
        z, log_weight, found = blend.pruned(
            evidence,
            candidates,
            liked[:, places].toarray() > 0,
            rng,
            everything=not self._asks_all,
        )
        return blend.Rows(
            z=z,
            log_weight=log_weight,
            liked=found,
            length=np.array([cut.length for cut in cuts]),
            shopper=np.array(shoppers),
        )

    @staticmethod
    def _join(parts) -> blend.Rows | None:
        """The rows of all parts in which the shopper went on to like something."""
        parts = [part for part in parts if part is not None]
        if not parts:
            return None
        rows = blend.joined(parts)
        return rows[rows.liked.any(axis=1)]

    # ------------------------------------------------------------------ weights
    def _learn(
        self,
        rows_of_questions: dict[int, blend.Rows | None],
        part_of_shopper: np.ndarray,
    ) -> None:
        """For each question: the scale, the trees, the weights, and how much plain recipes count.

        A question without practice gets the plain sum of all signals; for "enjoyed", popularity.
        """
        n_questions = len(rows_of_questions)
        n_signals = len(self.signals)
        self.scale_ = np.ones((n_questions, len(self._members) + 1), np.float32)
        forests = [trees.Forest.empty(trees.PARTS * trees.TREES)] * n_questions
        self.weights_ = np.zeros((n_questions, 2, n_signals), np.float32)
        self.weights_[:, 0, 0] = 1
        self.alpha_ = np.zeros((n_questions, len(LENGTHS)), np.float32)
        self.practiced_ = np.zeros((n_questions, len(LENGTHS), n_signals), np.float32)
        self.practiced_[:] = choice.plain_sum(n_signals)
        for place, rows in enumerate(rows_of_questions.values()):
            if rows is None or len(rows) < blend.LEAST:
                continue
            self.scale_[place] = blend.scales(rows)
            blend.in_logs(rows.z, self.scale_[place], self._already_logs())  # in place
            if self.has_trees_:
                part = part_of_shopper[rows.shopper]
                forests[place], scores = trees.grown(rows, part, self.seed)
                rows = trees.with_scores(rows, scores)
            self.weights_[place] = blend.fit_weights(rows)
            if self._asks_all:
                chosen = choice.choose(rows, self.weights_[place], LENGTHS)
                self.practiced_[place] = chosen.weights
                self.alpha_[place] = chosen.alpha
        if self.has_trees_:
            self._keep(forests)

    def _keep(self, forests: list[trees.Forest]) -> None:
        """Keep the trees of all questions as arrays, which `save` writes."""
        for name in trees.ARRAYS:
            parts = [getattr(forest, name) for forest in forests]
            setattr(self, f"tree_{name}_", np.stack(parts))

    def _forest(self, place: int) -> trees.Forest:
        """The trees of one question."""
        arrays = {}
        for name in trees.ARRAYS:
            arrays[name] = getattr(self, f"tree_{name}_")[place]
        return trees.Forest(**arrays)

    # ------------------------------------------------------------------ scores
    def _score(self, histories):
        return self.score_candidates(histories, np.arange(self.n_items_))

    def score_candidates(self, histories, candidates):
        """As in `Recommender`, by the weights of the first question that fits: which of the new
        items, where all candidates are new; what a shop has for a history that doesn't know it,
        where all are of that shop; what next, for a customer of the log; what else.
        """
        found = np.zeros((len(histories), len(candidates)), np.float32)
        self.n_fallback_ = 0
        step = self._rows_at_once()
        for start in range(0, len(histories), step):
            rows = slice(start, start + step)
            part = histories[rows]
            z = _stacked([self, *self._members], part, candidates)
            question = self._questions(part, candidates)
            n_liked = np.asarray(liked_only(part.ratings).sum(axis=1)).ravel()
            n_liked = self._as_practiced(n_liked, question)
            z = blend.in_logs(z, self.scale_[question], self._already_logs())
            if self.has_trees_:
                is_seen = part.in_catalogue(self.n_items_)[:, candidates].toarray() > 0
                z = self._with_trees(z, candidates, is_seen, question, n_liked)
            weight = self._weights_of(question, n_liked)
            found[rows] = np.einsum("us,usi->ui", weight, z)
        return found

    def _rows_at_once(self) -> int:
        """Shoppers whose evidence is dense at once."""
        n_signals = len(self._members) + 1
        return max(CELLS // (n_signals * self.n_items_), 1)

    def _questions(self, histories, candidates: np.ndarray) -> np.ndarray:
        """Place of the question that each shopper poses, (n_users,)."""
        is_new = not self.popularity_[candidates].any()
        if is_new and self.place_of_new_ >= 0:
            return np.full(len(histories), self.place_of_new_)
        place = np.zeros(len(histories), np.int64)
        if not is_new:  # dates say nothing of items that are all new
            place[self._is_customer(histories)] = self.place_of_next_
        shops = np.unique(self.shop_[candidates])
        if len(shops) == 1 and self.shop_.max() > 0:
            shop = shops[0]
            liked = liked_only(histories.in_catalogue(self.n_items_))
            n_liked_there = liked[:, self.shop_ == shop].getnnz(axis=1)
            place[n_liked_there == 0] = self._place(shop)
        return place

    def _place(self, question: int) -> int:
        """Where the arrays of `_learn` have a question.

        ValueError for a shop that there isn't, and for `NEXT` and `NEW` if not practiced.
        """
        places = {OWN: 0, NEXT: self.place_of_next_, NEW: self.place_of_new_}
        last_shop = self.shop_.max()
        if last_shop > 0 and 0 <= question <= last_shop:
            return question + 1
        if places.get(question, -1) < 0:
            raise ValueError(
                f"question {question} was not practiced: there is no such shop to choose from, or "
                "dates, items or shoppers were too few"
            )
        return places[question]

    def _is_customer(self, histories) -> np.ndarray:
        """Whom the training log knew by name, (n_users,) bool."""
        if histories.users is None or len(self.customers_) == 0:
            return np.zeros(len(histories), bool)
        numbers = _name_numbers(histories.users)
        # `customers_` are sorted; np.isin would sort them again for every few shoppers
        first = np.searchsorted(self.customers_, numbers)
        return first < np.searchsorted(self.customers_, numbers, side="right")

    def _as_practiced(self, n_liked: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Lengths of histories, (n_users,); for `NEXT` and `NEW` no more than were practiced."""
        is_in_full = np.isin(place, [self.place_of_next_, self.place_of_new_])
        return np.where(is_in_full, np.minimum(n_liked, LENGTHS[-1]), n_liked)

    def _evidence(self, histories):
        log_popularity = np.log(self.popularity_ + 0.5)
        return np.tile(log_popularity, (len(histories), 1))

    def _already_logs(self) -> np.ndarray:
        return np.array([True, *(member.evidence_in_logs for member in self._members)])

    def _with_trees(self, z, candidates, is_seen, place, n) -> np.ndarray:
        """Evidence (n_users, n_signals, n_candidates) of all members and the trees, for questions
        `place` and history lengths `n`.

        Where all candidates are new, and such were not practiced, the trees are silent: they have
        grown on items that people knew.
        """
        rows = blend.Rows(
            z=z,
            log_weight=np.where(is_seen, -np.inf, 0).astype(np.float32),
            liked=np.zeros(is_seen.shape, bool),
            length=n,
            shopper=np.arange(len(z)),
        )
        scores = np.zeros(is_seen.shape, np.float32)
        is_practiced = self.place_of_new_ >= 0 or self.popularity_[candidates].any()
        asked = np.unique(place) if is_practiced else []
        for question in asked:
            mine = np.flatnonzero(place == question)
            asked_by = rows if len(asked) == 1 else rows[mine]
            scores[mine] = trees.score(self._forest(question), asked_by)
        return trees.with_scores(rows, scores).z

    def _weights_of(self, place, n) -> np.ndarray:
        """Weight of each signal for each shopper, (n_users, n_signals).

        "enjoyed" has the learned curve alone, since popularity is a signal among others.
        """
        curve = np.einsum("ug,ugs->us", blend.basis(n), self.weights_[place])
        if not self.floor_:
            return curve
        found = np.empty_like(curve)
        for row, length in enumerate(n):
            if length == 0:
                found[row] = choice.popularity_alone(found.shape[1])  # nobody knows this shopper
            else:
                found[row] = self._chosen(place[row], length)
        return found

    def _chosen(self, question: int, length: float) -> np.ndarray:
        """Weights (n_signals,) at a history length: those of the practiced ones, linear in
        log(1 + n) between them; beyond the longest, the learned part grows like its curve.
        """
        longest = LENGTHS[-1]
        weights = _between(self.practiced_[question], min(length, longest))
        if length <= longest:
            return weights
        growth = np.log1p(length) - np.log1p(longest)
        slope = self.weights_[question, 1]
        return weights + self.alpha_[question, -1] * growth * slope


def _between(weights: np.ndarray, length: int) -> np.ndarray:
    """Weights (n_signals,) at a length, from those (n_lengths, n_signals) at the practiced ones."""
    practiced = np.log1p(LENGTHS)
    spot = np.interp(np.log1p(length), practiced, np.arange(len(LENGTHS)))
    before = int(spot)
    after = min(before + 1, len(LENGTHS) - 1)
    share = spot - before
    return (1 - share) * weights[before] + share * weights[after]


@dataclass(frozen=True)
class _Crowd:
    """The training shoppers in the order and in the parts in which they practice."""

    order: np.ndarray  # (n_users,), a permutation
    part: np.ndarray  # (n_users,), the part in which a shopper is a stranger to the members
    likes: list[np.ndarray]  # liked items of each

    @classmethod
    def of(cls, train: Interactions, seed: int) -> "_Crowd":
        """All shoppers of a log, dealt at random."""
        order, part = _lots_of(train, seed)
        return cls(order, part, likes_in_order(train, seed))


def _lots_of(train: Interactions, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Order and part of each training shopper, as in `_Crowd`."""
    n_users = train.shape[0]
    rng = np.random.default_rng(seed)
    order = rng.permutation(n_users)
    part = rng.integers(0, PARTS, n_users)
    return order, part


def _warn_if_silent(rows_of_questions: dict[int, blend.Rows | None]) -> None:
    """Say so where there is nothing to learn weights from."""
    known = [rows for rows in rows_of_questions.values() if rows is not None]
    known = [rows for rows in known if len(rows) >= blend.LEAST]
    if not known:
        warnings.warn(
            f"Hybrid: fewer than {blend.LEAST} practice histories, since hardly anyone likes more "
            f"than {min(TIERS)} items; its members count alike beside popularity",
            stacklevel=4,
        )
    elif not any(rows.z[:, 1:].any() for rows in known):
        warnings.warn(
            "Hybrid: no member has anything to say of the practice shoppers; everyone gets the "
            "most popular items. Give items titles, attributes or vectors, or a longer log",
            stacklevel=4,
        )


def _too_few(question: int, cuts: list[Cut]) -> bool:
    """Whether too few shoppers are known in the target shop and another one."""
    n_shoppers = len({cut.shopper for cut in cuts})
    return question != OWN and n_shoppers < LEAST_CROSSING


def _shop_numbers(items: ItemFeatures) -> np.ndarray:
    """Number of each item's shop, (n_items,) int64."""
    platform = items.frame["platform"].astype("category")
    return platform.cat.codes.to_numpy(np.int64)


def _stacked(
    members,
    histories,
    candidates=slice(None),
) -> np.ndarray:
    """Evidence of all members, (n_users, n_members, n_items) float32."""
    parts = [member.evidence(histories)[:, candidates] for member in members]
    return np.stack(parts, axis=1)


def _cut_down(train: Interactions, cuts: list[Cut]) -> Histories:
    """Shoppers known by the histories of their cuts."""
    n_items = train.shape[1]
    history = _matrix([cut.history for cut in cuts], n_items)
    dates = _dates_of(history, train, [cut.shopper for cut in cuts])
    return Histories(history * 5, np.arange(n_items), times=dates)


def _in_full(train: Interactions, cuts: list[Cut]) -> Histories:
    """Shoppers known by all that `train` has of them."""
    return Histories.from_interactions(train, users=[cut.shopper for cut in cuts])


def _practiced(n_liked: np.ndarray) -> np.ndarray:
    """The largest practiced length that a history reaches, (n_users,); the shortest if none."""
    place = np.searchsorted(LENGTHS, n_liked, side="right") - 1
    return np.array(LENGTHS)[np.maximum(place, 0)]


def _name_numbers(names: pd.Index) -> np.ndarray:
    """A number for each shopper's name, (n_users,) uint64: names stay out of the model's file."""
    return pd.util.hash_array(names.astype(str).to_numpy(dtype=object))


def _dates_of(
    history: sp.csr_matrix,
    train: Interactions,
    shoppers: list[int],
) -> sp.csr_matrix | None:
    """When each item of some cut-down shoppers was liked, in the cells of `history`; None in a log
    without dates.
    """
    if train.times is None:
        return None
    row, column = history.nonzero()
    shopper = np.array(shoppers)[row]
    days = np.asarray(train.times[shopper, column]).ravel()
    return sp.csr_matrix((days, (row, column)), shape=history.shape)


def _matrix(rows: list[np.ndarray], n_items: int) -> sp.csr_matrix:
    """Ones at the positions that each row lists."""
    n = len(rows)
    lengths = [len(positions) for positions in rows]
    row = np.repeat(np.arange(n), lengths)
    column = np.concatenate(rows)
    ones = np.ones(len(row), np.float32)
    return sp.csr_matrix((ones, (row, column)), shape=(n, n_items))
