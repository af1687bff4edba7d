"""Reads and writes TFRecord files without TensorFlow, whose import costs seconds.

Format: per record its length (8 bytes, little endian), a masked CRC-32C of that, the bytes, a
masked CRC-32C of them. Source: `tensorflow/core/lib/io/record_writer.cc`.
"""

import functools
import gzip
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google_crc32c

from components.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_LENGTH = struct.Struct("<Q")
_CHECK = struct.Struct("<I")
_HEADER_BYTES = _LENGTH.size + _CHECK.size
_BLOCK_BYTES = 1 << 20


def read_records(path: Path, *, may_be_compressed: bool = True) -> Iterator[bytes]:
    """Yield the records of one file, compressed with gzip or not; which it is, its bytes say.

    Args:
        path: the file.
        may_be_compressed: False reads its bytes as they are.

    Raises:
        DataError: truncated, or bytes that don't fit their checksum.
    """
    with path.open("rb") as stream:
        yield from read_stream(stream, str(path), may_be_compressed=may_be_compressed)


def read_stream(
    stream: Any,
    name: str,
    *,
    may_be_compressed: bool = True,
    max_record_bytes: int | None = None,
) -> Iterator[bytes]:
    """Yield the records of an open file in order, a block of bytes at a time.

    Args:
        stream: whatever has `read`; it needn't seek.
        name: for messages.
        may_be_compressed: False reads its bytes as they are.
        max_record_bytes: a longer record is refused before it is read; default: any length.

    Raises:
        DataError: truncated, bytes that don't fit their checksum, or a record that is too long.
    """
    start = stream.read(_HEADER_BYTES)
    file: Any = _Replayed(start, stream)
    if may_be_compressed and _is_gzip(start):
        file = gzip.GzipFile(fileobj=file, mode="rb")
    try:
        yield from _slice_records(file.read, max_record_bytes)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise DataError(f"{name!r} isn't a whole TFRecord file: {error}") from error


def read_all_records(path: Path) -> list[bytes]:
    """Return the records of one file: quicker than `read_records`, at the price of memory.

    Raises:
        DataError: truncated, or bytes that don't fit their checksum.
    """
    with _described(path):
        whole = iter([_uncompressed(path)])
        return list(_slice_records(lambda _: next(whole, b""), None))


class WholeFile:
    """One file in memory, of which some records are taken; the others cost next to nothing.

    Checksums of records aren't looked at: it is for files whose digest was compared.

    Args:
        path: of the file, compressed with gzip or not.

    Raises:
        DataError: truncated.
    """

    def __init__(self, path: Path) -> None:
        with _described(path):
            self._data = _uncompressed(path)
            self._ends = _find_ends(self._data)

    def __len__(self) -> int:
        return len(self._ends)

    def read(self, first: int, stop: int) -> list[bytes]:
        """Return the records from one number to before another; fewer where the file ends."""
        ends = self._ends[first:stop]
        starts = [self._ends[first - 1] if first else 0, *ends]
        before, after = _HEADER_BYTES, _CHECK.size
        return [
            self._data[start + before : end - after]
            for start, end in zip(starts, ends, strict=False)
        ]


def _find_ends(data: bytes) -> list[int]:
    """Return where each record ends, with what belongs to it."""
    unpack, around = _LENGTH.unpack_from, _HEADER_BYTES + _CHECK.size
    ends, position, size = [], 0, len(data)
    while position < size:
        position += unpack(data, position)[0] + around
        ends.append(position)
    if position != size:
        raise ValueError(f"its last record would end at byte {position}, the file does at {size}")
    return ends


def _uncompressed(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if _is_gzip(data[:_HEADER_BYTES]) else data


@contextmanager
def _described(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise DataError(f"{str(path)!r} isn't a whole TFRecord file: {error}") from error


def is_compressed(path: Path) -> bool:
    """Whether a file of records is compressed with gzip; its name doesn't say it, its bytes do."""
    with path.open("rb") as stream:
        return _is_gzip(stream.read(_HEADER_BYTES))


def is_tfrecord(start: bytes) -> bool:
    """Whether a file that begins with these bytes, 12 or more, can be one: its first checksum."""
    length, check = start[: _LENGTH.size], start[_LENGTH.size : _HEADER_BYTES]
    return len(check) == _CHECK.size and _CHECK.unpack(check)[0] == _masked_crc(length)


def _is_gzip(header: bytes) -> bool:
    """Whether a file is compressed; a first record's length may begin with the same bytes."""
    return header[: len(_GZIP_MAGIC)] == _GZIP_MAGIC and not is_tfrecord(header)


class _Replayed:
    """A stream of which the start was read already."""

    def __init__(self, start: bytes, stream: Any) -> None:
        self._start = start
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not self._start:
            data: bytes = self._stream.read(size)
            return data
        start, self._start = self._start, b""
        if 0 <= size < len(start):
            start, self._start = start[:size], start[size:]
        return start


def _slice_records(read: Callable[[int], bytes], max_bytes: int | None) -> Iterator[bytes]:
    checksum, data, position = google_crc32c.value, b"", 0
    known: dict[bytes, int] = {}  # records of a table have few different lengths
    while True:
        if len(data) - position < _HEADER_BYTES:
            data, position = _filled(data[position:], _HEADER_BYTES, read), 0
            if not data:
                return
        begin = position + _HEADER_BYTES
        header = data[position:begin]
        length = known.get(header)
        if length is None:
            length = known[header] = _length(header, max_bytes)
        end = begin + length + _CHECK.size
        if end > len(data):
            data = _filled(data[position:], end - position, read)
            begin, end = _HEADER_BYTES, end - position
        record = data[begin : end - _CHECK.size]
        if len(record) != length:
            raise ValueError(f"a record of {length} bytes ends after {len(record)}")
        crc = checksum(record)
        if (
            _CHECK.unpack_from(data, begin + length)[0]
            != ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        ):
            raise ValueError("the data of a record doesn't fit its checksum")
        position = end
        yield record


def _filled(data: bytes, num_bytes: int, read: Callable[[int], bytes]) -> bytes:
    """Return the data with more read to it: so many bytes in all, if there are as many."""
    parts = [data]
    missing = num_bytes - len(data)
    while missing > 0:
        part = read(max(missing, _BLOCK_BYTES))
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _length(header: bytes, max_bytes: int | None) -> int:
    (length,) = _LENGTH.unpack_from(header)
    _verify(header[: _LENGTH.size], header[_LENGTH.size :], "length")
    if max_bytes is not None and length > max_bytes:
        raise ValueError(f"a record has {length:,} bytes; expected at most {max_bytes:,}")
    return int(length)


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write one uncompressed file."""
    with path.open("wb") as file:
        for record in records:
            file.write(frame(record))


def frame(record: bytes) -> bytes:
    """Return a record as it stands in a file: between its length and its checksum."""
    return b"".join((_header(len(record)), record, _CHECK.pack(_masked_crc(record))))


@functools.lru_cache(maxsize=4096)  # records of a table have few different lengths
def _header(num_bytes: int) -> bytes:
    length = _LENGTH.pack(num_bytes)
    return length + _CHECK.pack(_masked_crc(length))


def _verify(data: bytes, check: bytes, what: str) -> None:
    if _CHECK.unpack(check)[0] != _masked_crc(data):
        raise ValueError(f"the {what} of a record doesn't fit its checksum")


def _masked_crc(data: bytes) -> int:
    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
