"""Which Python scripts/install takes, and what it says where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path):
    """A clone with nothing but the script, and a folder of fake Pythons."""
    (tmp_path / "clone" / "scripts").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    shutil.copy(REPOSITORY / "scripts" / "install", tmp_path / "clone" / "scripts")
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / "clone" / name).write_text("# nothing\n")
    for tool in ("bash", "dirname", "uname", "mkdir", "flock", "rm", "cat"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return tmp_path / "clone"


def add_python(clone, name, script):
    path = clone.parent / "bin" / name
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)


def fake(version, missing=""):
    """A Python that knows its version and lacks a module."""
    fails = f'echo "ModuleNotFoundError: No module named {missing}" >&2; exit 1' if missing else ":"
    return (
        f'case "$*" in *version_info*) echo {version} ;; "-c import "*) {fails} ;;'
        f' *--version*) echo Python {version} ;; *) echo "asked: $*" >&2; exit 7 ;; esac'
    )


def install(clone, *arguments, **environment):
    return subprocess.run(
        [clone / "scripts" / "install", *arguments],
        env={"PATH": str(clone.parent / "bin"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_names_what_it_found_and_what_to_do(clone):
    add_python(clone, "python3.13", "echo shim: not installed >&2; exit 127")
    add_python(clone, "python3.11", fake("3.11", missing="ensurepip"))
    add_python(clone, "python3", fake("3.9"))

    result = install(clone)

    assert result.returncode == 1
    assert "Expected 3.11, 3.12 or 3.13" in result.stderr
    assert "python3.13 doesn't start" in result.stderr
    assert "python3.12 not found" in result.stderr
    assert "python3.11 is Python 3.11, but: ModuleNotFoundError: No module named ensurepip" in (
        result.stderr
    )
    assert "python3 is Python 3.9" in result.stderr
    assert "apt-get install python3-venv" in result.stderr
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        (["3.11", "3.12", "3.13"], "3.13"),
        (["3.11", "3.12"], "3.12"),
        (["3.11", "3.14"], "3.11"),
    ],
)
def test_takes_the_newest_that_fits(clone, found, chosen):
    for version in found:
        add_python(clone, f"python{version}", fake(version))

    result = install(clone)

    assert f"Making .venv with Python {chosen}" in result.stderr
    assert "asked: -m venv .venv" in result.stderr
    assert result.returncode == 1
    assert "-m venv .venv' failed, see above" in result.stderr


def test_takes_the_one_that_is_named(clone):
    add_python(clone, "python3.13", fake("3.13"))
    add_python(clone, "mine", fake("3.11"))

    result = install(clone, IMPRIMATUR_PYTHON="mine")

    assert "Making .venv with Python 3.11" in result.stderr


def test_knows_no_other_flag(clone):
    result = install(clone, "--global")

    assert result.returncode == 1
    assert "what is '--global'? Only --dev is known" in result.stderr


def test_does_nothing_where_all_is_installed(clone):
    """The stamp is the hash of the lock; what runs is checked, not what pip says."""
    import hashlib

    bin_folder = clone / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (bin_folder / "python").chmod(0o755)
    digest = hashlib.sha256((clone / "requirements.txt").read_bytes()).hexdigest()
    (clone / ".venv" / ".installed-requirements.txt").write_text(digest + "\n")

    result = install(clone, PATH=os.environ["PATH"])

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
