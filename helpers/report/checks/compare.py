"""The exercises of chapter 07."""

from helpers.report.checks.judging import Choice, Function, Numbers

EXERCISES: dict[str, Choice | Function | Numbers] = {}
