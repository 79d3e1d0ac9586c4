"""The networks of the two-tower model, and the pairs each of its losses is trained on."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from helpers.interactions.matrix import LIKED, liked_only
from helpers.recommenders.taste import posterior_taste

LIFT, TILT = 0.8, 0.9  # where training starts: see `posterior_taste`
HISTORY_LENGTHS = (
    0,
    1,
    1,
    2,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    12,
)  # drawn in training, so that short histories are learned too


def mlp(n_in, hidden, n_out, dropout, batch_norm):
    """Linear, [batch norm,] ReLU, dropout, linear."""
    norm = [nn.BatchNorm1d(hidden)] if batch_norm else []
    return nn.Sequential(
        nn.Linear(n_in, hidden), *norm, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_out)
    )


class PlainTowers(nn.Module):
    """The seed deck's: z_u = f_U(Σ r_ui x_i / Σ r_ui), z_i = f_I(x_i), both scaled to length 1."""

    def __init__(self, n_features, hidden, dim, dropout, batch_norm):
        super().__init__()
        self.user = mlp(n_features, hidden, dim, dropout, batch_norm)
        self.item = mlp(n_features, hidden, dim, dropout, batch_norm)

    def users(self, ratings, features):
        """Ratings (n, m; 0 is unknown) of history items with features (m, f) -> (n, dim)."""
        return self.of_means(ratings @ features / ratings.sum(1, keepdim=True).clamp(min=1e-9))

    def of_means(self, means):
        """Rating-weighted means (n, f) of histories -> (n, dim)."""
        return F.normalize(self.user(means), dim=1)

    def items(self, features, which=slice(None)):
        """Features (n_items, f) of items `which` of the catalogue -> (n_items, dim)."""
        return F.normalize(self.item(features), dim=1)


class PooledTowers(nn.Module):
    """A history becomes its taste (see `taste.py`), plus what an MLP reads from attention-weighted means of it.

    Item vectors are [x 1 | f_I(x) | bias], user vectors [taste | f_U(pooled) | 1]: a score is an inner product.
    """

    def __init__(self, n_features, n_items, hidden, dim, heads, dropout, batch_norm, taste):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(n_features, hidden), nn.ReLU())
        self.attention = nn.Linear(hidden, heads) if heads else None
        self.user = nn.Sequential(
            nn.Dropout(dropout), mlp((1 + heads) * hidden + 1, hidden, dim, dropout, batch_norm)
        )
        self.item = mlp(n_features, hidden, dim, dropout, batch_norm)
        self.log_scale = nn.Parameter(
            torch.tensor(0.0 if taste else -np.log(8.0), dtype=torch.float32)
        )
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.knows_taste = taste
        if taste:
            nn.init.zeros_(self.user[-1][-1].weight)  # start from the taste alone
            nn.init.zeros_(self.user[-1][-1].bias)
            self.lift, self.tilt = (
                nn.Parameter(torch.tensor(LIFT)),
                nn.Parameter(torch.tensor(TILT)),
            )
            d = n_features + 1  # what `learn_taste` finds is loaded into these
            for name, shape in dict(
                mean=d, precision=(d, d), effect=n_items, usual=d, choice=(d, d)
            ).items():
                self.register_buffer(name, torch.zeros(shape))
        else:
            self.user_line = nn.Linear(n_features, dim, bias=False)
            self.item_line = nn.Linear(n_features, dim, bias=False)
            self.item_line.weight.data.copy_(
                self.user_line.weight.data
            )  # so that like is near like from the start

    def users(self, ratings, features):
        """Ratings (n, m; 0 is unknown) of history items with features (m, f) -> (n, out); of empty histories too."""
        weights = (ratings >= LIKED).float()
        count = weights.sum(1, keepdim=True)
        share = weights / count.clamp(min=1)
        hidden = self.embed(features)
        pooled = [share @ hidden]
        for attention in self.attention(hidden).exp().T if self.attention else ():
            mass = (weights @ attention[:, None]).clamp(min=1e-6)
            pooled.append(weights @ (hidden * attention[:, None]) / mass)
        user = self.user(torch.cat([*pooled, count.log1p()], dim=1))
        one = torch.ones_like(count)
        if not self.knows_taste:
            return torch.cat(
                [(user + self.user_line(share @ features)) * self.log_scale.exp(), one], dim=1
            )
        taste = posterior_taste(ratings, features, self, self.lift, self.tilt)
        return torch.cat([taste * self.log_scale.exp(), user, one], dim=1)

    def items(self, features, which=slice(None)):
        """Features (n_items, f) of items `which` of the catalogue -> (n_items, out)."""
        item, bias = self.item(features), self.bias[which, None]
        if not self.knows_taste:
            return torch.cat([item + self.item_line(features), bias], dim=1)
        return torch.cat(
            [features, torch.ones_like(bias), item, bias + self.effect[which, None]], dim=1
        )


class SeenPairs:
    """Softmax over what a shopper saw: a few liked items of one platform are the history, another's the targets.

    A shopper of a single platform has the rest of it as targets. Batches are of shoppers. With `inbatch` the targets
    stand against those of all shoppers of the batch instead, scores less log Q, Q being how often an item is liked
    (Yi et al. 2019), or the softmax would learn that popular items, which are in more batches, are worse; with `hard`
    against those and what the shopper saw and did not like.
    """

    def __init__(self, train, platform, seed, inbatch=False, hard=False):
        self.hard = hard
        likes = torch.from_numpy(np.asarray(liked_only(train.ratings).sum(axis=0))[0])
        self.log_q = likes.clamp(min=1).log() if inbatch else None
        self.ratings = train.ratings[np.diff(train.ratings.indptr) > 1]
        self.platform = F.one_hot(torch.from_numpy(platform)).T.float()  # (n_platforms, n_items)
        self.draw = torch.Generator().manual_seed(seed)

    def batches(self, size):
        """Positions of the shoppers of each batch, in random order."""
        return torch.randperm(self.ratings.shape[0], generator=self.draw).split(size)

    def sample(self, rows):
        """Histories (ratings), targets and candidates (0 and 1) of shoppers `rows`, each (n, n_items) float32."""
        ratings = torch.from_numpy(self.ratings[rows.numpy()].toarray())
        seen, liked = (ratings > 0).float(), (ratings >= LIKED).float()
        on_platform = (liked @ self.platform.T > 0).float()
        source = (torch.rand(on_platform.shape, generator=self.draw) * on_platform).argmax(1)
        crosses = on_platform.sum(1, keepdim=True) > 1
        inside = torch.where(crosses, self.platform[source], torch.ones(1))
        length = torch.tensor(HISTORY_LENGTHS)[
            torch.randint(len(HISTORY_LENGTHS), (len(rows), 1), generator=self.draw)
        ]
        keys = torch.rand(liked.shape, generator=self.draw) * liked * inside
        top = keys.topk(min(max(HISTORY_LENGTHS), keys.shape[1]), dim=1).values
        least = top.gather(1, (length - 1).clamp(0, top.shape[1] - 1))
        history = ((keys >= least) & (keys > 0) & (length > 0)).float()
        outside = torch.where(crosses, 1 - inside, 1 - history)
        return history * ratings, liked * outside, seen * outside

    def loss(self, net, catalogue, rows, temperature):
        """Mean over shoppers of -Σ log softmax(liked | candidates); of a shopper's targets five at most count."""
        history, targets, candidates = (part.to(catalogue.device) for part in self.sample(rows))
        scores = net.users(history, catalogue) @ net.items(catalogue).T / temperature
        if self.log_q is not None:
            others = (targets.sum(0) > 0) | (self.hard & (candidates > 0))
            scores, candidates = scores - self.log_q.to(scores.device), others * (history == 0)
        logp = scores.masked_fill(candidates == 0, -1e9).log_softmax(dim=1)
        n = targets.sum(1)
        fit = -((logp * targets).sum(1) / n.clamp(min=1) * n.clamp(max=5)).sum() / len(rows)
        return fit + 0.002 * (net.bias**2).sum() if hasattr(net, "bias") else fit


class RandomPairs:
    """Pairs (u, i, y) for squared error: y = 1 where u rated i, and `negatives` random others a rated pair with y = 0.

    The user tower reads the whole history, the target itself included: the seed deck's way, and one of its flaws.
    """

    def __init__(self, train, negatives, seed):
        self.ratings, self.negatives, self.means = train.ratings, negatives, None
        self.draw = torch.Generator().manual_seed(seed)
        self.positives = np.stack(train.ratings.nonzero(), axis=1).astype(np.int64)

    def batches(self, size):
        """Rows (user, item, label) of each batch, in random order; negatives are drawn anew."""
        positives = torch.from_numpy(self.positives)
        users = positives[:, 0].repeat(self.negatives)
        items = torch.randint(self.ratings.shape[1], (len(users),), generator=self.draw)
        rated = self.ratings[users.numpy().copy(), items.numpy().copy()]
        fresh = torch.from_numpy(np.asarray(rated).ravel() == 0)
        others = torch.stack([users[fresh], items[fresh], torch.zeros_like(users[fresh])], dim=1)
        pairs = torch.cat([F.pad(positives, (0, 1), value=1), others])
        pairs = pairs[torch.randperm(len(pairs), generator=self.draw)]
        return [part for part in pairs.split(size) if len(part) > 1]  # batch norm needs two

    def loss(self, net, catalogue, pairs, temperature):
        """Mean of (z_u · z_i / temperature - y)²."""
        users, items, labels = pairs.T
        if isinstance(
            net, PlainTowers
        ):  # its vectors are frozen, so the means are the same in every epoch
            if self.means is None:
                total = np.maximum(self.ratings.sum(axis=1).reshape(-1, 1), 1e-9)
                self.means = torch.from_numpy(
                    np.float32(self.ratings @ catalogue.cpu().numpy() / total)
                )
            theirs = net.of_means(self.means[users].to(catalogue.device))
        else:
            theirs = net.users(
                torch.from_numpy(self.ratings[users.numpy()].toarray()).to(catalogue.device),
                catalogue,
            )
        scores = (theirs * net.items(catalogue[items], items)).sum(1) / temperature
        return F.mse_loss(scores, labels.to(scores))
