import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from helpers.artefacts import ROOT
from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import NeuralCF
from helpers.recommenders.neural_cf import _all_pairs, _forward

torch.set_num_threads(1)


def interactions(dense):
    users, items = (
        pd.Index([f"{side}{i}" for i in range(n)])
        for side, n in zip("ui", dense.shape, strict=True)
    )
    return Interactions(sp.csr_matrix(dense, dtype=np.float32), users, items)


def ratings(n_users=60, n_items=40, share=0.4, seed=0):
    """Generous and stingy shoppers, good and bad items: what a network must at least find."""
    rng = np.random.default_rng(seed)
    R = 3 + rng.choice([-1, 1], n_users)[:, None] + rng.choice([-1, 0, 1], n_items)
    return np.where(rng.random(R.shape) < share, np.clip(R, 1, 5), 0), R


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_output_is_the_formula(loss):
    model = NeuralCF(dim=3, hidden=5, loss=loss, epochs=1).fit(interactions(ratings()[0]))
    u, i = model.e_user_[4], model.e_item_[7]
    hidden = np.maximum(
        0, np.concatenate([u[:3], i[:3]]) @ model.W1_ + model.b1_
    )  # ReLU(W1 [e_u; e_i] + b1)
    expected = hidden @ model.W2_ + model.b2_[0]
    if loss == "bce":
        expected += np.sum(model.w_product_ * u[3:] * i[3:]) + model.b_item_[7]
    net = model._weights()
    pair = _forward(net, net["e_user"][4:5], [7])[0]
    every = _all_pairs(net, net["e_user"], np.arange(40))[4, 7]
    assert float(pair) == pytest.approx(expected, abs=1e-5) and float(every) == pytest.approx(
        expected, abs=1e-5
    )


def test_gradients_agree_with_finite_differences():
    model = NeuralCF(dim=2, hidden=3, loss="bce", epochs=1).fit(interactions(ratings(8, 6)[0]))
    net = {name: weight.double() for name, weight in model._weights().items()}
    e_u, e_i = (
        net["e_user"][:4].clone().requires_grad_(),
        net["e_item"][:4].clone().requires_grad_(),
    )
    items = torch.arange(4)
    assert torch.autograd.gradcheck(
        lambda a, b: _forward(net | {"e_item": b}, a, items), (e_u, e_i), eps=1e-6
    )


def test_learns_generous_shoppers_and_good_items():
    known, truth = ratings()
    model = NeuralCF(dim=4, hidden=16, reg=0.1, epochs=60, batch_size=128).fit(interactions(known))
    assert model.losses_[-1] < 0.3 * model.losses_[0]
    predicted = model.predict(Histories.from_interactions(interactions(known)), np.arange(40))
    unknown = known == 0
    error = np.sqrt(np.mean((predicted - np.clip(truth, 1, 5))[unknown] ** 2))
    spread = np.sqrt(np.mean((known[known > 0].mean() - truth[unknown]) ** 2))
    assert error < 0.5 * spread


def test_fold_in_changes_nobody_else_and_finds_a_trained_shopper_again():
    known, _ = ratings()
    train = interactions(known)
    model = NeuralCF(dim=4, hidden=16, reg=0.1, epochs=60, batch_size=128).fit(train)
    before = {
        name: value.copy() for name, value in vars(model).items() if isinstance(value, np.ndarray)
    }
    everyone = Histories.from_interactions(train)
    folded = model._weights()
    again = _all_pairs(folded, torch.as_tensor(model.fold_in(everyone)), np.arange(40)).numpy()
    trained = _all_pairs(folded, folded["e_user"], np.arange(40)).numpy()
    assert all(np.array_equal(value, getattr(model, name)) for name, value in before.items())
    assert np.corrcoef(again.ravel(), trained.ravel())[0, 1] > 0.95


def test_a_ranker_that_learned_nothing_yet_ranks_by_popularity():
    """b_item starts at log-odds, by hand: item 0 liked 3 times, item 1 once, 4 draws a like over
    2 items.
    """
    model = NeuralCF(loss="bce", negatives=4, lr=0.0, epochs=1).fit(
        interactions(np.array([[5, 5], [5, 1], [4, 0]]))
    )
    assert model.b_item_ == pytest.approx(
        np.log([(3 + 1) / (4 * 4 / 2 + 1), (1 + 1) / (4 * 4 / 2 + 1)]), abs=1e-6
    )


def test_validate_stops_early_and_keeps_the_best():
    values, seen = iter([0.1, 0.5, 0.4, 0.3, 0.9]), []

    def validate(model):
        seen.append(model.e_item_)
        return next(values)

    model = NeuralCF(epochs=50, patience=2).fit(interactions(ratings()[0]), validate=validate)
    assert len(seen) == 4 and np.array_equal(model.e_item_, seen[1])


def test_nobody_liked_anything():
    known = np.where(ratings()[0] > 0, 2, 0)
    model = NeuralCF(loss="bce", epochs=2).fit(interactions(known))
    with pytest.warns(UserWarning, match="60 of 60"):
        assert np.isfinite(model.score(Histories.from_interactions(interactions(known)))).all()


def test_a_loss_that_does_not_exist():
    with pytest.raises(ValueError, match="mse, bce"):
        NeuralCF(loss="hinge")


def test_what_a_shop_never_visited_offers_is_no_dislike():
    """Nobody is in both shops, so of the other shop's items a shopper's network knows popularity
    and nothing else.
    """
    rng = np.random.default_rng(0)
    liked = np.zeros((400, 20))
    liked[:200, :10] = 5 * (rng.random((200, 10)) < 0.5)
    liked[200:, 10:] = 5 * (rng.random((200, 10)) < np.linspace(0.1, 0.9, 10))
    frame = pd.DataFrame({"platform": ["left"] * 10 + ["right"] * 10})
    items = ItemFeatures(np.zeros((20, 2), np.float32), frame)
    model = NeuralCF(loss="bce", dim=4, hidden=8, epochs=15, batch_size=256).fit(
        interactions(liked), items
    )
    weights = model._others(sp.csr_matrix(liked[:5])).numpy()
    assert (weights[:, model.others_ >= 10] == 0).all() and (
        weights[:, model.others_ < 10] > 0
    ).any()
    everyone = Histories(sp.csr_matrix(liked[:200]), np.arange(20))
    agree = [
        np.corrcoef(np.log(model.popularity_[10:]), scores)[0, 1]
        for scores in model.score(everyone)[:, 10:]
    ]
    assert np.mean(agree) > 0.5  # 0.2 where all unseen items are taken for dislikes


TRAINS = """
import sys
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from helpers.interactions import Interactions
from helpers.recommenders import NeuralCF

torch.set_num_threads(1)
R = np.random.default_rng(0).integers(0, 6, (200, 80))
train = Interactions(sp.csr_matrix(R, dtype=np.float32), pd.RangeIndex(200), pd.RangeIndex(80))
found = [NeuralCF(loss=loss, batch_size=128).fit(train) for loss in ("mse", "bce")]
np.savez(sys.argv[1], *[getattr(model, name) for model in found for name in ("e_item_", "W1_")])
"""
OLDER = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
}


def test_an_older_processor_trains_the_same_network(tmp_path):
    """What rounding changes must not grow: these switches make torch choose older instructions."""
    for name, switches in {"this": {}, "older": OLDER}.items():
        command = [sys.executable, "-c", TRAINS, str(tmp_path / f"{name}.npz")]
        subprocess.run(command, env={**os.environ, **switches}, cwd=ROOT, check=True)
    this, older = (np.load(tmp_path / f"{name}.npz") for name in ("this", "older"))
    for name in this:
        assert older[name] == pytest.approx(this[name], abs=1e-10)
