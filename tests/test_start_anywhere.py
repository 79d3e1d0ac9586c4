"""The dev container and Binder: their files say what these tools read, and their commands run."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from chapter_links import links_of, pages

from helpers.artefacts import CHAPTERS, ROOT

CONTAINER = ROOT / ".devcontainer" / "devcontainer.json"
BINDER = ROOT / ".binder"
SCRIPTS = [ROOT / ".devcontainer" / "system_packages.sh", BINDER / "postBuild"]
LIFECYCLE = ("onCreateCommand", "postCreateCommand", "postAttachCommand")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="GNU make is not installed")
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def container_commands():
    """Every command of the dev container's life."""
    settings = json.loads(CONTAINER.read_text(encoding="utf-8"))
    commands = []
    for name in LIFECYCLE:
        command = settings[name]
        commands += command.values() if isinstance(command, dict) else [command]
    return commands


def make_targets(text):
    return re.findall(r"^make ([a-z]+)", text, re.MULTILINE)


def targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_every_command_names_a_target_or_a_file_that_exists():
    commands = container_commands()
    assert "make install" in commands and "make lab" in commands
    for command in commands:
        program, *words = command.split()
        if program == "make":
            assert set(words) <= targets_of_the_makefile()
        else:
            assert program == "bash" and (ROOT / words[0]).is_file(), command


@needs_bash
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_that_stops_at_a_mistake(script):
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n") and "set -euo pipefail" in text
    assert os.access(script, os.X_OK)
    checked = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert set(make_targets(text)) <= targets_of_the_makefile()


@needs_make
def test_make_installs_from_the_lock():
    """What both call is the Makefile's own installation, of files that exist."""
    told = subprocess.run(
        ["make", "--always-make", "--dry-run", "install"], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert "--require-hashes -r requirements.lock" in told.stdout
    assert "--no-deps --no-build-isolation -e ." in told.stdout and "npm ci" in told.stdout
    assert all((ROOT / name).exists() for name in ("requirements.lock", "package-lock.json"))


@needs_make
def test_make_lab_opens_chapter_01():
    told = subprocess.run(
        ["make", "--dry-run", "--old-file=install", "lab"], cwd=ROOT, capture_output=True, text=True
    )
    assert f"/lab/tree/notebooks/{CHAPTERS['01']}.ipynb" in told.stdout
    assert (ROOT / "notebooks" / f"{CHAPTERS['01']}.ipynb").exists()


def stand_in(program, said):
    """A program that only writes down what it was asked."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\necho "{program.name} $*" >> "{said}"\n')
    program.chmod(0o755)


def with_first(folder, **more):
    """The environment, in which the folder's programs are found before all others."""
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, **more}


@needs_bash
def test_the_dev_container_s_commands_run_in_order(tmp_path):
    """Each command of its life runs; `sudo` and `make` only write down what they are asked."""
    said = tmp_path / "said"
    for name in ("sudo", "make"):
        stand_in(tmp_path / "bin" / name, said)
    settings = with_first(tmp_path / "bin")
    for command in container_commands():
        subprocess.run(command, shell=True, cwd=ROOT, env=settings, check=True)
    update, packages, *makes = said.read_text().splitlines()
    assert update.startswith("sudo apt-get update")
    assert packages.startswith("sudo apt-get install -y")
    assert {"make", "chromium"} <= set(packages.split())
    assert makes == ["make install", "make lab"]
    (tmp_path / "bin" / "sudo").write_text("#!/bin/sh\nexit 3\n")
    broken = subprocess.run(container_commands()[0], shell=True, cwd=ROOT, env=settings)
    assert broken.returncode == 3


@needs_bash
def test_binder_installs_and_then_offers_the_kernel(tmp_path):
    """postBuild runs with a `make` that only writes down what it was asked."""
    said = tmp_path / "said"
    make = tmp_path / "bin" / "make"
    for program in (make, tmp_path / ".venv" / "bin" / "python"):
        stand_in(program, said)
    settings = with_first(make.parent, NB_PYTHON_PREFIX="/srv/env")
    subprocess.run(["bash", BINDER / "postBuild"], cwd=tmp_path, env=settings, check=True)
    assert said.read_text().splitlines() == [
        "make install",
        "python -m ipykernel install --prefix /srv/env --name python3",
    ]
    make.write_text("#!/bin/sh\nexit 3\n")
    broken = subprocess.run(["bash", BINDER / "postBuild"], cwd=tmp_path, env=settings)
    assert broken.returncode == 3


def test_the_kernel_that_binder_offers_is_this_python(tmp_path):
    """The command of postBuild, run for real; notebooks ask for a kernel of this name."""
    words = (BINDER / "postBuild").read_text(encoding="utf-8").splitlines()[-1].split()
    command = [sys.executable, *words[1:]]
    command[command.index('"$NB_PYTHON_PREFIX"')] = str(tmp_path)
    subprocess.run(command, check=True, capture_output=True)
    spec = json.loads((tmp_path / "share/jupyter/kernels/python3/kernel.json").read_text())
    assert spec["argv"][0] == sys.executable
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_binder_s_lists_agree_with_the_project():
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    needed = {text.partition(";")[0].strip() for text in project["dependencies"]}
    asked = (BINDER / "requirements.txt").read_text(encoding="utf-8").split()
    assert asked and set(asked) <= needed
    runtime = (BINDER / "runtime.txt").read_text(encoding="utf-8").strip()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert runtime.startswith("python-3.")
    assert f'"{runtime.removeprefix("python-")}"' in workflow
    assert f":{runtime.removeprefix('python-')}-" in CONTAINER.read_text(encoding="utf-8")
    packages = (BINDER / "apt.txt").read_text(encoding="utf-8").split()
    assert "make" in packages and all(PACKAGE.fullmatch(name) for name in packages)


@pytest.mark.parametrize("path", pages(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_link_of_a_chapter_leads_somewhere_on_github(path):
    """Relative to the file, inside the repository, and in git."""
    links = links_of(path)
    assert links
    for link in sorted(links):
        target = (path.parent / link).resolve()
        assert target.is_relative_to(ROOT) and target.exists(), link
    if shutil.which("git") and (ROOT / ".git").exists():
        targets = [(path.parent / link).resolve().relative_to(ROOT).as_posix() for link in links]
        command = ["git", "ls-files", "--error-unmatch", *targets]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert told.returncode == 0, told.stderr


def test_the_readme_names_both():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert ".devcontainer" in text and ".binder" in text
