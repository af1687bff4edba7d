"""What trainings write into the temporary folder goes away with them, however they end."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from components.errors import TrainingError
from components.trainer import train
from components.trainer.scratch import scratch_directory

WAIT = """
import signal
from components.trainer.scratch import scratch_directory
with scratch_directory() as scratch:
    (scratch / "file").touch()
    print(scratch, flush=True)
    signal.pause()
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The temporary folder of this process and of those that it starts."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    return folder


def test_sweeps_what_a_killed_process_left_and_nothing_else(temporary):
    processes = [
        subprocess.Popen([sys.executable, "-c", WAIT], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    dead, alive = [Path(process.stdout.readline().strip()) for process in processes]
    processes[0].send_signal(signal.SIGKILL)
    processes[0].communicate()
    assert (dead / "file").exists()
    with scratch_directory() as own:
        assert own.stat().st_mode & 0o777 == 0o700
        assert sorted(temporary.iterdir()) == sorted([own, alive])
    processes[1].kill()
    processes[1].communicate()


def test_a_module_has_its_temporary_files_where_they_are_removed(
    temporary, write_module, examples, tmp_path
):
    source = """
        import os, tempfile
        def run_fn(fn_args):
            raise RuntimeError(f"{tempfile.mkdtemp()} {os.environ['TFHUB_CACHE_DIR']}")
    """
    with pytest.raises(
        TrainingError, match=r"/t/\.imprimatur\.[0-9a-f]{12}\.partial/0/tmp/.* .*/t/tfhub_modules"
    ):
        train(module_file=write_module(source), examples=examples, output_dir=tmp_path / "out")
    assert list(temporary.iterdir()) == []
