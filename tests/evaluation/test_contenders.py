"""Every method by one name; a new one takes one file and one line, and is then everywhere."""

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from helpers import recommenders
from helpers.evaluation import evaluate, significance, summarise
from helpers.evaluation.contenders import (
    BLEND,
    FLOOR,
    ITEMS,
    PEOPLE,
    again,
    contenders,
    method_names,
)
from helpers.evaluation.guide import guide
from helpers.interactions import ItemFeatures, cross_platform
from helpers.report.figures import compare as show
from helpers.report.marp import MarpExporter

TOY = '''
"""A toy: the item with the highest position first."""

import numpy as np

from helpers.recommenders.base import Recommender


class Toy(Recommender):
    def _fit(self, train, items, validate):
        pass

    def _usable(self, histories):
        return np.ones(len(histories), bool)

    def _score(self, histories):
        return np.tile(np.arange(self.n_items_, dtype=np.float32), (len(histories), 1))
'''
SLOW = dict.fromkeys(("Taste", "Bridge", "TwoTower", "Hybrid", "NeuralCF", "MatrixCompletion"))


@pytest.fixture(scope="module")
def exam(market, attributes):
    """The small market's headline, with items whose vectors tell their category."""
    vectors = pd.get_dummies(attributes["category"]).to_numpy(np.float32)
    frame = attributes.assign(title=attributes["category"], description="")
    frame["platform"] = frame["image_key"].str.split("/").str[0]
    items = ItemFeatures(vectors, frame, "categories")
    return cross_platform(market, items, n_history=(0, 3)), items


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A new method: one file, and one line in the registry."""
    (tmp_path / "toy_of_this_test.py").write_text(TOY, encoding="utf-8")
    monkeypatch.setattr(recommenders, "__path__", [*recommenders.__path__, str(tmp_path)])
    monkeypatch.setitem(recommenders._MODULES, "Toy", "toy_of_this_test")
    monkeypatch.setattr(recommenders, "__all__", [*recommenders.__all__, "Toy"])


def test_methods_are_the_public_ones_without_floors_and_ceilings():
    names = method_names()
    assert {"UserKNN", "Content", "Attributes", "Taste", "Bridge", "TwoTower"} <= set(names)
    assert not {"Random", "Popularity", "Oracle", "DeckTowers", "Recommender"} & set(names)
    assert len(names) == len(set(names))


def test_saved_methods_are_taken_and_others_fitted(exam):
    split, items = exam
    saved = {"Content": recommenders.Content().fit(split.train, items)}
    field = contenders(saved, split, items, SLOW)
    assert field.models["Content"] is saved["Content"]
    assert list(field.models) == [
        "Popularity",
        "UserKNN",
        "ItemKNN",
        "EASE",
        "Content",
        "Attributes",
    ]
    assert field.family["Popularity"] == FLOOR
    assert field.family["EASE"] == PEOPLE
    assert field.family["Attributes"] == ITEMS
    assert all(model.n_items_ == split.train.shape[1] for model in field.models.values())


def test_the_variant_that_a_chapter_saved_stands_for_its_method(exam):
    split, items = exam
    plain = recommenders.MatrixCompletion(rank=2).fit(split.train, items)
    saved = {"MatrixCompletion": plain, "MatrixCompletion-content": plain}
    settings = {name: value for name, value in SLOW.items() if name != "MatrixCompletion"}
    assert "MatrixCompletion-content" in contenders(saved, split, items, settings).models
    del saved["MatrixCompletion-content"]
    assert contenders(saved, split, items, settings).models["MatrixCompletion"] is plain


def test_what_a_chapter_saved_of_a_log_of_purchases_stands_under_the_methods_name(exam):
    split, items = exam
    plain = recommenders.MatrixCompletion(rank=2).fit(split.train, items)
    other = recommenders.Popularity().fit(split.train, items)
    saved = {"MatrixCompletion-ials-content": plain, "NeuralCF-bce": other}
    kept = ("MatrixCompletion", "NeuralCF")
    settings = {name: value for name, value in SLOW.items() if name not in kept}
    models = contenders(saved, split, items, settings).models
    assert models["MatrixCompletion-content"] is plain
    assert models["NeuralCF"] is other


def test_again_keeps_the_settings_and_not_what_was_learned(exam):
    split, items = exam
    model = recommenders.ItemKNN(k=3).fit(split.train, items)
    fitted = again({"ItemKNN": model}, ["ItemKNN", "absent"], split, items)
    assert list(fitted) == ["ItemKNN"]
    assert fitted["ItemKNN"] is not model and fitted["ItemKNN"].k == 3


def test_again_changes_the_settings_that_it_is_given(exam):
    split, items = exam
    models = {
        "ItemKNN": recommenders.ItemKNN(k=3).fit(split.train, items),
        "EASE": recommenders.EASE(reg=90).fit(split.train, items),
    }
    fitted = again(models, models, split, items, {"ItemKNN": {"k": 5}})
    assert fitted["ItemKNN"].k == 5
    assert fitted["EASE"].reg == 90


def test_methods_that_are_fitted_side_by_side_are_those_fitted_alone(exam):
    split, items = exam
    two_towers = [recommenders.TwoTower(epochs=2, seed=seed) for seed in (1, 2)]
    models = {"one": two_towers[0], "EASE": recommenders.EASE(), "other": two_towers[1]}
    for _ in range(3):
        fitted = again(models, list(models), split, items)
        assert list(fitted) == list(models)
        for name, model in models.items():
            alone = type(model)(**model.parameters()).fit(split.train, items)
            histories = split.histories[max(split.histories)]
            np.testing.assert_array_equal(fitted[name].score(histories), alone.score(histories))


def test_a_new_method_is_in_every_table_figure_and_slide(exam, toy):
    split, items = exam
    field = contenders({}, split, items, SLOW)
    settings = {"metrics": ("ndcg", "precision", "hit_rate"), "items": items}
    evaluation = evaluate(field.models, split, **settings)
    summary = summarise(evaluation)
    ndcg = show.rows_of(summary)
    measured = show.Measured(
        ndcg, show.rows_of(summary, "precision", 5), show.rows_of(summary, "hit_rate", 5), ndcg
    )
    table = show.method_table(measured, field.family, 3)
    assert list(table.index).count("Toy") == 1 and table["shuffled log"]["Toy"] != "–"

    figure = show.cold_start([show.Panel("simulated shoppers", ndcg)], field.family)
    assert "Toy" in words_of(figure)
    scores = evaluation.per_user.query("metric == 'ndcg' and k == 10 and n_history == 3")
    scores = scores[scores["variant"] == "complete"]
    wide = scores.pivot(index="user", columns="recommender", values="value").astype(float)
    tests = significance.against(wide, "Attributes", n_resamples=99)
    assert "Toy" in words_of(show.differences_figure(tests, "Attributes", field.family))
    assert "Toy" in show.difference_table(tests).index
    values = show.at_length(ndcg, 3)["value"]
    assert "Toy" in words_of(show.two_judges(values, values, field.family, 3))
    situation = show.situation("three", evaluation, list(field.models), 3, "complete")
    assert "Toy" in situation.ndcg and "Toy" in situation.liked
    assert len(guide([situation])) == 1

    output = new_output("execute_result", {"text/html": table.to_html(), "text/plain": ""})
    cell = new_code_cell("table", outputs=[output])
    cell.metadata["slideshow"] = {"slide_type": "slide"}
    notebook = nbformat.from_dict(new_notebook(cells=[cell]))
    deck, _ = MarpExporter().from_notebook_node(notebook)
    assert "Toy" in deck
    plt.close("all")


def words_of(figure) -> set[str]:
    """All texts of a figure."""
    figure.canvas.draw()
    return {text.get_text() for text in figure.findobj(plt.Text)}


def test_the_blend_is_its_own_family():
    assert contenders_family("Hybrid") == BLEND
    assert contenders_family("RecentPopularity") == FLOOR


def contenders_family(name: str) -> str:
    from helpers.evaluation.contenders import family_of

    return family_of(getattr(recommenders, name)())
