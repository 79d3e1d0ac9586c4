"""Shared by the tests of what decodes pictures."""

import contextlib

import pytest

from helpers.images import harvest as images
from helpers.images import local as photos
from helpers.images.limits import Limits
from helpers.images.workers import Standardiser


@pytest.fixture(scope="session")
def worker():
    with Standardiser(1, size=256, format="WEBP", max_pixels=Limits().pixels) as standardise:
        yield standardise


@pytest.fixture
def one_worker(worker, monkeypatch):
    """A decoding process that is running already, for tests of all that is around it."""
    for module in (images, photos):
        monkeypatch.setattr(module, "Standardiser", lambda *_, **__: contextlib.nullcontext(worker))
