"""Power and means of A/B tests against statsmodels; sequential bounds against published tables."""

import numpy as np
import pytest

from helpers.evaluation.online import (
    mean_difference,
    obrien_fleming,
    peeked,
    power_of_test,
    running_z,
    sample_size,
    sequential_odds,
    two_proportion,
)


@pytest.mark.parametrize(
    ("rate", "lift", "n", "published"),
    # statsmodels 0.15.0: power_proportions_2indep(lift, rate, n).power
    [
        (0.10, 0.04, 500, 0.49456309716882213),
        (0.30, 0.02, 8394, 0.8000384391565378),
        (0.50, -0.1, 200, 0.5201179041645296),
        (0.05, 0.01, 1000, 0.1653285653010941),
    ],
)
def test_power_equals_statsmodels(rate, lift, n, published):
    assert power_of_test(rate, lift, n) == pytest.approx(published, abs=1e-12)


def test_power_and_sample_size_agree():
    for rate, lift in ((0.1, 0.04), (0.3, -0.02), (0.6, 0.01)):
        n = sample_size(rate, lift)
        assert power_of_test(rate, lift, n) >= 0.8 > power_of_test(rate, lift, n - 5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        power_of_test(0.9, 0.2, 100)


def test_mean_difference_equals_statsmodels():
    rng = np.random.default_rng(1)
    a = rng.poisson(0.5, 300)
    b = rng.poisson(0.6, 400)
    read = mean_difference(a, b)
    # statsmodels 0.15.0: CompareMeans.from_data(b, a), ztest_ind and zconfint_diff, unequal
    assert read.z == pytest.approx(3.0531800130688675, abs=1e-12)
    assert read.p == pytest.approx(0.0022643006418614, abs=1e-12)
    assert [read.low, read.high] == pytest.approx([0.06415208763966879, 0.2941812456936645])
    repeated = mean_difference(np.stack([a, a]), np.stack([b, b]))
    assert repeated.low == pytest.approx([read.low, read.low])
    same = mean_difference(np.ones(5), np.ones(5))
    assert same.z == 0 and same.p == 1


@pytest.mark.parametrize(
    ("looks", "published"),
    # Jennison and Turnbull (2000), table 2.3, alpha = 0.05
    [(1, 1.960), (2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040), (10, 2.087), (20, 2.126)],
)
def test_obrien_fleming_equals_the_published_table(looks, published):
    bounds = obrien_fleming(looks)
    assert bounds[-1] == pytest.approx(published, abs=0.0006)
    assert bounds[0] == pytest.approx(bounds[-1] * np.sqrt(looks))
    with pytest.raises(ValueError, match="looks 0"):
        obrien_fleming(0)


def test_peeking_alarms_as_often_as_published():
    # Armitage, McPherson and Rowe (1969), table 2: five looks at 5 % give 14.2 %, ten 19.3 %
    steps = np.random.default_rng(3).standard_normal((40_000, 10))
    z = np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, 11))
    error = 4 * np.sqrt(0.2 * 0.8 / len(z))
    assert peeked(z[:, :5], 1.96).mean() == pytest.approx(0.142, abs=error)
    assert peeked(z, 1.96).mean() == pytest.approx(0.193, abs=error)
    assert peeked(z, obrien_fleming(10)).mean() == pytest.approx(0.05, abs=error)


def test_running_z_is_the_test_of_what_has_come_so_far():
    a = np.array([[12, 20, 33]])
    b = np.array([[18, 33, 50]])
    shown = np.array([50, 100, 150])
    z = running_z(a, b, shown)
    for look in range(3):
        read = two_proportion(a[0, look], shown[look], b[0, look], shown[look])
        assert z[0, look] == pytest.approx(read.z)
    assert running_z(np.zeros((1, 1)), np.zeros((1, 1)), np.array([10]))[0, 0] == 0


def test_sequential_odds_are_the_mixture_they_stand_for():
    # Λ = ∫ N(θ̂; θ, V/n) N(θ; 0, τ²) dθ / N(θ̂; 0, V/n), integrated on a fine grid
    a, b, n, lift = 30, 45, 100, 0.1
    pooled = (a + b) / (2 * n)
    variance = 2 * pooled * (1 - pooled) / n
    theta = np.linspace(-1, 1, 200_001)
    seen = (b - a) / n
    likelihood = np.exp(-((seen - theta) ** 2) / (2 * variance))
    prior = np.exp(-(theta**2) / (2 * lift**2)) / (lift * np.sqrt(2 * np.pi))
    mixture = np.trapezoid(likelihood * prior, theta)
    expected = mixture / np.exp(-(seen**2) / (2 * variance))
    odds = sequential_odds(np.array([a]), np.array([b]), np.array([n]), lift)
    assert odds[0] == pytest.approx(expected, rel=1e-6)


def test_sequential_odds_rarely_alarm_and_find_what_is_there():
    rng = np.random.default_rng(5)
    shown = 20 * np.arange(1, 101)

    def alarms(rate_b):
        a = np.cumsum(rng.binomial(20, 0.3, (3000, 100)), axis=1)
        b = np.cumsum(rng.binomial(20, rate_b, (3000, 100)), axis=1)
        return (sequential_odds(a, b, shown, 0.05) >= 20).any(axis=1).mean()

    assert alarms(0.3) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3000)
    assert alarms(0.37) > 0.9
