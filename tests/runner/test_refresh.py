"""Storing outputs: fresh ones replace old ones, exempt ones stay, run noise goes."""

import base64
import io

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from helpers.runner.refresh import lighter, store_outputs


def test_only_what_matters_changes(tmp_path):
    def notebook(text, counts):
        cells = []
        for name, tags in (("checked", []), ("timing", ["nbval-ignore-output"])):
            output = new_output("stream", text=f"{name} {text}\n")
            cells.append(
                new_code_cell(
                    name, id=name, outputs=[output], execution_count=counts, metadata={"tags": tags}
                )
            )
        return new_notebook(cells=cells)

    nbformat.write(notebook("old", 1), tmp_path / "stored.ipynb")
    executed = notebook("new", 5)
    executed.cells[0].metadata["papermill"] = {"duration": 3.2}
    executed.cells.insert(0, new_code_cell("rank = 9", metadata={"tags": ["injected-parameters"]}))
    nbformat.write(executed, tmp_path / "executed.ipynb")

    assert store_outputs(tmp_path / "executed.ipynb", tmp_path / "stored.ipynb")
    stored = nbformat.read(tmp_path / "stored.ipynb", as_version=4)
    assert [cell.outputs[0].text for cell in stored.cells] == ["checked new\n", "timing old\n"]
    assert [cell.execution_count for cell in stored.cells] == [1, 2]
    assert "papermill" not in (tmp_path / "stored.ipynb").read_text()
    assert not store_outputs(tmp_path / "executed.ipynb", tmp_path / "stored.ipynb")


def test_text_that_is_not_for_the_sample_s_reader_is_folded(tmp_path):
    said = new_markdown_cell("Say it.", metadata={"slideshow": {"slide_type": "notes"}})
    path = tmp_path / "stored.ipynb"
    nbformat.write(new_notebook(cells=[said]), path)
    assert store_outputs(path, path)
    (cell,) = nbformat.read(path, as_version=4).cells
    assert cell.metadata["jupyter"] == {"source_hidden": True}


@pytest.mark.parametrize("least_alpha", [0, 255])
def test_a_lighter_picture_has_the_same_pixels(least_alpha):
    rows = np.linspace(0, 255, 120).astype(np.uint8)
    pixels = np.stack([np.tile(rows, (120, 1))] * 4, axis=2)
    pixels[..., 3] = np.maximum(pixels[..., 3], least_alpha)
    before = io.BytesIO()
    Image.fromarray(pixels).save(before, "PNG", compress_level=1)
    packed = base64.b64decode(lighter(base64.b64encode(before.getvalue()).decode()))
    after = Image.open(io.BytesIO(packed))
    assert len(packed) < len(before.getvalue())
    assert after.mode == ("RGB" if least_alpha == 255 else "RGBA")
    assert np.array_equal(np.asarray(after.convert("RGBA")), pixels)
