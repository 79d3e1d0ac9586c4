"""Two towers: one network turns a history into a vector, another an item; their inner product is the score."""

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from helpers.interactions.matrix import LIKED, Histories, liked_only
from helpers.recommenders.deck import DeckTowers, filled, flat, mlp
from helpers.recommenders.negatives import has_dislikes
from helpers.recommenders.reader import ReadsContent, used_only

GOALS = ("chosen", "enjoyed")
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
)  # practised, so that short histories are learned too
MOST_TARGETS = 5.0  # likes of one shopper that count at most in one step
BLOCK = 256  # shoppers scored at once


@dataclass(frozen=True)
class TowerSettings:
    """The towers and how they are trained.

    Attributes
    ----------
    axes, side : main axes of the item vectors to read (0: the vectors as they are); whether to read the table, too.
    own : items also have a vector of their own, which starts at 0. A new item stays there.
    dim, hidden, heads : outputs, hidden units, and attention-weighted means of the history beside its plain mean.
    dropout : share of hidden units that are left out in training.
    sampled : items in the softmax beside the targets, drawn by popularity and corrected for it (log Q).
    hard : weight of a second softmax, against what the shopper saw and did not like, where the log has dislikes.
    epochs, batch_size, lr : passes over the shoppers, shoppers in a batch, Adam's step.
    reg, own_reg : weight decay of the networks and of the items' own vectors.
    """

    axes: int = 24
    side: bool = True
    own: bool = True
    dim: int = 32
    hidden: int = 32
    heads: int = 2
    dropout: float = 0.2
    sampled: int = 1024
    hard: float = 0.2
    epochs: int = 15
    batch_size: int = 128
    lr: float = 1e-2
    reg: float = 0.01
    own_reg: float = 0.3


class Towers(nn.Module):
    """score(u, j) = a log popularity_j + f_U(pooled history) · (f_I(x_j) + e_j) + b_j

    A history item is h_i = x_i P + e_i; the history is pooled by its mean and by attention, Σ softmax_i(k · h_i) h_i.
    With log popularity in the score the networks learn only what popularity doesn't say.
    """

    def __init__(self, n_features: int, log_popularity: torch.Tensor, settings: TowerSettings):
        super().__init__()
        s = settings
        n_items = len(log_popularity)
        self.register_buffer("log_popularity", log_popularity)
        self.popular = nn.Parameter(torch.ones(1))
        self.source = nn.Linear(n_features, s.dim, bias=False)
        self.target = nn.Linear(n_features, s.dim, bias=False)
        self.target.weight.data.copy_(self.source.weight.data)  # like is near like from the start
        self.bend = mlp(n_features, s.hidden, s.dim, s.dropout, batch_norm=False)
        self.attention = nn.Linear(s.dim, s.heads)
        self.user = mlp((1 + s.heads) * s.dim + 1, s.hidden, s.dim, s.dropout, batch_norm=False)
        self.embedding = nn.Parameter(torch.zeros(n_items, s.dim))
        self.bias = nn.Parameter(torch.zeros(n_items))
        for last in (self.bend[-1], self.user[-1]):
            nn.init.zeros_(last.weight)  # the networks start from the linear model
            nn.init.zeros_(last.bias)

    def users(self, ratings, features, columns):
        """Histories as (n, m) ratings of items with `features` (m, f) at catalogue `columns` (m,), -1 if elsewhere."""
        liked = (ratings >= LIKED).float()
        count = liked.sum(dim=1, keepdim=True)
        own = torch.where(columns[:, None] >= 0, self.embedding[columns.clamp(min=0)], 0.0)
        vectors = self.source(features) + own
        mean = liked @ vectors / count.clamp(min=1)
        pooled = [mean]
        for strength in self.attention(vectors).clamp(-10, 10).exp().T:
            mass = (liked @ strength[:, None]).clamp(min=1e-6)
            pooled.append(liked @ (vectors * strength[:, None]) / mass)
        read = torch.cat([*pooled, count.log1p()], dim=1)
        user = mean + self.user(read)
        return torch.cat([user, torch.ones_like(count)], dim=1)

    def items(self, features, which=slice(None)):
        """Items `which` with their features (n, f) -> (n, dim + 1); the last number is what everyone adds."""
        vectors = self.target(features) + self.bend(features) + self.embedding[which]
        fixed = self.popular * self.log_popularity[which] + self.bias[which]
        return torch.cat([vectors, fixed[:, None]], dim=1)


class TwoTower(ReadsContent):
    """A user tower over the history and an item tower, trained together on item vectors that stay as they are.

    Each training shopper is cut down to a few likes of one shop; asked is what they like in another one, or in the
    rest of the same one. ``goal="chosen"`` is the question of a log: liked items must outscore all others, which a
    sample by popularity stands for, corrected by log Q (Yi et al. 2019, "Sampling-bias-corrected neural modeling").
    Dislikes, where there are any, are hard negatives. ``goal="enjoyed"`` is the question of a shopper who sees
    everything: liked items must outscore those that the shopper saw and did not like, and no others.

    Parameters
    ----------
    goal : "chosen" or "enjoyed"
    epochs : int or None
        None: as in the settings.
    settings : TowerSettings, dict of its fields, or None for the default
    """

    handles_cold_users = True
    handles_cold_items = True
    evidence_in_logs = True

    def __init__(self, goal="chosen", epochs=None, seed=7, device="cpu", settings=None):
        if goal not in GOALS:
            raise ValueError(f"goal must be 'chosen' or 'enjoyed', not {goal!r}")
        if settings is None:
            settings = TowerSettings()
        if isinstance(settings, dict):
            settings = TowerSettings(**settings)
        self.goal = goal
        self.epochs = epochs
        self.seed = seed
        self.device = device
        self._settings = settings if epochs is None else replace(settings, epochs=epochs)
        self._net = None  # rebuilt when first needed

    @classmethod
    def deck(cls, **settings) -> DeckTowers:
        """The original report's model."""
        return DeckTowers(**settings)

    @property
    def settings(self) -> dict:
        """The settings by name."""
        return asdict(self._settings)

    @property
    def axes(self) -> int:
        """Main axes of the vectors that are read."""
        return self._settings.axes

    @property
    def side(self) -> bool:
        """Whether the items' table is read."""
        return self._settings.side

    def item_embeddings(self) -> np.ndarray:
        """Outputs of the item tower, (n_items, dim + 1) float32: score = user_embeddings · item_embeddings."""
        return self.items_

    def user_embeddings(self, histories: Histories) -> np.ndarray:
        """Outputs of the user tower, (n_users, dim + 1) float32."""
        parts = []
        for start in range(0, len(histories), BLOCK):
            some = used_only(histories[start : start + BLOCK])
            features = torch.from_numpy(self._features(some)).to(self.device)
            ratings = torch.from_numpy(some.ratings.toarray()).to(self.device)
            columns = torch.from_numpy(some.columns).to(self.device)
            with torch.no_grad():
                parts.append(self._network().users(ratings, features, columns).cpu().numpy())
        return np.concatenate(parts)

    def _usable(self, histories):
        return np.ones(
            len(histories), dtype=bool
        )  # an empty history has its own answer, learned in training

    def _score(self, histories):
        return self.user_embeddings(histories) @ self.items_.T

    def _fit(self, train, items, validate):
        self._read(items)
        platform = items.frame["platform"].astype("category").cat.codes.to_numpy(np.int64)
        self.losses_ = [[]]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = self._new_network()
            self._train(net, Practice(train, platform, self.seed), validate)

    def _new_network(self) -> Towers:
        log_popularity = torch.log(torch.from_numpy(self.popularity_) + 0.5)
        if self.goal == "enjoyed":
            log_popularity = torch.zeros_like(log_popularity)
        net = Towers(
            self.features_.shape[1], log_popularity - log_popularity.mean(), self._settings
        )
        return net.to(self.device)

    def _train(self, net, practice, validate):
        """Train the towers; with `validate`, the best epoch's weights are kept."""
        s = self._settings
        free = [net.bias, net.popular]
        own = [net.embedding]
        rest = [
            weight for weight in net.parameters() if not any(weight is w for w in (*free, *own))
        ]
        net.embedding.requires_grad_(s.own)
        groups = [
            {"params": rest, "weight_decay": s.reg},
            {"params": own, "weight_decay": s.own_reg},
            {"params": free, "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, s.lr)
        catalogue = torch.from_numpy(self.features_).to(self.device)
        steps = max(1, s.epochs * practice.n_batches(s.batch_size))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, s.lr, total_steps=steps)
        best = -np.inf
        self._keep(net)
        for epoch in tqdm(range(s.epochs), desc="towers", disable=None, leave=False):
            net.train()
            running = []
            for rows in practice.batches(s.batch_size):
                loss = self._loss(net, practice, catalogue, rows)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                running.append(float(loss.detach()))
            self.losses_[0].append(round(float(np.mean(running)), 6) if running else 0.0)
            if validate is None:
                continue
            if epoch % 5 == 4 or epoch == s.epochs - 1:
                before = (self.weights_, self.items_)
                self._keep(net)
                value = float(validate(self))
                if value > best:
                    best = value
                else:
                    self._hold(*before)
        if validate is None:
            self._keep(net)

    def _loss(self, net, practice, catalogue, rows):
        """What the goal asks of these shoppers, and a pull of the items' biases to 0."""
        ratings, liked, seen = (part.to(self.device) for part in practice.sample(rows))
        used = ratings.any(dim=0).nonzero()[:, 0]
        users = net.users(ratings[:, used], catalogue[used], used)
        pull = 0.002 * (net.bias**2).sum()
        against_seen = pull
        if self.goal == "enjoyed" or (practice.dislikes and self._settings.hard):
            touched = seen.any(dim=0).nonzero()[:, 0]
            scores = users @ net.items(catalogue[touched], touched).T
            against_seen = softmax_loss(scores, liked[:, touched], seen[:, touched])
        if self.goal == "enjoyed":
            return against_seen + pull
        drawn = practice.negatives(liked.cpu(), self._settings.sampled)
        which = drawn.items.to(self.device)
        scores = users @ net.items(catalogue[which], which).T
        scores, allowed = corrected(scores, liked[:, which], drawn)
        loss = softmax_loss(scores, liked[:, which], allowed * (ratings[:, which] == 0))
        if practice.dislikes:
            loss = loss + self._settings.hard * against_seen
        return loss + pull

    def _keep(self, net):
        """Hold the towers' weights and the item tower's outputs."""
        features = torch.from_numpy(self.features_).to(self.device)
        was_training = net.training
        with torch.no_grad():
            items = net.eval().items(features).cpu().numpy()
        net.train(was_training)
        self._hold(flat(net), items)

    def _hold(self, weights, items):
        self.weights_ = weights
        self.items_ = items
        self._net = None

    def _network(self) -> Towers:
        """The trained towers, rebuilt once from their weights."""
        if self._net is None:
            with torch.random.fork_rng(devices=[]):
                self._net = filled(self._new_network(), self.weights_).eval()
        return self._net


def softmax_loss(scores, liked, candidates):
    """Mean over shoppers of -Σ log softmax(liked | candidates), each shopper counting as five likes at most."""
    logp = scores.masked_fill(candidates == 0, -1e9).log_softmax(dim=1)
    liked = liked * candidates
    n = liked.sum(dim=1)
    fit = (logp * liked).sum(dim=1) / n.clamp(min=1)
    return -(fit * n.clamp(max=MOST_TARGETS)).sum() / max(len(scores), 1)


@dataclass(frozen=True)
class Drawn:
    """Candidates of a sampled softmax.

    Attributes
    ----------
    items : (m,) int64
    log_q : (m,) float32
        Log of the chance that an item was drawn.
    lot : (m,) bool
        Whether it was drawn; the others are here because someone in the batch likes them.
    """

    items: torch.Tensor
    log_q: torch.Tensor
    lot: torch.Tensor


def corrected(scores, liked, drawn: Drawn):
    """Scores less log Q, so that what was drawn stands for all items, and who may be a candidate, each (n, m).

    A shopper's own likes are certain to be there, so nothing is taken off them.
    """
    log_q = drawn.log_q.to(scores.device)
    lot = drawn.lot.to(scores.device)
    return scores - torch.where(liked > 0, 0.0, log_q), ((liked > 0) | lot).float()


class Practice:
    """Training shoppers cut down at random: a few likes of one shop are the history, those of others the targets.

    A shopper of a single shop has the rest of it as targets. Only a batch of shoppers is dense at a time.
    """

    def __init__(self, train, platform, seed):
        self.ratings = train.ratings[np.diff(train.ratings.indptr) > 1]
        self.platform = F.one_hot(torch.from_numpy(platform)).T.float()  # (n_platforms, n_items)
        self.draw = torch.Generator().manual_seed(seed)
        self.dislikes = has_dislikes(train.ratings)
        self.likes = torch.from_numpy(
            np.asarray(liked_only(train.ratings).sum(axis=0), np.float32).ravel()
        )

    def n_batches(self, size: int) -> int:
        """Batches of one pass."""
        return -(-self.ratings.shape[0] // size)

    def batches(self, size: int):
        """Positions of the shoppers of each batch, in random order."""
        if self.ratings.shape[0] == 0:
            return ()
        return torch.randperm(self.ratings.shape[0], generator=self.draw).split(size)

    def sample(self, rows):
        """Histories (as rated), targets and what was seen beside the history, each (n, n_items) float32."""
        ratings = torch.from_numpy(self.ratings[rows.numpy()].toarray())
        seen = (ratings > 0).float()
        liked = (ratings >= LIKED).float()
        on_platform = (liked @ self.platform.T > 0).float()
        source = (torch.rand(on_platform.shape, generator=self.draw) * on_platform).argmax(dim=1)
        crosses = on_platform.sum(dim=1, keepdim=True) > 1
        inside = torch.where(crosses, self.platform[source], torch.ones(1))
        lot = torch.randint(len(HISTORY_LENGTHS), (len(rows), 1), generator=self.draw)
        length = torch.tensor(HISTORY_LENGTHS)[lot]
        keys = torch.rand(liked.shape, generator=self.draw) * liked * inside
        top = keys.topk(min(max(HISTORY_LENGTHS), keys.shape[1]), dim=1).values
        least = top.gather(1, (length - 1).clamp(0, top.shape[1] - 1))
        history = ((keys >= least) & (keys > 0) & (length > 0)).float()
        outside = torch.where(crosses, 1 - inside, 1 - history)
        return history * ratings, liked * outside, seen * outside

    def negatives(self, liked, n: int) -> Drawn:
        """Candidates of the softmax for a batch with targets `liked` (n_rows, n_items).

        All items that anyone likes where they are few; else `n` draws by popularity, and the targets. An item without
        likes is never a negative: it is new, not unwanted.
        """
        known = (self.likes > 0).nonzero()[:, 0]
        if len(known) <= 2 * n:
            return Drawn(known, torch.zeros(len(known)), torch.ones(len(known), dtype=torch.bool))
        drawn = torch.multinomial(self.likes, n, replacement=True, generator=self.draw).unique()
        targets = liked.any(dim=0).nonzero()[:, 0]
        both = torch.cat([drawn, targets]).unique()
        share = self.likes[both] / self.likes.sum()
        chance = 1 - (1 - share) ** n
        return Drawn(both, chance.log(), torch.isin(both, drawn))
