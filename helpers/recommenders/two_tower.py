"""Two towers: one network turns a history into a vector, another an item; their inner product is the score."""

import numpy as np
import scipy.sparse as sp
import torch
from tqdm import tqdm

from helpers.interactions.matrix import Histories
from helpers.recommenders.base import Recommender
from helpers.recommenders.features import (
    catalogue_or_guess,
    history_vectors,
    principal_axes,
    ridge,
    side_features,
)
from helpers.recommenders.taste import BLOCK, learn_taste
from helpers.recommenders.towers import PlainTowers, PooledTowers, RandomPairs, SeenPairs


class TwoTower(Recommender):
    """A user tower over the history and an item tower, trained together on a frozen encoder's vectors.

    `loss="softmax"`: given a few liked items of one platform, the liked among those that the shopper *saw* on another
    must outscore the seen and not liked. The unseen don't enter: being seen tells of exposure, not of taste.
    `loss="inbatch"`: they must outscore what the other shoppers of the batch are asked about, corrected for popularity;
    with `hard_negatives` also what the shopper saw and did not like.
    `loss="mse"`: (s(u, i) - y)² with y = 1 for rated pairs and 0 for `negatives` random others a rated pair, the user
    being the rating-weighted mean of the whole history. `TwoTower.deck()` has every setting of the seed deck's model.

    Parameters
    ----------
    cosine : two plain MLPs whose outputs are scaled to length 1; else pooled towers with an item bias
    heads : attention-weighted means of the history beside its plain mean (pooled towers)
    taste : start from the posterior mean of a linear taste given the history (see `taste.py`; pooled towers); the
        networks add what a line can't say, in small steps, for a thousand shoppers tell little of that
    side : read category, colour, pattern, gender, platform and price too (guessed from the vector for items elsewhere)
    axes : principal axes of the vectors to read; 0 reads the vectors as they are
    n_towers : pairs of towers trained from different starts, whose scores are added
    temperature : divides the scores before the loss
    reg : weight decay
    """

    handles_cold_users = True
    handles_cold_items = True

    def __init__(
        self, loss="softmax", cosine=False, heads=2, taste=True, side=True, axes=4, dim=32, hidden=32, dropout=0.4,
        batch_norm=False, temperature=1.0, n_towers=1, epochs=30, batch_size=128, lr=3e-4, reg=0.3, negatives=1,
        hard_negatives=False, seed=7, device="cpu",
    ):  # fmt: skip
        if loss not in ("softmax", "inbatch", "mse"):
            raise ValueError(f"loss must be 'softmax', 'inbatch' or 'mse', not {loss!r}")
        self.loss, self.cosine, self.heads, self.taste, self.side, self.axes = (
            loss,
            cosine,
            heads,
            taste,
            side,
            axes,
        )
        self.dim, self.hidden, self.dropout, self.batch_norm = dim, hidden, dropout, batch_norm
        self.temperature, self.n_towers, self.epochs, self.batch_size = (
            temperature,
            n_towers,
            epochs,
            batch_size,
        )
        self.lr, self.reg, self.negatives, self.seed, self.device = lr, reg, negatives, seed, device
        self.hard_negatives = hard_negatives
        self._nets = None  # rebuilt when first needed
        self.handles_cold_users = loss != "mse" and not cosine

    @classmethod
    def deck(cls, **settings) -> "TwoTower":
        """The seed deck's: MLPs with batch norm and dropout, cosine, MSE on 0/1, Adam, batches of 32, 5 epochs."""
        plain = dict(
            loss="mse",
            cosine=True,
            heads=0,
            taste=False,
            side=False,
            axes=0,
            batch_norm=True,
            lr=1e-3,
        )
        return cls(
            **plain
            | dict(dropout=0.2, dim=64, hidden=128, epochs=5, batch_size=32, reg=0.0)
            | settings
        )

    def item_embeddings(self) -> np.ndarray:
        """Cached item tower outputs (n_items, m) float32: score = user_embeddings · item_embeddings."""
        return self.items_

    def user_embeddings(self, histories: Histories) -> np.ndarray:
        """User tower outputs (n_users, m) float32."""
        used = np.unique(histories.ratings.indices)
        vectors = None if histories.vectors is None else histories.vectors[used]
        kept = Histories(histories.ratings[:, used], histories.columns[used], vectors)
        features = torch.from_numpy(self._features(kept)).to(self.device)
        ratings = torch.from_numpy(kept.ratings.toarray()).to(self.device)
        with torch.no_grad():
            blocks = [
                torch.cat([net.users(r, features) for net in self._networks()], dim=1)
                for r in ratings.split(BLOCK)
            ]
        return torch.cat(blocks).cpu().numpy()

    def _usable(self, histories):
        if self.handles_cold_users:  # an empty history has its own answer, learned in training
            return np.ones(len(histories), dtype=bool)
        return np.diff(histories.ratings.indptr) > 0

    def _score(self, histories):
        return self.user_embeddings(histories) @ self.items_.T

    def _features(self, histories):
        """What the towers read of each history item, (n_history_items, n_features) float32."""
        vectors = history_vectors(histories, self.vectors_)
        seen = (vectors - self.mean_) @ self.axes_ if self.axes else vectors
        if self.side:
            seen = np.concatenate(
                [seen, catalogue_or_guess(histories, self.side_, self.guess_, vectors)], axis=1
            )
        return np.ascontiguousarray(seen, dtype=np.float32)

    def _fit(self, train, items, validate):
        if items is None:
            raise ValueError("TwoTower reads item vectors: call fit(train, items)")
        self.encoder_ = items.encoder
        self.vectors_ = np.ascontiguousarray(items.vectors, dtype=np.float32)
        self.mean_, self.axes_ = principal_axes(self.vectors_, max(self.axes, 1))
        known = np.log1p(self.popularity_)[:, None] / max(np.log1p(self.popularity_).std(), 1e-6)
        parts = [*side_features(items), known - known.mean()]
        self.side_ = np.concatenate(parts, axis=1).astype(np.float32)
        self.guess_ = ridge(self.vectors_, self.side_)
        whole = Histories(
            sp.csr_matrix((0, self.n_items_)), np.arange(self.n_items_), self.vectors_
        )
        self.features_ = self._features(whole)
        platform = items.frame["platform"].astype("category").cat.codes.to_numpy(np.int64)
        prior = {}
        if self.taste and not self.cosine:
            widths = [
                self.features_.shape[1] - self.side * self.side_.shape[1],
                *(part.shape[1] for part in parts),
            ]
            groups = np.repeat(np.arange(len(widths)), widths)[: self.features_.shape[1]]
            prior = learn_taste(train.ratings, self.features_, groups, platform)
        self.losses_, weights = [], []
        for tower in range(self.n_towers):
            seed = self.seed + 1000 * tower
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                net = self._network()
                net.load_state_dict(
                    {name: torch.from_numpy(value) for name, value in prior.items()}, strict=False
                )
                if self.loss == "mse":
                    pairs = RandomPairs(train, self.negatives, seed)
                else:
                    pairs = SeenPairs(
                        train, platform, seed, self.loss == "inbatch", self.hard_negatives
                    )
                weights.append(self._train(net, pairs, validate))
        self._keep(np.stack(weights))

    def _train(self, net, pairs, validate):
        """Train one pair of towers; its weights as one vector, the best epoch's by `validate` where it is given."""
        free = [weight for name, weight in net.named_parameters() if name == "bias"]
        rest = [weight for name, weight in net.named_parameters() if name != "bias"]
        groups = [dict(params=rest, weight_decay=self.reg), dict(params=free, weight_decay=0.0)]
        optimiser = torch.optim.AdamW(groups, self.lr, fused=True)  # plain Adam where reg is 0
        catalogue = torch.from_numpy(self.features_).to(self.device)
        total = self.epochs * len(pairs.batches(self.batch_size))
        warm = self.loss != "mse" and torch.optim.lr_scheduler.OneCycleLR(
            optimiser, self.lr, total_steps=total
        )
        losses, best, kept = [], -np.inf, flat(net)
        for epoch in tqdm(range(self.epochs), desc="towers", disable=None, leave=False):
            net.train()
            running = []
            for batch in pairs.batches(self.batch_size):
                with torch.autocast(catalogue.device.type, torch.bfloat16, catalogue.is_cuda):
                    loss = pairs.loss(net, catalogue, batch, self.temperature)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                if warm:
                    warm.step()
                running.append(float(loss.detach()))
            losses.append(round(float(np.mean(running)), 6))
            if validate is None:
                kept = flat(net)
            elif epoch % 5 == 4 or epoch == self.epochs - 1:
                self._keep(flat(net)[None])
                value = float(validate(self))
                best, kept = (value, flat(net)) if value > best else (best, kept)
        self.losses_.append(losses)
        return kept

    def _network(self):
        n_items, n_features = self.features_.shape
        if self.cosine:
            net = PlainTowers(n_features, self.hidden, self.dim, self.dropout, self.batch_norm)
        else:
            net = PooledTowers(
                n_features,
                n_items,
                self.hidden,
                self.dim,
                self.heads,
                self.dropout,
                self.batch_norm,
                self.taste,
            )
        return net.to(self.device)

    def _networks(self):
        """The trained networks, rebuilt once from their weights, ready to score."""
        if self._nets is None:
            self._nets = [self._rebuilt(weights) for weights in self.weights_]
        return self._nets

    def _rebuilt(self, weights):
        with torch.random.fork_rng(devices=[]):
            net = self._network()
        start, state = 0, {}
        for name, value in net.state_dict().items():
            part = torch.from_numpy(weights[start : start + value.numel()])
            state[name], start = part.reshape(value.shape).to(value.dtype), start + value.numel()
        net.load_state_dict(state)
        return net.eval()

    def _keep(self, weights):
        """Hold the towers' weights (n_towers, n_weights) and cache the item tower's outputs."""
        self.weights_, self._nets = weights, None
        features = torch.from_numpy(self.features_).to(self.device)
        with torch.no_grad():
            self.items_ = (
                torch.cat([net.items(features) for net in self._networks()], dim=1).cpu().numpy()
            )


def flat(net) -> np.ndarray:
    """All weights and running statistics of a network as one float32 vector, in the order of its state dict."""
    return (
        torch.cat([value.reshape(-1).float() for value in net.state_dict().values()]).cpu().numpy()
    )
