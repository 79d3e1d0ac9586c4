"""Sentences that a run fills in: a finding is computed, so it is true on every profile."""

from collections.abc import Sequence
from numbers import Number

from IPython.display import Markdown

from helpers.report.blocks import as_text


def finding(template: str, **values: object) -> Markdown:
    """A finding as a heading. Slides show it as the slide's title.

    Parameters
    ----------
    template : str
        One sentence with fields, for example "Three items close {share:.0%} of the gap".
    values
        What the fields hold. Numbers are formatted as the template says; anything else is data,
        and none of its signs is read as Markdown.

    Returns
    -------
    Markdown
        Shown where it is a cell's last line; elsewhere, pass it to `display`.
    """
    text = _filled(template, values)
    return Markdown(f"### {text}")


def sentence(template: str, **values: object) -> Markdown:
    """The same as plain text, for what is said below a figure or a table."""
    text = _filled(template, values)
    return Markdown(text)


def _filled(template: str, values: dict[str, object]) -> str:
    safe = {}
    for name, value in values.items():
        is_number = isinstance(value, Number)
        safe[name] = value if is_number else as_text(value)
    return template.format(**safe)


def counted(n: int, noun: str) -> str:
    """A number and its noun: "1 item", "3 items", "1,200 products"."""
    plural = "" if n == 1 else "s"
    return f"{n:,} {noun}{plural}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "Matt", "Matt and Megan", "Matt, Vivian and Megan"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
