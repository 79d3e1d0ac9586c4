"""Menus where a reader can choose, one static figure where nobody can."""

import matplotlib.pyplot as plt
import pytest

from helpers.report import pickers


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, in order."""
    found = []
    monkeypatch.setattr(pickers, "display", found.append)
    return found


@pytest.fixture
def calls():
    """Arguments that `draw` was called with, in order."""
    return []


@pytest.fixture
def draw(calls):
    def draw(persona, n):
        calls.append((persona, n))
        return f"{persona} {n}"

    return draw


def test_without_a_browser_the_first_choice_is_drawn_and_no_menu(shown, draw):
    pickers.pick(draw, persona=["Laura", "Matt"], n=[3, 1])
    assert shown == ["Laura 3"]


def test_without_a_browser_a_static_figure_takes_its_place(shown, draw, calls):
    pickers.pick(draw, static=lambda: "all of them", persona=["Laura"], n=[3])
    assert shown == ["all of them"]
    assert calls == []


def test_a_figure_is_displayed_once(shown):
    pickers.pick(lambda size: plt.figure(figsize=(size, 1)), size=[1])
    assert len(shown) == 1
    assert plt.get_fignums() == []


def test_choosing_redraws(shown, draw, calls, monkeypatch):
    monkeypatch.setattr(pickers, "has_front_end", lambda: True)
    pickers.pick(draw, persona=["Laura", "Matt"], n=[3, 1])
    assert calls == [("Laura", 3)]
    menus = shown[-1].children[0].children
    assert [menu.description for menu in menus] == ["persona", "n"]
    menus[0].value = "Matt"
    menus[1].value = 1
    assert calls[1:] == [("Matt", 3), ("Matt", 1)]


def test_an_empty_menu_is_refused(draw):
    with pytest.raises(ValueError, match="the menu 'n' has no options"):
        pickers.pick(draw, persona=["Laura"], n=[])


@pytest.mark.parametrize(
    ("environment", "names", "answers"),
    [
        ({}, {}, False),
        ({"JPY_SESSION_NAME": "04_content.ipynb"}, {}, True),
        ({}, {"__vsc_ipynb_file__": "04_content.ipynb"}, True),
    ],
)
def test_a_front_end_is_known_by_what_it_sets(monkeypatch, environment, names, answers):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shell = type("Shell", (), {"user_ns": names})()
    monkeypatch.setattr(pickers, "get_ipython", lambda: shell)
    assert pickers.has_front_end() == answers


def test_outside_ipython_nobody_can_choose(monkeypatch):
    monkeypatch.setattr(pickers, "get_ipython", lambda: None)
    monkeypatch.setenv("JPY_SESSION_NAME", "04_content.ipynb")
    assert not pickers.has_front_end()
