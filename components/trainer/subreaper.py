"""Stands between the trainer and the process that trains: none of its descendants outlives it.

The kernel gives it every process that a training starts and leaves behind, also those that lead
sessions of their own or have emptied their environment (``PR_SET_CHILD_SUBREAPER``). It kills them
all once the training has ended, or as soon as the trainer has: its stdin is a pipe, which breaks
however the trainer dies. It leads a session of its own, so that what kills the trainer's process
group leaves it alive for the moment that it takes.

Run as a script, not as a module of its package: it imports the standard library only.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36
_END_SECONDS = 5.0
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_PARENT_VARIABLE = "IMPRIMATUR_PARENT_PID"


def command(inner: Sequence[str]) -> list[str]:
    """Return the command that runs another one, below a subreaper."""
    return [sys.executable, "-I", "-S", __file__, *inner]


def main(inner: list[str]) -> int:
    """Run a command, kill what is left of it and end as it did, by the same signal if by one."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    announced = {**os.environ, _PARENT_VARIABLE: str(os.getpid())}
    child = os.posix_spawn(
        inner[0], inner, announced, file_actions=[null], setpgroup=0, setsigdef=_IGNORED_BY_PYTHON
    )
    signal.signal(signal.SIGTERM, lambda *_: _kill(child))
    threading.Thread(target=_end_with_owner, args=(child,), daemon=True).start()
    code = _wait(child)
    _end_descendants()
    if code < 0:
        _prctl(_PR_SET_DUMPABLE, 0)  # one core is enough
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _end_with_owner(child: int) -> None:
    while os.read(0, 1):
        pass
    _kill(child)


def _wait(child: int) -> int:
    """Return the exit code, negative for a signal; bury whatever else ends meanwhile."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status)


def _end_descendants() -> None:
    """Kill all children until there are none: theirs become ours."""
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        for child in _children():
            _kill(child)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _children() -> list[int]:
    me = str(os.getpid())
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text(errors="replace").rpartition(")")[2].split()[1]
        except OSError:  # ended meanwhile
            continue
        if parent == me:
            found.append(int(path.parent.name))
    return found


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
