"""What an exercise answers to its reader.

Each chapter's exercises stand in a module of this package, in a dictionary `EXERCISES` from a short
name, such as "03-top-k", to a judge. Expected values are there and nowhere in a notebook.
"""

from importlib import import_module
from typing import Any

CHAPTERS = {
    "01": "augment",
    "02": "interactions",
    "03": "collaborative",
    "04": "content",
    "05": "completion",
    "06": "two_tower",
    "07": "compare",
}
"""Number of a chapter, with which its exercises' names begin → its module of this package."""


def exercises_of(chapter: str) -> dict[str, Any]:
    """A chapter's exercises: name → judge. Other chapters' modules, and torch, stay unloaded.

    Parameters
    ----------
    chapter : str
        Its number, for example "03"; one that isn't among `CHAPTERS` has none.
    """
    if chapter not in CHAPTERS:
        return {}
    exercises: dict[str, Any] = import_module(f"{__name__}.{CHAPTERS[chapter]}").EXERCISES
    return exercises


def feedback(exercise: str, answer: Any) -> str:
    """What to say of an answer: "correct", "to do: …" or "not yet: …" with a reason.

    Parameters
    ----------
    exercise : str
        Its name, for example "03-top-k".
    answer : object
        Anything. Nothing that is answered raises an error.

    Raises
    ------
    KeyError
        No exercise of this name.
    """
    exercises = exercises_of(exercise[:2])
    if exercise not in exercises:
        known = ", ".join(name for chapter in CHAPTERS for name in sorted(exercises_of(chapter)))
        raise KeyError(f"there is no exercise {exercise!r}; there are: {known}")
    return exercises[exercise].judge(answer)
