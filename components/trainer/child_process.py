"""Starts the process that runs a user's code, shows what it prints, and explains its end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from components import errors
from components.errors import TrainingError
from components.parent_death import announcement
from components.signing import KEY_VARIABLE
from components.trainer.live_output import copy_lines

RESULT_FILE = "result.json"
PROJECT_ROOT = Path(__file__).parents[2]
_DRAIN_SECONDS = 5.0
_MEANINGS = {
    signal.SIGKILL: "most likely the machine or container ran out of memory: give it more, or "
    "train with smaller batches or fewer workers",
    signal.SIGSEGV: "native code crashed (a library, a custom op or a driver), not Python",
    signal.SIGABRT: "native code gave up (a failed check or out of memory); its message is above",
    signal.SIGBUS: "native code crashed, or a memory-mapped file or /dev/shm is full",
    signal.SIGILL: "this machine's processor lacks instructions that a library was built for",
    signal.SIGTERM: "something asked it to stop",
    signal.SIGINT: "it was interrupted",
}


@dataclass(frozen=True)
class ChildSpec:
    """What the child shall run."""

    module_file: str
    fn_args: dict[str, Any]
    """Fields of `FnArgs`, JSON types."""


@dataclass(frozen=True)
class ChildResult:
    """What came of it."""

    module_digest: str | None = None
    error_type: str | None = None
    """The name of a class in `components.errors`."""
    error_message: str = ""


def run_child(spec: ChildSpec) -> ChildResult:
    """Train in a child process; return when it has ended.

    What it prints goes to stderr, line by line. It dies with this process, however that dies.

    Raises:
        ImprimaturError: what the child reported, of the same class.
        TrainingError: it died without a report.
    """
    with tempfile.TemporaryDirectory(prefix="imprimatur-trainer-") as scratch:
        spec_file = Path(scratch) / "spec.json"
        spec_file.write_text(json.dumps(vars(spec)), encoding="utf-8")
        code = _run([sys.executable, "-P", "-m", "components.trainer._child", str(spec_file)])
        result_file = spec_file.with_name(RESULT_FILE)
        if not result_file.is_file():
            raise TrainingError(explain_end(code))
        result = ChildResult(**json.loads(result_file.read_text(encoding="utf-8")))
    if result.error_type is not None:
        raise getattr(errors, result.error_type)(result.error_message)
    return result


def _run(command: list[str]) -> int:
    process = subprocess.Popen(
        command, env=_environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    printer = threading.Thread(target=_print, args=(process.stdout,), daemon=True)
    printer.start()
    try:
        code = process.wait()
        printer.join(_DRAIN_SECONDS)  # a grandchild may hold the pipe open for ever
    finally:
        process.kill()
        process.wait()
    return code


def _print(output: IO[bytes]) -> None:
    with output:  # closed by the thread that reads it: closing it elsewhere would wait for its read
        copy_lines(output, sys.stderr)


def _environment() -> dict[str, str]:
    inherited = os.environ.get("PYTHONPATH")
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        **announcement(),
        "PYTHONPATH": os.pathsep.join([str(PROJECT_ROOT), *([inherited] if inherited else [])]),
        "PYTHONUNBUFFERED": "1",
        "TF_USE_LEGACY_KERAS": "0",
    }
    environment.pop(KEY_VARIABLE, None)
    return environment


def explain_end(code: int) -> str:
    """Say in one sentence what a process that left no result died of.

    Args:
        code: as `subprocess` gives it: negative for a signal.
    """
    if code >= 0:
        return (
            f"the training process ended with exit code {code} and left no result: something in it "
            "calls os._exit, or the interpreter failed; what it printed is above"
        )
    name = str(-code)
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
    meaning = _MEANINGS.get(-code)  # type: ignore[call-overload]
    return f"the training process was ended by {name}" + (f": {meaning}" if meaning else "")
