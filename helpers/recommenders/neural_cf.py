"""Neural collaborative filtering (chapter 03): a small network on a shopper's and an item's embedding."""

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from helpers.interactions.matrix import liked_only
from helpers.recommenders.base import Recommender

LOSSES = ("mse", "bce")
OTHERS = 64  # sampled items that stand for what a new shopper did not like
PAIRS = 2_000_000  # hidden units evaluated at once while scoring


class NeuralCF(Recommender):
    """r̂_ui = W2 · ReLU(W1 · [e_u; e_i] + b1) + b2, trained on known ratings, or to rank.

    ``loss="mse"`` is that formula on ratings less their mean. ``loss="bce"`` learns to tell liked items from sampled
    others and adds a generalised product w·(g_u ∘ g_i) to the network, as NeuMF does (He et al. 2017), and a bias b_i
    that starts at popularity. Others are sampled from the shops (`platform` of the items' features) where the shopper
    liked something: what was never on offer to them is no dislike, and would teach that popular items are avoided.
    A shop that they are not known to visit costs its items the logarithm of how likely a visit is.
    Both minimise  Σ loss + reg (|E_user|² + |E_item|²).

    A shopper is scored by a fresh e_u, fitted to the history with everything else fixed, so that a new shopper costs
    some gradient steps on `dim` numbers and no retraining.

    Parameters
    ----------
    dim, hidden : int
        Length of an embedding (twice with `bce`: one half each for network and product); width of the hidden layer.
    negatives : int
        Sampled items for each liked one (`bce`).
    lr, epochs, batch_size : float, int, int
        Adam's step, passes over the data, pairs a step.
    reg : float or None
        The penalty above; None: 30 for `mse`, 3 for `bce`, whose errors are smaller.
    patience : int
        With `validate`, stop after that many epochs without a better value, and keep the best.
    fold_steps : int
        Gradient steps that fit a shopper's e_u.
    """

    def __init__(
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
        if loss not in LOSSES:
            raise ValueError(f"loss is {loss!r}; choose one of {', '.join(LOSSES)}")
        self.dim, self.hidden, self.loss, self.negatives = dim, hidden, loss, negatives
        self.lr, self.reg, self.epochs, self.batch_size = lr, reg, epochs, batch_size
        self._reg = {"mse": 30.0, "bce": 3.0}[loss] if reg is None else reg
        self.patience, self.fold_steps, self.seed, self.device = patience, fold_steps, seed, device
        self.needs_dislikes = loss == "mse"

    def _usable(self, histories):
        return np.diff(self._positives(histories.in_catalogue(self.n_items_)).tocsr().indptr) > 0

    def _fit(self, train, items, validate):
        generator = torch.Generator().manual_seed(self.seed)
        R = self._positives(train.ratings)
        shops = np.zeros(self.n_items_) if items is None else items.frame["platform"].to_numpy()
        self.shop_ = np.unique(shops, return_inverse=True)[1].astype(np.int64)
        visited = self._visited(R.tocsr())
        together = visited.T.astype(float) @ visited
        self.visits_ = (together + 1) / (
            visited.sum(axis=0)[:, None] + 2
        )  # P(goes to shop s | goes to t)
        self.mean_ = (
            float(train.ratings.data.mean()) if self.loss == "mse" and train.ratings.nnz else 0.0
        )
        self.others_ = (
            torch.randperm(self.n_items_, generator=generator)[:OTHERS].sort().values.numpy()
        )
        net = self._network(train.shape[0], generator)
        embeddings = [net["e_user"], net["e_item"]]
        layers = [weight for name, weight in net.items() if name not in ("e_user", "e_item")]
        optimiser = torch.optim.Adam(
            [{"params": embeddings}, {"params": layers, "weight_decay": 1e-4}], lr=self.lr
        )
        losses, best, best_epoch, kept = [], -np.inf, 0, None
        for epoch in range(self.epochs):
            losses.append(self._epoch(R, visited, net, optimiser, generator))
            self._store(net)
            if validate is not None:
                value = validate(self)
                if value > best:
                    best, best_epoch = value, epoch
                    kept = {name: weight.detach().clone() for name, weight in net.items()}
                elif epoch - best_epoch >= self.patience:
                    break
        if kept is not None:
            self._store(kept)
        self.losses_ = np.array(losses)

    def _positives(self, ratings):
        return (ratings if self.loss == "mse" else liked_only(ratings)).tocoo()

    def _network(self, n_users, generator) -> dict:
        """Weights by name; small random numbers, as torch's own layers start."""
        width = self.dim * (2 if self.loss == "bce" else 1)
        shapes = {
            "e_user": ((n_users, width), 0.1),
            "e_item": ((self.n_items_, width), 0.1),
            "W1": ((2 * self.dim, self.hidden), (1 / self.dim) ** 0.5),
            "b1": ((self.hidden,), 0.1),
            "W2": ((self.hidden,), (1 / self.hidden) ** 0.5),
            "b2": ((1,), 0.0),
            "w_product": ((self.dim,), 1.0),
            "b_item": ((self.n_items_,), 0.0),
        }
        if self.loss == "mse":
            del shapes["w_product"], shapes["b_item"]
        net = {
            name: torch.randn(shape, generator=generator) * scale
            for name, (shape, scale) in shapes.items()
        }
        if (
            self.loss == "bce"
        ):  # log-odds of a like against a draw: the network learns what popularity can't say
            liked = torch.as_tensor(self.popularity_)
            net["b_item"] = torch.log(
                (liked + 1) / (liked.sum() * self.negatives / self.n_items_ + 1)
            )
        return {name: weight.to(self.device).requires_grad_() for name, weight in net.items()}

    def _epoch(self, R, visited, net, optimiser, generator) -> float:
        """One pass; returns the mean loss of a pair, penalty apart."""
        users, items = (
            torch.as_tensor(R.row, dtype=torch.long),
            torch.as_tensor(R.col, dtype=torch.long),
        )
        target = torch.as_tensor(R.data - self.mean_, dtype=torch.float32)
        if self.loss == "bce":
            sampled = torch.randint(
                self.n_items_, (len(users) * self.negatives,), generator=generator
            )
            of = users.repeat(self.negatives)
            key, seen = of * self.n_items_ + sampled, users * self.n_items_ + items
            # what the shopper is known to like is no negative, nor is what a shop offers that they never went to
            fresh = (
                ~torch.isin(key, seen)
                & torch.as_tensor(visited)[of, torch.as_tensor(self.shop_)[sampled]]
            )
            users, items = torch.cat([users, of[fresh]]), torch.cat([items, sampled[fresh]])
            target = torch.cat([target, torch.zeros(int(fresh.sum()))])
        users, items, target = (part.to(self.device) for part in (users, items, target))
        # each pair carries its share of the penalty, so that an epoch adds up to reg (|E_user|² + |E_item|²)
        share_u = self._reg / torch.bincount(users, minlength=len(net["e_user"])).clamp(min=1)
        share_i = self._reg / torch.bincount(items, minlength=self.n_items_).clamp(min=1)
        total = 0.0
        for batch in torch.randperm(len(users), generator=generator).split(self.batch_size):
            u, i = users[batch], items[batch]
            e_u, e_i = net["e_user"][u], net["e_item"][i]
            loss = self._losses(_forward(net, e_u, i), target[batch]).sum()
            penalty = (share_u[u] * e_u.square().sum(1) + share_i[i] * e_i.square().sum(1)).sum()
            optimiser.zero_grad()
            ((loss + penalty) / len(batch)).backward()
            optimiser.step()
            total += float(loss.detach())
        return total / max(1, len(users))

    def _losses(self, output, target):
        if self.loss == "mse":
            return (output - target).square()
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")

    def _store(self, net) -> None:
        for name, weight in net.items():
            setattr(self, f"{name}_", weight.detach().cpu().numpy().copy())

    def _weights(self) -> dict:
        names = ["e_user", "e_item", "W1", "b1", "W2", "b2"] + (
            ["w_product", "b_item"] if self.loss == "bce" else []
        )
        return {
            name: torch.as_tensor(getattr(self, f"{name}_"), device=self.device) for name in names
        }

    def fold_in(self, histories) -> np.ndarray:
        """e_u of each history, (n_users, width) float32, all else fixed; the same alone as in company."""
        net = self._weights()
        R = self._positives(histories.in_catalogue(self.n_items_))
        weights, others = self._others(R), torch.as_tensor(self.others_, device=self.device)
        users = torch.as_tensor(R.row, dtype=torch.long, device=self.device)
        items = torch.as_tensor(R.col, dtype=torch.long, device=self.device)
        target = torch.as_tensor(R.data - self.mean_, dtype=torch.float32, device=self.device)
        e = net["e_user"].mean(0, keepdim=True).repeat(len(histories), 1).requires_grad_()
        optimiser = torch.optim.Adam([e], lr=0.1)
        for _ in range(self.fold_steps):
            loss = self._losses(_forward(net, e[users], items), target).sum()
            if self.loss == "bce":
                logits = _all_pairs(net, e, others)
                loss = loss + (F.softplus(logits) * weights).sum()
            optimiser.zero_grad()
            (loss + self._reg * e.square().sum()).backward()
            optimiser.step()
        return e.detach().cpu().numpy()

    def _visited(self, liked) -> np.ndarray:
        """The shops where a shopper liked anything, (n_users, n_shops) bool."""
        of_shop = sp.csr_matrix((np.ones(self.n_items_), (np.arange(self.n_items_), self.shop_)))
        return (liked @ of_shop).toarray() > 0

    def _others(self, R):
        """Negatives while folding in, as weights (n_users, n_others): one fixed sample of items, less what is liked,
        stands for `negatives` draws for each liked item."""
        liked = R.tocsr()
        free = (liked[:, self.others_].toarray() == 0) & self._visited(liked)[
            :, self.shop_[self.others_]
        ]
        free = torch.as_tensor(free, dtype=torch.float32, device=self.device)
        draws = torch.as_tensor(
            np.diff(liked.indptr) * self.negatives, dtype=torch.float32, device=self.device
        )
        return free * draws[:, None] / len(self.others_)

    def _scores(self, histories, items) -> np.ndarray:
        net, e = self._weights(), torch.as_tensor(self.fold_in(histories), device=self.device)
        items = torch.as_tensor(items, dtype=torch.long, device=self.device)
        step = max(1, PAIRS // (max(1, len(items)) * self.hidden))
        with torch.no_grad():
            parts = [_all_pairs(net, part, items) for part in e.split(step)]
        return (torch.cat(parts).cpu().numpy() + self.mean_).astype(np.float32)

    def _score(self, histories):
        scores = self._scores(histories, np.arange(self.n_items_))
        if self.loss == "bce":  # log P(like) = log P(like | on offer) + log P(goes to that shop)
            visited = self._visited(self._positives(histories.in_catalogue(self.n_items_)).tocsr())
            likely = np.where(visited, 1.0, (visited[:, :, None] * self.visits_).max(axis=1))
            scores += np.log(likely[:, self.shop_]).astype(np.float32)
        return scores

    def _predict(self, histories, items):
        if self.loss == "bce":
            raise NotImplementedError(
                "NeuralCF(loss='bce') ranks items; loss='mse' predicts ratings"
            )
        return self._scores(histories, items)


def _forward(net, e_u, items):
    """Output for pairs of a shopper's embedding (n, width) and an item (n,) -> (n,)."""
    d, e_i = net["W1"].shape[0] // 2, net["e_item"][items]
    hidden = F.relu(torch.cat([e_u[:, :d], e_i[:, :d]], 1) @ net["W1"] + net["b1"])
    output = hidden @ net["W2"] + net["b2"]
    if "w_product" in net:
        output = output + (e_u[:, d:] * e_i[:, d:]) @ net["w_product"] + net["b_item"][items]
    return output


def _all_pairs(net, e_u, items):
    """Output for every pair, (n_users, n_items): W1 [e_u; e_i] is a sum of two parts, each computed once."""
    d, e_i = net["W1"].shape[0] // 2, net["e_item"][items]
    of_u, of_i = e_u[:, :d] @ net["W1"][:d] + net["b1"], e_i[:, :d] @ net["W1"][d:]
    output = F.relu(of_u[:, None] + of_i[None]) @ net["W2"] + net["b2"]
    if "w_product" in net:
        output = output + (e_u[:, d:] * net["w_product"]) @ e_i[:, d:].T + net["b_item"][items]
    return output
