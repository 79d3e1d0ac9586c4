"""How an exercise's answer is judged: shape first, then values, then the common mistakes.

A judge answers any value with a sentence and never raises: an empty list, a word, a table or a
function that fails are answers, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TO_DO = "to do: write the code above, then run this cell again"
CORRECT = "correct"


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that many readers give, and what to say about it.

    Attributes
    ----------
    answer : number, array or function
        The wrong number or array; for a `Function`, a wrong function.
    says : str
        What went wrong, without the right answer.
    """

    answer: Any
    says: str


@dataclass(frozen=True)
class Numbers:
    """The answer is a number, or an array of numbers.

    Attributes
    ----------
    expected : number or array
    hint : str
        What is said of a wrong answer that no mistake explains.
    decimals : int
        Digits after the point that must be right: an answer rounded to them counts.
    mistakes : sequence of Mistake
    """

    expected: Any
    hint: str
    decimals: int = 2
    mistakes: Sequence[Mistake] = ()

    def judge(self, answer: Any) -> str:
        """A sentence about the answer."""
        if is_missing(answer):
            return TO_DO
        expected = np.asarray(self.expected, dtype=float)
        given = as_numbers(answer)
        if given is None:
            return f"not yet: give {_described(expected)}; this is {_kind_of(answer)}"
        if given.shape != expected.shape:
            return f"not yet: give {_described(expected)}; this is {_described(given)}"
        if self._agrees(given, expected):
            return CORRECT
        for mistake in self.mistakes:
            wrong = np.asarray(mistake.answer, dtype=float)
            if wrong.shape == given.shape and self._agrees(given, wrong):
                return f"not yet: {mistake.says}"
        return f"not yet: {self.hint}"

    def _agrees(self, given: np.ndarray, expected: np.ndarray) -> bool:
        one_in_last_place = 0.51 * 10.0**-self.decimals
        return bool(np.allclose(given, expected, rtol=0, atol=one_in_last_place))


@dataclass(frozen=True)
class Choice:
    """The answer is one word of a few, for example a prediction.

    Attributes
    ----------
    expected : str
    options : dict of str to str
        Every word that may be answered, with what is said if it is wrong.
    """

    expected: str
    options: dict[str, str]

    def judge(self, answer: Any) -> str:
        """A sentence about the answer."""
        if is_missing(answer):
            return TO_DO
        if not isinstance(answer, str):
            return f"not yet: answer with one of {self._words()}; this is {_kind_of(answer)}"
        word = answer.strip().casefold()
        if word == self.expected.casefold():
            return CORRECT
        for option, says in self.options.items():
            if word == option.casefold():
                return f"not yet: {says}"
        return f"not yet: answer with one of {self._words()}"

    def _words(self) -> str:
        return ", ".join(f"'{option}'" for option in self.options)


@dataclass(frozen=True)
class Function:
    """The answer is a function, tried on inputs that the reader hasn't seen.

    Attributes
    ----------
    reference : function
        A right one.
    inputs : function
        Makes the inputs afresh: a list of tuples of arguments. A reader's function may change
        what it is given.
    hint : str
        What is said where the values are wrong and no mistake explains them.
    tolerance : float
        Largest absolute difference.
    mistakes : sequence of Mistake
        Wrong functions.
    """

    reference: Callable
    inputs: Callable[[], list[tuple]]
    hint: str
    tolerance: float = 1e-6
    mistakes: Sequence[Mistake] = field(default=())

    def judge(self, answer: Any) -> str:
        """A sentence about the answer."""
        if is_missing(answer):
            return TO_DO
        if not callable(answer):
            return f"not yet: give the function itself; this is {_kind_of(answer)}"
        wanted = self._outputs(self.reference)
        try:
            outputs = self._outputs(answer)
        except NotImplementedError:
            return TO_DO
        except Exception as error:  # whatever a reader's function raises is an answer
            return f"not yet: the function raised {type(error).__name__}: {error}"
        if all(is_missing(output) for output in outputs):
            return "to do: the function returns nothing yet"
        shapes = self._wrong_shape(outputs, wanted)
        if shapes is not None:
            return shapes
        if self._agree(outputs, wanted):
            return CORRECT
        for mistake in self.mistakes:
            if self._agree(outputs, self._outputs(mistake.answer)):
                return f"not yet: {mistake.says}"
        return f"not yet: {self.hint}"

    def _outputs(self, function: Callable) -> list:
        return [function(*arguments) for arguments in self.inputs()]

    def _wrong_shape(self, outputs: list, wanted: list) -> str | None:
        for output, target in zip(outputs, wanted, strict=True):
            given = as_numbers(output)
            expected = np.asarray(as_numbers(target))
            if given is None:
                return (
                    f"not yet: return {_described(expected)}; the function returns "
                    f"{_kind_of(output)}"
                )
            if given.shape != expected.shape:
                return (
                    f"not yet: return {_described(expected)}; the function returns "
                    f"{_described(given)}"
                )
        return None

    def _agree(self, outputs: list, wanted: list) -> bool:
        for output, target in zip(outputs, wanted, strict=True):
            given = as_numbers(output)
            expected = as_numbers(target)
            if given is None or expected is None or given.shape != expected.shape:
                return False
            if not np.allclose(given, expected, rtol=0, atol=self.tolerance, equal_nan=True):
                return False
        return True


def is_missing(answer: Any) -> bool:
    """Whether nothing has been answered yet."""
    return answer is None or answer is ...


def as_numbers(answer: Any) -> np.ndarray | None:
    """The answer as an array of floats, or None where it isn't made of numbers."""
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu()
    if hasattr(answer, "toarray"):
        answer = answer.toarray()
    try:
        numbers = np.asarray(answer)
    except Exception:  # an object may refuse in any way
        return None
    if numbers.dtype.kind not in "biuf":
        return None
    return numbers.astype(float)


def _described(numbers: np.ndarray) -> str:
    if numbers.ndim == 0:
        return "one number"
    if numbers.ndim == 1:
        return f"{len(numbers)} number{'' if len(numbers) == 1 else 's'}"
    return "an array of shape " + " × ".join(str(length) for length in numbers.shape)


def _kind_of(answer: Any) -> str:
    name = type(answer).__name__
    article = "an" if name[:1].casefold() in "aeiou" else "a"
    return f"{article} {name}"
