"""The one way that an operator runs work: a component's command line, as a child process.

So TensorFlow can be stopped within seconds, is not killed together with its error message, and
can't leak into Airflow. The child leads a process group of its own: Airflow's SIGTERM to the
task's group doesn't reach it, `ChildProcess.kill` does. It dies with the task process, however
that dies (`components.parent_death`).
"""

import base64
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from components import records
from components.errors import (
    EXIT_DONE,
    EXIT_FAULT,
    EXIT_REFUSED,
    EXIT_USAGE,
    ImprimaturError,
    RecordError,
)
from components.example_gen import DATABASE_URL_VARIABLE
from components.log_output import VARIABLE as LOG_FORMAT_VARIABLE
from components.parent_death import announcement
from components.signing import KEY_VARIABLE as SIGNING_KEY_VARIABLE
from operators._child_log import MAX_LINE_BYTES, LevelReader

PROJECT_ROOT = Path(__file__).resolve().parents[1]
GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL; Airflow itself kills the task 5 s after it asked."""
_DRAIN_SECONDS = 5.0


def component_command(name: str, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a component.

    ``-P`` keeps the directory that the worker happens to stand in from being imported from.
    """
    return [sys.executable, "-P", "-m", f"components.{name}", *arguments]


def child_environment(signing_key: bytes | None = None) -> dict[str, str]:
    """Return this process's environment, made fit for a component.

    Args:
        signing_key: only for a component that runs no user's code.
    """
    inherited = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        **announcement(),
        "PYTHONPATH": os.pathsep.join([str(PROJECT_ROOT), *([inherited] if inherited else [])]),
        "PYTHONUNBUFFERED": "1",
    }
    for secret in (SIGNING_KEY_VARIABLE, DATABASE_URL_VARIABLE):
        environment.pop(secret, None)
    environment.pop(LOG_FORMAT_VARIABLE, None)  # we read its lines, and Airflow writes the JSON
    if signing_key is not None:
        environment[SIGNING_KEY_VARIABLE] = base64.b64encode(signing_key).decode()
    return environment


class ChildProcess:
    """The child of one task. Once killed it starts no other, and its `run` never returns."""

    def __init__(self) -> None:
        self._group: int | None = None
        self._timer: threading.Timer | None = None
        self._killed = False

    def run(
        self, command: Sequence[str], *, logger: logging.Logger, environment: Mapping[str, str]
    ) -> records.Record:
        """Run the command, log its stderr line by line, return the record it prints.

        Returns:
            The record of exit code 0, and of 3: a `Refusal`, or a `Blessing` that isn't one.

        Raises:
            AirflowFailException: exit code 2, wrong input: a retry can't help.
            AirflowException: any other exit code; also after `kill`.
        """
        self._check_alive(logger.name)
        reader = LevelReader()
        with tempfile.TemporaryFile() as stdout:
            code = self._wait(command, stdout, reader, logger, environment)
            self._check_alive(logger.name)
            stdout.seek(0)
            return _outcome(code, stdout.read(), reader.reason, logger.name)

    def kill(self) -> None:
        """End the child's whole process group within `GRACE_SECONDS`; returns at once.

        May be called from a signal handler, before, while and after the child runs.
        """
        self._killed = True
        if self._group is None:
            return
        _signal_group(self._group, signal.SIGTERM)
        self._timer = threading.Timer(GRACE_SECONDS, _signal_group, (self._group, signal.SIGKILL))
        self._timer.daemon = True
        self._timer.start()

    def _wait(
        self,
        command: Sequence[str],
        stdout: IO[bytes],
        reader: LevelReader,
        logger: logging.Logger,
        environment: Mapping[str, str],
    ) -> int:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._group = process.pid
        relay = threading.Thread(target=_relay, args=(process.stderr, reader, logger), daemon=True)
        relay.start()
        try:
            if self._killed:  # asked for while the child was being started
                self.kill()
            # Without reaping: until then nobody else can get this process group's number.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        finally:
            self._group = None
            if self._timer is not None:
                self._timer.cancel()
            _signal_group(process.pid, signal.SIGKILL)
            code = process.wait()
            relay.join(_DRAIN_SECONDS)
        return code

    def _check_alive(self, name: str) -> None:
        if self._killed:
            raise AirflowException(f"{name} was stopped: Airflow asked this task to end")


def _relay(stream: IO[bytes], reader: LevelReader, logger: logging.Logger) -> None:
    with stream:
        while raw := stream.readline(MAX_LINE_BYTES):
            if line := reader.read(raw):
                named = logging.getLogger(line.logger) if line.logger else logger
                named.log(line.level, "%s", line.message)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _outcome(code: int, stdout: bytes, reason: str, name: str) -> records.Record:
    if code in (EXIT_DONE, EXIT_REFUSED):
        return _read_record(stdout, code, name)
    if code == EXIT_USAGE:
        raise AirflowFailException(f"{name} can't succeed with this input: {reason}")
    if code == EXIT_FAULT:
        raise AirflowException(f"{name} failed: {reason}")
    raise AirflowException(f"{name} {_death(code)}; the last it said: {reason}")


def _read_record(stdout: bytes, code: int, name: str) -> records.Record:
    lines = stdout.decode("utf-8", errors="replace").strip().splitlines()
    try:
        return records.load(_json_object(lines[-1] if lines else ""))
    except RecordError as error:
        raise AirflowFailException(
            f"{name} ended with exit code {code}, but the last line of its stdout is no record: "
            f"{error}"
        ) from error


def _json_object(line: str) -> str:
    if not line.startswith("{"):
        raise RecordError(f"expected a JSON object, got {line[:200]!r}")
    return line


def _death(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}, which no component uses"
    name = signal.Signals(-code).name
    hint = ""
    if -code == signal.SIGKILL:
        hint = " (the kernel's usual answer to a process that takes more memory than there is)"
    return f"was killed by {name}{hint}"


def to_airflow(error: ImprimaturError) -> AirflowException:
    """Return what Airflow shall do about a component's error that was raised in this process."""
    kind: Any = AirflowFailException if error.exit_code == EXIT_USAGE else AirflowException
    raised: AirflowException = kind(str(error))
    return raised
