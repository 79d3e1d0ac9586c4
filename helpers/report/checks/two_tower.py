"""The exercises of chapter 06."""

import torch
import torch.nn.functional as F

from helpers.report.checks.judging import Choice, Function, Mistake, Numbers


def in_batch_loss(users, items, log_q):
    """Mean of -log softmax over the batch, every candidate less its log Q."""
    scores = users @ items.T - log_q
    return F.cross_entropy(scores, torch.arange(len(users)))


def _without_correction(users, items, log_q):
    return F.cross_entropy(users @ items.T, torch.arange(len(users)))


def _added(users, items, log_q):
    return F.cross_entropy(users @ items.T + log_q, torch.arange(len(users)))


def _over_shoppers(users, items, log_q):
    scores = users @ items.T - log_q
    return F.cross_entropy(scores.T, torch.arange(len(users)))


def _summed(users, items, log_q):
    return len(users) * in_batch_loss(users, items, log_q)


def _negative(users, items, log_q):
    return -in_batch_loss(users, items, log_q)


def _batches():
    draw = torch.Generator().manual_seed(6)
    batches = []
    for size in (3, 5):
        users = torch.randn(size, 4, generator=draw)
        items = torch.randn(size, 4, generator=draw)
        chance = torch.rand(size, generator=draw)
        batches.append((users, items, chance.log()))
    return batches


EXERCISES: dict[str, Choice | Function | Numbers] = {
    "06-in-batch-loss": Function(
        in_batch_loss,
        inputs=_batches,
        hint="scores are users @ items.T; subtract log_q from each column, take log_softmax along "
        "each row, and average minus its diagonal",
        tolerance=1e-4,
        mistakes=[
            Mistake(
                _without_correction,
                says="log_q has no effect; subtract it from each item's column (a constant per row "
                "cancels in the softmax)",
            ),
            Mistake(_added, says="log_q is added; an item that is drawn often must count less"),
            Mistake(
                _over_shoppers,
                says="the softmax runs over shoppers; each shopper chooses among items (a row)",
            ),
            Mistake(_summed, says="this is the sum over the batch; return the mean"),
            Mistake(_negative, says="a loss falls as the fit gets better: check the sign"),
        ],
    ),
    "06-without-log-q": Choice(
        "popular",
        {
            "rare": "a rare item is seldom drawn, so it is seldom pushed down; think of the items "
            "that are drawn in every step",
        },
    ),
    "06-attention": Numbers(
        2.2,
        hint="the first weight is e^t / (e^t + 1): set it to 0.9 and solve for t",
        decimals=1,
        mistakes=[
            Mistake(0.9, says="0.9 is the weight; the question is which strength gives it"),
            Mistake(-2.2, says="at this strength the *other* item gets 90%"),
            Mistake(9.0, says="e^t is 9; take its logarithm"),
        ],
    ),
}
