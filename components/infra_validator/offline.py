"""Starts the process that answers offline, beside the server, and reads what it answered."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import PredictionError, ServerUnavailableError
from components.infra_validator import offline_child
from components.infra_validator.question import Question
from components.model_server import messages
from components.model_server.client import Deadline, describe_exit, read_outputs
from components.model_server.memory_watch import MemoryWatch
from components.parent_death import announcement
from components.tfrecord import read_records, write_records

Answers = list[dict[str, np.ndarray[Any, Any]]]
_PROJECT_ROOT = Path(__file__).resolve().parents[2]
_LOG = "offline.log"


class OfflineProcess:
    """A child that loads a model without a server and answers the same questions.

    Args:
        model: the SavedModel's directory.
        work: a new directory, for what goes to and fro.
        rows: serialized examples.
        questions: what to ask.
        max_request_seconds: how long one answer may take.
        memory_bytes: above it the process is ended; None is no limit.

    Raises:
        ServerUnavailableError: the process can't be started.
    """

    def __init__(
        self,
        model: Path,
        work: Path,
        rows: Sequence[bytes],
        questions: Sequence[Question],
        max_request_seconds: float,
        memory_bytes: int | None = None,
    ) -> None:
        work.mkdir()
        self._work = work
        write_records(work / offline_child.EXAMPLES, rows)
        asked = json.dumps([dataclasses.asdict(question) for question in questions])
        (work / offline_child.QUESTIONS).write_text(asked, encoding="utf-8")
        arguments = [str(model), str(work), str(max_request_seconds)]
        try:
            with (work / _LOG).open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", offline_child.__name__, *arguments],
                    env=child_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
        except OSError as error:
            raise ServerUnavailableError(
                f"no process can be started to compute answers offline: {error}"
            ) from error
        self._memory = MemoryWatch(self._process.pid, memory_bytes)

    def answers(self, deadline: Deadline) -> Answers:
        """Wait for the answers, one dict per question.

        Raises:
            PredictionError: the model can't be loaded or asked, or its process crashed.
            ServerUnavailableError: not in time, not in the memory that is free here, or killed
                from outside.
        """
        try:
            code = self._process.wait(deadline.left)
        except subprocess.TimeoutExpired as error:
            raise ServerUnavailableError(
                f"the answers weren't computed offline within {deadline.seconds:g} s"
            ) from error
        outcome = self._work / offline_child.OUTCOME
        if code != 0 or not outcome.is_file():
            raise self._crash(code)
        reason = json.loads(outcome.read_text(encoding="utf-8"))["error"]
        if reason is not None:
            raise PredictionError(reason)
        return [
            read_outputs(messages.PredictResponse.FromString(record))
            for record in read_records(self._work / offline_child.ANSWERS)
        ]

    def _crash(self, code: int) -> Exception:
        how = f"the process that answers offline {describe_exit(code)}"
        log = (self._work / _LOG).read_text(encoding="utf-8", errors="replace")
        message = f"{how}; the end of its log: {log[-1000:].strip()}"
        if self._memory.exceeded:
            return ServerUnavailableError(
                f"{message}; it took more than {self._memory.limit_bytes} bytes of memory, which "
                "is what may be taken here: run it where more is free"
            )
        from_outside = code in (-signal.SIGKILL, -signal.SIGTERM, 1)
        return ServerUnavailableError(message) if from_outside else PredictionError(message)

    def stop(self) -> None:
        """End it. May be called again."""
        self._memory.stop()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def child_environment() -> dict[str, str]:
    """Return the environment of a child that runs a module of this project and dies with us."""
    inherited = os.environ.get("PYTHONPATH")
    paths = [str(_PROJECT_ROOT), *([inherited] if inherited else [])]
    return {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        **announcement(),
        "PYTHONPATH": os.pathsep.join(paths),
    }
