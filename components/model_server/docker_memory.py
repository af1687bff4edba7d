"""Watches how much memory a container takes."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

import docker
import urllib3
from docker.errors import DockerException
from docker.utils import version_gte

_INTERVAL_SECONDS = 0.5
_log = logging.getLogger(__name__)


class MemoryWatch:
    """A thread that asks twice a second, and keeps the most it saw.

    Args:
        client: for this thread alone; closed by `close`.
        container_id: of a container that was started.
    """

    def __init__(self, client: docker.DockerClient, container_id: str) -> None:
        self._client = client
        self._container_id = container_id
        self._peak: int | None = None
        self._stop = threading.Event()
        # Else the engine looks twice, a second apart, to say how busy the processors are.
        is_new = version_gte(client.api.api_version, "1.41")
        self._options = {"one_shot": True} if is_new else {}
        self._thread = threading.Thread(target=self._watch, name="container-memory", daemon=True)
        self._thread.start()

    @property
    def peak_bytes(self) -> int | None:
        """The most that was seen; None if nothing was."""
        return self._peak

    def close(self) -> None:
        """Stop watching; returns at once."""
        self._stop.set()

    def _watch(self) -> None:
        try:
            while not self._stop.wait(_INTERVAL_SECONDS):
                used = used_bytes(self._ask())
                if used is not None:
                    self._peak = max(self._peak or 0, used)
        except (DockerException, OSError, urllib3.exceptions.HTTPError) as error:
            _log.debug("The memory of %s isn't watched any more: %s", self._container_id, error)
        finally:
            self._client.close()

    def _ask(self) -> dict[str, Any]:
        stats: dict[str, Any] = self._client.api.stats(
            self._container_id, stream=False, **self._options
        )
        return stats


def used_bytes(stats: Mapping[str, Any]) -> int | None:
    """Return the memory that a container can't do without, as ``docker stats`` counts it.

    That is all but the file cache that the kernel would drop first. Source:
    ``calculateMemUsageUnixNoCache`` of Docker's command line.
    """
    memory = stats.get("memory_stats") or {}
    usage = memory.get("usage")
    if usage is None:
        return None
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return int(usage - cache) if cache < usage else int(usage)
