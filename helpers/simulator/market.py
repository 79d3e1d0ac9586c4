"""A simulated market: its log, its test shoppers with every candidate judged, and what only the simulator knows."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file
from scipy.special import ndtr

from helpers.artefacts import whole, write_json
from helpers.interactions.matrix import Interactions
from helpers.interactions.privacy import PUBLIC_KEY, hash_ids
from helpers.simulator import tastes

EVENTS = ("browse", "wish", "purchase")


@dataclass(frozen=True)
class Market:
    """What `simulate_market` makes.

    Attributes
    ----------
    settings : dict
        The simulator's arguments, in full.
    items : pandas.Index
        `image_key`s; `platform` (n_items,) str beside it.
    shelf : Shelf
    calibration : (mean, scale)
        As from `tastes.calibrate`.
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
    """

    settings: dict
    items: pd.Index
    platform: np.ndarray
    shelf: tastes.Shelf
    calibration: tuple[np.ndarray, np.ndarray]
    cuts: np.ndarray
    log: dict[str, np.ndarray]
    test_rows: np.ndarray
    judged: np.ndarray
    seen: dict[str, np.ndarray]
    frame: pd.DataFrame | None = None  # own ratings in place of the simulated training log

    @property
    def on_sale(self) -> np.ndarray:
        """Whether each item is on the source or the target platform, (n_items,) bool: what test shoppers can see."""
        return np.isin(self.platform, (self.settings["source"], self.settings["target"]))

    @property
    def train_users(self) -> pd.Index:
        """Hashed ids of training shoppers, in row order."""
        if self.frame is not None:
            return pd.Index(np.sort(self.frame["user"].unique()))
        return _ids(self.settings["seed"], "train", range(self.settings["n_users"]))

    @property
    def test_users(self) -> pd.Index:
        """Hashed ids of test shoppers; none is a training shopper."""
        return _ids(self.settings["seed"], "test", self.test_rows.tolist())

    @property
    def train(self) -> sp.csr_matrix:
        """Training ratings (n_users, n_items) float32."""
        if self.frame is not None:
            return Interactions.from_frame(self.frame, self.items).ratings
        return self._matrix(self.log, self.settings["n_users"])

    @property
    def observed(self) -> sp.csr_matrix:
        """Ratings that the test shoppers' own log holds, (n_test, n_items) float32, on both platforms."""
        return self._matrix(self.seen, len(self.test_rows))

    def interactions(self) -> pd.DataFrame:
        """Training log as the table of `interactions.parquet`: user, item, rating, timestamp (s), event, platform."""
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
        """The same test shoppers, but training on one's own ratings (user, item, rating, …) alone."""
        return replace(self, frame=frame, log={}, settings=self.settings | {"own_ratings": True})

    def probability_liked(self, users) -> np.ndarray:
        """P(rating >= 4) of every item, (n, n_items) float32: what `Oracle` ranks by.

        `users` are hashed ids. A test shopper is asked with today's tastes, a training shopper with those of the season
        that the item was in the shops.
        """
        return self._by_block(users, lambda signal, who: self.at_least(signal, 4))

    def expected_rating(self, users) -> np.ndarray:
        """Mean rating (n, n_items) float32: the best prediction anyone could make of a rating."""
        return self._by_block(
            users, lambda signal, who: 1 + sum(self.at_least(signal, r) for r in (2, 3, 4, 5))
        )

    def probability_seen_and_liked(self, users) -> np.ndarray:
        """P(seen and rating >= 4), (n, n_items) float32: the ceiling on observed likes, knowing the exposure too."""

        def both(signal, who):
            return self.seen_rate(signal, who) * self.at_least(signal, 4)

        return self._by_block(users, both)

    def seen_rate(self, signal: np.ndarray, activity: np.ndarray) -> np.ndarray:
        """Probability that each item is among the `activity` (n,) items that a shopper on both platforms sees.

        Items race: each is seen at an exponential time with rate exp(bias * (popularity + signal)), and the first ones
        count. So P(seen) = 1 - exp(-t * rate), with t such that the expected number is right (Newton, on log t).
        """
        popularity = self.shelf.popularity.astype(signal.dtype)
        rate = np.exp(self.settings["exposure_bias"] * (popularity + signal)) * self.on_sale
        log_t = np.log(activity / rate.sum(axis=1)).astype(signal.dtype)
        left, scratch = np.empty_like(rate), np.empty_like(rate)

        def unseen():
            return np.exp(np.multiply(rate, -np.exp(log_t)[:, None], out=left), out=left)

        for _ in range(
            3
        ):  # from below on a concave function: no overshoot, and 1e-7 off after three steps
            slope = np.exp(log_t) * np.multiply(rate, unseen(), out=scratch).sum(axis=1)
            found = np.subtract(1, left, out=scratch).sum(axis=1)
            log_t += np.clip((activity - found) / np.maximum(slope, 1e-12), -1, 1)
        return 1 - unseen()

    def levels(self, stream: str) -> np.ndarray:
        """Columns of worth that decide what a stream's shoppers see and rate: tests visit the target today."""
        if stream == "train":
            return self.shelf.then
        return np.where(
            (self.platform == self.settings["target"])[:, None], self.shelf.now, self.shelf.then
        )

    def signal(self, shoppers: tastes.Shoppers, stream: str, items=slice(None)) -> np.ndarray:
        """Signal (n, n_items) float64 of `items` at the time an item is seen; see `tastes.utility`."""
        if self.shelf.vectors is None:
            return tastes.utility(
                self.shelf, shoppers, *self.calibration, self.levels(stream), items=items
            )
        then = tastes.utility(
            self.shelf, shoppers, *self.calibration, self.shelf.then, now=False, items=items
        )
        if stream == "train":
            return then
        now = tastes.utility(self.shelf, shoppers, *self.calibration, self.shelf.now, items=items)
        return np.where(self.platform[items] == self.settings["target"], now, then)

    def today(self, shoppers: tastes.Shoppers) -> np.ndarray:
        """Signal (n, n_items) float64 with today's tastes."""
        return tastes.utility(self.shelf, shoppers, *self.calibration, self.shelf.now)

    def mean_seen(self, stream: str) -> float:
        """Mean number of items a shopper of a stream sees; test shoppers see enough to leave long histories."""
        if stream == "train":
            return self.settings["density"] * len(self.items)
        return 3 * self.settings["n_liked"] / (self.platform == self.settings["source"]).mean()

    def n_seen(self, shoppers: tastes.Shoppers, stream: str, available) -> np.ndarray:
        """How many items each shopper sees: at least ten, at most half of those available."""
        wanted = (self.mean_seen(stream) * shoppers.activity).astype(np.int64)
        return np.minimum(np.maximum(wanted, 10), np.maximum(np.asarray(available) // 2, 1))

    def at_least(self, signal: np.ndarray, rating: int) -> np.ndarray:
        """P(rating >= `rating`) for ratings 2 to 5: a normal error of the simulator's noise around the signal."""
        return ndtr(
            (signal - signal.dtype.type(self.cuts[rating - 2])) / max(self.settings["noise"], 1e-9)
        )

    def knows(self, users) -> np.ndarray:
        """Which hashed ids are simulated shoppers of this market, (n,) bool."""
        simulated = _ids(self.settings["seed"], "train", range(self.settings["n_users"]))
        return pd.Index(users).isin(self.test_users.append(simulated))

    def _by_block(self, users, ask) -> np.ndarray:
        users = pd.Index(users)
        answer = np.empty((len(users), len(self.items)), np.float32)
        known = np.zeros(len(users), bool)
        for stream, names, rows in (
            ("test", self.test_users, self.test_rows),
            ("train", _ids(self.settings["seed"], "train", range(self.settings["n_users"])), None),
        ):
            found = names.get_indexer(users)
            here = np.flatnonzero(found >= 0)
            drawn = found[here] if rows is None else rows[found[here]]
            for block in np.unique(drawn // tastes.BLOCK):
                pick = np.flatnonzero(drawn // tastes.BLOCK == block)
                everyone = tastes.draw(
                    self.shelf, tastes.BLOCK, self.settings["seed"], stream, int(block)
                )
                some = tastes.Shoppers(*(part[drawn[pick] % tastes.BLOCK] for part in everyone))
                signal = self.today(some) if stream == "test" else self.signal(some, stream)
                answer[here[pick]] = ask(signal, self.n_seen(some, stream, self.on_sale.sum()))
            known[here] = True
        if not known.all():
            raise KeyError(
                f"{(~known).sum()} shoppers are not of this market, for example {users[~known][0]!r}"
            )
        return answer

    def _matrix(self, log, n_users) -> sp.csr_matrix:
        pairs = (log["user"], log["item"])
        return sp.csr_matrix(
            (log["rating"].astype(np.float32), pairs), shape=(n_users, len(self.items))
        )

    def save(self, folder: str | Path) -> None:
        """Write market.json and market.safetensors into `folder`."""
        folder = Path(folder)
        arrays = {f"log.{key}": value for key, value in self.log.items()}
        arrays |= {f"seen.{key}": value for key, value in self.seen.items()}
        shelf = {
            key: value for key, value in vars(self.shelf).items() if isinstance(value, np.ndarray)
        }
        arrays |= {f"shelf.{key}": value for key, value in shelf.items()}
        arrays |= {"mean": self.calibration[0], "scale": self.calibration[1], "cuts": self.cuts}
        arrays |= {"test_rows": self.test_rows, "judged": self.judged}
        with whole(folder / "market.safetensors") as aside:
            save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, aside)
        head = {"settings": self.settings, "parts": self.shelf.parts}
        head |= {"items": self.items.tolist(), "platform": self.platform.tolist()}
        write_json(head, folder / "market.json")

    @classmethod
    def load(cls, folder: str | Path) -> "Market":
        """Read what `save` wrote; every probability comes out as before."""
        folder = Path(folder)
        head = json.loads((folder / "market.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "market.safetensors")
        part = {
            name: {
                key[len(name) + 1 :]: value
                for key, value in arrays.items()
                if key.startswith(f"{name}.")
            }
            for name in ("log", "seen", "shelf")
        }
        return cls(
            head["settings"],
            pd.Index(head["items"]),
            np.array(head["platform"]),
            tastes.Shelf(parts=head["parts"], **part["shelf"]),
            (arrays["mean"], arrays["scale"]),
            arrays["cuts"],
            part["log"],
            arrays["test_rows"],
            arrays["judged"],
            part["seen"],
        )


def _ids(seed: int, stream: str, rows) -> pd.Index:
    """Public pseudonyms of simulated shoppers: the same in every run of a profile."""
    return pd.Index(hash_ids([f"{seed}/{stream}/{row}" for row in rows], PUBLIC_KEY))
