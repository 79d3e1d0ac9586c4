"""What happens after the list is shown, on simulated shoppers: data/studies/online.csv.

    python bench/online.py [--studies clicks tests choice loop …] [--repetitions 2000]

Studies:
clicks      click rate by place, and what an item's click rate says of it with and without the place
tests       sizes and coverage of A/B tests; false alarms of a test that is peeked at
choice      clicks missed under each setting of the learning policies, on one half of the shoppers
loop        half a year of static lists, ε-greedy, LinUCB and Thompson sampling, by week, on the
            other half
off_policy  IPS, self-normalized IPS and doubly robust against the known truth, 2,000 logs each
questions   NDCG@10 after asking a new shopper about 0 to 10 items, by how these are chosen

A study that is run again replaces its own rows. Intervals are 95 %: over seeds for the loop, over
shoppers for the questions, over repetitions elsewhere.
"""

import argparse
import platform
import subprocess
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import torch
from scipy.stats import binomtest
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression

from helpers.artefacts import ROOT, whole
from helpers.evaluation import load_exam, metrics, online, rank
from helpers.evaluation.online import Banner, Stage
from helpers.evaluation.significance import bootstrap
from helpers.recommenders import Taste

STUDIES = ("clicks", "tests", "choice", "loop", "off_policy", "questions")
K = 5
KNOWN = 3  # liked items that a visitor brings
N_WEEKS = 26
N_REGULARS = 200
SLOPE = 0.05  # attraction per standard deviation of today's score
BASE = 0.15  # attraction of an average item
N_SEEDS = 24
N_CHOOSING = 8  # seeds on which settings are chosen
REGS = (10.0, 20.0, 40.0, 80.0)
SETTINGS = {  # of each learning policy: its own parameter beside λ, and the values tried
    "greedy": (online.Greedy, "", (None,)),
    "ε-greedy": (online.EpsilonGreedy, "epsilon", (0.05, 0.1, 0.2)),
    "LinUCB": (online.LinUCB, "width", (0.05, 0.1, 0.2, 0.4)),
    "Thompson": (online.LinearThompson, "spread", (0.0125, 0.025, 0.05, 0.1)),
}
VISITORS_PER_ARM = 2000
LOOKS = (1, 2, 5, 10, 20, 50)
AT_ONCE = 50  # repetitions held in memory together
N_BANNERS = 20
LOGGED = 5000
EXPLORED = 0.2
SHARES_EXPLORED = (0.0, 0.05, 0.1, 0.2, 0.5)
RUNS = [f"helpers/{room}" for room in ("simulator", "recommenders", "evaluation")]
NUMBERS = ["value", "low", "high"]
LIFT = 0.05  # that a test is meant to find
N_QUESTIONS = (0, 1, 2, 3, 5, 10)


def row(
    study,
    method,
    x,
    metric,
    value,
    low=np.nan,
    high=np.nan,
) -> dict:
    return {
        "study": study,
        "method": method,
        "x": x,
        "metric": metric,
        "value": value,
        "low": low,
        "high": high,
    }


def share_row(
    study,
    method,
    x,
    metric,
    happened: np.ndarray,
) -> dict:
    """A share of repetitions with its exact interval (Clopper and Pearson 1934)."""
    count = int(np.sum(happened))
    test = binomtest(count, np.size(happened))
    ends = test.proportion_ci(0.95)
    return row(study, method, x, metric, test.statistic, ends.low, ends.high)


def mean_row(
    study,
    method,
    x,
    metric,
    values: np.ndarray,
) -> dict:
    """A mean over seeds or repetitions with Student's interval."""
    n = len(values)
    error = np.std(values, ddof=1) / np.sqrt(n)
    margin = student.ppf(0.975, n - 1) * error
    mean = float(np.mean(values))
    low = mean - margin
    return row(study, method, x, metric, mean, low, mean + margin)


# --- clicks ---------------------------------------------------------------------------------


def clicks_study(stage: Stage, repetitions: int) -> list[dict]:
    """Lists in popularity's order and in random order: what do clicks say of places and items?"""
    rng = np.random.default_rng(7)
    n_shoppers, n_items = stage.p_liked.shape
    model = stage.shop.clicks
    visitors = rng.integers(0, n_shoppers, 100 * repetitions)
    front = stage.by_popularity[:K]
    fixed = np.broadcast_to(front, (len(visitors), K))
    shuffled = rng.permuted(fixed, axis=1)
    truth = model.attraction(stage.p_liked).mean(axis=0)
    rows = []
    for method, ids in {"always the same order": fixed, "random order": shuffled}.items():
        p_shown = stage.p_liked[visitors[:, None], ids]
        happened = model.visit(p_shown, rng)
        for place in range(K):
            clicked = happened.clicks[:, place]
            bought = happened.purchases[:, place]
            rows.append(share_row("clicks", method, place + 1, "click rate", clicked))
            rows.append(share_row("clicks", method, place + 1, "conversion rate", bought))
        if method == "random order":
            looks = online.examination_from_shuffled(happened.clicks)
        else:
            seen = happened.clicks
    true_looks = online.examination(K, model.fade)
    naive = online.attraction_of_items(fixed, seen, n_items)
    corrected = online.attraction_of_items(fixed, seen, n_items, looks)
    rows += by_place("random order", "examination found", looks)
    rows += by_place("truth", "examination", true_looks)
    rows += by_place("truth", "attraction", truth[front])
    rows += by_place("clicks per time shown", "attraction", naive[front])
    rows += by_place("clicks per look", "attraction", corrected[front])
    return rows


def by_place(method: str, metric: str, values: np.ndarray) -> list[dict]:
    rows = []
    for place, value in enumerate(values, start=1):
        rows.append(row("clicks", method, place, metric, value))
    return rows


# --- A/B tests ------------------------------------------------------------------------------


def tests_study(stage: Stage, repetitions: int) -> list[dict]:
    rows = coverage_of_tests(stage, repetitions)
    rows += power_of_tests(stage)
    rows += false_alarms(stage, 10 * repetitions)
    return rows


def lists_of(stage: Stage) -> dict[str, np.ndarray]:
    """P(liked) of the five items that each arm shows each shopper, (n_shoppers, K)."""
    n_shoppers = len(stage.p_liked)
    front = stage.by_popularity[:K]
    popular = np.broadcast_to(front, (n_shoppers, K))
    personal = np.argsort(-stage.scores, axis=1, kind="stable")
    return {
        "Popularity": p_of_list(stage, popular),
        "Content": p_of_list(stage, personal[:, :K]),
    }


def p_of_list(stage: Stage, ids: np.ndarray) -> np.ndarray:
    return np.take_along_axis(stage.p_liked, ids, axis=1)


def coverage_of_tests(stage: Stage, repetitions: int) -> list[dict]:
    """How often the 95 % intervals of an A/B test hold the true difference."""
    rng = np.random.default_rng(11)
    model = stage.shop.clicks
    arms = lists_of(stage)
    truth = true_differences(model, arms)
    held = {metric: [] for metric in truth}
    for _ in range(repetitions // AT_ONCE):
        before = measure_arm(model, arms["Popularity"], rng)
        after = measure_arm(model, arms["Content"], rng)
        for metric, lift in truth.items():
            read = online.mean_difference(before[metric], after[metric])
            covered = (read.low <= lift) & (lift <= read.high)
            held[metric].append(covered)
    rows = []
    for metric, covered in held.items():
        name = f"A/B test, {metric}"
        together = np.concatenate(covered)
        n = VISITORS_PER_ARM
        rows.append(share_row("tests", name, n, "coverage", together))
        rows.append(row("tests", name, n, "true lift", truth[metric]))
    return rows


def true_differences(
    model,
    arms: dict[str, np.ndarray],
) -> dict[str, float]:
    """Content's mean per visit minus Popularity's, by the simulator's own probabilities."""
    means = []
    for p_shown in arms.values():
        clicks = model.chance_of_click(p_shown)
        purchases = model.chance_of_purchase(p_shown)
        means.append(
            {
                "clicks per visit": clicks.sum(axis=1).mean(),
                "visits with a click": any_of(clicks).mean(),
                "visits with a purchase": any_of(purchases).mean(),
            }
        )
    before, after = means
    return {metric: after[metric] - before[metric] for metric in before}


def any_of(chances: np.ndarray) -> np.ndarray:
    """Chance that at least one of a visit's places has it, (n,)."""
    return 1 - np.prod(1 - chances, axis=1)


def measure_arm(
    model,
    p_shown: np.ndarray,
    rng,
) -> dict[str, np.ndarray]:
    """One arm of `AT_ONCE` experiments, one number per visit: (AT_ONCE, VISITORS_PER_ARM)."""
    visitors = rng.integers(0, len(p_shown), (AT_ONCE, VISITORS_PER_ARM))
    drawn = p_shown[visitors]
    happened = model.visit(drawn.astype(np.float32), rng)
    return {
        "clicks per visit": happened.clicks.sum(axis=2),
        "visits with a click": happened.clicks.any(axis=2),
        "visits with a purchase": happened.purchases.any(axis=2),
    }


def power_of_tests(stage: Stage) -> list[dict]:
    """Shoppers per arm for 80 % power, for the true difference and for smaller ones."""
    rate = rate_of_popular(stage)
    rows = [row("tests", "Popularity", 0, "visits with a click", rate)]
    for lift in (0.005, 0.01, 0.02, 0.05, 0.1):
        size = online.sample_size(rate, lift)
        rows.append(row("tests", "two proportions", lift, "shoppers per arm", size))
    return rows


def false_alarms(stage: Stage, repetitions: int) -> list[dict]:
    """Tests of a list against itself, and against a better one, by number of looks."""
    rng = np.random.default_rng(13)
    rate = rate_of_popular(stage)
    rates = {"false alarms": rate, "power": rate + LIFT}
    rows = []
    for looks in LOOKS:
        each = VISITORS_PER_ARM // looks
        shown = each * np.arange(1, looks + 1)
        for metric, other in rates.items():
            a = running_clicks(rate, looks, repetitions, rng)
            b = running_clicks(other, looks, repetitions, rng)
            for method, stopped in stops(a, b, shown, LIFT).items():
                rows.append(share_row("tests", method, looks, metric, stopped))
    return rows


def rate_of_popular(stage: Stage) -> float:
    """Share of visits with a click on the list of popular items."""
    p_shown = lists_of(stage)["Popularity"]
    chances = stage.shop.clicks.chance_of_click(p_shown)
    return float(any_of(chances).mean())


def running_clicks(
    rate: float,
    looks: int,
    repetitions: int,
    rng,
) -> np.ndarray:
    """Visits with a click so far, (repetitions, looks); shoppers come at random, so each is a
    coin."""
    each = VISITORS_PER_ARM // looks
    fresh = rng.binomial(each, rate, (repetitions, looks))
    return np.cumsum(fresh, axis=1)


def stops(
    a,
    b,
    shown,
    lift: float,
) -> dict[str, np.ndarray]:
    z = online.running_z(a, b, shown)
    odds = online.sequential_odds(a, b, shown, lift)
    return {
        "peeking": online.peeked(z, 1.96),
        "O'Brien-Fleming": online.peeked(z, online.obrien_fleming(len(shown))),
        "mixture SPRT": (odds >= 1 / 0.05).any(axis=1),
    }


# --- the loop -------------------------------------------------------------------------------


def policies(stage: Stage) -> dict:
    """The policies that run the shop, fresh."""
    popularity = np.broadcast_to(stage.popularity, stage.p_liked.shape)
    features = stage.features()
    prior = online.trust_in_scores(features.shape[2], SLOPE, BASE)
    return {
        "Popularity, fixed": online.Static(popularity),
        "Popularity, recounted": online.Recounted(popularity),
        "Content, fixed": online.Static(stage.scores),
        "greedy": online.Greedy(features, prior),
        "ε-greedy": online.EpsilonGreedy(features, prior),
        "LinUCB": online.LinUCB(features, prior),
        "Thompson": online.LinearThompson(features, prior),
    }


def halves(stage: Stage) -> tuple[np.ndarray, np.ndarray]:
    """Shoppers on whom settings are chosen, and the others, on whom policies are compared."""
    rng = np.random.default_rng(37)
    order = rng.permutation(len(stage.p_liked))
    middle = len(order) // 2
    return order[:middle], order[middle:]


def choice_study(stage: Stage, repetitions: int) -> list[dict]:
    """Clicks missed in half a year under each setting, on shoppers that no comparison uses.

    `method` is the policy with its own parameter, `x` is λ.
    """
    choosing, _ = halves(stage)
    rows = []
    for name, (policy, parameter, values) in SETTINGS.items():
        for value in values:
            own = {parameter: value} if parameter else {}
            label = f"{name}, {parameter} {value}" if parameter else name
            for reg in REGS:
                missed = missed_by(stage, choosing, policy, {"reg": reg} | own)
                rows.append(mean_row("choice", label, reg, "cumulative regret", missed))
    return rows


def missed_by(stage: Stage, pool: np.ndarray, policy, settings: dict) -> np.ndarray:
    """Clicks per shopper that a policy misses in all weeks, one number per seed."""
    missed = []
    for seed in range(N_CHOOSING):
        here = with_some(stage, pool, seed)
        features = here.features()
        prior = online.trust_in_scores(features.shape[2], SLOPE, BASE)
        visits = np.random.default_rng([43, seed])
        learner = policy(features, prior, **settings)
        weeks = online.run_weeks(learner, here.shop, N_WEEKS, K, visits)
        missed.append(weeks.regret.sum())
    return np.array(missed)


def with_some(stage: Stage, pool: np.ndarray, seed: int) -> Stage:
    """The stage with `N_REGULARS` shoppers from a pool."""
    rng = np.random.default_rng([17, seed])
    return stage.with_regulars(rng.choice(pool, N_REGULARS, replace=False))


def loop_study(stage: Stage, repetitions: int) -> list[dict]:
    """Half a year under each policy, `N_SEEDS` times; a seed draws the same shoppers for all."""
    _, tested = halves(stage)
    runs = {}
    for seed in range(N_SEEDS):
        here = with_some(stage, tested, seed)
        for name, policy in policies(here).items():
            visits = np.random.default_rng([18, seed])
            weeks = online.run_weeks(policy, here.shop, N_WEEKS, K, visits)
            runs.setdefault(name, []).append(weeks)
    rows = []
    missed = {}
    for name, of_policy in runs.items():
        rows += weekly_rows(name, of_policy)
        regret = np.array([run.regret for run in of_policy])
        missed[name] = regret.sum(axis=1)
    metric = "cumulative regret less greedy's"  # paired by seed
    for name, values in missed.items():
        difference = values - missed["greedy"]
        rows.append(mean_row("loop", name, N_WEEKS, metric, difference))
    return rows


def weekly_rows(name: str, runs: list) -> list[dict]:
    rows = []
    for metric in online.Weeks._fields:
        by_seed = np.array([getattr(run, metric) for run in runs])
        rows += by_week(name, metric, by_seed)
    lost = np.cumsum([run.regret for run in runs], axis=1)
    return rows + by_week(name, "cumulative regret", lost)


def by_week(
    name: str,
    metric: str,
    by_seed: np.ndarray,
) -> list[dict]:
    """Mean over seeds of each week; `by_seed` is (n_seeds, n_weeks)."""
    rows = []
    for number, values in enumerate(by_seed.T, start=1):
        rows.append(mean_row("loop", name, number, metric, values))
    return rows


# --- off-policy -----------------------------------------------------------------------------


def reward_models(
    stage: Stage,
    banner: Banner,
) -> dict[str, np.ndarray]:
    """q(u, a) of three kinds, (n_shoppers, N_BANNERS): learned from an earlier log, right,
    wrong."""
    rng = np.random.default_rng(19)
    earlier = online.draw_log(banner.today, banner.p_click, LOGGED, rng)
    features = stage.features(banner.items)
    model = LogisticRegression(max_iter=1000)
    model.fit(features[earlier.shoppers, earlier.items], earlier.rewards)
    flat = features.reshape(-1, features.shape[2])
    chances = model.predict_proba(flat)
    learned = chances[:, 1].reshape(banner.p_click.shape)
    constant = np.full(learned.shape, earlier.rewards.mean())
    return {"learned": learned, "the truth": banner.p_click, "a constant": constant}


def off_policy_study(stage: Stage, repetitions: int) -> list[dict]:
    rows = []
    for explored in SHARES_EXPLORED:
        rows += off_policy_rows(stage, repetitions, explored)
    return rows


def off_policy_rows(
    stage: Stage,
    repetitions: int,
    explored: float,
) -> list[dict]:
    """All estimators on the same logs, with one share of exploration."""
    banner = online.set_banner(stage, explored, N_BANNERS)
    models = reward_models(stage, banner)
    truth = online.true_value(banner.new, banner.p_click)
    rng = np.random.default_rng(23)
    found = {}
    means = {}
    sizes = {}
    for _ in range(repetitions // AT_ONCE):
        size = (AT_ONCE, LOGGED)
        log = online.draw_log(banner.today, banner.p_click, size, rng)
        for method, estimate in estimates(log, banner, models).items():
            found.setdefault(method, []).append(estimate)
        for method, weights in weights_of(log, banner).items():
            effective = online.effective_size(weights)
            sizes.setdefault(method, []).append(effective)
            mean = weights.mean(axis=1)
            means.setdefault(method, []).append(mean)
    rows = [row("off_policy", "truth", explored, "value of the new policy", truth)]
    today_value = online.true_value(banner.today, banner.p_click)
    rows.append(row("off_policy", "truth", explored, "value of today's policy", today_value))
    for method, parts in found.items():
        rows += estimate_rows(method, explored, parts, truth)
    for method, parts in means.items():
        mean = np.concatenate(parts)
        rows.append(mean_row("off_policy", method, explored, "mean weight", mean))
    for method, parts in sizes.items():
        size = np.concatenate(parts)
        rows.append(mean_row("off_policy", method, explored, "effective visits", size))
    return rows


def estimate_rows(
    method: str,
    explored: float,
    parts: list,
    truth: float,
) -> list[dict]:
    """Coverage, bias, error and width of the interval of one estimator."""
    value = np.concatenate([part.value for part in parts])
    low = np.concatenate([part.low for part in parts])
    high = np.concatenate([part.high for part in parts])
    covered = (low <= truth) & (truth <= high)
    error = value - truth
    squared = np.sqrt(np.mean(error**2))
    middle = np.quantile(value, [0.025, 0.975])
    name = "off_policy"
    return [
        share_row(name, method, explored, "coverage", covered),
        mean_row(name, method, explored, "bias", error),
        row(name, method, explored, "rmse", squared),
        row(name, method, explored, "estimate", value.mean(), *middle),
        row(name, method, explored, "width", np.mean(high - low)),
    ]


def weights_of(log, banner) -> dict[str, np.ndarray]:
    """Weights with right propensities and with two kinds of wrong ones."""
    uniform = np.full(log.items.shape, 1 / N_BANNERS)
    without = banner.greedy[log.shoppers, log.items]
    return {
        "right": log.weights(banner.new),
        "uniform": log.weights(banner.new, uniform),
        "exploration forgotten": log.weights(banner.new, without),
    }


def estimates(log, banner, models) -> dict[str, online.Estimate]:
    found = {}
    for kind, weights in weights_of(log, banner).items():
        found[f"IPS, {kind}"] = online.ips(log.rewards, weights)
        found[f"SNIPS, {kind}"] = online.self_normalized_ips(log.rewards, weights)
        for name, model in models.items():
            predicted = model[log.shoppers, log.items]
            worth = (banner.new * model).sum(axis=1)
            expected = worth[log.shoppers]
            estimate = online.doubly_robust(log.rewards, weights, predicted, expected)
            found[f"DR with {name}, {kind}"] = estimate
    for name, model in models.items():
        worth = (banner.new * model).sum(axis=1)
        expected = worth[log.shoppers]
        found[f"DM with {name}"] = online.direct_method(expected)
    return found


# --- questions ------------------------------------------------------------------------------


def questions_study(stage: Stage, repetitions: int) -> list[dict]:
    """NDCG@10 in the target shop after a few questions about items of the source shop."""
    split = stage.split
    taste = Taste(seed=7).fit(split.train, stage.items)
    platform = stage.items.frame["platform"].to_numpy()
    on_source = platform == stage.market.settings["source"]
    askable = np.flatnonzero(on_source)
    most = max(N_QUESTIONS)
    telling = online.questions_for(taste, askable, split.candidates, most)
    n_likes = taste.popularity_[askable]
    popular = askable[np.argsort(-n_likes, kind="stable")[:most]]
    n = len(stage.p_liked)
    rows = []
    for method, items in {"most telling": telling, "most popular": popular}.items():
        asked = np.broadcast_to(items, (n, most))
        rows += question_rows(method, ndcg_by_number(stage, taste, asked))
    total = {q: 0.0 for q in N_QUESTIONS}
    for seed in range(N_SEEDS):
        rng = np.random.default_rng([29, seed])
        draws = rng.random((n, len(askable)))
        order = np.argsort(draws, axis=1)
        asked = askable[order[:, :most]]
        for q, value in ndcg_by_number(stage, taste, asked).items():
            total[q] += value / N_SEEDS
    rows += question_rows("random", total)
    for q, histories in split.histories.items():
        ids, _ = rank(taste, histories, 10, split.candidates)
        value = metrics.ndcg(ids, split.relevant["complete"], 10)
        rows += question_rows("items she brings", {q: value})
    return rows


def ndcg_by_number(
    stage: Stage,
    taste: Taste,
    asked: np.ndarray,
) -> dict[int, np.ndarray]:
    """NDCG@10 of each shopper after the first of their questions `asked` (n, most)."""
    return {q: ndcg_after(stage, taste, asked[:, :q]) for q in N_QUESTIONS}


def ndcg_after(
    stage: Stage,
    taste: Taste,
    asked: np.ndarray,
) -> np.ndarray:
    """NDCG@10 of each shopper, complete judgments, once the items `asked` (n, q) are answered."""
    split = stage.split
    place = stage.market.items.get_indexer(split.train.items)
    judged = stage.market.judged[:, place]
    answers = np.take_along_axis(judged, asked, axis=1)
    answers = answers.astype(np.float64)
    scores = online.scores_after(taste, asked, answers)[:, split.candidates]
    order = np.argsort(-scores, axis=1, kind="stable")
    ids = split.candidates[order[:, :10]]
    return metrics.ndcg(ids, split.relevant["complete"], 10)


def question_rows(
    method: str,
    values: dict[int, np.ndarray],
) -> list[dict]:
    rows = []
    for q, value in values.items():
        found = bootstrap(value)
        rows.append(row("questions", method, q, "ndcg@10", *found))
    return rows


# --- the file -------------------------------------------------------------------------------


def provenance() -> dict[str, str]:
    """The last commit that changed what the studies run, today's date, and the versions."""
    command = ["git", "log", "-1", "--format=%h", "--", *RUNS]
    commit = subprocess.check_output(command, cwd=ROOT, text=True)
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": torch.__version__.split("+")[0],
    }
    described = " ".join(f"{name} {version}" for name, version in versions.items())
    return {
        "commit": commit.strip(),
        "date": date.today().isoformat(),
        "versions": described,
    }


def replace_study(
    path: Path,
    study: str,
    rows: list[dict],
) -> None:
    """Write a study's rows in place of its earlier ones; the studies keep their order."""
    fresh = pd.DataFrame(rows)
    fresh[NUMBERS] = fresh[NUMBERS].round(5)
    fresh = fresh.assign(**provenance())
    parts = {study: fresh}
    if path.exists():
        earlier = pd.read_csv(path)
        for name, part in earlier.groupby("study", sort=False):
            parts.setdefault(name, part)
    ordered = [parts[name] for name in STUDIES if name in parts]
    with whole(path) as aside:
        pd.concat(ordered, ignore_index=True).to_csv(aside, index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="sample")
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--studies", nargs="+", default=STUDIES, choices=STUDIES)
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "studies" / "online.csv")
    arguments = parser.parse_args()
    stage = online.set_stage(load_exam(arguments.profile), KNOWN)
    studies = {
        "clicks": clicks_study,
        "tests": tests_study,
        "choice": choice_study,
        "loop": loop_study,
        "off_policy": off_policy_study,
        "questions": questions_study,
    }
    for name in arguments.studies:
        start = time.perf_counter()
        rows = studies[name](stage, arguments.repetitions)
        replace_study(arguments.out, name, rows)
        print(f"{name}: {len(rows)} rows in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
