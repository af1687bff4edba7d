"""Who started a container, and whether that process still lives.

Written to a label, so that a later process can tell what an earlier one left behind.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

import docker
from docker.errors import NotFound

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")
_START_TIME_FIELD = 22
"""Of ``/proc/<pid>/stat``, in clock ticks since boot; counted from 1: proc(5)."""

Life = Literal["alive", "dead", "unknown"]


@dataclass(frozen=True)
class Owner:
    """A process, named so that no other one is ever taken for it.

    Attributes:
        boot: the kernel's id of this run of the machine.
        pid_namespace: in which its number counts.
        pid: its number there.
        start_time: when it began, in clock ticks since boot.
        container: the container that it runs in, if the engine knows it.
    """

    boot: str
    pid_namespace: str
    pid: int
    start_time: str
    container: str | None = None

    @classmethod
    def this_process(cls, client: docker.DockerClient) -> Self:
        """Return the owner of what this process starts."""
        pid = os.getpid()
        return cls(
            boot=_boot_id(),
            pid_namespace=_pid_namespace(),
            pid=pid,
            start_time=_start_time(pid) or "",
            container=own_container(client),
        )

    @classmethod
    def from_label(cls, text: str) -> Self | None:
        """Return what a label says; None if it can't be read."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return None

    def to_label(self) -> str:
        """Return the label's value."""
        return json.dumps(asdict(self), sort_keys=True)

    def life(self, client: docker.DockerClient) -> Life:
        """Return whether it lives, as far as that can be seen from this process."""
        if self.container is not None and not _is_running(client, self.container):
            return "dead"
        if (self.boot, self.pid_namespace) != (_boot_id(), _pid_namespace()) or not self.boot:
            return "unknown"
        return "alive" if _start_time(self.pid) == self.start_time else "dead"


def own_container(client: docker.DockerClient) -> str | None:
    """Return the id of the container that this process runs in; None outside of the engine's.

    A container's host name is the beginning of its id, unless it was given another.
    """
    host_name = socket.gethostname()
    try:
        container = client.containers.get(host_name)
    except NotFound:
        return None
    return container.id if str(container.id).startswith(host_name) else None


def _is_running(client: docker.DockerClient, container_id: str) -> bool:
    try:
        return bool(client.containers.get(container_id).attrs["State"]["Running"])
    except NotFound:
        return False


def _boot_id() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.is_file() else ""


def _pid_namespace() -> str:
    return str(_PID_NAMESPACE.readlink()) if _PID_NAMESPACE.exists() else ""


def _start_time(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    if state in ("Z", "X"):
        return None
    return fields[_START_TIME_FIELD - 4]
