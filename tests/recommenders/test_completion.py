import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import MatrixCompletion, least_squares
from helpers.recommenders.gibbs import Prior, components, gibbs, habits
from helpers.recommenders.least_squares import (
    WIDE,
    Known,
    item_features,
    losses,
    majorize,
    ridges,
)

torch.set_num_threads(1)  # matrices this small only wait for a second thread
MONOTONE = [
    {"solver": "als"},
    {"solver": "als", "biases": False, "init": "spectral"},
    {"solver": "als", "reg_bias": 0.5, "prior": "content"},
    {"solver": "als", "loss": "huber"},
    {"solver": "als", "loss": "logistic"},
    {"solver": "als", "init": "content"},
    {"solver": "als", "prior": "content"},
    {"solver": "ials"},
    {"solver": "ials", "prior": "content"},
]


def low_rank(n_users=60, n_items=50, rank=2, share=0.6, seed=0):
    """A matrix of exactly that rank with entries in 1-5, and which of it are known."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n_users, rank)) @ rng.standard_normal((rank, n_items))
    known = rng.random(A.shape) < share
    return A, known


def interactions(dense):
    users, items = (
        pd.Index([f"{side}{i}" for i in range(n)])
        for side, n in zip("ui", dense.shape, strict=True)
    )
    return Interactions(sp.csr_matrix(dense, dtype=np.float32), users, items)


def noisy(seed=0):
    A, known = low_rank(seed=seed)
    noise = np.random.default_rng(seed + 1).normal(0, 0.5, A.shape)
    return np.where(known, np.clip(np.round(3 + A + noise), 1, 5), 0)


def features(n_items, vectors=None, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n_items, 6)) if vectors is None else vectors
    frame = pd.DataFrame(
        {"price_usd": np.where(np.arange(n_items) == 3, np.nan, 10.0 + np.arange(n_items))}
    )
    return ItemFeatures(vectors.astype(np.float32), frame)


@pytest.mark.parametrize("setting", MONOTONE, ids=str)
def test_objective_never_rises(setting):
    ratings = noisy()
    model = MatrixCompletion(rank=4, reg=2.0, epochs=25, **setting).fit(
        interactions(ratings), features(50)
    )
    steps = np.diff(model.objective_)
    assert (steps <= 1e-9 * model.objective_[:-1]).all() and model.objective_[
        -1
    ] < 0.9 * model.objective_[0]


def dense_objective(R, known, U, V, reg):
    return np.sum((R - U @ V.T)[known] ** 2) + reg * (np.sum(U**2) + np.sum(V**2))


@pytest.mark.parametrize("solver", ["als", "adam"])
def test_objective_is_the_formula_on_the_dense_matrix(solver):
    ratings = noisy()
    model = MatrixCompletion(rank=3, reg=2.0, solver=solver, biases=False, epochs=4).fit(
        interactions(ratings)
    )
    expected = dense_objective(ratings, ratings > 0, model.U_, model.V_, 2.0)
    assert model.objective_[-1] == pytest.approx(expected)
    assert model.mse_[-1] == pytest.approx(
        np.mean((ratings - model.U_ @ model.V_.T)[ratings > 0] ** 2)
    )


def test_biases_have_a_penalty_of_their_own():
    ratings = noisy()
    for solver in ("als", "adam"):
        model = MatrixCompletion(rank=2, reg=2.0, reg_bias=1e9, solver=solver, epochs=30).fit(
            interactions(ratings)
        )
        assert np.abs(model.b_user_).max() < 1e-3 and np.abs(model.U_).max() > 0.1
    model = MatrixCompletion(rank=2, reg=2.0, reg_bias=0.5, epochs=4).fit(interactions(ratings))
    full = model.mu_ + model.b_user_[:, None] + model.b_item_ + model.U_ @ model.V_.T
    expected = np.sum((ratings - full)[ratings > 0] ** 2) + 2.0 * (
        np.sum(model.U_**2) + np.sum(model.V_**2)
    )
    assert model.objective_[-1] == pytest.approx(
        expected + 0.5 * (np.sum(model.b_user_**2) + np.sum(model.b_item_**2))
    )


def test_ials_objective_is_the_formula_on_all_pairs():
    likes = noisy() >= 4
    model = MatrixCompletion(rank=3, reg=2.0, solver="ials", confidence=7.0, epochs=3).fit(
        interactions(noisy())
    )
    X = model.U_ @ model.V_.T
    expected = np.sum(np.where(likes, 1 + 7.0, 1) * (likes - X) ** 2) + 2.0 * (
        np.sum(model.U_**2) + np.sum(model.V_**2)
    )
    assert model.objective_[-1] == pytest.approx(expected)


def test_content_prior_is_the_formula_on_the_dense_matrix():
    ratings, items = noisy(), features(50)
    ratings[:, 7] = 0  # nobody rated it: FW is all there is
    model = MatrixCompletion(rank=3, reg=2.0, prior="content", biases=False, epochs=4).fit(
        interactions(ratings), items
    )
    W, rated = model._solver.content.W[:, 1:], ratings.any(0)
    FW = item_features(items) @ W
    expected = np.sum((ratings - model.U_ @ model.V_.T)[ratings > 0] ** 2)
    expected += 2.0 * (np.sum(model.U_**2) + np.sum((model.V_ - FW)[rated] ** 2) + np.sum(W**2))
    assert model.objective_[-1] == pytest.approx(expected)
    np.testing.assert_allclose(model.V_[7], FW[7])


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
@pytest.mark.parametrize("biases", [False, True])
def test_als_ends_where_finite_differences_are_flat(loss, biases):
    """At the minimum of each row's problem no small step of any number helps: central
    differences vanish.
    """
    train = interactions(noisy())
    model = MatrixCompletion(rank=2, reg=2.0, loss=loss, biases=biases, epochs=150).fit(train)
    solver = model._solver
    known = Known(solver.targets(train.ratings))
    for name in ("U_", "V_", "b_user_", "b_item_") if biases else ("U_", "V_"):
        weights = getattr(model, name)
        for position in list(np.ndindex(weights.shape))[:7]:
            values = []
            for step in (-1e-4, 1e-4):
                moved = weights.copy()
                moved[position] += step
                setattr(model, name, moved)
                values.append(solver.objective(known, model.factors())[0])
            setattr(model, name, weights)
            assert abs(values[1] - values[0]) / 2e-4 < 0.02


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
def test_gradients_agree_with_finite_differences(loss):
    rng = np.random.default_rng(0)
    rating = torch.as_tensor(
        np.where(rng.random(40) < 0.5, -1.0, 1.0) * (1 if loss == "logistic" else 3)
    )
    U, V = (torch.as_tensor(rng.standard_normal((40, 3))).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(
        lambda U, V: losses((U * V).sum(1), rating, loss).sum(), (U, V), eps=1e-6
    )


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
def test_majorizer_touches_the_loss_and_lies_above_it(loss):
    target = np.where(np.arange(200) % 2, 1.0, -1.0)
    x, elsewhere = np.random.default_rng(0).normal(0, 4, (2, 200))
    x, elsewhere, target = map(torch.as_tensor, (x, elsewhere, target))
    weight, middle = majorize(x, target, loss)
    value = lambda x: losses(x, target, loss)  # noqa: E731
    quadratic = lambda y: value(x) + weight * ((y - middle) ** 2 - (x - middle) ** 2)  # noqa: E731
    assert (quadratic(elsewhere) >= value(elsewhere) - 1e-9).all()


@pytest.mark.parametrize(
    "setting", [{"solver": "als"}, {"solver": "adam", "epochs": 400}, {"init": "spectral"}], ids=str
)
def test_recovers_a_low_rank_matrix_from_a_part_of_it(setting):
    A, known = low_rank(share=0.5)
    R = 3 + A / np.abs(A).max() * 2  # in 1-5; rank 2 and a constant
    model = MatrixCompletion(**{"rank": 2, "reg": 1e-3, "epochs": 100, **setting})
    model.fit(interactions(np.where(known, R, 0)))
    full = model.mu_ + model.b_user_[:, None] + model.b_item_ + model.U_ @ model.V_.T
    assert np.sqrt(np.mean((full - R)[~known] ** 2)) < 0.02


def test_fold_in_is_scikit_learns_ridge_on_the_item_factors():
    from sklearn.linear_model import Ridge

    ratings = noisy()
    model = MatrixCompletion(rank=3, reg=2.0, biases=False).fit(interactions(ratings))
    new = Histories(sp.csr_matrix(ratings[:5]), np.arange(50))
    _, U = model.fold_in(new)
    for user in range(5):
        seen = ratings[user] > 0
        ridge = Ridge(alpha=2.0, fit_intercept=False).fit(model.V_[seen], ratings[user, seen])
        np.testing.assert_allclose(U[user], ridge.coef_, atol=1e-6)


def test_ials_folds_in_as_implicit_does():
    """Same item factors, same new user: implicit's weight of a like is alpha, ours 1 +
    confidence.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    likes = sp.csr_matrix(noisy() >= 4, dtype=np.float32)
    model = MatrixCompletion(rank=4, reg=2.0, solver="ials", confidence=5.0).fit(
        interactions(noisy())
    )
    peer = AlternatingLeastSquares(
        4, regularization=2.0, alpha=6.0, use_cg=False, dtype=np.float64, iterations=1
    )
    peer.fit(likes, show_progress=False)
    peer.item_factors = np.ascontiguousarray(model.V_)
    _, U = model.fold_in(Histories(likes * 5, np.arange(50)))
    np.testing.assert_allclose(
        U, [peer.recalculate_user(u, likes[u]) for u in range(60)], rtol=1e-4, atol=1e-6
    )


def test_starting_from_zero_stays_there():
    """U = V = 0 is a stationary point: the degenerate start that the seed deck met."""
    for solver in ("als", "adam"):
        model = MatrixCompletion(rank=2, solver=solver, biases=False, scale=0.0, epochs=5).fit(
            interactions(noisy())
        )
        assert (model.U_ == 0).all() and (model.V_ == 0).all()


def test_content_gives_an_unrated_item_its_factors():
    A, known = low_rank(rank=2, share=0.7)
    _, _, Vt = np.linalg.svd(A)
    vectors = np.hstack([Vt[:2].T * 5, 0.1 * np.random.default_rng(0).standard_normal((50, 4))])
    R = 3 + A / np.abs(A).max() * 2
    train = np.where(known, R, 0)
    train[:, 10] = 0
    everyone = Histories.from_interactions(interactions(train))
    errors = {}
    for setting in ({}, {"init": "content"}, {"prior": "content"}):
        model = MatrixCompletion(rank=2, reg=0.1, epochs=30, **setting).fit(
            interactions(train), features(50, vectors)
        )
        errors[str(setting)] = np.abs(model.predict(everyone, [10])[:, 0] - R[:, 10]).mean()
        assert model.handles_cold_items == bool(setting)
    without, *with_content = errors.values()
    assert max(with_content) < 0.5 * without
    with pytest.raises(ValueError, match="ItemFeatures"):
        MatrixCompletion(init="content").fit(interactions(train))


def test_huber_shrugs_off_a_wrong_rating():
    A, known = low_rank(rank=1, share=0.7)
    R = 3 + A / np.abs(A).max() * 1.5
    wrong = known & (np.random.default_rng(5).random(R.shape) < 0.05)
    spoilt = np.where(known, np.where(wrong, 6 - R, R), 0)
    spoilt = np.where(known, np.clip(spoilt, 1, 5), 0)
    error = {}
    for loss in ("squared", "huber"):
        model = MatrixCompletion(rank=1, reg=0.5, loss=loss, epochs=60).fit(interactions(spoilt))
        full = model.predict(Histories.from_interactions(interactions(spoilt)), np.arange(50))
        error[loss] = np.abs(full - R)[~known].mean()
    assert error["huber"] < error["squared"]


def test_validate_stops_early_and_keeps_the_best():
    values = iter([0.1, 0.5, 0.4, 0.3, 0.2, 0.9, 1.0])
    seen = []

    def validate(model):
        seen.append(model.V_)
        return next(values)

    model = MatrixCompletion(rank=2, epochs=50, patience=3).fit(
        interactions(noisy()), validate=validate
    )
    assert len(seen) == 5 and np.array_equal(model.V_, seen[1])


@pytest.mark.parametrize(
    "setting", [{"solver": "sgd"}, {"init": "zeros"}, {"loss": "l1"}, {"rank": 0}, {"reg": -1.0}]
)
def test_settings_that_do_not_exist(setting):
    with pytest.raises(ValueError, match=r"one of|rank must"):
        MatrixCompletion(**setting)


def test_ridges_draw_from_the_posterior():
    """20,000 copies of one row: their mean and covariance are A⁻¹b and A⁻¹, as numpy has them."""
    rng = np.random.default_rng(0)
    Z, y, copies = rng.standard_normal((6, 3)), rng.standard_normal(6), 20_000
    known = Known(sp.csr_matrix(np.tile(y, (copies, 1))))
    noise = torch.as_tensor(rng.standard_normal((copies, 3)))
    weight = torch.full_like(known.values, 2.0)
    x = ridges(
        known, weight, known.values, torch.as_tensor(Z), 3 * torch.eye(3).double(), 0.0, noise
    ).numpy()
    A = 3 * np.eye(3) + 2 * Z.T @ Z
    np.testing.assert_allclose(x.mean(0), np.linalg.solve(A, 2 * Z.T @ y), atol=0.01)
    np.testing.assert_allclose(np.cov(x.T), np.linalg.inv(A), atol=0.01)


def test_batches_of_ridges_are_one(monkeypatch):
    whole = MatrixCompletion(rank=3, epochs=2).fit(interactions(noisy())).V_
    six_rows = {"cpu": 100}
    monkeypatch.setattr("helpers.recommenders.least_squares.BATCH_CELLS", six_rows)
    np.testing.assert_allclose(
        MatrixCompletion(rank=3, epochs=2).fit(interactions(noisy())).V_, whole, atol=1e-12
    )


@pytest.mark.parametrize(("n_factors", "on_gpu"), [(WIDE - 1, False), (WIDE, False), (WIDE, True)])
def test_narrow_and_wide_ridges_are_numpys(n_factors, on_gpu, monkeypatch):
    """Rows of every length, from none to all columns, in several batches."""
    if on_gpu:  # what a GPU computes, here
        blocks = least_squares._dense_grams
        monkeypatch.setattr(least_squares, "_grams_one_by_one", blocks)
    small = {"cpu": 7 * WIDE**2, "cuda": 20 * WIDE}
    monkeypatch.setattr("helpers.recommenders.least_squares.BATCH_CELLS", small)
    rng = np.random.default_rng(0)
    table = rng.standard_normal((40, 30))
    shares = np.linspace(0, 1, 40)[:, None]
    rng.shuffle(shares)
    known = Known(sp.csr_matrix(np.where(rng.random(table.shape) < shares, table, 0)))
    Z = rng.standard_normal((30, n_factors))
    weight = rng.random(len(known.values)) + 0.5
    penalty = np.diag(rng.random(n_factors) + 1)
    pull = rng.standard_normal((40, n_factors))
    tensors = [known.tensor(array) for array in (weight, known.values, Z, penalty, pull)]
    found = ridges(known, *tensors).numpy()
    for row in range(40):
        entries = slice(known.indptr[row], known.indptr[row + 1])
        z = Z[known.columns[entries]]
        weighted = z.T * weight[entries]
        left = weighted @ z + penalty
        right = weighted @ known.values[entries].numpy() + pull[row]
        np.testing.assert_allclose(found[row], np.linalg.solve(left, right), atol=1e-9)


def test_prior_finds_the_mean_the_precision_and_the_features_that_matter():
    rng = np.random.default_rng(0)
    X, B = rng.standard_normal((3000, 2)), np.array([[1.0, -1.0], [0.0, 0.5]])
    P = torch.as_tensor(2 + X @ B + rng.standard_normal((3000, 2)) @ np.diag([0.5, 2.0]))
    prior, draws = Prior(X, 2, rng), []
    for _ in range(60):
        prior.draw(P)
        draws.append((prior.m, prior.B, prior.precision))
    m, found, precision = (
        np.mean(part[10:], axis=0) for part in map(list, zip(*draws, strict=True))
    )
    np.testing.assert_allclose(m, 2, atol=0.15)
    np.testing.assert_allclose(found, B, atol=0.15)
    np.testing.assert_allclose(precision, np.diag([4, 0.25]), atol=0.25)


@pytest.fixture
def bench(monkeypatch):
    """The sampler that only the bench uses."""
    folder = Path(__file__).parents[2] / "bench"
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("effects")


def test_effects_are_shrunk_means_of_their_group(bench):
    groups = np.array([0, 0, 0, 2])
    residual = np.array([1.0, 2.0, 3.0, -1.0])
    effects = bench.Effects(groups, 3, np.random.default_rng(0))
    total = 0
    for _ in range(4000):
        effects.tau = 2.0
        effects.draw(residual, alpha=4.0)
        total = total + effects.values
    expected = [4 * 6 / (2 + 4 * 3), 0, 4 * -1 / (2 + 4 * 1)]
    np.testing.assert_allclose(total / 4000, expected, atol=0.03)


def test_the_sampler_finds_what_a_group_adds(bench):
    """Every second rating of a shopper is 1 higher than its factors say."""
    A, known = low_rank(rank=1, share=0.6)
    R = sp.csr_matrix(np.where(known, 3 + A / np.abs(A).max(), 0))
    label = np.arange(R.nnz) % 2
    R.data += label
    sampler = bench.GroupSampler([(label, 2)], R, rank=1)
    gaps = []
    for _ in sampler.draws(burn=20, n=20):
        low, high = sampler.effects[0].values
        gaps.append(high - low)
    assert np.mean(gaps) == pytest.approx(1, abs=0.05)


def test_habits_are_the_principal_components_of_who_rated_what():
    rated = np.random.default_rng(0).random((40, 30)) < 0.3
    rows = rated / np.sqrt(rated.sum(1, keepdims=True))
    U = np.linalg.svd(rows)[0]
    R = sp.csr_matrix(rated * 3.0)
    found = habits(R, components(R, 5))
    cosines = np.abs(found[:, :5].T @ U[:, :5]) / np.linalg.norm(found[:, :5], axis=0)[:, None]
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-3)
    np.testing.assert_allclose(found[:, 5], np.log1p(rated.sum(1)) - 3)


def test_gibbs_knows_how_sure_it_is():
    """Ratings drawn from the model itself: about 68 % of the true means lie within one posterior
    standard deviation.
    """
    rng = np.random.default_rng(3)
    U, V = rng.standard_normal((80, 2)), rng.standard_normal((60, 2))
    true = 3 + 0.3 * rng.standard_normal((80, 1)) + 0.4 * U @ V.T
    known = rng.random(true.shape) < 0.4
    R = sp.csr_matrix(np.where(known, true + 0.4 * rng.standard_normal(true.shape), 0))
    R.data = np.clip(R.data, 1, 5)
    model = MatrixCompletion(rank=2, solver="gibbs", epochs=80)
    model.fit(Interactions(R, pd.RangeIndex(80), pd.RangeIndex(60)))
    everyone = Histories(R, np.arange(60))
    error, spread = np.abs(model.score(everyone) - true), model.uncertainty(everyone, np.arange(60))
    assert 0.58 < (error < spread)[~known].mean() < 0.78
    assert np.median(1 / np.sqrt(model.draw_alpha_)) == pytest.approx(0.4, rel=0.1)
    assert error[~known].mean() < 0.25
    with pytest.raises(NotImplementedError, match="call score"):
        model.fold_in(everyone)
    with pytest.raises(NotImplementedError, match="gibbs"):
        MatrixCompletion(rank=2).fit(interactions(noisy())).uncertainty(everyone, [0])


def test_gibbs_draws_are_yielded_one_by_one_and_average_to_the_ratings():
    A, known = low_rank(rank=1, share=0.5)
    A = 3 + A / np.abs(A).max()
    R = sp.csr_matrix(np.where(known, A, 0))
    users, items = np.nonzero(~known)
    draws = [draw.at(users, items) for draw in gibbs(R, rank=1, burn=20, draws=20)]
    assert len(draws) == 20 and np.abs(np.mean(draws, axis=0) - A[~known]).mean() < 0.05
