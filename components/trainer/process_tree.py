"""The processes that a training consists of: how much memory they take, and their end."""

import logging
import threading
import uuid

import psutil

VARIABLE = "IMPRIMATUR_TRAINING"
"""In the environment of a training's processes: which training it is. Children inherit it."""
_SAMPLE_SECONDS = 0.1
_log = logging.getLogger("components.trainer")


def new_name() -> str:
    """Return a name for a training."""
    return uuid.uuid4().hex


def end_all(name: str) -> int:
    """Kill every process of a training that still runs, whoever its parent is now.

    Returns:
        How many there were.
    """
    found = _members(name)
    for process in found:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return len(found)


def _members(name: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _belongs(process, name)]


def _belongs(process: psutil.Process, name: str) -> bool:
    try:
        return bool(process.environ().get(VARIABLE) == name)
    except (psutil.Error, OSError):  # ended meanwhile, or somebody else's
        return False


class MemoryLimit:
    """Kills a training whose processes together take more resident memory than they may.

    Args:
        leaders: the ids of the processes that were started; what these start counts too. They
            aren't killed themselves: they tidy up.
        limit_bytes: None doesn't watch.
    """

    def __init__(self, leaders: list[int], limit_bytes: int | None) -> None:
        self._leaders = leaders
        self._limit_bytes = limit_bytes or 0
        self._stopped = threading.Event()
        self.taken_bytes: int | None = None
        """What was taken when it was too much; None while it isn't."""
        self._thread = threading.Thread(target=self._watch, name="memory-limit", daemon=True)
        if limit_bytes is not None:
            self._thread.start()

    def stop(self) -> None:
        """End watching."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            family = [member for leader in self._leaders for member in _descendants(leader)]
            taken = sum(map(_resident_bytes, family))
            if taken > self._limit_bytes:
                self.taken_bytes = taken
                for process in family:
                    _kill(process)
                return


def _descendants(leader: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(leader).children(recursive=True))
    except psutil.Error:
        return []


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.Error as error:
        _log.debug("%s", error)
