"""Findings: numbers are formatted, words from data stay words."""

from helpers.report.prose import counted, finding, sentence


def test_one_is_singular():
    assert counted(1, "liked item") == "1 liked item"
    assert counted(0, "item") == "0 items"
    assert counted(1200, "product") == "1,200 products"


def test_numbers_are_formatted_and_data_stays_text():
    title = finding("{method} closes {share:.0%} of the gap", method="*Hy|brid*", share=0.634)
    assert title.data == "### &#42;Hy&#124;brid&#42; closes 63% of the gap"
    assert sentence("{n} items", n=3).data == "3 items"
