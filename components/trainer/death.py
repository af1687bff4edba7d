"""Says in one sentence what a training process died of, or couldn't go on for."""

import contextlib
import errno
import os
import signal

_MEANINGS = {
    signal.SIGKILL: "most likely the machine or container ran out of memory: give it more, or "
    "train with smaller batches or fewer workers",
    signal.SIGSEGV: "native code crashed (a library, a custom op or a driver), not Python",
    signal.SIGABRT: "native code gave up (a failed check or out of memory); its message is above",
    signal.SIGBUS: "native code crashed, or a memory-mapped file or /dev/shm is full",
    signal.SIGILL: "this machine's processor lacks instructions that a library was built for",
    signal.SIGTERM: "something asked it to stop",
    signal.SIGINT: "it was interrupted",
}
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file became larger than this process may write",
}


def explain_end(code: int) -> str:
    """Say what a process that left no result died of.

    Args:
        code: as `subprocess` gives it: negative for a signal.
    """
    if code >= 0:
        return (
            f"the training process ended with exit code {code} and left no result: something in it "
            "calls os._exit, or the interpreter failed; what it printed is above"
        )
    name = str(-code)
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
    meaning = _MEANINGS.get(-code)  # type: ignore[call-overload]
    return f"the training process was ended by {name}" + (f": {meaning}" if meaning else "")


def explain_memory(taken_bytes: int, limit_bytes: int | None) -> str:
    """Say that a training was ended because of its memory."""
    return (
        f"the training was ended because it took {taken_bytes:,} bytes of memory, more than the "
        f"{limit_bytes or 0:,} that process.memory_limit_bytes allows: raise that, or train with "
        "smaller batches or fewer workers"
    )


def explain_full(error: BaseException) -> str | None:
    """Say that there is no room to write to, if that is what an exception or its causes mean.

    TensorFlow and HDF5 have their own exceptions for it, with the system's words in them.
    """
    seen: BaseException | None = error
    while seen is not None:
        for number, meaning in _FULL.items():
            if getattr(seen, "errno", None) == number or os.strerror(number) in str(seen):
                return meaning
        seen = seen.__cause__ or seen.__context__
    return None
