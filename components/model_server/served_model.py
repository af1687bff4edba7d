"""The versions of one model: which are loaded, which answers, what became of the others.

Source of the transitions: `core/availability_preserving_policy.cc`,
`core/aspired_versions_manager.cc`. One thread polls and loads, so that at most two versions are in
memory: the one that answers and the one that shall.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from components.errors import InvalidModelError
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
    """

    def __init__(self, name: str, base_path: Path, load: Callable[[Path, int], Servable]) -> None:
        self.name = name
        self.base_path = base_path
        self._load = load
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
        if newest and newest[0] != previous and newest[0] not in self._held:
            self._load_version(*newest)
        if newest is None or newest[0] in self._held:
            for number in sorted(self._held.keys() - {self._wished}):
                self._unload(number)

    def poll_until_settled(
        self, stop: threading.Event, poll_seconds: float
    ) -> VersionStatus | None:
        """Poll until the first version answers or can't; there may be none for a long time.

        Returns:
            What became of it; None if `stop` was set before.
        """
        while not stop.is_set():
            self.poll()
            if statuses := self.statuses():
                return statuses[0]
            stop.wait(poll_seconds)
        return None

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

    def _load_version(self, number: int, path: Path) -> None:
        label = f"{{name: {self.name} version: {number}}}"
        _log.info("Loading servable version %s", label)
        self._set(VersionStatus(number, State.LOADING))
        try:
            servable = self._load(path, number)
        except InvalidModelError as error:
            _log.error("Loading servable: %s failed: %s", label, error)
            self._set(VersionStatus(number, State.END, Code.UNKNOWN, str(error)))
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
        _log.info("Done unloading servable version {name: %s version: %s}", self.name, number)

    def _set(self, status: VersionStatus) -> None:
        with self._lock:
            self._statuses[status.number] = status
