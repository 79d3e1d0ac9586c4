"""A headless Chromium for the tests: what a page's reader would see, found by measuring."""

import re
import shutil
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine: install one to run the browser tests"
    ),
]

BROKEN = "() => [...document.images].filter(i => !i.complete || i.naturalWidth === 0).map(i => i.src.slice(0, 80))"

# a slide overflows where a visible element reaches past the section that holds it
OVERFLOWING = """() => [...document.querySelectorAll('section')].flatMap((section, n) => {
  const frame = section.getBoundingClientRect(), scale = frame.width / 1280;
  return [...section.querySelectorAll('h1,h2,h3,p,li,img,table,td,th,pre,mjx-container')].filter(e => {
    const box = e.getBoundingClientRect();
    const below = box.bottom > frame.bottom - 8 * scale;
    const beside = box.right > frame.right + 1 || box.left < frame.left - 1;
    return box.width > 0 && (below || beside);
  }).slice(0, 1).map(e => `slide ${n + 1}: <${e.tagName.toLowerCase()}> ${e.textContent.slice(0, 40)}`);
})"""

# pictures squeezed so small that nobody in the room could read them
SMALL_PICTURES = """() => [...document.querySelectorAll('section')].flatMap((section, n) => {
  const scale = section.getBoundingClientRect().width / 1280;
  return [...section.querySelectorAll('img')].filter(i => i.getBoundingClientRect().height < 200 * scale)
    .map(i => `slide ${n + 1}: ${Math.round(i.getBoundingClientRect().height / scale)} px`);
})"""

CUT_TABLES = """() => [...document.querySelectorAll('table')].filter(t => {
  const box = t.getBoundingClientRect(); let frame = t.parentElement;
  while (frame && getComputedStyle(frame).overflowX === 'visible') frame = frame.parentElement;
  return frame && box.right > frame.getBoundingClientRect().right + 2;
}).map(t => t.textContent.trim().slice(0, 60))"""


@contextmanager
def page(path: str | Path, width: int = 1280, height: int = 720):
    """Yield a page showing a local file; requests to anywhere else are refused and listed in `page.refused`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        tab = browser.new_page(viewport={"width": width, "height": height})
        tab.refused = []

        def guard(route):
            if route.request.url.startswith(("file:", "data:", "blob:")):
                route.continue_()
            else:
                tab.refused.append(route.request.url)
                route.abort()

        tab.route("**/*", guard)
        tab.goto(Path(path).resolve().as_uri())
        yield tab
        browser.close()


def pdf_pages(path: str | Path) -> int:
    """Number of pages of a PDF, whose page objects may lie in compressed streams."""
    data = Path(path).read_bytes()
    parts = [data]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            parts.append(zlib.decompressobj().decompress(stream))
        except zlib.error:  # not compressed, or not in this way
            continue
    return len(re.findall(rb"/Type\s*/Page\b", b"\n".join(parts)))


def pptx_slides(path: str | Path) -> int:
    """Number of slides of a PPTX."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return sum(bool(re.fullmatch(r"ppt/slides/slide\d+\.xml", name)) for name in names)
