"""Runs a model server in a container: TensorFlow Serving's image, or any that is started alike."""

import logging
import math
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from components.errors import ServerUnavailableError
from components.model_server.docker_engine import connect, engine_url, translated
from components.model_server.docker_image import ensure_image, image_digest
from components.model_server.docker_log import LogFollower
from components.model_server.docker_memory import MemoryWatch
from components.model_server.docker_network import Way, choose_way
from components.model_server.docker_owner import Owner
from components.model_server.docker_reaper import (
    DEADLINE_LABEL,
    OWNER_LABEL,
    is_gone,
    kill,
    reap,
    remove,
)
from components.model_server.docker_sandbox import container_options
from components.model_server.docker_settings import DockerSettings
from components.model_server.docker_watchdog import Watchdog
from components.model_server.runner import Endpoints

__all__ = ["Docker", "DockerServer", "DockerSettings"]

_LABEL_PREFIX = "imprimatur."
_PAUSE_SECONDS = 0.1
_LOG_SECONDS = 1.5
_EVENT_SECONDS = 0.2
"""By how much the note of a signal may come after the end that it caused."""
_FROM_OUTSIDE = -9
_NO_SUCH_PROGRAM = (126, 127)
"""What ``docker-init`` ends with if it can't run what it shall; also shells."""
_log = logging.getLogger(__name__)


class Docker:
    """Starts servers in containers.

    What earlier ones left behind that were killed is removed before each start.

    Args:
        settings: engine, image, limits.
    """

    def __init__(self, settings: DockerSettings) -> None:
        self._settings = settings

    def start(self, base_path: Path, *, model_name: str, log_path: Path) -> "DockerServer":
        """Start a server.

        Args:
            base_path: a folder of versions, the only thing that the container sees of this machine.
            model_name: what the server calls it.
            log_path: of a file that gets all that the server prints.

        Raises:
            ConfigurationError: settings that the engine doesn't take, a model that the container
                can't read.
            ServerUnavailableError: the engine can't be reached, has no such image and can't pull
                it, or can't start it.
        """
        client = connect(self._settings)
        try:
            reap(client)
            return self._start(client, base_path, model_name, log_path)
        except BaseException:
            client.close()
            raise

    def _start(
        self, client: docker.DockerClient, base_path: Path, model_name: str, log_path: Path
    ) -> "DockerServer":
        settings = self._settings
        with translated("the Docker engine doesn't describe itself"):
            info = client.info()
            owner = Owner.this_process(client)
        options = container_options(settings, base_path, model_name, info)
        image = ensure_image(client, settings.image, settings.pull)
        name = f"imprimatur-{secrets.token_hex(6)}"
        labels = {
            **{f"{_LABEL_PREFIX}{key}": value for key, value in settings.labels},
            OWNER_LABEL: owner.to_label(),
            DEADLINE_LABEL: str(int(time.time() + settings.max_seconds)),
        }
        way = choose_way(client, settings, name, info, engine_url(settings))
        with _tidied(client, settings, name) as watchdog:
            network = way.create(labels)
            with translated(f"no container can be started from the image {settings.image!r}"):
                container = client.containers.create(
                    image, name=name, labels=labels, **network, **options
                )
                container.start()
            _log.info("Started %s from %s (%s).", name, settings.image, image_digest(image))
            return DockerServer(
                settings, client, container, way, watchdog, log_path, image_digest(image)
            )


@contextmanager
def _tidied(client: docker.DockerClient, settings: DockerSettings, name: str) -> Iterator[Watchdog]:
    """Have all removed again if it can't be started whole."""
    try:
        watchdog = Watchdog(settings, name)
    except OSError as error:
        raise ServerUnavailableError(f"no watchdog can be started: {error}") from error
    try:
        yield watchdog
    except BaseException:
        with translated(f"{name} can't be removed"):
            remove(client, [name], [name])
        watchdog.dismiss()
        raise


class DockerServer:
    """A server in a container.

    Attributes:
        image_digest: of what runs: ``sha256:…``.
    """

    def __init__(
        self,
        settings: DockerSettings,
        client: docker.DockerClient,
        container: Container,
        way: Way,
        watchdog: Watchdog,
        log_path: Path,
        image_digest: str,
    ) -> None:
        self.image_digest = image_digest
        self._image = settings.image
        self._client = client
        self._container = container
        self._way = way
        self._watchdog = watchdog
        self._log_path = log_path
        self._exit_code: int | None = None
        self._is_out_of_memory = False
        self._is_stopped = False
        self._follower = LogFollower(connect(settings), self.container_id, log_path)
        self._memory = MemoryWatch(connect(settings), self.container_id)

    @property
    def container_id(self) -> str:
        """The engine's id of the container."""
        return str(self._container.id)

    @property
    def log_path(self) -> Path:
        """The file that its stdout and stderr go to."""
        return self._log_path

    def endpoints(self, timeout_seconds: float) -> Endpoints | None:
        """Return where the server will be reached once it has opened its ports; None if it ended.

        Raises:
            ServerUnavailableError: the engine can't be reached, or gave the container no address.
        """
        attributes = self._inspect()
        if attributes is None or not attributes["State"]["Running"]:
            return None
        endpoints = self._way.endpoints(attributes)
        if endpoints is None:
            raise ServerUnavailableError(
                f"{self._container.name} has no address; look what network the engine gave it "
                "(docker inspect)"
            )
        return endpoints

    def exit_code(self) -> int | None:
        """None while it runs; negative means the signal that ended it.

        A container that someone else removed counts as killed. Once there is a code the log is
        complete.

        Raises:
            ServerUnavailableError: the engine can't be reached.
        """
        if self._exit_code is None:
            attributes = self._inspect()
            if attributes is None:
                self._exit_code = _FROM_OUTSIDE
            elif not attributes["State"]["Running"]:
                self._end(attributes["State"])
        return self._exit_code

    def wait(self, timeout_seconds: float) -> int | None:
        """Wait for its end; returns what `exit_code` would.

        Raises:
            ServerUnavailableError: the engine can't be reached.
        """
        deadline = time.monotonic() + timeout_seconds
        while self.exit_code() is None and time.monotonic() < deadline:
            time.sleep(min(_PAUSE_SECONDS, max(0.0, deadline - time.monotonic())))
        return self._exit_code

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something in it for taking more than the memory it was given.

        Raises:
            ServerUnavailableError: the engine can't be reached.
        """
        self.exit_code()
        return self._is_out_of_memory

    def peak_memory_bytes(self) -> int | None:
        """Return the most memory that was seen in use, without the file cache; None if unknown."""
        return self._memory.peak_bytes

    def stop(self) -> None:
        """Kill it, complete its log, remove it. May be called again.

        Raises:
            ServerUnavailableError: the engine can't be reached; the container is removed by the
                watchdog or by whoever starts the next one.
        """
        if self._is_stopped:
            return
        self._is_stopped = True
        name = str(self._container.name)
        self._memory.close()
        try:
            with translated(f"{name} can't be removed (the next start does it)"):
                kill(self._client, name)
                self._complete_log()
                remove(self._client, [name], [name])
        except BaseException:
            self._watchdog.act()
            raise
        else:
            self._watchdog.dismiss()
        finally:
            self._follower.close()
            self._client.close()

    def _inspect(self) -> dict[str, Any] | None:
        with translated(f"the Docker engine doesn't say how {self._container.name} is"):
            try:
                self._container.reload()
            except NotFound:
                return None
        attributes: dict[str, Any] = self._container.attrs
        return attributes

    def _end(self, state: Mapping[str, Any]) -> None:
        with translated(f"the log of {self._container.name} can't be read"):
            self._complete_log()
            killed_by = self._signal_from_outside(state["FinishedAt"])
        self._is_out_of_memory = bool(state.get("OOMKilled"))
        self._exit_code = killed_by or _return_code(int(state["ExitCode"]))
        if self._exit_code in _NO_SUCH_PROGRAM:
            raise ServerUnavailableError(
                f"the image {self._image!r} can't run its entry point (exit code "
                f"{self._exit_code}); name one of a model server that takes TensorFlow Serving's "
                "flags"
            )

    def _complete_log(self) -> None:
        try:
            self._follower.complete(_LOG_SECONDS)
        except APIError as error:
            if not is_gone(error):
                raise
            _log.warning("%s is gone, and the end of its log with it.", self._container.name)

    def _signal_from_outside(self, finished_at: str) -> int | None:
        """Return minus the signal that somebody had the engine send; ours come later."""
        finished = datetime.fromisoformat(finished_at).timestamp()
        events = self._client.api.events(
            since=0,
            until=math.ceil(finished + _EVENT_SECONDS),
            filters={"container": self.container_id, "event": "kill"},
            decode=True,
        )
        for event in list(events):  # to the end, so that the connection is free again
            return -int(event["Actor"]["Attributes"]["signal"])
        return None


def _return_code(code: int) -> int:
    """Return a container's exit code as `subprocess.Popen.returncode`: shells add 128."""
    return 128 - code if 128 < code <= 128 + 64 else code
