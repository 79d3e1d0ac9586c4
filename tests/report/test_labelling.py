"""The form for judging lists: buttons that store, and a sentence where there are none."""

import pandas as pd
import pytest

from helpers.report import labelling, pickers
from helpers.serving.labels import read_labels
from helpers.serving.service import Recommendations

EVIL = "<script>alert(1)</script>"


class Shop:
    """Stands in for a service: the same two items for everybody."""

    def __init__(self, profile, model):
        self.catalog = pd.DataFrame({"gender": ["women", "men"], "platform": "b"})
        self.model = model

    def recommend(self, history, k, filters):
        keys = [f"{self.model}/1", f"{self.model}/2"]
        products = pd.DataFrame({"image_key": keys, "title": EVIL, "image_path": ""})
        return Recommendations(products)


@pytest.fixture
def form(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    (tmp_path / "mine").mkdir()
    facts = '{"shoppers": "simulated", "source": "a", "target": "b"}'
    (tmp_path / "mine" / "interactions.json").write_text(facts)
    monkeypatch.setattr(labelling, "Service", Shop)

    def make():
        return labelling.LabelForm("mine", ("Hybrid", "Content"))

    return make


def buttons(form):
    return [card.children[1] for card in form.cards.children]


def test_a_click_is_stored_at_once(form):
    shown = form()
    buttons(shown)[0].value = "like"
    buttons(shown)[1].value = "dislike"
    found = [(one.persona, one.image_key, one.liked) for one in read_labels("mine")]
    assert found == [("Laura", "Hybrid/1", True), ("Laura", "Hybrid/2", False)]
    assert shown.status.value.startswith("2 answers stored")
    buttons(shown)[0].value = "dislike"
    assert [one.liked for one in read_labels("mine")] == [False, False]


def test_answers_are_shown_again_and_never_stored_by_looking(form):
    buttons(form())[1].value = "like"
    again = form()
    assert [one.value for one in buttons(again)] == [None, "like"]
    again.persona.value = "Matt"
    assert [one.value for one in buttons(again)] == [None, None]
    again.method.value = "Content"
    assert len(read_labels("mine")) == 1
    buttons(again)[0].value = "dislike"
    assert read_labels("mine")[-1].persona == "Matt"
    assert read_labels("mine")[-1].method == "Content"


def test_a_title_is_no_markup(form):
    card = form().cards.children[0].children[0]
    assert "<script" not in card.value and "&lt;script&gt;" in card.value


def test_without_a_browser_a_sentence_takes_its_place(monkeypatch):
    shown = []
    monkeypatch.setattr(labelling, "display", shown.append)
    labelling.label_form("mine")  # no models are needed
    assert "data/mine/labels" in shown[0].data and len(shown) == 1


def test_in_lab_the_form_appears(form, monkeypatch):
    shown = []
    monkeypatch.setattr(labelling, "display", shown.append)
    monkeypatch.setattr(pickers, "has_front_end", lambda: True)
    labelling.label_form("mine")
    assert type(shown[0]).__name__ == "VBox"
    *_, question, cards, _ = shown[0].children
    assert len(cards.children) == 2
    assert "Hybrid shows these. Would Laura like them?" in question.value
