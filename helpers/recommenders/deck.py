"""The original report's two-tower model: where the towers of chapter 06 start from."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from helpers.recommenders.base import Recommender, used_only
from helpers.recommenders.features import history_vectors

BLOCK = 256  # shoppers scored at once


class Dropout(nn.Module):
    """Each unit is 0 with probability `p` in training, the others grow by 1 / (1 - p).

    As `nn.Dropout`, whose draws differ between makers of CPUs (torch lets MKL draw on Intel's).
    Uniform numbers are the same on all of them.
    """

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or not self.p:
            return x
        drawn = torch.rand(x.shape, dtype=torch.float64, device=x.device)
        kept = (drawn < 1 - self.p).to(x.dtype)
        return x * (kept / (1 - self.p))


def mlp(n_in, hidden, n_out, dropout, batch_norm):
    """Linear, [batch norm,] ReLU, dropout, linear."""
    norm = [nn.BatchNorm1d(hidden)] if batch_norm else []
    return nn.Sequential(
        nn.Linear(n_in, hidden),
        *norm,
        nn.ReLU(),
        Dropout(dropout),
        nn.Linear(hidden, n_out),
    )


class PlainTowers(nn.Module):
    """z_u = f_U(Σ r_ui x_i / Σ r_ui), z_i = f_I(x_i), both scaled to length 1."""

    def __init__(self, n_features, hidden, dim, dropout, batch_norm):
        super().__init__()
        self.user = mlp(n_features, hidden, dim, dropout, batch_norm)
        self.item = mlp(n_features, hidden, dim, dropout, batch_norm)

    def users(self, means):
        """Rating-weighted means (n, f) of histories -> (n, dim)."""
        return F.normalize(self.user(means), dim=1)

    def items(self, features):
        """Features (n_items, f) -> (n_items, dim)."""
        return F.normalize(self.item(features), dim=1)


class DeckTowers(Recommender):
    """Two MLPs with batch norm on frozen vectors, trained on (cos(z_u, z_i) - y)².

    y is 1 for a rated item and 0 for another one.

    The user tower reads the rating-weighted mean of the whole history, the target itself included.
    That is one of the model's flaws; the other is that a dislike counts as wanted, since it is
    rated.

    Parameters
    ----------
    dim, hidden : int
        Outputs and hidden units of each tower.
    negatives : int
        Random other items for each rated one.
    """

    handles_cold_items = True

    def __init__(  # noqa: PLR0913  # hyperparameters
        self,
        dim=64,
        hidden=128,
        dropout=0.2,
        batch_norm=True,
        epochs=5,
        batch_size=32,
        lr=1e-3,
        negatives=1,
        seed=7,
        device="cpu",
    ):
        self.dim = dim
        self.hidden = hidden
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.negatives = negatives
        self.seed = seed
        self.device = device

    def item_embeddings(self) -> np.ndarray:
        """Outputs of the item tower, (n_items, dim) float32."""
        return self.items_

    def user_embeddings(self, histories) -> np.ndarray:
        """Outputs of the user tower, (n_users, dim) float32."""
        net = self._network().eval()
        parts = []
        for start in range(0, len(histories), BLOCK):
            some = used_only(histories[start : start + BLOCK])
            vectors = history_vectors(some, self.vectors_)
            with torch.no_grad():
                means = torch.from_numpy(weighted_means(some.ratings, vectors))
                parts.append(net.users(means.to(self.device)).cpu().numpy())
        return np.concatenate(parts)

    def _usable(self, histories):
        return np.diff(histories.ratings.indptr) > 0

    def _score(self, histories):
        return self.user_embeddings(histories) @ self.items_.T

    def _fit(self, train, items, validate):
        if items is None:
            raise ValueError("DeckTowers reads item vectors: call fit(train, items)")
        self.vectors_ = np.ascontiguousarray(items.vectors, dtype=np.float32)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = self._new_network()
            self._train(net, train)
        self.weights_ = flat(net)
        with torch.no_grad():
            catalogue = torch.from_numpy(self.vectors_).to(self.device)
            self.items_ = net.eval().items(catalogue).cpu().numpy()

    def _train(self, net, train):
        pairs = RandomPairs(train, self.negatives, self.seed)
        means = torch.from_numpy(weighted_means(train.ratings, self.vectors_))
        catalogue = torch.from_numpy(self.vectors_).to(self.device)
        optimizer = torch.optim.Adam(net.parameters(), self.lr)
        losses = []
        for _ in tqdm(range(self.epochs), desc="plain towers", disable=None, leave=False):
            net.train()
            running = []
            for users, items, labels in pairs.batches(self.batch_size):
                z_users = net.users(means[users].to(self.device))
                z_items = net.items(catalogue[items])
                cosine = (z_users * z_items).sum(dim=1)
                loss = F.mse_loss(cosine, labels.to(z_users))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                running.append(float(loss.detach()))
            mean = float(np.mean(running)) if running else 0.0
            losses.append(round(mean, 6))
        self.losses_ = [losses]

    def _network(self) -> PlainTowers:
        with torch.random.fork_rng(devices=[]):
            net = self._new_network()
        return filled(net, self.weights_)

    def _new_network(self) -> PlainTowers:
        net = PlainTowers(
            self.vectors_.shape[1],
            self.hidden,
            self.dim,
            self.dropout,
            self.batch_norm,
        )
        return net.to(self.device)


class RandomPairs:
    """Pairs (u, i, y): y = 1 where u rated i, and `negatives` random others for each rated one
    with y = 0.
    """

    def __init__(self, train, negatives, seed):
        self.ratings = train.ratings
        self.negatives = negatives
        self.draw = torch.Generator().manual_seed(seed)
        pairs = np.stack(train.ratings.nonzero(), axis=1)
        self.positives = torch.from_numpy(pairs.astype(np.int64))

    def batches(self, size):
        """Users, items and labels of each batch, in random order; negatives are drawn anew."""
        users = self.positives[:, 0].repeat(self.negatives)
        n_items = self.ratings.shape[1]
        items = torch.randint(n_items, (len(users),), generator=self.draw)
        cells = (users.numpy().copy(), items.numpy().copy())
        rated = np.asarray(self.ratings[cells]).ravel()
        fresh = torch.from_numpy(rated == 0)
        users = users[fresh]
        items = items[fresh]
        others = torch.stack([users, items, torch.zeros_like(users)], dim=1)
        labeled = F.pad(self.positives, (0, 1), value=1)
        pairs = torch.cat([labeled, others])
        order = torch.randperm(len(pairs), generator=self.draw)
        parts = pairs[order].split(size)
        return [part.T for part in parts if len(part) > 1]  # batch norm needs two


def weighted_means(ratings, vectors) -> np.ndarray:
    """Σ r x / Σ r of each row, (n, d) float32; zeros where nothing is rated."""
    total = np.asarray(ratings.sum(axis=1)).reshape(-1, 1)
    means = ratings @ vectors / np.maximum(total, 1e-9)
    return means.astype(np.float32)


def flat(net) -> np.ndarray:
    """All weights and running statistics of a network as one float32 vector, in the order of its
    state dict.
    """
    values = [value.reshape(-1).float() for value in net.state_dict().values()]
    return torch.cat(values).cpu().numpy()


def filled(net, weights: np.ndarray):
    """The network with the weights that `flat` gave."""
    state = {}
    start = 0
    for name, value in net.state_dict().items():
        part = torch.from_numpy(weights[start : start + value.numel()])
        state[name] = part.reshape(value.shape).to(value.dtype)
        start += value.numel()
    net.load_state_dict(state)
    return net
