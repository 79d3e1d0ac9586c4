"""Parameters are checked against the notebooks' own cells before anything starts."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from helpers.runner import parameters
from helpers.runner.parameters import ParameterError, parse_assignments, resolve

CELL = """profile: str = "sample"  # which data to use
seed: int = 7  # random seed
rank: int = 7  # rank of the factors
reg: float = 0.1  # ridge
biases: bool = True  # user and item means
ranks: list[int] = [1, 2]  # elbow
"""


KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """Seven notebooks with the same parameters, and one profile."""
    monkeypatch.setattr(parameters, "ROOT", tmp_path)
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)
    for name in parameters.CHAPTERS.values():
        cell = new_code_cell(CELL)
        cell.metadata["tags"] = ["parameters"]
        notebook = new_notebook(cells=[cell], metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, tmp_path / "notebooks" / f"{name}.ipynb")
    (tmp_path / "notebooks" / "profiles" / "sample.yaml").write_text("05_completion:\n  reg: 0.5\n")
    return tmp_path


def test_values_arrive_with_their_types(notebooks):
    given = parse_assignments(
        ["05.rank=9", "05_completion.biases=false", "05_completion.ranks=[3, 5]", "03.reg=2"]
    )
    resolved = resolve("sample", given)
    assert resolved["05"] == {
        "profile": "sample",
        "reg": 0.5,
        "rank": 9,
        "biases": False,
        "ranks": [3, 5],
    }
    assert resolved["03"] == {"profile": "sample", "reg": 2.0}
    assert resolved["01"] == {"profile": "sample"}


@pytest.mark.parametrize(
    "text, message",
    [
        ("05_completion.rnk=9", "no parameter `rnk`, did you mean `rank`?"),
        ("05_completion.rank=seven", "05_completion.rank wants int (such as 7), got 'seven'"),
        ("05_completion.rank=1.5", "wants int"),
        ("05_completion.biases=3", "wants bool"),
        ("05_completon.rank=9", "no notebook '05_completon', did you mean `05_completion`?"),
        ("09_x.rank=9", "There are: 01_augment, 02_"),
        ("rank=9", "wants notebook.name=value"),
        ("05_completion.rank", "wants notebook.name=value"),
    ],
)
def test_mistakes_are_named(notebooks, text, message):
    with pytest.raises(ParameterError) as error:
        resolve("sample", parse_assignments([text]))
    assert message in str(error.value)


def test_unknown_profile_names_the_known(notebooks):
    with pytest.raises(ParameterError, match="did you mean `sample`"):
        resolve("smaple", {})


def test_profile_file_is_checked_like_the_command_line(notebooks):
    (notebooks / "notebooks" / "profiles" / "sample.yaml").write_text("05_completion:\n  rnk: 9\n")
    with pytest.raises(ParameterError, match="did you mean `rank`"):
        resolve("sample", {})
