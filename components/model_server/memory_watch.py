"""Watches the resident memory of a process group, and ends the group that takes too much.

A limit on the address space can't do that: TensorFlow reserves far more than it uses.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

_SAMPLE_SECONDS = 0.1
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_RECLAIMABLE = ("active_file", "inactive_file", "slab_reclaimable")
_log = logging.getLogger(__name__)


class MemoryWatch:
    """Samples a process group until its leader ends; a thread of its own.

    Memory that several of its processes share counts once for each.

    Args:
        leader: the process that leads the group; a child of this process that isn't reaped yet.
        limit_bytes: above it the group gets SIGKILL; None only measures.
    """

    def __init__(self, leader: int, limit_bytes: int | None = None) -> None:
        self.limit_bytes = limit_bytes
        self._group = leader
        self._leader = psutil.Process(leader)
        self._peak_bytes = 0
        self._exceeded = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-watch", daemon=True)
        self._thread.start()

    @property
    def peak_bytes(self) -> int | None:
        """The most that was seen; None before the first sample."""
        return self._peak_bytes or None

    @property
    def exceeded(self) -> bool:
        """Whether the group was ended for what it took."""
        return self._exceeded

    def stop(self) -> None:
        """End the thread. Call it before the leader is reaped. May be called again."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set() and self._leader.is_running():
            taken = _resident_bytes(self._group)
            self._peak_bytes = max(self._peak_bytes, taken)
            if self.limit_bytes is not None and taken > self.limit_bytes:
                self._end_group(taken)
                return
            self._stopped.wait(_SAMPLE_SECONDS)

    def _end_group(self, taken: int) -> None:
        _log.warning(
            "process group %d takes %d bytes of memory, its limit is %d: it is ended",
            self._group, taken, self.limit_bytes,
        )  # fmt: skip
        self._exceeded = True
        try:
            os.killpg(self._group, signal.SIGKILL)
        except ProcessLookupError:
            _log.info("process group %d had ended already", self._group)


def available_memory_bytes() -> int:
    """Return how much more memory this process may take: of the machine, or of its cgroups (v2)."""
    free = int(psutil.virtual_memory().available)
    return max(0, min([free, *_free_of_cgroups()]))


def _free_of_cgroups() -> Iterator[int]:
    """Yield what is left of each limit; the file cache counts as free, the kernel gives it back.

    Source: `Documentation/admin-guide/cgroup-v2.rst` of Linux.
    """
    for folder in _cgroup_folders():
        try:
            limit = (folder / "memory.max").read_text(encoding="ascii").strip()
            used = int((folder / "memory.current").read_text(encoding="ascii"))
            stat = (folder / "memory.stat").read_text(encoding="ascii")
        except OSError:  # the root has no such files; nor has version 1
            continue
        if limit != "max":
            fields = dict(line.split() for line in stat.splitlines())
            yield int(limit) - used + sum(int(fields.get(name, 0)) for name in _RECLAIMABLE)


def _cgroup_folders() -> list[Path]:
    """Return the folder of this process's cgroup and those above it."""
    try:
        lines = _OWN_CGROUP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        if line.startswith("0::/"):
            path = _CGROUPS / line.removeprefix("0::/")
            return [path, *(each for each in path.parents if each.is_relative_to(_CGROUPS))]
    return []


def _resident_bytes(group: int) -> int:
    return sum(_rss(pid) for pid in psutil.pids() if _group_of(pid) == group)


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _rss(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
