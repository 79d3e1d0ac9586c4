"""Store a clean run's outputs in the notebooks, changing as little as can be."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import nbformat
from PIL import Image

from helpers.artefacts import CHAPTERS, ROOT, write_text
from helpers.report.cells import folded_in_lab
from helpers.runner import course
from helpers.runner.execute import Job, Kernels, Progress, execute
from helpers.runner.parameters import notebook_path
from helpers.runner.stamps import executed_path

EXEMPT = "nbval-ignore-output"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
RUN_NOISE = ("execution", "papermill", "collapsed")


def refresh(chapters: list[str], say: Callable[[str], None]) -> list[str]:
    """Run chapters on `sample` and their solutions; store the outputs where they changed.

    Cells whose outputs are exempt from checks (times, versions) keep what is stored, if anything.

    Returns
    -------
    list of str
        Names of the notebooks that changed.
    """
    course.run("sample", {}, chapters, 2, say)
    changed = []
    for chapter in chapters:
        if store_outputs(executed_path("sample", chapter), notebook_path(chapter)):
            changed.append(CHAPTERS[chapter])
    for chapter in chapters:
        solution = ROOT / "notebooks" / "solutions" / f"{CHAPTERS[chapter]}.ipynb"
        if solution.exists() and _refresh_solution(chapter, solution):
            changed.append(f"solutions/{solution.stem}")
    return changed


def _refresh_solution(chapter: str, solution: Path) -> bool:
    """Run a chapter's solutions; returns whether their stored outputs changed."""
    executed = executed_path("sample", chapter).with_name(f"solution-{solution.name}")
    kernels = Kernels()
    try:
        execute(Job(solution, executed), kernels, Progress())
    finally:
        kernels.stop()
    return store_outputs(executed, solution)


def store_outputs(executed: Path, stored: Path) -> bool:
    """Copy outputs from an executed copy into the notebook it came from.

    Text that is not for the sample's reader is folded anew.

    Returns
    -------
    bool
        Whether that changed the file.
    """
    before = stored.read_text(encoding="utf-8")
    notebook = nbformat.read(stored, as_version=4)
    fresh = {cell.id: cell for cell in nbformat.read(executed, as_version=4).cells}
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    count = 0
    for cell in code_cells:
        if cell.source.strip():
            count += 1
        if cell.id in fresh:
            _store_cell(cell, fresh[cell.id], count)
        else:  # it doesn't apply to the sample, and does nothing in a run of the whole notebook
            cell.outputs = []
            cell.execution_count = count
    notebook.metadata = nbformat.NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    notebook = folded_in_lab(notebook)
    after = nbformat.writes(notebook, indent=1) + "\n"
    if after == before:
        return False
    write_text(after, stored)
    return True


def _store_cell(cell: nbformat.NotebookNode, fresh: nbformat.NotebookNode, count: int) -> None:
    """Give a cell its fresh outputs and its number in a clean run."""
    exempt = EXEMPT in cell.metadata.get("tags", [])
    if not (exempt and cell.outputs):
        cell.outputs = fresh.outputs
    cell.execution_count = count if cell.source.strip() else None
    for output in cell.outputs:
        if "execution_count" in output:
            output.execution_count = count
        data = output.get("data", {})
        if "image/png" in data:
            data["image/png"] = lighter(data["image/png"])
    for noise in RUN_NOISE:
        cell.metadata.pop(noise, None)


def lighter(png: str) -> str:
    """The same picture in fewer bytes, both as base64 text: without an alpha channel that is
    opaque everywhere, and packed tightly.
    """
    picture: Image.Image = Image.open(io.BytesIO(base64.b64decode(png)))
    has_alpha = picture.mode == "RGBA"
    if has_alpha and picture.getchannel("A").getextrema() == (255, 255):
        picture = picture.convert("RGB")
    packed = io.BytesIO()
    picture.save(packed, "PNG", optimize=True)
    return base64.b64encode(packed.getvalue()).decode()
