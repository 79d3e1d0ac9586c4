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
solver: str = "als"  # als (closed form) or adam (gradient steps)
bias: float = 0.8  # how strong; 0 = at random
ratings: str = ""  # your own ratings (CSV or parquet)
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
        ("05_completion.solver=svd", "solver is one of als, adam; got 'svd'"),
        ("05_completion.solver=adm", "got 'adm', did you mean `adam`?"),
        ("05_completion.rank=[", "wants int (such as 7), got '['"),
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


def test_an_equals_sign_in_a_comment_is_no_assignment(notebooks):
    assert resolve("sample", parse_assignments(["02.bias=0"]))["02"]["bias"] == 0.0


@pytest.mark.parametrize(
    "comment, default, choices",
    [
        ("als (closed form) or adam (gradient steps)", "als", ("als", "adam")),
        ("random, spectral or content", "random", ("random", "spectral", "content")),
        ("store (drawn, offline), photos (tars) or feeds (CSVs)", "store", ("store", "photos", "feeds")),  # noqa: E501
        ("what taste is about: attributes, or embedding (a trap)", "attributes", ("attributes", "embedding")),  # noqa: E501
        ("which data to use: where results go, under data/<profile>", "sample", ()),
        ("platform A, where shoppers have a history", "asos", ()),
        ("any open_clip model, hub id or folder", "fashion-lite", ()),
        ("als or adam", "other", ()),
    ],
)  # fmt: skip
def test_choices_are_read_from_the_comment(comment, default, choices):
    assert parameters.choices_in(comment, default) == choices


def test_choices_are_read_from_a_literal_type():
    source = 'solver: Literal["als", "adam"] = "als"  # how it is fitted'
    assert parameters._parse(source)["solver"].choices == ("als", "adam")


def test_a_path_is_found_where_the_shell_stands_or_in_the_course(notebooks, monkeypatch, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    (here / "mine.csv").touch()
    (notebooks / "ours.csv").touch()
    monkeypatch.chdir(here)
    for given, path in (("mine.csv", here / "mine.csv"), ("ours.csv", notebooks / "ours.csv")):
        assert resolve("sample", parse_assignments([f"02.ratings={given}"]))["02"][
            "ratings"
        ] == str(path)
    assert resolve("sample", parse_assignments(["02.ratings=no.csv"]))["02"]["ratings"] == "no.csv"


@pytest.mark.parametrize("chapter", parameters.CHAPTERS)
def test_every_line_of_a_real_parameters_cell_is_read(chapter):
    """Each line is a parameter: `papermill` itself loses lines whose comment has an equals sign."""
    notebook = nbformat.read(parameters.notebook_path(chapter), as_version=4)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    lines = [line for line in cell.source.splitlines() if line and not line.startswith("#")]
    found = parameters.declared(chapter)
    assert [f"{name}:" for name in found] == [line.split(" ")[0] for line in lines]


def test_the_real_solver_is_refused_before_anything_starts():
    with pytest.raises(ParameterError, match="solver is one of als, adam"):
        resolve("sample", parse_assignments(["05_completion.solver=svd"]))
