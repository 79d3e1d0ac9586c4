"""How an exercise's answer is judged: shape first, then values, then the common mistakes.

A judge answers any value with a sentence and never raises: an empty list, a word, a table or a
function that fails are answers, too.
"""

import inspect
import re
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
            return f"not yet: give {_wanted(expected)}; this is {_kind_of(answer)}"
        if given.shape != expected.shape:
            return f"not yet: give {_wanted(expected)}; this is {_described(given)}"
        if self._agrees(given, expected):
            return CORRECT
        for mistake in self.mistakes:
            wrong = np.asarray(mistake.answer, dtype=float)
            if wrong.shape == given.shape and self._agrees(given, wrong):
                return f"not yet: {mistake.says}"
        if _is_share(expected) and self._agrees(given / 100, expected):
            return f"not yet: {_short(given)} is a percentage; give a share"
        if given.ndim == 1 and self._agrees(np.sort(given), np.sort(expected)):
            return "not yet: these are the right numbers, but in another order"
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
        The words that may be answered, with what is said if one is wrong. The expected word may
        be among them.
    """

    expected: str
    options: dict[str, str]

    def judge(self, answer: Any) -> str:
        """A sentence about the answer."""
        if is_missing(answer):
            return TO_DO
        if not isinstance(answer, str):
            return f"not yet: answer with one of {self._words()}; this is {_kind_of(answer)}"
        found = [option for option in self._all() if _says(answer, option)]
        if len(found) != 1:
            return f"not yet: answer with one of {self._words()}"
        if found[0] == self.expected:
            return CORRECT
        return f"not yet: {self.options[found[0]]}"

    def _all(self) -> list[str]:
        """All words, in an order that gives nothing away."""
        return sorted({*self.options, self.expected})

    def _words(self) -> str:
        return ", ".join(f"'{option}'" for option in self._all())


def _says(answer: str, option: str) -> bool:
    """Whether an answer has a word in it, also without the s at its end: "It falls.", "fall"."""
    words = re.findall(r"\w+", answer.casefold())
    stems = {word.removesuffix("s") for word in words}
    return option.casefold().removesuffix("s") in stems


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
    tolerance: float = 1e-5
    mistakes: Sequence[Mistake] = field(default=())

    def judge(self, answer: Any) -> str:
        """A sentence about the answer."""
        if is_missing(answer):
            return TO_DO
        if not callable(answer):
            return f"not yet: give the function itself; this is {_kind_of(answer)}"
        wanted = self._outputs(self.reference)
        outputs = []
        for arguments in self.inputs():
            try:
                outputs.append(answer(*arguments))
            except NotImplementedError:
                return TO_DO
            except Exception as error:  # whatever a reader's function raises is an answer
                raised = f"{type(error).__name__}: {error}"
                return f"not yet: the function raised {raised}{self._given(arguments)}"
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
        return f"not yet: {self._of_any_function(outputs, wanted)}"

    def _given(self, arguments: tuple) -> str:
        """What the function was called with: texts and numbers as they are, of arrays the shape."""
        names = inspect.signature(self.reference).parameters
        parts = []
        for name, argument in zip(names, arguments, strict=False):
            shape = getattr(argument, "shape", None)
            value = repr(argument) if shape is None else f"of shape {tuple(shape)}"
            parts.append(f"{name} {value}")
        return f" (with {', '.join(parts)})"

    def _of_any_function(self, outputs: list, wanted: list) -> str:
        """What is said where no mistake of this exercise explains the values."""
        targets = [_as_floats(target) for target in wanted]
        if self._agree(outputs, [100 * target for target in targets]):
            if all(_is_share(target) for target in targets):
                return "these are percentages; return shares"
            return "these are 100 times too large"
        values = [_as_floats(output) for output in outputs]
        if all(np.isnan(value).any() for value in values):
            return f"NaN, which is no number, is among the values; {self.hint}"
        if not any(value.any() for value in values):
            return f"all values are 0; {self.hint}"
        for decimals in (1, 2, 3):
            rounded = [np.round(target, decimals) for target in targets]
            if self._agree(outputs, rounded):
                return "these are rounded; return the numbers as they are"
        if self._agree(outputs, [-target for target in targets]):
            return "these have the wrong sign"
        return f"{self.hint}{self._first_wrong(outputs, wanted)}"

    def _first_wrong(self, outputs: list, wanted: list) -> str:
        """The first input with a wrong value, where it is short enough to be read."""
        for arguments, output, target in zip(self.inputs(), outputs, wanted, strict=True):
            if not self._agree([output], [target]):
                return _at(arguments)
        return ""

    def _outputs(self, function: Callable) -> list:
        return [function(*arguments) for arguments in self.inputs()]

    def _wrong_shape(self, outputs: list, wanted: list) -> str | None:
        for output, target in zip(outputs, wanted, strict=True):
            given = as_numbers(output)
            expected = np.asarray(as_numbers(target))
            if given is None:
                return (
                    f"not yet: return {_wanted(expected)}; the function returns {_kind_of(output)}"
                )
            if given.shape != expected.shape:
                return (
                    f"not yet: return {_wanted(expected)}; the function returns {_described(given)}"
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


def _as_floats(answer: Any) -> np.ndarray:
    """Numbers that a function gave, known to be numbers."""
    return np.asarray(as_numbers(answer), dtype=float)


def _is_share(numbers: np.ndarray) -> bool:
    """Whether numbers could be shares of something."""
    return bool(np.all((numbers >= 0) & (numbers <= 1)))


def _at(arguments: tuple) -> str:
    """Which input it was, where that is a short text."""
    if len(arguments) == 1 and isinstance(arguments[0], str):
        return f" (with {arguments[0]!r})"
    return ""


def _short(numbers: np.ndarray) -> str:
    return f"{numbers:g}" if numbers.ndim == 0 else "this"


def _wanted(numbers: np.ndarray) -> str:
    """What is asked for: a number, or so many."""
    if numbers.ndim == 0:
        return "one number"
    if numbers.ndim == 1:
        return f"{len(numbers)} numbers"
    return _described(numbers)


def _described(numbers: np.ndarray) -> str:
    """What was given."""
    if numbers.ndim == 0:
        return "one number"
    if numbers.size == 0:
        return "an empty list"
    if numbers.ndim == 1:
        return f"a list of {len(numbers)} number{'' if len(numbers) == 1 else 's'}"
    return "an array of shape " + " × ".join(str(length) for length in numbers.shape)


KINDS = {
    "NoneType": "nothing",
    "ellipsis": "nothing",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "function": "a function",
    "builtin_function_or_method": "a function",
    "DataFrame": "a table",
    "bool": "True or False",
}
"""What answers of a type are called, if not by the type's name."""


def _kind_of(answer: Any) -> str:
    """An answer's type in words. Numbers in quotes are the most common mistake, so it is named."""
    name = type(answer).__name__
    if isinstance(answer, str) and _holds_numbers(answer):
        return "a text; leave out the quotes"
    if name in KINDS:
        return KINDS[name]
    article = "an" if name[:1].casefold() in "aeiou" else "a"
    return f"{article} {name}"


def _holds_numbers(text: str) -> bool:
    """Whether a text is a number or several, perhaps with brackets: "50", "[3, 2, 1]"."""
    return re.fullmatch(r"[\[(]?\s*-?[\d.]+(\s*,\s*-?[\d.]+)*\s*[\])]?\s*%?", text) is not None
