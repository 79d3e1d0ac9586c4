"""The relative links of notebooks and of the notation, as they are written."""

import re
from pathlib import Path

import nbformat

from helpers.artefacts import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")


def links_of(path: Path) -> set[str]:
    """Relative links in a notebook or Markdown file, without their anchors."""
    texts = [path.read_text(encoding="utf-8")]
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    links = set()
    for text in texts:
        for link in LINK.findall(text):
            if not re.match(r"[a-z]+:|#", link):
                links.add(link.partition("#")[0])
    return links


def pages() -> list[Path]:
    folder = ROOT / "notebooks"
    chapters = sorted(folder.glob("*.ipynb"))
    return [*chapters, folder / "notation.md", *sorted(folder.glob("solutions/*.ipynb"))]
