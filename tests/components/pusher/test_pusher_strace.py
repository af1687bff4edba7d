"""Killed at every system call that touches the folder, whether or not our own seam knows of it."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pusher_workshop import Workshop

from components import artifacts
from components.records import dump
from components.serving_folder import ServingFolder

ROOT = Path(__file__).parents[3]
CALLS = (
    "mkdir,mkdirat,open,openat,write,pwrite64,copy_file_range,sendfile,ftruncate,fchmod,chmod,"
    "fchmodat,fsync,fdatasync,syncfs,sync_file_range,rename,renameat,renameat2,link,linkat,"
    "unlink,unlinkat,rmdir,flock,utimensat"
)
NUM_TRIES = 10
"""Threads share the files: which of them comes to its third call of a kind may change."""
MIN_KILLED = 25

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]


@pytest.mark.parametrize("verb", ["push", "rollback"])
def test_killed_at_every_system_call(fast_disk, verb):
    workshop = Workshop(fast_disk / "pristine")
    workshop.publish(2, 3)
    command = arguments(workshop, verb)
    places = touching_calls(fast_disk, command)
    num_killed = 0

    for call, number in sorted(places):
        inject = f"inject={call}:signal=SIGKILL:when={number}"
        flags = ["-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
        for _ in range(NUM_TRIES):
            base = fresh_copy(fast_disk)
            if traced(command, flags).returncode != 0:
                break
        else:
            continue
        num_killed += 1
        check_whole(base, (call, number))

        again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

        assert again.returncode == 0, (call, number, again.stderr)
        live = "20130401000000" if verb == "push" else "20130201000000"
        assert json.loads(again.stdout)["version"] == live
        assert ServingFolder(base).live().number == int(live)
        check_whole(base, (call, number))
        state = base / ".imprimatur"
        left = [*state.glob("staging-*"), *state.glob("trash-*"), *state.rglob("*.tmp")]
        assert left == [], (call, number)
    assert num_killed > MIN_KILLED, f"{num_killed} of {len(places)}"


def arguments(workshop, verb) -> list[str]:
    base = workshop.directory.parent / "work" / "serving"
    run = ["--run", json.dumps({"dag_id": "d", "run_id": "r", "task_id": "t"})]
    program = [sys.executable, "-m", "components.pusher", verb]
    if verb == "rollback":
        return [*program, str(base), "--reason", "x", "--from-version", "20130301000000", *run]
    model = workshop.model("graph 4", 4)
    flags = ["--model", dump(model), "--base-directory", str(base)]
    for blessing in workshop.blessings(model):
        flags += ["--blessing", dump(blessing)]
    return [*program, *flags, *run]


def touching_calls(scratch, command) -> set[tuple[str, int]]:
    """Return which call of each kind touches the folder, counted as strace counts: per thread."""
    base, log = fresh_copy(scratch), scratch / "strace.log"
    done = traced(command, ["-y", "-s", "4096", "-o", str(log), "-e", f"trace={CALLS}"])
    assert done.returncode == 0, done.stderr
    counts: Counter[tuple[str, str]] = Counter()
    places = set()
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(\d+) +(\w+)\(", line)
        if match is None:
            continue
        counts[match[1], match[2]] += 1
        writes = match[2] not in ("open", "openat") or "O_CREAT" in line or "O_RDWR" in line
        if str(base) in line and writes:
            places.add((match[2], counts[match[1], match[2]]))
    return places


def traced(command, flags) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["strace", "-f", *flags, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def fresh_copy(scratch) -> Path:
    work = scratch / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(scratch / "pristine", work)
    return work / "serving"


def check_whole(base, where) -> None:
    folder = ServingFolder(base)
    assert folder.live() is not None
    for number, path in folder.numbered():
        record = folder.record(number)
        assert record is not None, where
        assert artifacts.digest(path) == record.digest, where
