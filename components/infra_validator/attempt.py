"""Tries a model on one server after another, and each again where the infrastructure failed."""

import dataclasses
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from components import artifacts
from components.errors import ArtifactError, ServerUnavailableError
from components.infra_validator.candidate import Candidate, let_all_read
from components.infra_validator.checks import check
from components.infra_validator.control_model import ControlModel, StartServer, check_infrastructure
from components.infra_validator.offline import OfflineProcess
from components.infra_validator.question import Question, make_questions
from components.infra_validator.server_fault import UndecidedFault, last_lines
from components.infra_validator.serving_spec import make_runner
from components.infra_validator.settings import Settings
from components.infra_validator.trial import MAX_ASKING_SECONDS, Trial
from components.model_server import RunningServer
from components.model_server.client import Deadline
from components.model_server.docker_settings import DockerSettings
from components.model_server.memory_watch import available_memory_bytes
from components.records import Finding

_VERSION_FOLDER = "1"
_FREE_SHARE = 0.45
"""Of the memory that is free: the model is loaded twice, served and offline."""
_EXTRA_SECONDS = 300.0
_MAX_TRYING_SECONDS = 900.0
"""After that no further try is begun."""
_NUM_LOGGED_LINES = 100
_log = logging.getLogger(__name__)


class Attempts:
    """Has a candidate served, asked and judged.

    Args:
        settings: of the validation.
        candidate: what is served.
        rows: serialized examples.
        work: a directory for copies of the model; removed by the caller.
        logs: gets ``server-1.log`` and so on, one of each server that was started.
    """

    def __init__(
        self,
        settings: Settings,
        candidate: Candidate,
        rows: Sequence[bytes],
        work: Path,
        logs: Path,
    ) -> None:
        self._settings = settings
        self._candidate = candidate
        self._rows = rows
        self._work = work
        self._logs = logs
        self._control = ControlModel(work / "known_good")
        self._num_started = 0
        self.image_digests: list[str] = []
        """Of the images that servers ran."""

    def judge(self, container: DockerSettings | None) -> list[Finding]:
        """Return the findings on one server; only faults are tried again.

        Args:
            container: what the server runs in; None for our own server as a child process.

        Raises:
            ServerUnavailableError: the last try found no server either, or no time is left.
        """
        deadline = Deadline.after(_MAX_TRYING_SECONDS)
        for number in range(1, self._settings.num_tries):
            try:
                return self._try(container)
            except ServerUnavailableError as error:
                if deadline.is_over:
                    raise
                _log.warning("try %d of %d: %s", number, self._settings.num_tries, error)
        return self._try(container)

    @property
    def _max_seconds(self) -> float:
        """How long one server may live."""
        return 2 * self._settings.max_loading_time_seconds + MAX_ASKING_SECONDS + _EXTRA_SECONDS

    def _try(self, container: DockerSettings | None) -> list[Finding]:
        with tempfile.TemporaryDirectory(prefix="try-", dir=self._work) as work:
            base_path = Path(work) / "models" / self._settings.model_name
            copy = base_path / _VERSION_FOLDER
            self._candidate.copy_to(copy)
            let_all_read(base_path)
            findings = self._check(container, base_path, Path(work) / "offline")
            findings.append(_check_unchanged(copy, self._candidate.digest))
        return findings

    def _check(
        self, container: DockerSettings | None, base_path: Path, offline_work: Path
    ) -> list[Finding]:
        findings: list[Finding] = []
        free = int(_FREE_SHARE * available_memory_bytes())
        limit = self._settings.serving.resources.memory_bytes
        if limit is None:
            limit = free
        start = partial(self._start, container, limit)
        server = start(base_path)
        if server.image_digest is not None:
            self.image_digests.append(server.image_digest)
        try:
            with self._offline(base_path, offline_work, max(free, limit or 0)) as offline:
                for finding in check(self._trial(server, offline, limit)):
                    findings.append(finding)
        except ServerUnavailableError:
            try:
                server.stop()
            finally:
                _relay_log(server.log_path)
            raise
        except UndecidedFault as fault:
            server.stop()
            findings.append(self._decide(fault.finding, start))
        finally:
            server.stop()
        return findings

    def _start(
        self, container: DockerSettings | None, memory_bytes: int | None, base_path: Path
    ) -> RunningServer:
        self._num_started += 1
        runner = make_runner(container, memory_bytes, self._max_seconds)
        return runner.start(
            base_path,
            model_name=self._settings.model_name,
            log_path=self._logs / f"server-{self._num_started}.log",
        )

    @contextmanager
    def _offline(self, base_path: Path, work: Path, memory_bytes: int) -> Iterator[OfflineProcess]:
        process = OfflineProcess(
            base_path / _VERSION_FOLDER,
            work,
            self._rows,
            self._questions,
            self._settings.max_request_seconds,
            memory_bytes,
        )
        try:
            yield process
        finally:
            process.stop()

    @property
    def _questions(self) -> list[Question]:
        return make_questions(self._settings.signature_names, len(self._rows))

    def _trial(
        self, server: RunningServer, offline: OfflineProcess, memory_bytes: int | None
    ) -> Trial:
        return Trial(server, offline, self._settings, self._rows, self._questions, memory_bytes)

    def _decide(self, finding: Finding, start: StartServer) -> Finding:
        check_infrastructure(
            self._control,
            start,
            model_name=self._settings.model_name,
            max_loading_seconds=self._settings.max_loading_time_seconds,
            max_request_seconds=self._settings.max_request_seconds,
            suspicion=finding.message,
        )
        message = "A known-good model was served the same way, so it is the model: "
        return dataclasses.replace(finding, message=message + finding.message)


def _relay_log(path: Path) -> None:
    """Log what a server printed: after a fault there is no artifact that could keep it."""
    for line in last_lines(path, _NUM_LOGGED_LINES):
        _log.info("%s: %s", path.name, line)


def _check_unchanged(copy: Path, digest: str) -> Finding:
    try:
        changed = artifacts.digest(copy) != digest
        how = "has other files than before"
    except ArtifactError as error:
        changed, how = True, f"isn't what it was: {error}"
    return Finding(
        check="bytes_unchanged",
        passed=not changed,
        message=f"After it was served, the model's directory {how}: the model writes to it."
        if changed
        else "The model's files are the same after it was served.",
    )
