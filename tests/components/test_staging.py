"""Temporary directories of artifacts: who may remove which."""

import subprocess
import sys
from pathlib import Path

import pytest

from components import artifacts, staging
from components.staging import staging_directory, sweep

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def left_behind(tmp_path):
    """What a process leaves that is killed while it writes an artifact."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from components.artifacts import new_directory\n"
        "with new_directory(sys.argv[1]) as staging:\n"
        "    (staging / 'half').write_text('x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "artifact")]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    (path,) = tmp_path.iterdir()
    assert (path / "half").is_file()
    return path


def test_what_a_killed_process_left_is_removed_by_the_next(left_behind, tmp_path):
    with artifacts.new_directory(tmp_path / "other"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_what_another_process_is_writing_stays(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from components.staging import staging_directory\n"
        "with staging_directory(Path(sys.argv[1])) as path:\n"
        "    print(path, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "artifact")]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        path = Path(writer.stdout.readline().strip())
        sweep(tmp_path)
        assert path.is_dir()
        writer.communicate()
    sweep(tmp_path)
    assert not path.exists()


def test_what_this_process_is_writing_stays(tmp_path):
    with staging_directory(tmp_path / "a") as first, staging_directory(tmp_path / "b") as second:
        assert first.is_dir()
        assert second.is_dir()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_another_machine_left_stays(left_behind, monkeypatch, tmp_path):
    monkeypatch.setattr(staging, "_machine", lambda: "000000")
    sweep(tmp_path)
    assert left_behind.is_dir()


@pytest.mark.parametrize("name", ["data.partial", ".data.partial", ".a.0123456789ab.old", "a"])
def test_what_is_named_otherwise_stays(tmp_path, name):
    (tmp_path / name).mkdir()
    sweep(tmp_path)
    assert (tmp_path / name).is_dir()


def test_where_directories_cannot_be_locked_nothing_is_removed(left_behind, monkeypatch, tmp_path):
    def refuse(descriptor, operation):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(staging.fcntl, "flock", refuse)
    with artifacts.new_directory(tmp_path / "other"):
        pass
    assert left_behind.is_dir()


def test_a_directory_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    lock = staging._lock
    swept = []

    def sweep_first(descriptor, flags):
        if not swept:
            (path,) = tmp_path.iterdir()
            swept.append(path)
            path.rmdir()
        return lock(descriptor, flags)

    monkeypatch.setattr(staging, "_lock", sweep_first)
    with staging_directory(tmp_path / "artifact") as path:
        assert path.is_dir()
        assert path not in swept
