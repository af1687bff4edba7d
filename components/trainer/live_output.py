"""Shows what a training prints as lines that a log can hold.

Progress bars draw over themselves with carriage returns and backspaces. Of each such line only
its last state is kept, and now and then one on the way.
"""

import contextlib
import re
import time
from collections.abc import Callable
from typing import IO, TextIO

SECONDS_BETWEEN_UPDATES = 10.0
_MAX_LINE_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_HARMLESS = re.compile(
    r"failed call to cuInit|Unable to register cu\w+ factory|computation placer already registered"
)
"""What TensorFlow reports as errors on every machine without a GPU, or with one."""


def copy_lines(
    source: IO[bytes], target: TextIO, clock: Callable[[], float] = time.monotonic
) -> None:
    """Copy text line by line until the source ends.

    Args:
        source: unbuffered or buffered bytes; read as they come.
        target: written and flushed at each line.
        clock: seconds.
    """
    pending = b""
    shown_at = clock()
    read = getattr(source, "read1", source.read)
    while chunk := read(_READ_BYTES):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            _show(line, target)
            shown_at = clock()
        pending = _last_state(pending)
        if b"\r" in pending and clock() - shown_at >= SECONDS_BETWEEN_UPDATES:
            _show(pending, target)
            shown_at = clock()
        if len(pending) > _MAX_LINE_BYTES:
            _show(pending, target)
            pending = b""
    if pending:
        _show(pending, target)


def _show(line: bytes, target: TextIO) -> None:
    text = clean(line.decode("utf-8", errors="replace"))
    if _HARMLESS.search(text):
        text = f"INFO tensorflow: {text}"
    if text.strip() or not line.strip():
        with contextlib.suppress(OSError, ValueError):  # nobody reads: the training goes on
            target.write(text + "\n")
            target.flush()


def _last_state(pending: bytes) -> bytes:
    """Forget what was drawn over: keep from the last but one carriage return."""
    cut = pending.rfind(b"\r", 0, max(0, pending.rfind(b"\r")))
    return pending if cut < 0 else pending[cut:]


def clean(line: str) -> str:
    """Return what a terminal would show of a line at its end, without colours and the like."""
    plain = _ESCAPES.sub("", line)
    states = [state for state in re.split(r"[\r\x08]+", plain) if state.strip()]
    return _CONTROLS.sub("", states[-1]).rstrip() if states else ""
