"""Pages from the theme's templates, every value escaped."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from helpers.artefacts import ROOT, write_text

THEME = ROOT / "reports" / "theme"


def write_page(template: str, out: str | Path, **values: Any) -> None:
    """Write a page of one of the theme's templates, values escaped."""
    templates = FileSystemLoader(THEME)
    environment = Environment(loader=templates, autoescape=True)
    page = environment.get_template(template)
    write_text(page.render(**values), out)
