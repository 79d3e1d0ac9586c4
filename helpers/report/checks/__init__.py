"""What an exercise answers to its reader.

Each chapter's exercises stand in a module of this package, in a dictionary `EXERCISES` from a short
name, such as "03-top-k", to a judge. Expected values are there and nowhere in a notebook.
"""

from typing import Any

from helpers.report.checks import (
    augment,
    collaborative,
    compare,
    completion,
    content,
    interactions,
    two_tower,
)

CHAPTERS = (augment, interactions, collaborative, content, completion, two_tower, compare)


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
    exercises = {name: judge for chapter in CHAPTERS for name, judge in chapter.EXERCISES.items()}
    if exercise not in exercises:
        known = ", ".join(sorted(exercises))
        raise KeyError(f"there is no exercise {exercise!r}; there are: {known}")
    return exercises[exercise].judge(answer)
