"""Neural collaborative filtering (chapter 03): a small network on two embeddings.

For a shopper u and an item i, with the embeddings e_u and e_i,

    r̂_ui = W2 · ReLU(W1 · [e_u; e_i] + b1) + b2

is the first part of NeuMF (He et al. 2017, "Neural Collaborative Filtering"). The ranker adds the
second part, a generalized product w·(g_u ∘ g_i), and a bias b_i per item.

All numbers are in double precision. In single precision a difference in the last bit, which
processors don't agree on, grows a hundred-thousandfold within one pass over the log, and the same
seed trains another network on another machine.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from helpers.interactions.matrix import liked_only
from helpers.recommenders.base import Recommender
from helpers.recommenders.stopping import BestSoFar

REG = {"mse": 30.0, "bce": 3.0}  # default penalty of each loss
OTHERS = 64  # sampled items that stand for what a new shopper did not like
CELLS = 2_000_000  # hidden units evaluated at once while scoring
LAYER_DECAY = 1e-4  # weight decay of W1, b1, W2 and so on
MOST_STEPS = 128  # of an epoch: a larger log is taken in larger batches
FOLD_LR = 0.1  # Adam's step while folding in
DOUBLE = torch.float64


@dataclass
class Pairs:
    """Pairs of a shopper and an item, and what the network should say of them; each (n_pairs,)."""

    users: torch.Tensor
    items: torch.Tensor
    target: torch.Tensor

    def __len__(self):
        return len(self.users)

    def to(self, device) -> "Pairs":
        return Pairs(
            self.users.to(device),
            self.items.to(device),
            self.target.to(device),
        )

    def __getitem__(self, batch) -> "Pairs":
        return Pairs(
            self.users[batch],
            self.items[batch],
            self.target[batch],
        )


class NeuralCF(Recommender):
    """The network of this module, trained on known ratings (``mse``) or to rank (``bce``).

    ``loss="mse"`` is the first formula on ratings less their mean. ``loss="bce"`` learns to tell
    liked items from sampled others. Its b_i starts at popularity. Others are sampled from the
    shops (`platform` of the items' features) where the shopper liked something: what was never on
    offer to them is no dislike, and would teach that popular items are avoided. A shop that they
    are not known to visit costs its items the logarithm of how likely a visit is.
    Both minimize  Σ loss + reg (|E_user|² + |E_item|²).

    A shopper is scored by a fresh e_u, fitted to the history with everything else fixed. So a new
    shopper costs some gradient steps on `dim` numbers and no retraining.

    Parameters
    ----------
    dim : int
        Length of an embedding; twice that with `bce`, one half each for network and product.
    hidden : int
        Width of the hidden layer.
    loss : str
        ``mse`` or ``bce``.
    negatives : int
        Sampled items for each liked one (`bce`).
    lr : float
        Adam's step.
    reg : float or None
        The penalty above. None is 30 for `mse` and 3 for `bce`, whose errors are smaller.
    epochs, batch_size : int
        Passes over the data, and pairs per step; more pairs where an epoch would take more than
        `MOST_STEPS` steps.
    patience : int
        With `validate`, stop after that many epochs without a better value, and keep the best.
    fold_steps : int
        Gradient steps that fit a shopper's e_u.
    seed : int
    device : str

    Raises
    ------
    ValueError
        If there is no such loss.
    """

    def __init__(  # noqa: PLR0913  # hyperparameters
        self,
        dim=16,
        hidden=32,
        loss="mse",
        negatives=4,
        lr=0.02,
        reg=None,
        epochs=10,
        batch_size=1024,
        patience=3,
        fold_steps=25,
        seed=7,
        device="cpu",
    ):
        if loss not in REG:
            raise ValueError(f"loss is {loss!r}; choose one of {', '.join(REG)}")
        self.dim = dim
        self.hidden = hidden
        self.loss = loss
        self.negatives = negatives
        self.lr = lr
        self.reg = reg
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.fold_steps = fold_steps
        self.seed = seed
        self.device = device
        self._reg = REG[loss] if reg is None else reg
        self.needs_dislikes = loss == "mse"

    # Training

    def _fit(self, train, items, validate):
        generator = torch.Generator().manual_seed(self.seed)
        R = self._positives(train.ratings)
        self._learn_shops(items)
        visited = self._visited(R.tocsr())
        self.visits_ = _chance_of_visits(visited)
        self.mean_ = 0.0
        if self.loss == "mse" and train.ratings.nnz:
            self.mean_ = float(train.ratings.data.mean(dtype=np.float64))
        shuffled = torch.randperm(self.n_items_, generator=generator)
        self.others_ = shuffled[:OTHERS].sort().values.numpy()

        n_users, _ = train.shape
        net = self._network(n_users, generator)
        optimizer = self._optimizer(net)
        losses = []
        best = BestSoFar(self.patience)
        for epoch in range(self.epochs):
            pairs = self._known_pairs(R)
            if self.loss == "bce":
                pairs = self._with_negatives(pairs, visited, generator)
            loss = self._epoch(pairs, net, optimizer, generator)
            losses.append(loss)
            self._store(net)
            if validate is None:
                continue
            value = validate(self)
            if best.says_stop(value, epoch, _copy(net)):
                break
        if best.state is not None:
            self._store(best.state)
        self.losses_ = np.array(losses)

    def _network(self, n_users: int, generator) -> dict[str, torch.Tensor]:
        """Weights by name: small random numbers, as torch's own layers start."""
        width = self.dim
        if self.loss == "bce":
            width = 2 * self.dim
        net = {}

        def add(name, shape, scale):
            start = torch.randn(shape, generator=generator, dtype=DOUBLE)
            net[name] = start * scale

        add("e_user", (n_users, width), 0.1)
        add("e_item", (self.n_items_, width), 0.1)
        add("W1", (2 * self.dim, self.hidden), (1 / self.dim) ** 0.5)
        add("b1", (self.hidden,), 0.1)
        add("W2", (self.hidden,), (1 / self.hidden) ** 0.5)
        add("b2", (1,), 0.0)
        if self.loss == "bce":
            add("w_product", (self.dim,), 1.0)
            add("b_item", (self.n_items_,), 0.0)
            net["b_item"] += self._log_odds()
        for name in net:
            net[name] = net[name].to(self.device).requires_grad_()
        return net

    def _log_odds(self) -> torch.Tensor:
        """Log-odds that item i was liked and not drawn: the network learns what these can't say."""
        liked = torch.as_tensor(self.popularity_, dtype=DOUBLE)
        draws = liked.sum() * self.negatives / self.n_items_
        return torch.log((liked + 1) / (draws + 1))

    def _optimizer(self, net) -> torch.optim.Adam:
        """The loss has the embeddings' penalty in it; the layers decay."""
        layers = dict(net)
        embeddings = [layers.pop("e_user"), layers.pop("e_item")]
        groups: list[dict[str, Any]] = [
            {"params": embeddings},
            {"params": list(layers.values()), "weight_decay": LAYER_DECAY},
        ]
        return torch.optim.Adam(groups, lr=self.lr)

    def _known_pairs(self, R) -> Pairs:
        """The known ratings, less their mean; or the likes."""
        target = R.data.astype(np.float64) - self.mean_
        return Pairs(
            torch.as_tensor(R.row, dtype=torch.long),
            torch.as_tensor(R.col, dtype=torch.long),
            torch.as_tensor(target, dtype=DOUBLE),
        )

    def _with_negatives(self, liked: Pairs, visited, generator) -> Pairs:
        """Add random items that each shopper is not known to like, from shops that they visit."""
        n_draws = len(liked) * self.negatives
        users = liked.users.repeat(self.negatives)
        items = torch.randint(self.n_items_, (n_draws,), generator=generator)
        key = users * self.n_items_ + items
        liked_key = liked.users * self.n_items_ + liked.items
        shop = torch.as_tensor(self.shop_)[items]
        on_offer = torch.as_tensor(visited)[users, shop]
        fresh = ~torch.isin(key, liked_key) & on_offer
        n_fresh = int(fresh.sum())
        return Pairs(
            torch.cat([liked.users, users[fresh]]),
            torch.cat([liked.items, items[fresh]]),
            torch.cat([liked.target, torch.zeros(n_fresh, dtype=DOUBLE)]),
        )

    def _epoch(self, pairs: Pairs, net, optimizer, generator) -> float:
        """One pass; returns the mean loss per pair without the penalty."""
        pairs = pairs.to(self.device)
        # Each pair carries its share of the penalty, so that an epoch adds up to all of it
        share_u = self._share(pairs.users, net["e_user"])
        share_i = self._share(pairs.items, net["e_item"])
        total = 0.0
        shuffled = torch.randperm(len(pairs), generator=generator)
        size = max(self.batch_size, -(-len(pairs) // MOST_STEPS))
        for batch in shuffled.split(size):
            now = pairs[batch]
            e_u = net["e_user"][now.users]
            e_i = net["e_item"][now.items]
            output = _forward(net, e_u, now.items)
            loss = self._losses(output, now.target).sum()
            of_u = e_u.square().sum(1)
            of_i = e_i.square().sum(1)
            penalty = share_u[now.users] * of_u + share_i[now.items] * of_i
            objective = (loss + penalty.sum()) / len(batch)
            optimizer.zero_grad()
            objective.backward()
            optimizer.step()
            total += float(loss.detach())
        return total / max(1, len(pairs))

    def _share(self, ids, embeddings) -> torch.Tensor:
        """λ / the number of pairs, for each row of the embeddings."""
        counts = torch.bincount(ids, minlength=len(embeddings))
        return self._reg / counts.clamp(min=1)

    def _losses(self, output, target) -> torch.Tensor:
        if self.loss == "mse":
            return (output - target).square()
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")

    # What is kept

    def _store(self, net) -> None:
        for name, weight in net.items():
            array = weight.detach().cpu().numpy()
            setattr(self, f"{name}_", array.copy())

    def _weights(self) -> dict[str, torch.Tensor]:
        """The learned weights, by the names of `_network`."""
        names = ["e_user", "e_item", "W1", "b1", "W2", "b2"]
        if self.loss == "bce":
            names += ["w_product", "b_item"]
        return {name: self._tensor(getattr(self, f"{name}_")) for name in names}

    def _tensor(self, array, dtype=None) -> torch.Tensor:
        return torch.as_tensor(array, dtype=dtype, device=self.device)

    # A new shopper

    def _positives(self, ratings) -> sp.coo_matrix:
        """What is learned from: the ratings, or the likes."""
        if self.loss == "mse":
            return ratings.tocoo()
        return liked_only(ratings).tocoo()

    def _read(self, histories) -> sp.coo_matrix:
        return self._positives(histories.in_catalogue(self.n_items_))

    def _usable(self, histories):
        R = self._read(histories).tocsr()
        return np.diff(R.indptr) > 0

    def fold_in(self, histories) -> np.ndarray:
        """Fit e_u to each history, all else fixed; a shopper gets the same alone as in company.

        Returns
        -------
        (n_users, width) float64 array
        """
        net = self._weights()
        R = self._read(histories)
        known = self._known_pairs(R).to(self.device)
        weights = self._others(R)
        others = self._tensor(self.others_)
        average = net["e_user"].mean(0, keepdim=True)
        e = average.repeat(len(histories), 1).requires_grad_()
        optimizer = torch.optim.Adam([e], lr=FOLD_LR)
        for _ in range(self.fold_steps):
            output = _forward(net, e[known.users], known.items)
            loss = self._losses(output, known.target).sum()
            if self.loss == "bce":
                logits = _all_pairs(net, e, others)
                loss = loss + (F.softplus(logits) * weights).sum()
            objective = loss + self._reg * e.square().sum()
            optimizer.zero_grad()
            objective.backward()
            optimizer.step()
        return e.detach().cpu().numpy()

    def _others(self, R) -> torch.Tensor:
        """Weights of the negatives while folding in, (n_users, n_others).

        One fixed sample of items, less what is liked, stands for `negatives` draws per liked item.
        """
        liked = R.tocsr()
        not_liked = liked[:, self.others_].toarray() == 0
        shop = self.shop_[self.others_]
        on_offer = self._visited(liked)[:, shop]
        free = self._tensor(not_liked & on_offer, DOUBLE)
        n_draws = np.diff(liked.indptr) * self.negatives
        n_draws = self._tensor(n_draws, DOUBLE)
        return free * n_draws[:, None] / len(self.others_)

    # Shops

    def _learn_shops(self, items) -> None:
        """The shop of each item, as a number."""
        shops = np.zeros(self.n_items_)
        if items is not None:
            shops = items.frame["platform"].to_numpy()
        _, codes = np.unique(shops, return_inverse=True)
        self.shop_ = codes.astype(np.int64)

    def _visited(self, liked) -> np.ndarray:
        """The shops where a shopper liked anything, (n_users, n_shops) bool."""
        positions = (np.arange(self.n_items_), self.shop_)
        of_shop = sp.csr_matrix((np.ones(self.n_items_), positions))
        return (liked @ of_shop).toarray() > 0

    def _log_visit(self, histories) -> np.ndarray:
        """log P(goes to the item's shop), (n_users, n_items)."""
        visited = self._visited(self._read(histories).tocsr())
        known = visited[:, :, None] * self.visits_
        likely = np.where(visited, 1.0, known.max(axis=1))
        of_items = likely[:, self.shop_]
        return np.log(of_items).astype(np.float32)

    # Scores

    def _score(self, histories):
        scores = self._outputs(histories, np.arange(self.n_items_))
        if self.loss == "bce":
            # log P(like) = log P(like | on offer) + log P(goes to that shop)
            scores += self._log_visit(histories)
        return scores

    def _outputs(self, histories, items) -> np.ndarray:
        """The network's output for these items, (n_users, len(items)) float32."""
        net = self._weights()
        e = self._tensor(self.fold_in(histories))
        items = self._tensor(items, torch.long)
        cells_per_user = max(1, len(items)) * self.hidden
        step = max(1, CELLS // cells_per_user)
        with torch.no_grad():
            parts = [_all_pairs(net, part, items) for part in e.split(step)]
        outputs = torch.cat(parts).cpu().numpy()
        outputs = outputs + self.mean_
        return outputs.astype(np.float32)

    def _predict(self, histories, items):
        if self.loss == "bce":
            raise NotImplementedError(
                "NeuralCF(loss='bce') ranks items; loss='mse' predicts ratings"
            )
        return self._outputs(histories, items)


def _chance_of_visits(visited) -> np.ndarray:
    """P(visits shop s | visits shop t) in row t and column s, (n_shops, n_shops)."""
    together = visited.T.astype(float) @ visited
    visitors = visited.sum(axis=0)
    return (together + 1) / (visitors[:, None] + 2)


def _copy(net) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in net.items()}


def _forward(net, e_u, items) -> torch.Tensor:
    """Output for pairs: embeddings (n, width) and item positions (n,) to (n,)."""
    e_i = net["e_item"][items]
    e_u, g_u = _halves(net, e_u)
    e_i, g_i = _halves(net, e_i)
    both = torch.cat([e_u, e_i], 1)
    hidden = F.relu(both @ net["W1"] + net["b1"])
    output = hidden @ net["W2"] + net["b2"]
    if "w_product" not in net:
        return output
    product = (g_u * g_i) @ net["w_product"]
    return output + product + net["b_item"][items]


def _all_pairs(net, e_u, items) -> torch.Tensor:
    """Output for every pair, (n_users, n_items).

    W1 [e_u; e_i] is a sum of two parts, each computed once.
    """
    e_i = net["e_item"][items]
    e_u, g_u = _halves(net, e_u)
    e_i, g_i = _halves(net, e_i)
    d = e_u.shape[1]
    W1 = net["W1"]
    of_u = e_u @ W1[:d] + net["b1"]
    of_i = e_i @ W1[d:]
    hidden = F.relu(of_u[:, None] + of_i[None])
    output = hidden @ net["W2"] + net["b2"]
    if "w_product" not in net:
        return output
    product = (g_u * net["w_product"]) @ g_i.T
    return output + product + net["b_item"][items]


def _halves(net, e) -> tuple[torch.Tensor, torch.Tensor]:
    """The part of an embedding that the network reads, and the part that the product reads."""
    d = net["W1"].shape[0] // 2
    return e[:, :d], e[:, d:]
