"""The house's promises: thin, equal environments, no traces of a machine, notebooks complete and
small.
"""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from same_outputs import Rules, differences

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("[0-9]*.ipynb"))
# A path of one machine (home folders, build folders), or a registry or proxy other than the public
# one.
TRACES = re.compile(
    r"/(?:home|Users)/[a-z][\w.-]+/|(?<![\w.])/wor[k]/|/root/|C:\\\\Users"
    r"|https?://[\w.-]*(?:artifactory|nexus|pypi-proxy|npm-proxy|devpi|codeartifact|verdaccio)[\w.-]*"
    r"|--(?:extra-)?index-url|\bregistry\s*=|\"resolved\":"
)


def tracked() -> list[Path]:
    """Files under version control; a copy without git (an unpacked archive) is looked at whole."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        ).stdout.decode()
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        hidden = {".git", ".venv", "node_modules"}
        paths = [
            path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.parts)
        ]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str | None:
    data = path.read_bytes()
    return None if b"\0" in data[:8192] else data.decode("utf-8", errors="replace")


def traces(text: str) -> list[str]:
    return [match.group() for match in TRACES.finditer(text)]


def test_no_traces_of_a_machine_or_registry():
    found = {}
    for path in tracked():
        if (
            path != Path(__file__)
            and (text := text_of(path)) is not None
            and (marks := traces(text))
        ):
            found[str(path.relative_to(ROOT))] = marks[:3]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "/home/jovyan/data",
        "cd /" + "work/main",
        "/Users/ann/x",
        "https://artifactory.corp.example/pypi",
        '"resolved": "x"',
    ],
)
def test_traces_are_seen(text):
    assert traces(text)


def test_ordinary_text_is_no_trace():
    assert not traces(
        "https://example.org/home/page and ../shared/data, a homework/root, framework/x, pip "
        "install -e ."
    )


def test_environment_equals_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert environment["name"] == project["name"]
    assert sorted(pip) == sorted(project["dependencies"])
    assert f"python{project['requires-python']}" in environment["dependencies"]


def test_every_dependency_is_locked():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)==", lock, re.M)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    names = {re.match(r"[\w.-]+", line).group().lower().replace("_", "-") for line in wanted}
    assert names <= locked, names - locked


@pytest.mark.parametrize(
    "path", sorted((ROOT / "helpers").rglob("*.py")), ids=lambda path: path.stem
)
def test_helpers_run_no_foreign_code_and_print_nothing(path):
    source = path.read_text(encoding="utf-8")
    banned = r"\bimport (?:pickle|joblib|dill)\b|\bpickle\.load|(?<![\w.])(?:eval|exec)\(|allow_pickle=True"  # noqa: E501
    assert not re.findall(banned, source)
    assert path.name in ("__main__.py", "doctor.py") or not re.search(r"^\s*print\(", source, re.M)


def test_seven_chapters_each_with_solutions():
    names = [
        "01_augment",
        "02_interactions",
        "03_collaborative",
        "04_content",
        "05_completion",
        "06_two_tower",
        "07_compare",
    ]
    assert [path.stem for path in NOTEBOOKS] == names
    assert [path.stem for path in SOLUTIONS] == names


def code_cells(path: Path) -> list[dict]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


@pytest.mark.parametrize(
    "path", NOTEBOOKS + SOLUTIONS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_notebook_is_stored_whole(path):
    cells = code_cells(path)
    assert path.stat().st_size < 1_500_000
    assert all(cell["execution_count"] for cell in cells if "".join(cell["source"]).strip())
    counts = [cell["execution_count"] for cell in cells if cell["execution_count"]]
    assert counts == list(range(1, len(counts) + 1)), "stored from one clean run"
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert "Warning" not in json.dumps([output.get("text", "") for output in outputs])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_parameters_are_typed_and_commented(path):
    cells = [cell for cell in code_cells(path) if "parameters" in tags(cell)]
    assert len(cells) == 1
    lines = [
        line
        for line in "".join(cells[0]["source"]).splitlines()
        if line.strip() and not line.startswith("#")
    ]
    for line in lines:
        assert re.match(r"\w+: [\w\[\], |.]+ = .+  # \S", line), line
    names = [line.split(":")[0] for line in lines]
    assert "profile" in names and "seed" in names


@pytest.mark.parametrize(
    "path", NOTEBOOKS + SOLUTIONS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_no_cell_is_exempt_from_comparison(path):
    """A timing is named in the metadata, by its column or row; all else is compared."""
    cells = nbformat.read(path, as_version=4).cells
    for cell in cells:
        if cell.cell_type != "code":
            continue
        exempt = [tag for tag in tags(cell) if tag.startswith("nbval")]
        assert not exempt, cell.source
        assert not re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source), cell.source
        rules = Rules.of(cell.metadata)  # refuses what it doesn't know
        stored = cell.outputs
        assert differences(stored, stored, rules) == [], cell.source  # names of timings occur
