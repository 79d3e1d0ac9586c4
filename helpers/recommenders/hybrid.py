"""A learned blend that is never far from its best member, and popularity where nothing else holds."""

import warnings

import numpy as np
import scipy.sparse as sp

from helpers.interactions.matrix import Histories, liked_only
from helpers.recommenders import blend
from helpers.recommenders.base import Recommender
from helpers.recommenders.negatives import has_dislikes
from helpers.recommenders.parts import build, spec_of
from helpers.recommenders.practice import (
    LEAST_CROSSING,
    LENGTHS,
    PARTS,
    across,
    dealt,
    likes_in_order,
    within,
)

GOALS = ("chosen", "enjoyed")
BLOCK = 64  # shoppers whose evidence is dense at once: (BLOCK, n_signals, n_items) float32
WORDS = {"name": "Content", "parameters": {"reads": "words"}}
PEOPLE = {"name": "UserKNN", "parameters": {}}
MEMBERS = (
    {"name": "RecentPopularity", "parameters": {}},
    {"name": "UserKNN", "parameters": {}},
    {"name": "ItemKNN", "parameters": {}},
    {"name": "EASE", "parameters": {}},
    {"name": "MatrixCompletion", "parameters": {"solver": "ials", "prior": "content"}},
    {"name": "Content", "parameters": {}},
    WORDS,
    {"name": "Bridge", "parameters": {"content": WORDS, "inside": PEOPLE, "near": 50}},
    {"name": "Attributes", "parameters": {"weighting": "lift"}},
)
JUDGES = (  # members that say what a shopper would enjoy, whether or not they would come across it
    {"name": "EASE", "parameters": {}},
    {"name": "ItemKNN", "parameters": {}},
    {"name": "Content", "parameters": {}},
    {"name": "Attributes", "parameters": {}},
    {"name": "Taste", "parameters": {}},
)
OWN = -1  # the question "what else in the shops of the history"; others are numbers of target shops


class Hybrid(Recommender):
    """Blends popularity and the evidence of other recommenders; see `blend.py` for the formula and how it is learned.

    The practice copies the exam. Training shoppers that the members have not seen are cut down to their first n likes;
    asked is what else they like, or what they like in a shop that the history doesn't know. Each of these questions has
    weights of its own. Where too few shoppers are known in two shops, each shop is dealt into two for practice.

    Parameters
    ----------
    goal : "chosen" or "enjoyed"
        What is asked, as in `TwoTower`. "chosen": what a shopper will choose, which exposure has a part in; all items
        are candidates, and a gate leads back to popularity. "enjoyed": what they would like if they saw everything;
        candidates are what they saw, which takes a log with dislikes, and popularity is a signal among others.
    members : recommenders or their specs (see `parts.build`); None stands for the default ones of the goal.
    shoppers : int
        Practice shoppers for each question, at most.
    """

    handles_cold_users = True
    handles_cold_items = True

    def __init__(self, members=None, goal="chosen", shoppers=400, seed=7):
        if goal not in GOALS:
            raise ValueError(f"goal must be 'chosen' or 'enjoyed', not {goal!r}")
        if members is None:
            members = MEMBERS if goal == "chosen" else JUDGES
        self._members = [build(member) for member in members]
        self.goal = goal
        self.shoppers = shoppers
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
        return ["Popularity", *(type(member).__name__ for member in self._members)]

    def weights(self, n_history, shop: int = OWN) -> np.ndarray:
        """Weight of each signal, (len(n_history), n_signals), in the order of `signals`; of a target shop if given."""
        return blend.basis(n_history) @ self.weights_[shop + 1]

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
        self.shop_ = items.frame["platform"].astype("category").cat.codes.to_numpy(np.int64)
        n_shops = self.shop_.max() + 1
        questions = [OWN, *range(n_shops)] if n_shops > 1 else [OWN]
        self._rows = self._practise(train, items, questions)
        self._learn(questions)
        for member in self._members:
            if not hasattr(member, "n_items_"):
                member.fit(train, items)

    # ------------------------------------------------------------------ practice
    def _practise(self, train, items, questions) -> dict[int, blend.Rows | None]:
        """Practice rows of each question."""
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(train.shape[0])
        part = rng.integers(0, PARTS, train.shape[0])
        likes = likes_in_order(train, self.seed)
        lengths = LENGTHS if self._asks_all else (0, *LENGTHS)
        cuts = {}
        for question in questions:
            if question == OWN:
                cuts[question] = within(likes, order, self.shoppers, lengths)
            else:
                cuts[question] = across(likes, self.shop_, question, order, self.shoppers, lengths)
        crossing = {
            question: len({cut.shopper for cut in found}) for question, found in cuts.items()
        }
        apart = [q for q in questions if q != OWN and crossing[q] < LEAST_CROSSING]
        rows = {question: [] for question in questions}
        for held in range(PARTS):
            known = train.rows(part != held)
            clones = self._clones(known, items)
            for question in questions:
                if question in apart:
                    continue
                mine = [cut for cut in cuts[question] if part[cut.shopper] == held]
                allowed = self._allowed(question, self.shop_)
                rows[question].append(self._evidence_of(clones, train, mine, allowed, rng))
        if apart:
            for question, found in self._practise_apart(
                train, items, apart, likes, part, order, rng
            ).items():
                rows[question] = [found]
        return {question: self._join(found) for question, found in rows.items()}

    def _practise_apart(self, train, items, questions, likes, part, order, rng):
        """Practice rows of target shops that share too few shoppers with others: each shop is dealt into two."""
        known, halves = dealt(train.rows(part != 0), items, self.seed)
        clones = self._clones(known, halves)
        shop = halves.frame["platform"].astype("category").cat.codes.to_numpy(np.int64)
        users = [user for user in order if part[user] == 0]
        found = {}
        for question in questions:
            mine = self.shop_ == question
            target = shop[mine].max()  # the second half
            inside = [likes_of[mine[likes_of]] for likes_of in likes]
            cuts = across(inside, shop, target, users, self.shoppers)
            found[question] = self._evidence_of(clones, train, cuts, shop == target, rng)
        return found

    def _clones(self, train, items) -> list[Recommender]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            popularity = build({"name": "Popularity", "parameters": {}}).fit(train, items)
            return [popularity, *(build(spec).fit(train, items) for spec in self.members)]

    @staticmethod
    def _allowed(question, shop) -> np.ndarray:
        return np.ones(len(shop), bool) if question == OWN else shop == question

    def _evidence_of(self, members, train, cuts, allowed, rng) -> blend.Rows | None:
        """Practice rows of some cuts, candidates being the items marked in `allowed`."""
        parts = []
        for start in range(0, len(cuts), BLOCK):
            some = cuts[start : start + BLOCK]
            history = _matrix([cut.history for cut in some], self.n_items_)
            evidence = _stacked(members, Histories(history * 5, np.arange(self.n_items_)))
            free = np.tile(allowed, (len(some), 1))
            free[history.nonzero()] = False
            if not self._asks_all:
                free &= train.ratings[[cut.shopper for cut in some]].toarray() > 0
            liked = _matrix([cut.liked for cut in some], self.n_items_).toarray() > 0
            z, log_weight, found = blend.pruned(evidence, free, liked, rng, not self._asks_all)
            length = np.array([cut.length for cut in some])
            shopper = np.array([cut.shopper for cut in some])
            parts.append(blend.Rows(z, log_weight, found, length, shopper))
        return blend.joined(parts) if parts else None

    @staticmethod
    def _join(parts) -> blend.Rows | None:
        parts = [part for part in parts if part is not None]
        if not parts:
            return None
        rows = blend.joined(parts)
        return rows[rows.liked.any(axis=1)]

    # ------------------------------------------------------------------ weights
    def _learn(self, questions):
        """Scale, weights and gate of each question; a question without practice has a closed gate."""
        n_signals = len(self._members) + 1
        self.scale_ = np.ones((len(questions), n_signals), np.float32)
        self.weights_ = np.zeros((len(questions), 2, n_signals), np.float32)
        self.weights_[:, 0, 0] = 1
        self.alpha_ = np.zeros((len(questions), len(LENGTHS)), np.float32)
        self.tables_ = {}
        for place, question in enumerate(questions):
            rows = self._rows[question]
            if rows is None or len(rows) < blend.LEAST:
                continue
            self.scale_[place] = blend.scales(rows)
            blend.in_logs(rows.z, self.scale_[place], self._already_logs())
            self.weights_[place] = blend.fit_weights(rows)
            table = blend.cross_fitted(rows)
            self.tables_[str(question)] = [
                [
                    round(float(table[:, rows.length == n].mean(axis=1)[a]), 4)
                    for a in range(len(blend.ALPHAS))
                ]
                for n in LENGTHS
                if (rows.length == n).any()
            ]
            self.alpha_[place] = blend.gate(table, rows.length, LENGTHS) if self._asks_all else 1.0

    # ------------------------------------------------------------------ scores
    def _score(self, histories):
        return self.score_candidates(histories, np.arange(self.n_items_))

    def score_candidates(self, histories, candidates):
        """As in `Recommender`: where all candidates are of one shop that a history doesn't know, by that shop's weights."""
        found = np.zeros((len(histories), len(candidates)), np.float32)
        shops = np.unique(self.shop_[candidates])
        self.n_fallback_ = 0
        for start in range(0, len(histories), BLOCK):
            part = histories[start : start + BLOCK]
            z = _stacked([self, *self._members], part, candidates)
            liked = liked_only(part.in_catalogue(self.n_items_))
            place = np.zeros(len(part), np.int64)
            if len(shops) == 1 and len(self.alpha_) > 1:
                visits = liked[:, self.shop_ == shops[0]].getnnz(axis=1) == 0
                place[visits] = 1 + shops[0]
            n = np.asarray(liked_only(part.ratings).sum(axis=1)).ravel()
            found[start : start + BLOCK] = self._mix(z, place, n)
        return found

    def _evidence(self, histories):
        return np.log(np.broadcast_to(self.popularity_, (len(histories), self.n_items_)) + 0.5)

    def _already_logs(self) -> np.ndarray:
        return np.array([True, *(member.evidence_in_logs for member in self._members)])

    def _mix(self, z, place, n):
        z = blend.in_logs(z, self.scale_[place], self._already_logs())
        weight = np.einsum("ug,ugs->us", blend.basis(n), self.weights_[place])
        at = np.log1p(LENGTHS)
        alpha = np.empty(len(n), np.float32)
        for row, length in enumerate(n):
            alpha[row] = np.interp(np.log1p(length), at, self.alpha_[place[row]])
            if length == 0 and self.floor_:
                alpha[row] = 0  # nobody knows this shopper: popularity
        return blend.mixed(z, weight, alpha[:, None])


def _stacked(members, histories, candidates=slice(None)) -> np.ndarray:
    """Evidence of all members, (n_users, n_members, n_items) float32."""
    return np.stack([member.evidence(histories)[:, candidates] for member in members], axis=1)


def _matrix(rows: list[np.ndarray], n_items: int) -> sp.csr_matrix:
    """Ones at the positions that each row lists."""
    row = np.repeat(np.arange(len(rows)), [len(positions) for positions in rows])
    shape = (len(rows), n_items)
    return sp.csr_matrix((np.ones(len(row), np.float32), (row, np.concatenate(rows))), shape=shape)
