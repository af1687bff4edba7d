"""Ends a child process when its parent dies, however the parent dies.

Airflow's supervisor may be killed while the task process lives on; a training that nobody waits
for would go on, and its retry would start beside it.
"""

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "IMPRIMATUR_PARENT_PID"
_PR_SET_PDEATHSIG = 1
_announced: list[int] = []


def die_with_parent(parent_pid: int, signal_number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal as soon as its parent ends.

    Does nothing where the kernel isn't Linux.

    Args:
        parent_pid: the parent that was meant; if it is gone already, this process ends at once.
        signal_number: what to send.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_PDEATHSIG): {os.strerror(number)}")
    _announced[:] = [parent_pid]
    if parent_is_gone():
        os.kill(os.getpid(), signal_number)


def parent_is_gone() -> bool:
    """Return whether the parent given to `die_with_parent` ended; False if none was given.

    For a last look before something that can't be undone.
    """
    return bool(_announced) and os.getppid() != _announced[0]


def die_with_announced_parent() -> None:
    """Call `die_with_parent` if whoever started this process announced itself in the environment.

    The announcement is taken out of the environment: it is meant for this process alone.
    """
    announced = os.environ.pop(PARENT_VARIABLE, None)
    if announced is not None:
        die_with_parent(int(announced))


def announcement() -> dict[str, str]:
    """Return what to add to a child's environment so that it dies with this process."""
    return {PARENT_VARIABLE: str(os.getpid())}
