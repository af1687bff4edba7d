"""Processes that take too much memory are ended, those that don't aren't."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from components.model_server import memory_watch
from components.model_server.memory_watch import MemoryWatch, available_memory_bytes

MEGABYTE = 1 << 20
TAKE = "taken = b'x' * ({} << 20); print('taken', flush=True); import sys; sys.stdin.read()"


@pytest.fixture
def start():
    """Start Python code that leads a process group of its own."""
    with contextlib.ExitStack() as stack:

        def started(code):
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                process_group=0,
            )
            stack.callback(end, process)
            return process

        yield started


def end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_process_that_takes_more_than_its_limit_is_ended(start):
    process = start(TAKE.format(300))
    watch = MemoryWatch(process.pid, 150 * MEGABYTE)
    assert process.wait(120) == -signal.SIGKILL
    watch.stop()
    assert watch.exceeded
    assert watch.peak_bytes > 150 * MEGABYTE


def test_what_its_children_take_counts(start):
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TAKE.format(300)!r}])"
    process = start(child)
    watch = MemoryWatch(process.pid, 250 * MEGABYTE)
    assert process.wait(120) == -signal.SIGKILL
    watch.stop()
    assert watch.exceeded
    assert process.communicate()[0] in ("", "taken\n")  # and its child has let go of stdout


def test_a_process_within_its_limit_is_measured_and_left_alone(start):
    process = start(TAKE.format(100))
    watch = MemoryWatch(process.pid, 1000 * MEGABYTE)
    assert process.stdout.readline() == "taken\n"
    seen = 0
    while seen < 100 * MEGABYTE:
        seen = watch.peak_bytes or 0
    process.communicate("")
    watch.stop()
    assert process.returncode == 0
    assert not watch.exceeded
    assert 100 * MEGABYTE <= watch.peak_bytes < 200 * MEGABYTE


def test_it_ends_with_the_process_and_may_be_stopped_again(start):
    process = start("pass")
    watch = MemoryWatch(process.pid)
    process.wait(120)
    watch.stop()
    watch.stop()
    assert not watch.exceeded


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """Write what Linux says of a cgroup; ours is ``outer/inner``, and 1000 bytes are free."""

    def write(path, limit, used, stat=""):
        folder = tmp_path / "cgroups" / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(stat)

    class Machine:
        available = 1000

    (tmp_path / "own").write_text("1:name=systemd:/elsewhere\n0::/outer/inner\n")
    monkeypatch.setattr(memory_watch, "_OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(memory_watch, "_CGROUPS", tmp_path / "cgroups")
    monkeypatch.setattr(memory_watch.psutil, "virtual_memory", Machine)
    return write


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [("max", 10, 1000), (600, 100, 500), (5000, 100, 1000), (5, 9, 0)],
    ids=["no-limit", "limited", "more-than-is-free", "above"],
)
def test_free_memory_is_the_machines_or_the_cgroups(cgroup, limit, used, expected):
    cgroup("outer/inner", limit, used)
    assert available_memory_bytes() == expected


def test_the_limits_of_the_cgroups_above_count_too(cgroup):
    cgroup("outer/inner", "max", 10)
    cgroup("outer", 700, 400)
    cgroup("other", 1, 1)
    assert available_memory_bytes() == 300


def test_the_file_cache_counts_as_free(cgroup):
    stat = "anon 50\nfile 540\nactive_file 300\ninactive_file 200\nshmem 40\nslab_reclaimable 5\n"
    cgroup("outer/inner", 600, 595, stat)
    assert available_memory_bytes() == 600 - 595 + 505


def test_free_memory_without_cgroups_is_the_machines(cgroup, tmp_path, monkeypatch):
    assert available_memory_bytes() == 1000
    (tmp_path / "own").write_text("4:memory:/version/1\n")
    assert available_memory_bytes() == 1000
    (tmp_path / "own").unlink()
    assert available_memory_bytes() == 1000
