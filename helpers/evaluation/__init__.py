"""Chapter 07: metrics, one protocol for all methods, significance, and what only shoppers can
tell."""

from helpers.evaluation.exam import Exam, NobodyToExamine, lengths_for, load_exam
from helpers.evaluation.folds import cross_validate, fewer_shoppers
from helpers.evaluation.protocol import (
    Evaluation,
    evaluate,
    metered,
    rank,
    rating_errors,
    result_rows,
    segments,
    share_of_way,
    summarise,
    validate,
)

__all__ = [
    "Evaluation",
    "Exam",
    "NobodyToExamine",
    "cross_validate",
    "evaluate",
    "fewer_shoppers",
    "lengths_for",
    "load_exam",
    "metered",
    "rank",
    "rating_errors",
    "result_rows",
    "segments",
    "share_of_way",
    "summarise",
    "validate",
]
