"""Statuses, limits and what is said of a failure: each decided in one place."""

import ast
import dataclasses
from pathlib import Path

import pandas as pd
import pytest

import helpers
from helpers.images import decode
from helpers.images.limits import PATIENCE, Limits, limits_for
from helpers.images.statuses import (
    STATUSES,
    ImageError,
    image_columns,
    printable,
    status_of_code,
)

HELPERS = Path(helpers.__file__).parent


def imported(path: Path) -> set[str]:
    """Modules that a file imports from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


def test_nothing_outside_imports_limits_or_the_client():
    inside = {"helpers.images.limits", "helpers.images.client", "helpers.images.hosts"}
    outside = [path for path in HELPERS.rglob("*.py") if path.parent.name != "images"]
    assert len(outside) > 50
    assert [path for path in outside if imported(path) & inside] == []


def test_a_decoding_worker_imports_nothing_of_helpers_but_the_statuses():
    own = {name for name in imported(Path(decode.__file__)) if name.startswith("helpers")}
    assert own == {"helpers.images.statuses"}  # in the parent; a worker takes its neighbour
    assert not any(name.startswith("helpers") for name in imported(HELPERS / "images/statuses.py"))


def test_what_an_error_says_is_safe_to_print():
    assert printable("a\x1b[31mb\u202ec\nd") == "a?[31mb?c?d"
    assert len(ImageError("reset", "x" * 9999).detail) == 200


def test_codes_have_one_status_each():
    known = {200 + code: status_of_code(200 + code) for code in range(800)}
    assert set(known.values()) <= set(STATUSES)
    assert (known[404], known[429], known[503], known[999]) == (
        "not_found",
        "rate_limited",
        "server_error",
        "server_error",
    )


def test_the_catalogues_picture_columns_are_decided_in_one_place():
    catalog = pd.DataFrame(
        {
            "image_key": ["a/1", "a/2", "a/3", "a/4"],
            "image_status": ["pending", "no_url", "unclaimed", "pending"],
        }
    )
    index = pd.DataFrame(
        {
            "image_key": ["a/3", "a/1", "a/2", "a/4"],
            "status": ["no_url", "ok", "no_url", "gone"],
            "image_path": ["", "images/x.webp", "", ""],
        }
    )
    columns = image_columns(catalog, index)
    assert columns["image_path"].tolist() == ["images/x.webp", "", "", ""]
    assert columns["image_status"].tolist() == ["ok", "no_url", "unclaimed", "gone"]


def test_patience_is_a_word():
    assert limits_for("thorough") == Limits()
    assert all(dataclasses.asdict(limits) for limits in PATIENCE.values())
    with pytest.raises(ValueError, match="patience 'endless' is none of thorough, brief"):
        limits_for("endless")
