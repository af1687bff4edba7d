"""A task process dies with Airflow's supervisor, and leaves whom it doesn't belong to alone."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from airflow.sdk.execution_time import task_runner

from operators import _supervision
from tests.airflow_home import REPOSITORY

SUPERVISOR = """
    import os, pathlib, socket, sys, time, types
    supervisor_side, task_side = socket.socketpair()
    if os.fork() == 0:
        supervisor_side.close()
        runner = types.SimpleNamespace(SUPERVISOR_COMMS=types.SimpleNamespace(socket=task_side))
        sys.modules["airflow.sdk.execution_time.task_runner"] = runner
        from operators._supervision import die_with_supervisor
        {before}
        die_with_supervisor()
        pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
        time.sleep(60)
    else:
        task_side.close()
        time.sleep(60)
"""


def start(file: Path, before: str = "pass") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SUPERVISOR).format(before=before), str(file)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.DEVNULL,
    )


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def test_a_task_dies_with_a_supervisor_that_is_killed(tmp_path):
    file = tmp_path / "pid"
    supervisor = start(file)
    try:
        wait_for(lambda: file.exists() and file.read_text())
        pid = int(file.read_text())
        assert is_running(pid)
    finally:
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait()
    wait_for(lambda: not is_running(pid), 2.0)


def test_a_task_whose_supervisor_was_gone_before_does_no_work(tmp_path):
    """Its parent is another process by then, which lives."""
    file, started = tmp_path / "worked", tmp_path / "started"
    wait = (
        f"parent = os.getppid(); pathlib.Path({str(started)!r}).write_text(str(os.getpid())); "
        "list(iter(lambda: time.sleep(0.01) or os.getppid() == parent, False))"
    )
    supervisor = start(file, before=wait)
    try:
        wait_for(lambda: started.exists() and started.read_text())
    finally:
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait()
    wait_for(lambda: not is_running(int(started.read_text())), 10.0)
    assert not file.exists()


def test_airflow_keeps_its_socket_where_we_look_for_it():
    from airflow.sdk.execution_time.comms import CommsDecoder

    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert CommsDecoder(socket=ours).socket is ours
    assert "SUPERVISOR_COMMS" in task_runner.__annotations__


def test_without_a_supervisor_nothing_is_asked_of_the_kernel(monkeypatch):
    """As in `dag.test()` and here: the parent is somebody's shell."""

    def refuse(*_: object) -> None:
        pytest.fail("this process would die with its parent")

    monkeypatch.setattr(_supervision, "die_with_parent", refuse)
    _supervision.die_with_supervisor()
