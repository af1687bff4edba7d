"""Writes what a container prints to a file while it runs."""

import logging
import threading
from pathlib import Path

import docker
import urllib3
from docker.errors import DockerException

_log = logging.getLogger(__name__)


class LogFollower:
    """A thread that copies a container's output, from its beginning to its end.

    Args:
        client: for this thread alone; closed by `close`.
        container_id: of a container that was started.
        path: of the file, which is made anew.
    """

    def __init__(self, client: docker.DockerClient, container_id: str, path: Path) -> None:
        self._client = client
        self._container_id = container_id
        self._path = path
        self._is_complete = False
        self._thread = threading.Thread(target=self._follow, name="container-log", daemon=True)
        self._thread.start()

    def complete(self, timeout_seconds: float) -> None:
        """Wait until all is in the file that an ended container printed."""
        self._thread.join(timeout_seconds)
        if not self._is_complete:
            self._path.write_bytes(self._client.api.logs(self._container_id))
            self._is_complete = True

    def close(self) -> None:
        """Stop following."""
        self._client.close()

    def _follow(self) -> None:
        try:
            with self._path.open("wb", buffering=0) as file:
                for part in self._client.api.logs(self._container_id, stream=True, follow=True):
                    file.write(part)
        except (DockerException, OSError, urllib3.exceptions.HTTPError) as error:
            _log.debug("The log of %s broke off: %s", self._container_id, error)
        else:
            self._is_complete = True
