"""What the `course` command settles about its surroundings before it starts any work."""

import atexit
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

FOLDERS = ("COURSE_DATA", "COURSE_REPORTS", "FASHION_DATA")


def show_what_the_terminal_can() -> None:
    """Let the terminal replace characters that its encoding lacks, not raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def make_folders_absolute() -> None:
    """Read the folders that variables name from the user's working folder.

    A notebook's kernel has `notebooks/` as its working folder. A relative path would mean one
    folder to the command and another to the chapters that it runs.
    """
    for variable in FOLDERS:
        given = os.environ.get(variable)
        if given:
            os.environ[variable] = str(Path(given).expanduser().absolute())


def find_a_home() -> str:
    """Give IPython, Jupyter, matplotlib and browsers a private folder if the home takes none.

    Containers often run with a home folder that is absent or read-only. The private folder is
    removed when the command ends.

    Returns
    -------
    str
        Empty, or a line that says what was done and which variable to set.
    """
    if home_is_writable():
        return ""
    given = os.environ.get("HOME", "not set")
    private = tempfile.mkdtemp(prefix="course-home-")
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    os.environ["HOME"] = private
    return (
        f"the home folder cannot be written to (HOME is {given}): {private} stands in for it "
        "until this command ends. To choose a folder of your own, set HOME"
    )


def home_is_writable() -> bool:
    """Whether a folder can be made in the home; permission bits don't tell, least of all root."""
    try:
        with tempfile.TemporaryDirectory(prefix=".course-", dir=Path.home()):
            return True
    except (OSError, RuntimeError):  # RuntimeError: no home folder is known
        return False
