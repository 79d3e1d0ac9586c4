"""A headless Chromium for the tests: what a page's reader would see, found by measuring."""

# ruff: noqa: E501  # scripts of the browser's own language

import re
import shutil
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
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
  return [...section.querySelectorAll('p > img')].filter(i => i.getBoundingClientRect().height < 200 * scale)
    .map(i => `slide ${n + 1}: ${Math.round(i.getBoundingClientRect().height / scale)} px`);
})"""

# Text that the last row cannot read: 24 px for what is said in sentences, 20 for code, 16 for tables and the foot.
SMALL_TEXT = """() => [...document.querySelectorAll('section')].flatMap((section, n) => {
  const scale = section.getBoundingClientRect().width / 1280;
  const least = {P: 24, LI: 24, BLOCKQUOTE: 24, H1: 28, H2: 24, H3: 24, PRE: 17, TD: 16, TH: 16, FOOTER: 16};
  return [...section.querySelectorAll(Object.keys(least).join(','))].flatMap(e => {
    const size = parseFloat(getComputedStyle(e).fontSize);
    const inTable = e.closest('table') && !['TD', 'TH'].includes(e.tagName);
    const wanted = inTable ? 16 : least[e.tagName];
    return e.textContent.trim() && size < wanted - 0.01 ? [`slide ${n + 1}: <${e.tagName}> ${size} px`] : [];
  }).slice(0, 1);
})"""

# WCAG 2.1: 4.5 : 1, or 3 : 1 for letters of 24 px and more; the ground is the nearest one that is painted.
LOW_CONTRAST = """() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = e => {
    for (let at = e; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0.99) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('section')].flatMap((section, n) =>
    [...section.querySelectorAll('h1,h2,h3,p,li,td,th,strong,em,a,code,pre,code span,footer')].flatMap(e => {
      const own = [...e.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
      const style = getComputedStyle(e), pair = [light(channels(style.color)), light(ground(e))].sort((a, b) => b - a);
      const ratio = (pair[0] + 0.05) / (pair[1] + 0.05), wanted = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
      return own && ratio < wanted ? [`slide ${n + 1}: <${e.tagName}> ${ratio.toFixed(1)}`] : [];
    }).slice(0, 1));
}"""

# How much of what is left below its title a slide's figure or table takes; a picture's empty rim does not count.
FILL = """() => [...document.querySelectorAll('section')].flatMap((section, n) => {
  const found = section.querySelector('table') || [...section.querySelectorAll('p > img')][0];
  if (!found || section.classList.contains('title') || section.classList.contains('columns')) return [];
  const frame = section.getBoundingClientRect(), style = getComputedStyle(section), scale = frame.width / 1280;
  const titles = [...section.querySelectorAll('h1,h2,h3')].map(e => e.getBoundingClientRect().bottom);
  const top = Math.max(frame.top + parseFloat(style.paddingTop) * scale, ...titles);
  const room = (frame.bottom - parseFloat(style.paddingBottom) * scale - top) *
    (1280 - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)) * scale;
  const box = found.getBoundingClientRect();
  let area = box.width * box.height;
  if (found.tagName === 'IMG') {
    const zoom = Math.min(box.width / found.naturalWidth, box.height / found.naturalHeight);
    area = found.naturalWidth * found.naturalHeight * zoom * zoom;
  }
  return [{slide: n + 1, kind: found.tagName, share: area / room}];
})"""

CUT_TABLES = """() => [...document.querySelectorAll('table')].filter(t => {
  const box = t.getBoundingClientRect(); let frame = t.parentElement;
  while (frame && getComputedStyle(frame).overflowX === 'visible') frame = frame.parentElement;
  return frame && box.right > frame.getBoundingClientRect().right + 2;
}).map(t => t.textContent.trim().slice(0, 60))"""


class Browser:
    """One Chromium for all pages of this process, since starting it takes longer than most pages.

    Playwright runs an event loop in the thread that it is used in, and no other loop can run there
    meanwhile. So it has a thread of its own, and other tests keep theirs.
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="browser")
        self._thread.submit(self._start).result()

    def _start(self):
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )

    def do(self, work, *arguments, **settings):
        """Call something of Playwright's in its thread."""
        return self._thread.submit(work, *arguments, **settings).result()

    def open(self, address: str, width: int, height: int) -> "Tab":
        """A page as a new visitor sees it, without cookies or cache of others."""
        return Tab(self, self.do(self._open, address, width, height))

    def _open(self, address, width, height):
        shown = self._chromium.new_page(viewport={"width": width, "height": height})
        shown.refused = []

        def guard(route):
            if route.request.url.startswith(("file:", "data:", "blob:")):
                route.continue_()
            else:
                shown.refused.append(route.request.url)
                route.abort()

        shown.route("**/*", guard)
        shown.goto(address)
        return shown

    def close(self):
        self.do(self._chromium.close)
        self.do(self._playwright.stop)
        self._thread.shutdown()


class Tab:
    """An open page. Its methods are those of Playwright's pages; `refused` lists requests."""

    def __init__(self, browser: Browser, shown):
        self._browser = browser
        self._shown = shown
        self.refused = shown.refused

    def __getattr__(self, name):
        return partial(self._browser.do, getattr(self._shown, name))


@cache
def browser() -> Browser:
    """The browser of this process, started when first asked for."""
    return Browser()


def close_browser() -> None:
    """End the browser, if one was started."""
    if browser.cache_info().currsize:
        browser().close()
        browser.cache_clear()


@contextmanager
def page(path: str | Path, width: int = 1280, height: int = 720):
    """Yield a page showing a local file; requests to anywhere else are refused and listed in `page.refused`."""
    tab = browser().open(Path(path).resolve().as_uri(), width, height)
    try:
        yield tab
    finally:
        tab.close()


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
