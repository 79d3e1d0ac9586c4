"""The policy lets a deck's own script run, and nothing that came from data."""

import pytest
from browser import needs_browser, page

from helpers.report.policy import with_policy

DECK = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>deck</title></head><body>
<section><p>slide</p><script>document.title = "from data"</script>
<img src=x onerror="document.title = 'from data'"></section>
<script>document.body.dataset.ran = "yes"; // the deck's own — with a dash
</script></body></html>"""


def test_a_policy_stands_first_in_the_head():
    secured = with_policy(DECK)
    assert (
        '<head><meta http-equiv="Content-Security-Policy" content="default-src \'none\';' in secured
    )
    assert secured.count("sha256-") == 1


@pytest.mark.browser
@needs_browser[1]
def test_a_browser_runs_only_the_deck_s_own_script(tmp_path):
    (tmp_path / "open.html").write_text(DECK, encoding="utf-8")
    (tmp_path / "secured.html").write_text(with_policy(DECK), encoding="utf-8")
    with page(tmp_path / "open.html") as tab:
        tab.wait_for_timeout(200)
        assert tab.title() == "from data"  # without the policy it would run
    with page(tmp_path / "secured.html") as tab:
        tab.wait_for_timeout(200)
        assert tab.title() == "deck"
        assert tab.evaluate("document.body.dataset.ran") == "yes"
