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


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("max\n", "10\n", 1000),
        ("600\n", "100\n", 500),
        ("5000\n", "100\n", 1000),
        ("5\n", "9\n", 0),
    ],
    ids=["no-limit", "limited", "more-than-is-free", "above"],
)
def test_free_memory_is_the_machines_or_the_cgroups(tmp_path, monkeypatch, limit, used, expected):
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(used)
    monkeypatch.setattr(memory_watch, "_CGROUP", tmp_path)

    class Machine:
        available = 1000

    monkeypatch.setattr(memory_watch.psutil, "virtual_memory", Machine)
    assert available_memory_bytes() == expected


def test_free_memory_without_cgroups_is_the_machines(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_watch, "_CGROUP", tmp_path / "none")
    assert available_memory_bytes() > MEGABYTE
