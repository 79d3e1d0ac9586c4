"""Recommenders made of others: how a part is named and built."""

from helpers import recommenders
from helpers.recommenders.base import Recommender


def build(spec) -> Recommender:
    """A recommender from `{"name": …, "parameters": …}`, or the recommender itself.

    Raises
    ------
    ValueError
        If the name is not one of the course's own classes; nothing else is ever built.
    """
    if isinstance(spec, Recommender):
        return spec
    if spec["name"] not in recommenders.__all__:
        raise ValueError(f"no recommender {spec['name']!r}")
    return getattr(recommenders, spec["name"])(**spec["parameters"])


def spec_of(model: Recommender) -> dict:
    """Class name and parameters of a recommender: what `build` needs to make the same again."""
    return {"name": type(model).__name__, "parameters": model.parameters()}
