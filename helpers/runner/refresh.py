"""Store a clean run's outputs in the notebooks, changing as little as can be."""

from pathlib import Path

import nbformat
import papermill

from helpers.artefacts import CHAPTERS, ROOT, write_text
from helpers.runner import course
from helpers.runner.parameters import notebook_path

EXEMPT = "nbval-ignore-output"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def refresh(chapters: list[str], say) -> list[str]:
    """Run chapters on `sample` and their solutions; store the outputs where they changed.

    Cells whose outputs are exempt from checks (times, versions) keep what is stored, where something is.

    Returns
    -------
    list of str
        Names of the notebooks that changed.
    """
    course.run("sample", {}, chapters, 2, say)
    changed = [
        CHAPTERS[c]
        for c in chapters
        if store_outputs(course.executed_path("sample", c), notebook_path(c))
    ]
    for chapter in chapters:
        solution = ROOT / "notebooks" / "solutions" / f"{CHAPTERS[chapter]}.ipynb"
        if solution.exists():
            executed = course.executed_path("sample", chapter).with_name(
                f"solution-{solution.name}"
            )
            papermill.execute_notebook(
                str(solution),
                str(executed),
                cwd=str(solution.parent),
                progress_bar=False,
                extra_arguments=course.QUIET,
            )
            if store_outputs(executed, solution):
                changed.append(f"solutions/{solution.stem}")
    return changed


def store_outputs(executed: Path, stored: Path) -> bool:
    """Copy outputs from an executed copy into the notebook it came from; returns whether that changed the file."""
    before = stored.read_text(encoding="utf-8")
    notebook = nbformat.read(stored, as_version=4)
    fresh = {cell.id: cell for cell in nbformat.read(executed, as_version=4).cells}
    count = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        count += 1 if cell.source.strip() else 0
        cell.execution_count = count if cell.source.strip() else None
        kept = EXEMPT in cell.metadata.get("tags", []) and cell.outputs
        if not kept:
            cell.outputs = fresh[cell.id].outputs
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
        for noise in ("execution", "papermill", "collapsed"):
            cell.metadata.pop(noise, None)
    notebook.metadata = nbformat.NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    after = nbformat.writes(notebook, indent=1) + "\n"
    if after != before:
        write_text(after, stored)
    return after != before
