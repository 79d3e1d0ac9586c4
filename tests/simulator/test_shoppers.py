"""The simulator: repeats to the byte, biased as stated, judged completely, and with
probabilities that come true."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from helpers.artefacts import write_parquet
from helpers.simulator import Market, simulate_market, tastes
from helpers.simulator.ceiling import Posterior


def test_same_settings_same_bytes(attributes, market, tmp_path):
    again = simulate_market(attributes, n_users=300, n_test=150, density=0.1, seed=7)
    other = simulate_market(attributes, n_users=300, n_test=150, density=0.1, seed=8)
    digests = []
    for number, one in enumerate((market, again, other)):
        write_parquet(one.interactions(), tmp_path / f"{number}.parquet")
        digests.append(hashlib.sha256((tmp_path / f"{number}.parquet").read_bytes()).hexdigest())
    assert digests[0] == digests[1] != digests[2]
    assert (market.judged == again.judged).all()


ELSEWHERE = """
import hashlib, sys, pandas as pd
from helpers.simulator import simulate_market
frame = pd.read_parquet(sys.argv[1])
for vectors in (None, frame[["price_usd"]].to_numpy() / 100):
    space = "attributes" if vectors is None else "embedding"
    market = simulate_market(frame, n_users=700, n_test=60, density=0.1, preference_space=space, vectors=vectors)
    logs = [log[key].tobytes() for log in (market.log, market.seen) for key in sorted(log)]
    print(hashlib.sha256(b"".join(logs) + market.judged.tobytes()).hexdigest())
"""  # noqa: E501
OTHER_PROCESSOR = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3 X86_V3 X86_V4"  # noqa: E501


def test_same_bytes_elsewhere(attributes, tmp_path):
    """Threads, hash seed, locale and the processor's instructions (numpy takes other code for
    exp and sort) differ."""
    attributes.to_parquet(tmp_path / "attributes.parquet")
    places = (
        {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C"},
        {
            "OMP_NUM_THREADS": "2",
            "OPENBLAS_NUM_THREADS": "2",
            "PYTHONHASHSEED": "77",
            "LC_ALL": "C.UTF-8",
        }
        | {"NPY_DISABLE_CPU_FEATURES": OTHER_PROCESSOR},
    )
    command = [sys.executable, "-W", "ignore", "-c", ELSEWHERE, tmp_path / "attributes.parquet"]
    told = [
        subprocess.check_output(command, env={**os.environ, **place}, text=True) for place in places
    ]
    assert told[0] == told[1] and len(set(told[0].split())) == 2


def test_decisions_do_not_hang_on_last_bits(attributes, market, monkeypatch):
    """Another machine's exp and log may differ in the last bit; with such errors put in, no
    rating changes."""
    true = tastes.utility

    def shaken(*args, **kwargs):
        signal = true(*args, **kwargs)
        return np.nextafter(signal, np.where(np.arange(signal.shape[1]) % 2, np.inf, -np.inf))

    monkeypatch.setattr(tastes, "utility", shaken)
    again = simulate_market(attributes, n_users=300, n_test=150, density=0.1, seed=7)
    pd.testing.assert_frame_equal(market.interactions(), again.interactions())
    assert (market.judged == again.judged).all()


def test_blocks_are_independent_of_how_many_there_are(attributes, market):
    more = simulate_market(attributes, n_users=900, n_test=1, density=0.1, seed=7)
    first = [
        tastes.draw(one.shelf, tastes.SHOPPERS_PER_BLOCK, 7, "train", 0).worth
        for one in (market, more)
    ]
    assert (first[0] == first[1]).all()
    assert (
        (first[0] != tastes.draw(more.shelf, tastes.SHOPPERS_PER_BLOCK, 7, "train", 1).worth)
        .any(axis=1)
        .all()
    )


def test_log_is_a_table_of_ratings_events_and_times(market):
    log = market.interactions()
    assert list(log.columns) == ["user", "item", "rating", "timestamp", "event", "platform"]
    assert not log.duplicated(["user", "item"]).any()
    assert set(log["rating"]) == {1, 2, 3, 4, 5}
    assert (log["item"].str.split("/").str[0] == log["platform"]).all()
    shares = log["rating"].value_counts(normalize=True)
    assert shares[[4, 5]].sum() == pytest.approx(0.5, abs=0.01)
    bought = log.assign(bought=log["event"] == "purchase").groupby("rating")["bought"].mean()
    assert bought[5] > bought[4] > bought[2]
    assert log.groupby("user", sort=False)["timestamp"].is_monotonic_increasing.all()


@pytest.mark.parametrize("overlap", [0.0, 0.2])
def test_at_most_the_overlap_is_on_both_platforms(attributes, overlap):
    log = simulate_market(
        attributes, n_users=300, n_test=1, density=0.1, overlap=overlap
    ).interactions()
    platforms = log.groupby("user")["platform"].nunique()
    assert len(platforms) == 300
    assert (platforms == 2).sum() == overlap * 300


def test_test_shoppers_have_histories_and_are_strangers(market):
    liked = (market.observed >= 4).tocsr()
    assert liked[:, market.platform == "asos"].sum(axis=1).min() >= 10
    assert liked[:, market.platform == "myntra"].sum(axis=1).min() >= 3
    assert not set(market.test_users) & set(market.train_users)
    assert (
        market.seen["timestamp"][market.platform[market.seen["item"]] == "myntra"].min()
        > market.log["timestamp"].max()
    )


def test_what_they_rated_is_what_they_judge(market):
    observed = market.observed.tocoo()
    assert (market.judged[observed.row, observed.col] == observed.data).all()


def test_probabilities_come_true(market):
    """Of all candidates given a probability near p, about p are liked (binomial standard error)."""
    target = market.platform == "myntra"
    probability, liked = (
        market.probability_liked(market.test_users)[:, target],
        market.judged[:, target] >= 4,
    )
    for low in np.arange(0, 1, 0.1):
        here = (probability >= low) & (probability < low + 0.1)
        expected, n = probability[here].mean(), here.sum()
        assert liked[here].mean() == pytest.approx(
            expected, abs=4 * np.sqrt(expected * (1 - expected) / n)
        )
    mean = market.expected_rating(market.test_users)[:, target].mean()
    assert market.judged[:, target].mean() == pytest.approx(mean, abs=0.03)


def test_exposure_probabilities_come_true(market):
    target = market.platform == "myntra"
    expected = market.probability_seen_and_liked(market.test_users)[:, target].sum(axis=1)
    found = (market.observed[:, target] >= 4).sum(axis=1)
    assert np.mean(found) == pytest.approx(expected.mean(), rel=0.06)


def test_chances_of_being_seen_add_up_to_what_is_seen(market):
    shoppers = tastes.draw(market.shelf, 100, 7, "prior", 0)
    n_seen = np.arange(10, 110)
    rate = market.seen_rate(market.signal(shoppers, "test"), n_seen)
    assert rate.sum(axis=1) == pytest.approx(n_seen, rel=1e-4) and rate.max() < 1


def test_exposure_is_biased_as_asked(attributes):
    def gap(bias):
        one = simulate_market(attributes, n_users=300, n_test=1, density=0.1, exposure_bias=bias)
        counts = np.bincount(one.log["item"], minlength=len(one.items))
        return np.corrcoef(counts, one.shelf.popularity)[0, 1], one.cuts[2]

    (free, free_cut), (biased, biased_cut) = gap(0.0), gap(0.8)
    assert abs(free) < 0.2 < 0.8 < biased
    assert biased_cut > free_cut + 0.2  # what is seen is what is liked: its median signal is higher


def test_signal_has_unit_deviation(market):
    shoppers = tastes.draw(market.shelf, tastes.SHOPPERS_PER_BLOCK, 7, "prior", 0)
    assert market.today(shoppers).std() == pytest.approx(1, abs=0.05)


def test_drift_moves_some_tastes_a_little(market):
    shoppers = tastes.draw(market.shelf, tastes.SHOPPERS_PER_BLOCK, 7, "prior", 0)
    early = ~market.shelf.season
    then, now = market.signal(shoppers, "train"), market.today(shoppers)
    assert (then[:, ~early] == now[:, ~early]).all()
    assert 0.975 < np.corrcoef(then[:, early].ravel(), now[:, early].ravel())[0, 1] < 0.999


def test_embedding_driven_tastes(attributes):
    vectors = np.random.default_rng(3).normal(size=(len(attributes), 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    one = simulate_market(
        attributes,
        n_users=200,
        n_test=20,
        density=0.1,
        preference_space="embedding",
        vectors=vectors,
    )
    shoppers = tastes.draw(one.shelf, 50, 7, "prior", 0)
    cosine = shoppers.worth[:, 16:] @ vectors.T
    signal = one.today(shoppers) - one.shelf.quality / one.calibration[0][-1]
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(cosine, signal, strict=True)]) > 0.99


def test_attributes_market_never_reads_vectors(attributes, market):
    noise = np.random.default_rng(0).normal(size=(len(attributes), 4))
    again = simulate_market(attributes, n_users=300, n_test=150, density=0.1, seed=7, vectors=noise)
    assert (again.judged == market.judged).all()


def test_brand_takes_part_where_there_is_one(attributes):
    one = simulate_market(
        attributes.assign(brand=["a", "b", "c"] * 80), n_users=100, n_test=5, density=0.1
    )
    assert one.shelf.parts["brand"] == 3


def test_missing_attributes_are_values_of_their_own(attributes):
    holes = attributes.copy()
    holes.loc[:20, ["category", "price_usd"]] = None
    one = simulate_market(holes, n_users=100, n_test=5, density=0.1)
    assert np.isfinite(one.probability_liked(one.test_users)).all()


def test_save_and_load(market, tmp_path):
    market.save(tmp_path)
    back = Market.load(tmp_path)
    assert (
        back.probability_liked(back.test_users) == market.probability_liked(market.test_users)
    ).all()
    assert (back.judged == market.judged).all() and back.settings == market.settings
    pd.testing.assert_frame_equal(back.interactions(), market.interactions())


def test_strangers_are_refused(market):
    with pytest.raises(KeyError, match="'nobody'"):
        market.probability_liked(["nobody"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"noise": -1}, "noise must lie in"),
        ({"overlap": 1.2}, "overlap must lie in"),
        ({"source": "zara"}, "'zara' is not in the catalogue"),
        ({"target": "asos"}, "two platforms"),
        ({"preference_space": "mood"}, "preference_space"),
        ({"preference_space": "embedding"}, "needs `vectors`"),
        ({"n_liked": 100}, "lower n_liked"),
    ],
)
def test_bad_settings(attributes, wrong, message):
    with pytest.raises(ValueError, match=message):
        simulate_market(attributes, n_users=50, n_test=5, **{"density": 0.1, **wrong})


def test_missing_columns(attributes):
    with pytest.raises(ValueError, match="style"):
        simulate_market(attributes.drop(columns="style"))


def every_combination(n_each=6) -> pd.DataFrame:
    """One garment per platform, category and color, alike in everything else."""
    pairs = pd.MultiIndex.from_product([("asos", "myntra"), range(n_each), range(n_each)])
    table = pairs.to_frame(index=False, name=["platform", "category", "colour"])
    keys = table["platform"] + "/" + table.index.astype(str)
    same = {"pattern": "plain", "style": "casual", "price_usd": 20.0}
    return table.astype(str).assign(image_key=keys, **same)


@pytest.mark.parametrize("space, least, most", [("attributes", 0, 1e-9), ("combinations", 0.1, 1)])
def test_a_shopper_may_like_black_dresses_but_not_black_jeans(space, least, most):
    """Only with combinations is there more than a sum of what category and color are worth."""
    shelf = tastes.make_shelf(every_combination(), None, seed=7, combinations=space != "attributes")
    mean, scale = tastes.calibrate(shelf, seed=7)
    shoppers = tastes.draw(shelf, 200, 7, "prior", 0)
    signal = tastes.utility(shelf, shoppers, mean, scale, shelf.now) - shelf.quality / mean[-1]
    table = signal[:, :36].reshape(200, 6, 6)  # shopper, category, color
    centered = table - table.mean(axis=1, keepdims=True)
    interaction = centered - centered.mean(axis=2, keepdims=True)
    share = interaction.var() / table.var()
    assert least <= share <= most


def test_a_market_of_combinations_can_be_simulated_and_its_ceiling_computed(attributes):
    one = simulate_market(
        attributes, n_users=50, n_test=20, density=0.1, preference_space="combinations"
    )
    other = simulate_market(attributes, n_users=50, n_test=20, density=0.1)
    assert one.judged.mean() > 2
    assert (one.judged != other.judged).any()
    found = Posterior(one, n_draws=600, n_own=8).mean(one.observed[:, :])
    assert found.mean.shape == (20, len(attributes))
    assert np.isfinite(found.mean).all()
