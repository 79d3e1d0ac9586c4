"""Judgements by hand: stored whole, without the judge's name, and learned from."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from helpers.artefacts import DamagedArtefact
from helpers.interactions.matrix import Histories, Interactions, ItemFeatures
from helpers.recommenders import Content, Hybrid, ItemKNN
from helpers.serving import labels as store
from helpers.serving.labels import (
    Label,
    history_with_labels,
    own_judge,
    read_labels,
    save_label,
    with_labels,
)

JUDGE = "0123456789abcdef"
DAY = "2026-03-04T05:06:07+00:00"


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return tmp_path / "mine" / "labels"


def label(key, liked, persona="Laura", judge=JUDGE, at=DAY):
    return Label(judge, persona, "Hybrid", key, liked, at)


def test_labels_come_back_and_the_last_answer_counts(data):
    save_label("mine", label("a", True))
    save_label("mine", label("b", False))
    save_label("mine", label("a", False))
    save_label("mine", label("a", True, persona="Matt"))
    save_label("mine", label("a", True, judge="f" * 16))
    found = [(one.judge, one.persona, one.image_key, one.liked) for one in read_labels("mine")]
    assert found == [
        (JUDGE, "Laura", "b", False),
        (JUDGE, "Laura", "a", False),
        (JUDGE, "Matt", "a", True),
        ("f" * 16, "Laura", "a", True),
    ]
    assert sorted(path.name for path in data.iterdir()) == [f"{JUDGE}.jsonl", f"{'f' * 16}.jsonl"]


def test_a_judge_has_a_random_name_that_stays(data):
    name = own_judge("mine")
    assert store.JUDGE.fullmatch(name) and own_judge("mine") == name
    (data / store.OWN_NAME).unlink()
    assert own_judge("mine") != name
    with pytest.raises(ValueError, match="judge 'Laura' is not 16"):
        save_label("mine", label("a", True, judge="Laura"))
    assert not list(data.glob("*.jsonl"))


def test_a_write_that_breaks_off_leaves_the_earlier_labels(data, monkeypatch):
    save_label("mine", label("a", True))

    def fail(text, path):
        raise OSError("no space left")

    monkeypatch.setattr(store, "write_text", fail)
    with pytest.raises(OSError, match="no space"):
        save_label("mine", label("b", True))
    assert [one.image_key for one in read_labels("mine")] == ["a"]


@pytest.mark.parametrize("line", ["{", '{"judge": "x"}', "[1]"])
def test_a_damaged_line_is_named(data, line):
    save_label("mine", label("a", True))
    path = data / f"{JUDGE}.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DamagedArtefact, match=rf"{JUDGE}.jsonl line 2 is no label"):
        read_labels("mine")


def test_nobody_judged(data):
    assert read_labels("mine") == []
    train = shop()[0]
    assert with_labels(train, []) is train


def shop():
    """Two groups of shoppers: one likes the even items, the other the odd ones."""
    n_items = 40
    keys = pd.Index([f"b/{number}" for number in range(n_items)])
    rng = np.random.default_rng(3)
    rows = []
    for user in range(60):
        group = user % 2
        for item in range(n_items):
            if rng.random() < 0.4:
                rating = 5.0 if item % 2 == group else 1.0
                rows.append({"user": f"u{user:02d}", "item": keys[item], "rating": rating})
    train = Interactions.from_frame(pd.DataFrame(rows), keys)
    vectors = rng.normal(size=(n_items, 8)).astype(np.float32)
    vectors[:, 0] += 6 * (np.arange(n_items) % 2) - 3
    frame = pd.DataFrame({"image_key": keys, "platform": "b"})
    frame["category"] = np.where(np.arange(n_items) % 2, "odd", "even")
    frame = frame.assign(title=frame["category"], price_usd=20.0, colour="", gender="")
    return train, ItemFeatures(vectors, frame)


def test_labels_are_users_of_the_log():
    train, _ = shop()
    labels = [label("b/1", True), label("b/2", False), label("b/1", True, persona="Matt")]
    labels.append(label("gone", True))
    more = with_labels(train, labels)
    assert more.shape == (train.shape[0] + 2, train.shape[1])
    assert list(more.users[-2:]) == [f"{JUDGE}/Laura", f"{JUDGE}/Matt"]
    laura = more.ratings[-2].toarray()[0]
    assert laura[1] == 5.0 and laura[2] == 1.0 and np.count_nonzero(laura) == 2
    assert (more.ratings[:-2] != train.ratings).nnz == 0


def test_times_of_labels_are_kept_where_the_log_has_times():
    train, _ = shop()
    days = train.ratings.copy()
    days.data = np.full(days.nnz, 20000.0)
    timed = Interactions(train.ratings, train.users, train.items, days)
    more = with_labels(timed, [label("b/1", True)])
    expected = pd.Timestamp(DAY).timestamp() / 86400
    assert more.times[-1, 1] == pytest.approx(expected)


def odd_share(model, histories):
    ids, _ = model.recommend(histories, 10)
    return (ids[0] % 2).mean()


def test_the_hybrid_learns_from_labels_in_the_log():
    """Who has judged is a shopper like the others: their list follows what they liked."""
    train, items = shop()
    for wanted in (0, 1):
        labels = [label(f"b/{number}", number % 2 == wanted) for number in range(8)]
        more = with_labels(train, labels)
        model = Hybrid(goal="enjoyed", shoppers=40).fit(more, items)
        judge = Histories.from_interactions(more, items, [more.shape[0] - 1])
        assert abs(odd_share(model, judge) - wanted) < 0.3


def test_labels_turn_many_judges_into_evidence_about_items():
    """Two items that every judge likes together become neighbors."""
    train, items = shop()
    labels = []
    for number in range(40):
        judge = f"{number:016x}"
        labels += [label("b/1", True, judge=judge), label("b/2", True, judge=judge)]
    reader = np.zeros((1, 40), np.float32)
    reader[0, 1] = 5.0
    history = Histories(sp.csr_matrix(reader), np.arange(40), items.vectors)
    before = ItemKNN().fit(train, items).score(history)[0, 2]
    after = ItemKNN().fit(with_labels(train, labels), items).score(history)[0, 2]
    assert after > before


def test_a_history_with_labels_changes_the_next_list_without_training():
    train, items = shop()
    model = Content().fit(train, items)
    elsewhere = Histories(
        sp.csr_matrix(np.array([[5.0]], np.float32)), [-1], items.vectors[[0]] + 0.1
    )
    assert odd_share(model, elsewhere) < 0.3
    labels = [label(f"b/{number}", True) for number in (1, 3, 5, 7, 9)] + [label("gone", True)]
    judged = history_with_labels(elsewhere, items, labels)
    assert judged.ratings.shape == (1, 6) and list(judged.columns) == [-1, 1, 3, 5, 7, 9]
    assert odd_share(model, judged) > 0.7
    assert history_with_labels(elsewhere, items, []) is elsewhere


def test_a_history_of_several_is_refused():
    _, items = shop()
    two = Histories(sp.csr_matrix(np.ones((2, 1), np.float32)), [0], items.vectors[[0]])
    with pytest.raises(ValueError, match="of 2 shoppers"):
        history_with_labels(two, items, [label("b/1", True)])


def test_a_label_is_a_line_of_json(data):
    save_label("mine", label("a", True))
    line = (data / f"{JUDGE}.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads(line) == {
        "judge": JUDGE,
        "persona": "Laura",
        "method": "Hybrid",
        "image_key": "a",
        "liked": True,
        "at": DAY,
    }
