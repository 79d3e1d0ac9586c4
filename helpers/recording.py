"""Which files a chapter reads and writes, written down while it does so.

`course run` sets `COURSE_RECORD` in a chapter's kernel, and a `TMPDIR` that is the kernel's alone.
From then on every file that Python opens, and every folder that it lists, becomes a line of the
record. Where a chapter looks for the newest file of a pattern, the pattern becomes a line, and not
the folder. The kernel's worker processes add to it.
"""

import functools
import importlib.util
import json
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = "COURSE_RECORD"
READ = "read"
WRITTEN = "written"
LISTED = "listed"
SOUGHT = "sought"  # a pattern, of whose files the newest counts
KEPT = "kept"  # written by an earlier attempt of the same chapter
NATIVE = "course.read"  # audit event of libraries that open files without telling Python
NEWEST = "course.newest"  # audit event of a search for the newest file of a pattern

_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")
_COURSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PYTHON = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
_HOME_HIDDEN = (".cache", ".config", ".ipython", ".jupyter", ".local", ".matplotlib", ".nv")
_PRIVATE = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "MPLCONFIGDIR", "TMPDIR")
_search = threading.local()  # `is_on` while this thread looks for the newest file of a pattern


@dataclass(frozen=True)
class Event:
    """One line of a record.

    Attributes
    ----------
    kind : str
        `READ`, `WRITTEN`, `LISTED`, `SOUGHT` or `KEPT`.
    path : str
        Absolute; of `SOUGHT`, the pattern.
    size, changed : int
        Bytes and time of the last change (ns) of a file when it was read; -1 if it wasn't there.
    """

    kind: str
    path: str
    size: int = -1
    changed: int = -1

    def line(self) -> str:
        """This event as a line of JSON."""
        return json.dumps([self.kind, self.path, self.size, self.changed]) + "\n"


@dataclass
class Recorder:
    """Appends events to a file, each once. It never raises: watching must not fail a chapter."""

    file: int
    seen: set[tuple[str, str]] = field(default_factory=set)

    def __call__(self, event: str, arguments: tuple) -> None:
        """Receive an audit event, as `sys.addaudithook` sends it."""
        find = _FINDERS.get(event)
        if find is None:
            return
        try:
            for kind, path in find(arguments):
                self.note(kind, path)
        except Exception:  # odd arguments; the call itself will say what is wrong with them
            return

    def note(self, kind: str, path: str) -> None:
        """Write an event down, unless it was before or concerns the system or a package."""
        path = os.path.abspath(path)
        if (kind, path) in self.seen:
            return
        self.seen.add((kind, path))
        source = _source_of(path)
        if source is None or is_foreign(source):
            return
        if kind != READ and source != path:  # compiled code is kept: its source isn't written
            return
        event = Event(kind, source, *_stat(source)) if kind == READ else Event(kind, source)
        os.write(self.file, event.line().encode("utf-8", "surrogateescape"))


def start_if_asked() -> None:
    """Record this process if `COURSE_RECORD` names a file."""
    path = os.environ.get(VARIABLE)
    if not path or getattr(sys, "_course_recorder", None):
        return
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    recorder = Recorder(file)
    sys._course_recorder = recorder  # type: ignore[attr-defined]  # a hook can't be taken off
    for module in list(sys.modules.values()):  # imported before the recording began
        code = getattr(module, "__file__", None)
        if code:
            recorder.note(READ, code)
    _announce_native_reads()
    sys.addaudithook(recorder)


@contextmanager
def search_for_newest(pattern: str | Path) -> Iterator[None]:
    """Say that of a pattern the newest file counts, and not which other files its folder holds."""
    sys.audit(NEWEST, pattern)
    _search.is_on = True
    try:
        yield
    finally:
        _search.is_on = False


def read_events(path: Path) -> list[Event]:
    """Events of a record; none if there is no file. A last line that was cut is left out."""
    if not path.exists():
        return []
    events = []
    for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        try:
            events.append(Event(*json.loads(line)))
        except (ValueError, TypeError):
            continue
    return events


def is_foreign(path: str) -> bool:
    """Whether a path belongs to the system, to Python or to a program's settings."""
    folder = path + os.sep
    if folder.startswith(_python_folders()):
        return True
    if folder.startswith(_COURSE):
        return False
    return folder.startswith(_system_folders())


@functools.cache
def _python_folders() -> tuple[str, ...]:
    folders = [sysconfig.get_path(name) for name in _PYTHON]
    for prefix in (sys.prefix, sys.base_prefix):
        for name in ("etc", "lib", "share"):
            folders.append(os.path.join(prefix, name))
    return _as_prefixes(folders)


@functools.cache
def _system_folders() -> tuple[str, ...]:
    home = os.path.expanduser("~")
    folders = [os.path.join(home, name) for name in _HOME_HIDDEN]
    for variable in _PRIVATE:
        if os.environ.get(variable):
            folders.append(os.environ[variable])
    return _as_prefixes([*folders, *_SYSTEM])


def _as_prefixes(folders: list[str]) -> tuple[str, ...]:
    return tuple(os.path.abspath(folder) + os.sep for folder in folders)


def _source_of(path: str) -> str | None:
    """The source of compiled code, which Python doesn't open; None for other cached files."""
    if f"{os.sep}__pycache__{os.sep}" not in path:
        return path
    if not path.endswith(".pyc"):
        return None
    return importlib.util.source_from_cache(path)


def _stat(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _opened(arguments: tuple) -> list[tuple[str, str]]:
    path, mode, flags = arguments
    if isinstance(path, int):
        return []
    if mode is None and not os.path.isabs(path):  # of `os.open`, maybe in a folder that isn't told
        return []
    if mode is None:
        writing = bool(flags & _WRITING_FLAGS)
    else:
        writing = bool(set(mode) & set("wax+"))
    return [(WRITTEN if writing else READ, os.fsdecode(path))]


def _renamed(arguments: tuple) -> list[tuple[str, str]]:
    return [(WRITTEN, os.fsdecode(arguments[1]))]


def _listed(arguments: tuple) -> list[tuple[str, str]]:
    path = arguments[0]
    if isinstance(path, int) or getattr(_search, "is_on", False):
        return []
    return [(LISTED, os.fsdecode(path or "."))]


def _sought(arguments: tuple) -> list[tuple[str, str]]:
    return [(SOUGHT, os.fsdecode(arguments[0]))]


def _read_natively(arguments: tuple) -> list[tuple[str, str]]:
    return [(READ, os.fsdecode(arguments[0]))]


_FINDERS: dict[str, Callable[[tuple], list[tuple[str, str]]]] = {
    "open": _opened,
    "os.rename": _renamed,
    "os.listdir": _listed,
    "os.scandir": _listed,
    NATIVE: _read_natively,
    NEWEST: _sought,
}


def _announce_native_reads() -> None:
    """Let pandas' Parquet reader and safetensors say what they open: both do it outside Python."""
    import pandas as pd
    import safetensors
    import safetensors.numpy

    setattr(pd, "read_parquet", _announced(pd.read_parquet))  # noqa: B010
    safe_open = _announced(safetensors.safe_open)
    for name in ("safetensors", "safetensors.numpy", "safetensors.torch"):
        if name in sys.modules:
            setattr(sys.modules[name], "safe_open", safe_open)  # noqa: B010


def _announced(function: Callable) -> Callable:
    @functools.wraps(function)
    def announced(path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, (str, os.PathLike)):
            sys.audit(NATIVE, path)
        return function(path, *arguments, **options)

    return announced
