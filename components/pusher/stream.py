"""Copies a stream to a file and hashes it on the way, each byte read once."""

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from components.pusher import writeback

_BUFFER_BYTES = 1 << 18
"""Fits into a core's cache, so that what was read is hashed and written from there."""
_NUM_BUFFERS = 4
_WRITEBACK_BYTES = 1 << 25


def copy(
    read_into: Callable[[memoryview], int], writer: int, expected: int, *, pipelined: bool = False
) -> tuple[int, str]:
    """Copy up to one byte more than expected, so that a file that grows for ever ends.

    Args:
        read_into: fills a buffer, and returns how many bytes it had; 0 at the end.
        writer: a file descriptor.
        expected: how many bytes there should be.
        pipelined: whether hashing has a thread of its own beside reading and writing: quicker for
            one big file where a core has nothing else to do.

    Returns:
        How many bytes there were, and their SHA-256 in hex.
    """
    sha256 = hashlib.sha256()
    if not pipelined:
        return _copy(read_into, writer, expected, sha256.update), sha256.hexdigest()
    with ThreadPoolExecutor(1) as hasher:
        pending: deque[Future[None]] = deque()

        def update(chunk: memoryview) -> None:
            pending.append(hasher.submit(sha256.update, chunk))
            if len(pending) == _NUM_BUFFERS:
                pending.popleft().result()

        num_bytes = _copy(read_into, writer, expected, update)
    return num_bytes, sha256.hexdigest()


def _copy(
    read_into: Callable[[memoryview], int],
    writer: int,
    expected: int,
    update: Callable[[memoryview], None],
) -> int:
    """Give each chunk to `update`; its buffer is used again when three more were given."""
    num_bytes = begun = 0
    size = min(_BUFFER_BYTES, expected + 1)
    buffers = [memoryview(bytearray(size)) for _ in range(_NUM_BUFFERS)]
    for buffer in itertools.cycle(buffers):
        count = read_into(buffer[: min(size, expected + 1 - num_bytes)])
        if count == 0:
            break
        chunk = buffer[:count]
        update(chunk)
        while chunk:
            chunk = chunk[os.write(writer, chunk) :]
        num_bytes += count
        if num_bytes - begun >= _WRITEBACK_BYTES:
            writeback.begin(writer, begun, num_bytes - begun)
            begun = num_bytes
    return num_bytes
