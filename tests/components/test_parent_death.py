"""A child ends when its parent does, however the parent ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components import parent_death

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 20.0
CHILD = """
import time
from components.parent_death import die_with_announced_parent
die_with_announced_parent()
print("ready", flush=True)
time.sleep(120)
"""
PARENT = """
import os, subprocess, sys
from components.parent_death import announcement
environment = {**os.environ, **(announcement() if sys.argv[2] == "announced" else {})}
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1]],
    env=environment, stdout=subprocess.PIPE, start_new_session=True,
)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def start_family(how: str) -> tuple["subprocess.Popen[str]", int]:
    """Start a parent with a child in a session of its own, and return both once both are ready."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD, how],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def is_gone_in_time(pid: int, seconds: float = DEADLINE_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def end(parent: "subprocess.Popen[str]", number: signal.Signals) -> None:
    parent.send_signal(number)
    parent.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_dies_with_a_parent_that_is_killed(number: signal.Signals) -> None:
    parent, child = start_family("announced")
    assert is_alive(child)

    end(parent, number)

    assert is_gone_in_time(child)


def test_dies_with_a_parent_that_ends_by_itself() -> None:
    parent, child = start_family("announced")

    parent.communicate("")

    assert is_gone_in_time(child)


def test_lives_on_where_nobody_announced_himself() -> None:
    parent, child = start_family("alone")
    try:
        end(parent, signal.SIGKILL)
        assert not is_gone_in_time(child, seconds=0.3)
    finally:
        os.kill(child, signal.SIGKILL)
    assert is_gone_in_time(child)


def run_child(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "import os\nfrom components import parent_death\n" + code],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_ends_at_once_if_the_parent_is_gone_already() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()

    child = run_child(f"parent_death.die_with_parent({gone.pid})\nprint('lives')")

    assert child.returncode == -signal.SIGKILL
    assert child.stdout == ""


def test_sends_the_signal_that_was_asked_for() -> None:
    child = run_child("import signal\nparent_death.die_with_parent(1, signal.SIGTERM)\nprint(1)")

    assert child.returncode == -signal.SIGTERM


def test_knows_whether_the_parent_is_gone() -> None:
    code = (
        "assert not parent_death.parent_is_gone()\n"
        "parent_death.die_with_parent(os.getppid())\n"
        "assert not parent_death.parent_is_gone()\n"
        "os.getppid = lambda: 1\n"
        "assert parent_death.parent_is_gone()\n"
    )

    assert run_child(code).stderr == ""


def test_the_announcement_is_for_one_child_alone() -> None:
    """A grandchild that inherited it would take its parent's death for its own."""
    code = (
        "parent_death.die_with_announced_parent()\n"
        "assert parent_death.PARENT_VARIABLE not in os.environ\n"
        "parent_death.die_with_announced_parent()\n"
    )

    child = run_child(code, **parent_death.announcement())

    assert (child.returncode, child.stderr) == (0, "")


def test_announces_this_very_process() -> None:
    assert parent_death.announcement() == {parent_death.PARENT_VARIABLE: str(os.getpid())}
