"""One run of a profile at a time; whoever comes second learns who holds it."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.artefacts import data_dir, reports_dir, write_json

LOCK = ".run.lock"
HOLDER = ".run.json"  # who holds the lock; beside it, for a locked file can't be read everywhere


class ProfileBusy(RuntimeError):
    """Another process works on a profile; the message says which, since when, and what to do."""


@contextmanager
def held(profile: str) -> Iterator[None]:
    """Hold a profile's data and reports; the system frees them however this process ends.

    Raises
    ------
    ProfileBusy
        At once, if another process holds either.
    """
    with ExitStack() as stack:
        for folder in (data_dir(profile), reports_dir(profile)):
            stack.enter_context(_held_folder(profile, folder))
        yield


@contextmanager
def _held_folder(profile: str, folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ProfileBusy(
            f"profile {profile} is in use by {_holder(folder)}. "
            "Nothing was touched: wait for its end, or stop it"
        ) from None
    try:
        write_json(_self(), folder / HOLDER)
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _self() -> dict[str, object]:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {
        "pid": os.getpid(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": command,
    }


def _holder(folder: Path) -> str:
    for _ in range(10):  # it may be about to write its name
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
            return f"process {known['pid']}, since {known['started']} ({known['command']})"
        time.sleep(0.02)
    return f"another process (it holds {folder / LOCK})"
