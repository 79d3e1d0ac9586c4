"""What happens after the list is shown: clicks, tests, exploration and what a log can tell.

One file per idea. All of it runs on simulated shoppers, whose truth is known, so that each
estimate can be held against what it estimates.
"""

from helpers.evaluation.online.ab_test import (
    Readout,
    mean_difference,
    power_of_test,
    sample_size,
    two_proportion,
)
from helpers.evaluation.online.asking import (
    most_telling,
    questions_for,
    scores_after,
)
from helpers.evaluation.online.bandits import (
    EpsilonGreedy,
    Greedy,
    LinearThompson,
    LinUCB,
    Recounted,
    Shop,
    Static,
    Weeks,
    run_weeks,
    trust_in_scores,
    visit_features,
)
from helpers.evaluation.online.clicks import (
    ClickModel,
    Visits,
    attraction_of_items,
    examination,
    examination_from_shuffled,
)
from helpers.evaluation.online.interleaving import interleave, team_draft
from helpers.evaluation.online.off_policy import (
    Estimate,
    Log,
    direct_method,
    doubly_robust,
    draw_log,
    effective_size,
    ips,
    self_normalized_ips,
    softmax,
    true_value,
)
from helpers.evaluation.online.sequential import (
    obrien_fleming,
    peeked,
    running_z,
    sequential_odds,
)
from helpers.evaluation.online.stage import Banner, Stage, set_banner, set_stage

__all__ = [
    "Banner",
    "ClickModel",
    "EpsilonGreedy",
    "Estimate",
    "Greedy",
    "LinUCB",
    "LinearThompson",
    "Log",
    "Readout",
    "Recounted",
    "Shop",
    "Stage",
    "Static",
    "Visits",
    "Weeks",
    "attraction_of_items",
    "direct_method",
    "doubly_robust",
    "draw_log",
    "effective_size",
    "examination",
    "examination_from_shuffled",
    "interleave",
    "ips",
    "mean_difference",
    "most_telling",
    "obrien_fleming",
    "peeked",
    "power_of_test",
    "questions_for",
    "run_weeks",
    "running_z",
    "sample_size",
    "scores_after",
    "self_normalized_ips",
    "sequential_odds",
    "set_banner",
    "set_stage",
    "softmax",
    "team_draft",
    "true_value",
    "trust_in_scores",
    "two_proportion",
    "visit_features",
]
