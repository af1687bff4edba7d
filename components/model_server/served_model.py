"""The versions of one model: which are loaded, which answers, what became of the others.

Source of the transitions: `core/availability_preserving_policy.cc`,
`core/aspired_versions_manager.cc`. One thread polls and loads, so that at most two versions are in
memory: the one that answers and the one that shall.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from components.model_server.servable import Servable
from components.model_server.status import Code, RequestError
from components.model_server.version_folder import find_newest

_log = logging.getLogger(__name__)


class State(IntEnum):
    """`ModelVersionStatus.State`."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionStatus:
    """What became of one version."""

    number: int
    state: State
    code: Code = Code.OK
    message: str = ""


@dataclass(frozen=True)
class LoadRetries:
    """How often a version that can't be loaded is tried again, and after which pause.

    TensorFlow Serving's default is 5 times, a minute apart; here it is never, because a broken
    model seldom mends itself, and whoever waits for a verdict waits for all of it.
    """

    max_num_retries: int = 0
    interval_seconds: float = 60.0


@dataclass
class _Attempt:
    """A version that failed and will be tried again."""

    number: int
    path: Path
    num_retries_left: int
    due: float


class _Held:
    """A servable and how many requests it is answering."""

    def __init__(self, servable: Servable) -> None:
        self.servable = servable
        self.num_users = 0


class ServedModel:
    """A base path that is polled, and the version that answers.

    Args:
        name: the model's.
        base_path: holds the version folders.
        load: makes a `Servable` of a version folder and warms it up.
        retries: of a load that failed.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        name: str,
        base_path: Path,
        load: Callable[[Path, int], Servable],
        *,
        retries: LoadRetries = LoadRetries(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.base_path = base_path
        self._load = load
        self._retries = retries
        self._clock = clock
        self._failed: _Attempt | None = None
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._held: dict[int, _Held] = {}
        self._statuses: dict[int, VersionStatus] = {}
        self._wished: int | None = None

    def poll(self) -> None:
        """Look at the base path once; load and unload what follows from it."""
        try:
            newest = find_newest(self.base_path, self.name)
        except OSError as error:
            _log.error(
                "FileSystemStoragePathSource encountered a filesystem access error: "
                "Could not find base path %s for servable %s with error %s",
                self.base_path,
                self.name,
                error,
            )
            return
        previous, self._wished = self._wished, newest[0] if newest else None
        if self._failed and self._failed.number != self._wished:
            self._give_up(self._failed.number)
        if newest and newest[0] != previous and newest[0] not in self._held:
            self._load_version(*newest, self._retries.max_num_retries)
        self.retry()
        if newest is None or newest[0] in self._held:
            for number in sorted(self._held.keys() - {self._wished}):
                self._unload(number)

    def retry(self) -> None:
        """Try the version that failed once more, if its pause is over."""
        failed = self._failed
        if failed and self._clock() >= failed.due:
            _log.info("Retrying of Loading servable: %s", self._label(failed.number))
            self._load_version(failed.number, failed.path, failed.num_retries_left - 1)

    def settled(self) -> VersionStatus | None:
        """Return what became of the wished version; None until it answers or has failed."""
        with self._lock:
            status = None if self._wished is None else self._statuses.get(self._wished)
        return status if status and status.state in (State.AVAILABLE, State.END) else None

    @contextmanager
    def lease(self, version: int | None) -> Iterator[Servable]:
        """Yield a loaded version, which stays loaded until the block ends.

        Args:
            version: None means the highest that is ready.

        Raises:
            RequestError: it isn't loaded.
        """
        with self._lock:
            number = max(self._held, default=None) if version is None else version
            held = self._held.get(number) if number is not None else None
            if held is None:
                wanted = "Latest" if version is None else "Specific"
                which = self.name if version is None else f"{self.name}, {version}"
                raise RequestError(
                    Code.NOT_FOUND, f"Servable not found for request: {wanted}({which})"
                )
            held.num_users += 1
        try:
            yield held.servable
        finally:
            with self._lock:
                held.num_users -= 1
                self._idle.notify_all()

    def statuses(self) -> list[VersionStatus]:
        """Return every version that was ever tried, highest first."""
        with self._lock:
            return sorted(self._statuses.values(), key=lambda status: -status.number)

    def unload_all(self) -> None:
        """Unload everything, when requests that run have been answered."""
        for number in list(self._held):
            self._unload(number)

    def _load_version(self, number: int, path: Path, num_retries: int) -> None:
        label = self._label(number)
        self._failed = None
        _log.info("Loading servable version %s", label)
        self._set(VersionStatus(number, State.LOADING))
        try:
            servable = self._load(path, number)
        # The bytes of a model can make TensorFlow raise anything; the version that answers goes on.
        except Exception as error:
            _log.error("Loading servable: %s failed: %s", label, error)
            if num_retries > 0:
                due = self._clock() + self._retries.interval_seconds
                self._failed = _Attempt(number, path, num_retries, due)
                return
            _log.error("Encountered an error for servable version %s: %s", label, error)
            self._set(VersionStatus(number, State.END, _code(error), str(error)))
            return
        with self._lock:
            self._held[number] = _Held(servable)
            self._statuses[number] = VersionStatus(number, State.AVAILABLE)
        _log.info("Successfully loaded servable version %s", label)

    def _unload(self, number: int) -> None:
        self._set(VersionStatus(number, State.UNLOADING))
        with self._lock:
            held = self._held.pop(number)
            self._idle.wait_for(lambda: held.num_users == 0)
        held.servable.close()
        self._set(VersionStatus(number, State.END))
        _log.info("Done unloading servable version %s", self._label(number))

    def _give_up(self, number: int) -> None:
        self._failed = None
        self._set(VersionStatus(number, State.END, Code.CANCELLED, "Loading of servable cancelled"))

    def _label(self, number: int) -> str:
        return f"{{name: {self.name} version: {number}}}"

    def _set(self, status: VersionStatus) -> None:
        with self._lock:
            self._statuses[status.number] = status


def _code(error: Exception) -> Code:
    """Return why a load failed, as far as the error, or what caused it, says."""
    for candidate in (error, error.__cause__):
        if isinstance(candidate, RequestError):
            return candidate.code
        number = getattr(candidate, "error_code", None)  # TensorFlow's OpError
        if number in set(Code):
            return Code(number)
    return Code.UNKNOWN
