"""A simulated market: its log, its test shoppers with every candidate judged, and its truth."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file
from scipy.special import ndtr

from helpers.artefacts import whole, write_json
from helpers.interactions.matrix import LIKED, Interactions
from helpers.interactions.privacy import PUBLIC_KEY, hash_ids
from helpers.simulator import tastes

EVENTS = ("browse", "wish", "purchase")
LIKES_ON_TARGET = 3
"""Liked items that a test shopper must have on the target platform."""
FEWEST_SEEN = 10
NEWTON_STEPS = 3


@dataclass(frozen=True)
class Population:
    """Who the shoppers are and what they see, before anybody has rated anything.

    Attributes
    ----------
    settings : dict
        The simulator's arguments in full; see `MarketSettings`.
    items : pandas.Index
        `image_key`s.
    platform : (n_items,) str
    shelf : Shelf
    calibration : (mean, scale)
        As from `tastes.calibrate`.
    """

    settings: dict
    items: pd.Index
    platform: np.ndarray
    shelf: tastes.Shelf
    calibration: tuple[np.ndarray, np.ndarray]

    @property
    def on_source(self) -> np.ndarray:
        """Whether each item is on the platform of the histories, (n_items,) bool."""
        return self.platform == self.settings["source"]

    @property
    def on_target(self) -> np.ndarray:
        """Whether each item is on the platform that recommends, (n_items,) bool."""
        return self.platform == self.settings["target"]

    @property
    def on_sale(self) -> np.ndarray:
        """Whether test shoppers can see each item, (n_items,) bool."""
        return self.on_source | self.on_target

    def levels(self, stream: str) -> np.ndarray:
        """Columns of worth that decide what a stream's shoppers see and rate.

        Test shoppers visit the target platform today.
        """
        if stream == "train":
            return self.shelf.then
        return np.where(self.on_target[:, None], self.shelf.now, self.shelf.then)

    def signal(self, shoppers: tastes.Shoppers, stream: str, items=slice(None)) -> np.ndarray:
        """Signal (n, n_items) float64 of `items` when they are seen; see `tastes.utility`."""
        if self.shelf.vectors is None:
            return self._utility(shoppers, self.levels(stream), items=items)
        then = self._utility(shoppers, self.shelf.then, now=False, items=items)
        if stream == "train":
            return then
        now = self._utility(shoppers, self.shelf.now, items=items)
        return np.where(self.on_target[items], now, then)

    def today(self, shoppers: tastes.Shoppers) -> np.ndarray:
        """Signal (n, n_items) float64 with today's tastes."""
        return self._utility(shoppers, self.shelf.now)

    def _utility(self, shoppers, levels, now=True, items=slice(None)) -> np.ndarray:
        mean, scale = self.calibration
        return tastes.utility(self.shelf, shoppers, mean, scale, levels, now=now, items=items)

    def mean_seen(self, stream: str) -> float:
        """Mean number of items that a shopper of a stream sees.

        Test shoppers see enough to leave long histories.
        """
        if stream == "train":
            return self.settings["density"] * len(self.items)
        return 3 * self.settings["n_liked"] / self.on_source.mean()

    def n_seen(self, shoppers: tastes.Shoppers, stream: str, available) -> np.ndarray:
        """How many items each shopper sees: at least ten, at most half of those available."""
        wanted = (self.mean_seen(stream) * shoppers.activity).astype(np.int64)
        most = np.maximum(np.asarray(available) // 2, 1)
        return np.minimum(np.maximum(wanted, FEWEST_SEEN), most)

    def seen_rate(self, signal: np.ndarray, activity: np.ndarray) -> np.ndarray:
        """Probability that each item is among the `activity` (n,) items that a shopper sees.

        Items race. Each is seen at an exponential time with rate exp(bias (popularity + signal)),
        and the first ones count. So P(seen) = 1 - exp(-t rate), with t such that the expected
        number is right. Newton's method on log t finds it: from below on a concave function it
        cannot overshoot, and is 1e-7 off after three steps.
        """
        popularity = self.shelf.popularity.astype(signal.dtype)
        rate = np.exp(self.settings["exposure_bias"] * (popularity + signal)) * self.on_sale
        log_t = np.log(activity / rate.sum(axis=1)).astype(signal.dtype)
        unseen = np.empty_like(rate)
        scratch = np.empty_like(rate)

        def update_unseen() -> None:
            np.multiply(rate, -np.exp(log_t)[:, None], out=unseen)
            np.exp(unseen, out=unseen)

        for _ in range(NEWTON_STEPS):
            update_unseen()
            np.multiply(rate, unseen, out=scratch)
            slope = np.exp(log_t) * scratch.sum(axis=1)
            np.subtract(1, unseen, out=scratch)
            found = scratch.sum(axis=1)
            step = (activity - found) / np.maximum(slope, 1e-12)
            log_t += np.clip(step, -1, 1)
        update_unseen()
        return 1 - unseen


@dataclass(frozen=True)
class Market(Population):
    """What `simulate_market` makes: a population, and what its shoppers did.

    Attributes
    ----------
    cuts : (4,) float64
        Noisy signal at which a rating becomes 2, 3, 4, 5.
    log : dict of str to array
        Training events, sorted by user and time: user, item (positions), rating, timestamp, event.
    test_rows : (n_test,) int64
        Which drawn shoppers of the "test" stream became test shoppers.
    judged : (n_test, n_items) int8
        Each test shopper's rating of every item, today.
    seen : dict of str to array
        Test shoppers' events, as `log`.
    frame : DataFrame, optional
        Other ratings in place of the simulated training log.
    """

    cuts: np.ndarray
    log: dict[str, np.ndarray] = field(repr=False)
    test_rows: np.ndarray
    judged: np.ndarray
    seen: dict[str, np.ndarray] = field(repr=False)
    frame: pd.DataFrame | None = None

    @property
    def train_users(self) -> pd.Index:
        """Hashed ids of training shoppers, in row order."""
        if self.frame is not None:
            return pd.Index(np.sort(self.frame["user"].unique()))
        return self._simulated_users

    @property
    def _simulated_users(self) -> pd.Index:
        return pseudonyms(self.settings["seed"], "train", range(self.settings["n_users"]))

    @property
    def test_users(self) -> pd.Index:
        """Hashed ids of test shoppers. None is a training shopper."""
        return pseudonyms(self.settings["seed"], "test", self.test_rows.tolist())

    @property
    def train(self) -> sp.csr_matrix:
        """Training ratings (n_users, n_items) float32."""
        if self.frame is not None:
            return Interactions.from_frame(self.frame, self.items).ratings
        return self._matrix(self.log, self.settings["n_users"])

    @property
    def observed(self) -> sp.csr_matrix:
        """Ratings in the test shoppers' own log, (n_test, n_items) float32, on both platforms."""
        return self._matrix(self.seen, len(self.test_rows))

    def interactions(self) -> pd.DataFrame:
        """The training log as interactions.parquet holds it.

        Columns user, item, rating, timestamp (s), event and platform.
        """
        if self.frame is not None:
            return self.frame
        item = self.log["item"]
        return pd.DataFrame(
            {
                "user": self.train_users.to_numpy()[self.log["user"]],
                "item": self.items.to_numpy()[item],
                "rating": self.log["rating"],
                "timestamp": self.log["timestamp"],
                "event": np.array(EVENTS)[self.log["event"]],
                "platform": self.platform[item],
            }
        )

    def with_ratings(self, frame: pd.DataFrame) -> "Market":
        """The same test shoppers, but training on other ratings (user, item, rating, …) alone."""
        settings = self.settings | {"own_ratings": True}
        return replace(self, frame=frame, log={}, settings=settings)

    def at_least(self, signal: np.ndarray, rating: float) -> np.ndarray:
        """P(rating >= `rating`) for ratings 2 to 5, with normal noise around the signal."""
        cut = signal.dtype.type(self.cuts[int(rating) - 2])
        noise = max(self.settings["noise"], 1e-9)
        return ndtr((signal - cut) / noise)

    def probability_liked(self, users) -> np.ndarray:
        """P(rating >= 4) of every item, (n, n_items) float32: what `Oracle` ranks by.

        `users` are hashed ids. A test shopper is asked with today's tastes, a training shopper
        with those of the season that the item was in the shops.
        """
        return self._by_block(users, lambda signal, n_seen: self.at_least(signal, LIKED))

    def expected_rating(self, users) -> np.ndarray:
        """Mean rating (n, n_items) float32: the best prediction anyone could make of a rating."""

        def mean(signal, n_seen):
            above = [self.at_least(signal, rating) for rating in (2, 3, 4, 5)]
            return 1 + sum(above)

        return self._by_block(users, mean)

    def probability_seen_and_liked(self, users) -> np.ndarray:
        """P(seen and rating >= 4), (n, n_items) float32.

        It is the ceiling on observed likes for someone who knows the exposure, too.
        """

        def both(signal, n_seen):
            return self.seen_rate(signal, n_seen) * self.at_least(signal, LIKED)

        return self._by_block(users, both)

    def knows(self, users) -> np.ndarray:
        """Which hashed ids are simulated shoppers of this market, (n,) bool."""
        return pd.Index(users).isin(self.test_users.append(self._simulated_users))

    def _by_block(self, users, ask: Callable) -> np.ndarray:
        """`ask(signal, n_seen)` of shoppers drawn again, (n, n_items) float32."""
        users = pd.Index(users)
        answer = np.empty((len(users), len(self.items)), np.float32)
        known = np.zeros(len(users), bool)
        train_rows = np.arange(self.settings["n_users"])
        streams = (
            ("test", self.test_users, self.test_rows),
            ("train", self._simulated_users, train_rows),
        )
        for stream, names, rows in streams:
            found = names.get_indexer(users)
            here = np.flatnonzero(found >= 0)
            self._answer_stream(stream, rows[found[here]], here, ask, answer)
            known[here] = True
        if not known.all():
            stranger = users[~known][0]
            raise KeyError(
                f"{(~known).sum()} shoppers are not of this market, for example {stranger!r}"
            )
        return answer

    def _answer_stream(self, stream: str, drawn, here, ask: Callable, answer) -> None:
        """Fill in the rows `here` of `answer` for shoppers `drawn` (n,) of one stream."""
        block_of = drawn // tastes.SHOPPERS_PER_BLOCK
        row_of = drawn % tastes.SHOPPERS_PER_BLOCK
        n_on_sale = self.on_sale.sum()
        for block in np.unique(block_of):
            pick = np.flatnonzero(block_of == block)
            everyone = tastes.draw(
                self.shelf,
                tastes.SHOPPERS_PER_BLOCK,
                self.settings["seed"],
                stream,
                int(block),
            )
            some = everyone.rows(row_of[pick])
            if stream == "test":
                signal = self.today(some)
            else:
                signal = self.signal(some, stream)
            answer[here[pick]] = ask(signal, self.n_seen(some, stream, n_on_sale))

    def _matrix(self, log, n_users) -> sp.csr_matrix:
        ratings = log["rating"].astype(np.float32)
        cells = (log["user"], log["item"])
        return sp.csr_matrix((ratings, cells), shape=(n_users, len(self.items)))

    def save(self, folder: str | Path) -> None:
        """Write market.json and market.safetensors into `folder`."""
        folder = Path(folder)
        mean, scale = self.calibration
        arrays = {
            "mean": mean,
            "scale": scale,
            "cuts": self.cuts,
            "test_rows": self.test_rows,
            "judged": self.judged,
        }
        for group in ("log", "seen"):
            for name, values in getattr(self, group).items():
                arrays[f"{group}.{name}"] = values
        for name, values in vars(self.shelf).items():
            if isinstance(values, np.ndarray):
                arrays[f"shelf.{name}"] = values
        contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        with whole(folder / "market.safetensors") as aside:
            save_file(contiguous, aside)
        head = {
            "settings": self.settings,
            "parts": self.shelf.parts,
            "items": self.items.tolist(),
            "platform": self.platform.tolist(),
        }
        write_json(head, folder / "market.json")

    @classmethod
    def load(cls, folder: str | Path) -> "Market":
        """Read what `save` wrote. Every probability comes out as before."""
        folder = Path(folder)
        head = json.loads((folder / "market.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "market.safetensors")
        groups: dict[str, dict[str, np.ndarray]] = {"log": {}, "seen": {}, "shelf": {}}
        for key, values in arrays.items():
            group, _, name = key.partition(".")
            if name:
                groups[group][name] = values
        return cls(
            settings=head["settings"],
            items=pd.Index(head["items"]),
            platform=np.array(head["platform"]),
            shelf=tastes.Shelf(parts=head["parts"], **groups["shelf"]),
            calibration=(arrays["mean"], arrays["scale"]),
            cuts=arrays["cuts"],
            log=groups["log"],
            test_rows=arrays["test_rows"],
            judged=arrays["judged"],
            seen=groups["seen"],
        )


def pseudonyms(seed: int, stream: str, rows) -> pd.Index:
    """Public pseudonyms of simulated shoppers: the same in every run of a profile."""
    names = [f"{seed}/{stream}/{row}" for row in rows]
    return pd.Index(hash_ids(names, PUBLIC_KEY))
