"""The exercises of chapter 04."""

from helpers.report.checks.judging import Choice, Function, Numbers

EXERCISES: dict[str, Choice | Function | Numbers] = {}
