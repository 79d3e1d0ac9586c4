"""Two towers: one network turns a history into a vector, another an item.

Their inner product is the score.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from helpers.interactions.matrix import LIKED, Histories, liked_only
from helpers.recommenders.base import used_only
from helpers.recommenders.crew import Crew, Question
from helpers.recommenders.deck import DeckTowers, filled, flat, mlp
from helpers.recommenders.negatives import has_dislikes
from helpers.recommenders.reader import ReadsContent

GOALS = ("chosen", "enjoyed")
# practiced, so that short histories are learned too
HISTORY_LENGTHS = (0, 1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12)
MOST_TARGETS = 5.0  # likes of one shopper that count at most in one step
PULL = 0.002  # of the items' biases to 0
CHECK_EVERY = 5  # epochs between two looks at the validation shoppers
BLOCK = 256  # shoppers scored at once


@dataclass(frozen=True)
class TowerSettings:
    """The towers and how they are trained.

    Attributes
    ----------
    axes : int
        Main axes of the item vectors to read; 0 reads the vectors as they are.
    side : bool
        Whether to read the items' table, too.
    own : bool
        Whether items also have a vector of their own, which starts at 0. A new item stays there.
    dim, hidden, heads : int
        Outputs, hidden units, and attention-weighted means of the history beside its plain mean.
    dropout : float
        Share of hidden units that are left out in training.
    sampled : int
        Items in the softmax beside the targets, drawn by popularity and corrected for it (log Q).
    hard : float
        Weight of a second softmax, against what the shopper saw and did not like, where the log
        has dislikes.
    epochs, batch_size : int
        Passes over the shoppers, shoppers in a batch.
    lr : float
        Adam's step.
    reg, own_reg : float
        Weight decay of the networks and of the items' own vectors.
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

    A history item is h_i = x_i P + e_i; the history is pooled by its mean and by attention, Σ
    softmax_i(k · h_i) h_i. With log popularity in the score the networks learn only what
    popularity doesn't say.
    """

    def __init__(
        self,
        n_features: int,
        log_popularity: torch.Tensor,
        settings: TowerSettings,
    ):
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
        n_read = (1 + s.heads) * s.dim + 1
        self.user = mlp(n_read, s.hidden, s.dim, s.dropout, batch_norm=False)
        self.embedding = nn.Parameter(torch.zeros(n_items, s.dim))
        self.bias = nn.Parameter(torch.zeros(n_items))
        # the networks start from the linear model
        for last in (self.bend[-1], self.user[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def users(self, ratings, features, columns):
        """Histories as (n, m) ratings of items with `features` (m, f) at catalogue `columns` (m,),
        -1 if elsewhere.
        """
        liked = (ratings >= LIKED).float()
        count = liked.sum(dim=1, keepdim=True)
        is_known = columns[:, None] >= 0
        embedding = self.embedding[columns.clamp(min=0)]
        own = torch.where(is_known, embedding, 0.0)
        vectors = self.source(features) + own
        mean = liked @ vectors / count.clamp(min=1)
        pooled = [mean]
        strengths = self.attention(vectors).clamp(-10, 10).exp()
        for strength in strengths.T:
            strength = strength[:, None]
            mass = (liked @ strength).clamp(min=1e-6)
            total = liked @ (vectors * strength)
            pooled.append(total / mass)
        read = torch.cat([*pooled, count.log1p()], dim=1)
        user = mean + self.user(read)
        return torch.cat([user, torch.ones_like(count)], dim=1)

    def items(self, features, which=slice(None)):
        """Items `which` with their features (n, f) -> (n, dim + 1).

        The last number is what everyone adds.
        """
        linear = self.target(features)
        vectors = linear + self.bend(features) + self.embedding[which]
        popularity = self.popular * self.log_popularity[which]
        fixed = popularity + self.bias[which]
        return torch.cat([vectors, fixed[:, None]], dim=1)


class TwoTower(ReadsContent):
    """A user tower over the history and an item tower, trained together on item vectors that stay
    as they are.

    Each training shopper is cut down to a few likes of one shop; asked is what they like in
    another one, or in the rest of the same one. ``goal="chosen"`` is the question of a log: liked
    items must outscore all others, which a sample by popularity stands for, corrected by log Q (Yi
    et al. 2019, "Sampling-bias-corrected neural modeling"). Dislikes, where there are any, are
    hard negatives. ``goal="enjoyed"`` is the question of a shopper who sees everything: liked
    items must outscore those that the shopper saw and did not like, and no others.

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
    crew = Crew()  # who trains; `crew.fit_together` lets several workers do it

    def __init__(
        self,
        goal="chosen",
        epochs=None,
        seed=7,
        device="cpu",
        settings=None,
    ):
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
    def axes(self) -> int:  # type: ignore[override]  # a setting is read, and never set
        """Main axes of the vectors that are read."""
        return self._settings.axes

    @property
    def side(self) -> bool:  # type: ignore[override]
        """Whether the items' table is read."""
        return self._settings.side

    def item_embeddings(self) -> np.ndarray:
        """Outputs of the item tower, (n_items, dim + 1) float32: score = user_embeddings ·
        item_embeddings.
        """
        return self.items_

    def user_embeddings(self, histories: Histories) -> np.ndarray:
        """Outputs of the user tower, (n_users, dim + 1) float32."""
        net = self._network()
        parts = []
        for start in range(0, len(histories), BLOCK):
            some = used_only(histories[start : start + BLOCK])
            features = torch.from_numpy(self._features(some))
            ratings = torch.from_numpy(some.ratings.toarray())
            columns = torch.from_numpy(some.columns)
            with torch.no_grad():
                users = net.users(
                    ratings.to(self.device),
                    features.to(self.device),
                    columns.to(self.device),
                )
            parts.append(users.cpu().numpy())
        return np.concatenate(parts)

    def _usable(self, histories):
        # an empty history has its own answer, learned in training
        return np.ones(len(histories), dtype=bool)

    def _score(self, histories):
        return self.user_embeddings(histories) @ self.items_.T

    def _fit(self, train, items, validate):
        self._read(items)
        platform = items.frame["platform"].astype("category")
        platform = platform.cat.codes.to_numpy(np.int64)
        self.losses_ = [[]]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = self._new_network()
            self._train(net, Practice(train, platform, self.seed), validate)

    def _new_network(self) -> Towers:
        log_popularity = torch.log(torch.from_numpy(self.popularity_) + 0.5)
        if self.goal == "enjoyed":
            log_popularity = torch.zeros_like(log_popularity)
        log_popularity = log_popularity - log_popularity.mean()
        n_features = self.features_.shape[1]
        net = Towers(n_features, log_popularity, self._settings)
        return net.to(self.device)

    def _train(self, net, practice, validate):
        """Train the towers; with `validate`, the best epoch's weights are kept."""
        s = self._settings
        optimizer = torch.optim.AdamW(self._groups(net), s.lr)
        n_steps = max(1, s.epochs * practice.n_batches(s.batch_size))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, s.lr, total_steps=n_steps)
        catalog = torch.from_numpy(self.features_).to(self.device)
        question = Question(net, lambda net, rows: self._loss(net, practice, catalog, rows))
        question = self.crew.averaging(question)
        best = -np.inf
        self._keep(net)
        for epoch in tqdm(range(s.epochs), desc="towers", disable=None, leave=False):
            net.train()
            running = []
            for rows in practice.batches(s.batch_size):
                loss = question(rows)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                running.append(self.crew.mean(loss))
            mean = round(float(np.mean(running)), 6) if running else 0.0
            self.losses_[0].append(mean)
            is_last = epoch == s.epochs - 1
            is_check = epoch % CHECK_EVERY == CHECK_EVERY - 1 or is_last
            if validate is not None and is_check:
                best = self._keep_if_better(net, validate, best)
        if validate is None:
            self._keep(net)

    def _groups(self, net) -> list[dict]:
        """The weights by how strongly they decay."""
        s = self._settings
        free = [net.bias, net.popular]
        own = [net.embedding]
        apart = {id(weight) for weight in free + own}
        rest = [weight for weight in net.parameters() if id(weight) not in apart]
        net.embedding.requires_grad_(s.own)
        return [
            {"params": rest, "weight_decay": s.reg},
            {"params": own, "weight_decay": s.own_reg},
            {"params": free, "weight_decay": 0.0},
        ]

    def _keep_if_better(self, net, validate, best: float) -> float:
        """Hold the towers if they beat `best` on the validation shoppers; returns the best now."""
        weights = self.weights_
        items = self.items_
        self._keep(net)
        value = float(validate(self))
        if value > best:
            return value
        self._hold(weights, items)
        return best

    def _loss(self, net, practice, catalog, rows):
        """What the goal asks of these shoppers, and a pull of the items' biases to 0."""
        cells = self.crew.mine(practice.cells(rows)).to(self.device)
        weight = self.crew.weight(cells.n_shoppers, len(rows))
        used, ratings = cells.histories()
        users = net.users(ratings, catalog[used], used)
        pull = PULL * (net.bias**2).sum()
        if self.goal == "enjoyed":
            return weight * _loss_among_seen(net, users, catalog, cells) + pull
        loss = self._loss_among_drawn(net, users, catalog, cells, practice)
        if practice.dislikes and self._settings.hard:
            loss = loss + self._settings.hard * _loss_among_seen(net, users, catalog, cells)
        return weight * loss + pull

    def _loss_among_drawn(self, net, users, catalog, cells, practice):
        """Softmax over drawn items that stand for all of them."""
        targets = self.crew.gathered(cells.item[cells.wanted].unique())
        drawn = practice.candidates(targets.cpu(), self._settings.sampled)
        which = drawn.items.to(self.device)
        liked = cells.marked(cells.wanted, which)
        in_history = cells.marked(cells.in_history, which)
        scores = users @ net.items(catalog[which], which).T
        scores, allowed = corrected(scores, liked, drawn)
        return softmax_loss(scores, liked, allowed * (1 - in_history))

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
    """Mean over shoppers of -Σ log softmax(liked | candidates), each shopper counting as five
    likes at most.
    """
    hidden = scores.masked_fill(candidates == 0, -1e9)
    logp = hidden.log_softmax(dim=1)
    liked = liked * candidates
    n_liked = liked.sum(dim=1)
    total = (logp * liked).sum(dim=1)
    fit = total / n_liked.clamp(min=1)
    weight = n_liked.clamp(max=MOST_TARGETS)
    n_shoppers = max(len(scores), 1)
    return -(fit * weight).sum() / n_shoppers


def _loss_among_seen(net, users, catalog, cells):
    """Softmax over what each shopper saw beside the history."""
    row = cells.row[cells.asked]
    touched, place = cells.item[cells.asked].unique(return_inverse=True)
    items = net.items(catalog[touched], touched)
    of_user = users.index_select(0, row)
    of_item = items.index_select(0, place)
    scores = (of_user * of_item).sum(dim=1)
    return cells_softmax_loss(scores, cells.wanted[cells.asked], row, len(users))


def cells_softmax_loss(scores, liked, row, n_shoppers: int):
    """`softmax_loss` of candidates that are listed, one entry for each.

    Parameters
    ----------
    scores : (m,)
    liked : (m,) bool
    row : (m,) int64
        The shopper whose candidate it is.
    n_shoppers : int
    """
    zeros = torch.zeros(n_shoppers, device=scores.device)
    top = torch.full_like(zeros, -np.inf)
    top = top.scatter_reduce(0, row, scores.detach(), "amax")
    below_top = scores - top[row]
    total = zeros.index_add(0, row, below_top.exp())
    log_total = total.log()
    logp = below_top - log_total[row]
    n_liked = zeros.index_add(0, row, liked.float())
    counted = n_liked.clamp(max=MOST_TARGETS)
    weight = counted / n_liked.clamp(min=1)
    weighted = logp * weight[row]
    fit = weighted[liked].sum()
    return -fit / max(n_shoppers, 1)


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
    """Scores less log Q, so that what was drawn stands for all items, and who may be a candidate,
    each (n, m).

    A shopper's own likes are certain to be there, so nothing is taken off them.
    """
    log_q = drawn.log_q.to(scores.device)
    lot = drawn.lot.to(scores.device)
    is_target = liked > 0
    correction = torch.where(is_target, 0.0, log_q)
    allowed = (is_target | lot).float()
    return scores - correction, allowed


@dataclass(frozen=True)
class Cells:
    """What the shoppers of a batch rated, one entry for each rating.

    A batch takes as much time and memory as it has ratings, however large the shop is.

    Attributes
    ----------
    n_shoppers, n_items : int
    row, item : (m,) int64
        The shopper's place in the batch, the item's in the shop.
    rating : (m,) float32
    in_history, asked, wanted : (m,) bool
        Whether the rating belongs to the history, is asked for, and is a like that is asked for.
    """

    n_shoppers: int
    n_items: int
    row: torch.Tensor
    item: torch.Tensor
    rating: torch.Tensor
    in_history: torch.Tensor
    asked: torch.Tensor
    wanted: torch.Tensor

    def to(self, device) -> "Cells":
        """The same on a device."""
        return replace(
            self,
            row=self.row.to(device),
            item=self.item.to(device),
            rating=self.rating.to(device),
            in_history=self.in_history.to(device),
            asked=self.asked.to(device),
            wanted=self.wanted.to(device),
        )

    def histories(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Items in anyone's history (m,), and the ratings that they got there, (n_shoppers, m)."""
        row = self.row[self.in_history]
        item = self.item[self.in_history]
        rating = self.rating[self.in_history]
        used, place = item.unique(return_inverse=True)
        ratings = torch.zeros(self.n_shoppers, len(used), device=rating.device)
        ratings[row, place] = rating
        return used, ratings

    def marked(self, chosen: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """1 where a shopper has a `chosen` (m,) entry for one of `items`, (n_shoppers, n)."""
        place = torch.full((self.n_items,), -1, device=items.device)
        place[items] = torch.arange(len(items), device=items.device)
        column = place[self.item[chosen]]
        is_there = column >= 0
        found = torch.zeros(self.n_shoppers, len(items), device=items.device)
        found[self.row[chosen][is_there], column[is_there]] = 1
        return found


class Practice:
    """Training shoppers cut down at random: a few likes of one shop are the history, those of
    others the targets.

    A shopper of a single shop has the rest of it as targets.
    """

    def __init__(self, train, platform, seed):
        n_rated = np.diff(train.ratings.indptr)
        likes = liked_only(train.ratings).sum(axis=0)
        self.ratings = train.ratings[n_rated > 1]
        self.platform = torch.from_numpy(platform)
        self.n_platforms = int(platform.max(initial=0)) + 1
        self.draw = torch.Generator().manual_seed(seed)
        self.dislikes = has_dislikes(train.ratings)
        self.likes = torch.from_numpy(np.asarray(likes, np.float32).ravel())

    def n_batches(self, size: int) -> int:
        """Batches of one pass."""
        return -(-self.ratings.shape[0] // size)

    def batches(self, size: int):
        """Positions of the shoppers of each batch, in random order."""
        if self.ratings.shape[0] == 0:
            return ()
        return torch.randperm(self.ratings.shape[0], generator=self.draw).split(size)

    def cells(self, rows) -> Cells:
        """The ratings of the shoppers at `rows`, cut down."""
        part = self.ratings[rows.numpy()]
        n_shoppers, n_items = part.shape
        n_rated = torch.from_numpy(np.diff(part.indptr)).long()
        row = torch.arange(n_shoppers).repeat_interleave(n_rated)
        item = torch.from_numpy(part.indices).long()
        rating = torch.from_numpy(part.data).float()
        is_liked = rating >= LIKED
        inside, crosses = self._source(row, item, is_liked, n_shoppers)
        in_history = self._history(row, is_liked & inside, n_shoppers)
        asked = torch.where(crosses[row], ~inside, ~in_history)
        return Cells(
            n_shoppers=n_shoppers,
            n_items=n_items,
            row=row,
            item=item,
            rating=rating,
            in_history=in_history,
            asked=asked,
            wanted=asked & is_liked,
        )

    def sample(self, rows):
        """The same as matrices, for a small shop: histories (as rated), targets, and what is asked
        for, each (n, n_items) float32.
        """
        cells = self.cells(rows)
        everything = torch.arange(cells.n_items)
        used, ratings = cells.histories()
        history = torch.zeros(cells.n_shoppers, cells.n_items)
        history[:, used] = ratings
        liked = cells.marked(cells.wanted, everything)
        return history, liked, cells.marked(cells.asked, everything)

    def _source(self, row, item, is_liked, n_shoppers: int):
        """Draw the shop of each history.

        Returns
        -------
        inside : (m,) bool
            Whether a rating is in the drawn shop; all are where there is only one.
        crosses : (n_shoppers,) bool
            Whether the shopper likes something in another shop, too.
        """
        shop = self.platform[item]
        visited = torch.zeros(n_shoppers, self.n_platforms)
        visited[row[is_liked], shop[is_liked]] = 1
        keys = torch.rand(visited.shape, generator=self.draw) * visited
        source = keys.argmax(dim=1)  # any of the visited shops, each as likely
        crosses = visited.sum(dim=1) > 1
        inside = (shop == source[row]) | ~crosses[row]
        return inside, crosses

    def _history(self, row, choice, n_shoppers: int):
        """Draw a number of the ratings that `choice` (m,) marks, for each shopper: (m,) bool."""
        lot = torch.randint(len(HISTORY_LENGTHS), (n_shoppers,), generator=self.draw)
        length = torch.tensor(HISTORY_LENGTHS)[lot]
        keys = torch.rand(len(row), generator=self.draw) - (~choice).float()  # others are below 0
        by_key = keys.argsort(descending=True, stable=True)
        order = by_key[row[by_key].argsort(stable=True)]  # by shopper, the largest keys first
        n_rated = torch.bincount(row, minlength=n_shoppers)
        first = n_rated.cumsum(0) - n_rated
        place = torch.empty_like(row)
        place[order] = torch.arange(len(row)) - first[row]  # rows are in order
        return choice & (place < length[row])

    def negatives(self, liked, n: int) -> Drawn:
        """`candidates` for a batch with targets `liked` (n_rows, n_items)."""
        targets = liked.any(dim=0).nonzero()[:, 0]
        return self.candidates(targets, n)

    def candidates(self, targets, n: int) -> Drawn:
        """Candidates of the softmax for a batch that asks for the items `targets` (m,).

        All items that anyone likes where they are few; else `n` draws by popularity, and the
        targets. An item without likes is never a negative: it is new, not unwanted.
        """
        known = (self.likes > 0).nonzero()[:, 0]
        if len(known) <= 2 * n:
            return Drawn(
                items=known,
                log_q=torch.zeros(len(known)),
                lot=torch.ones(len(known), dtype=torch.bool),
            )
        draws = torch.multinomial(self.likes, n, replacement=True, generator=self.draw)
        drawn = draws.unique()
        both = torch.cat([drawn, targets]).unique()
        share = self.likes[both] / self.likes.sum()
        missed = (1 - share) ** n
        chance = 1 - missed
        return Drawn(
            items=both,
            log_q=chance.log(),
            lot=torch.isin(both, drawn),
        )
