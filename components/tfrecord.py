"""Reads and writes TFRecord files without TensorFlow, whose import costs seconds.

Format: per record its length (8 bytes, little endian), a masked CRC-32C of that, the bytes, a
masked CRC-32C of them. Source: `tensorflow/core/lib/io/record_writer.cc`.
"""

import functools
import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import google_crc32c

from components.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_LENGTH = struct.Struct("<Q")
_CHECK = struct.Struct("<I")
_HEADER_BYTES = _LENGTH.size + _CHECK.size


def read_records(path: Path, *, may_be_compressed: bool = True) -> Iterator[bytes]:
    """Yield the records of one file, compressed with gzip or not; which it is, its bytes say.

    Args:
        path: the file.
        may_be_compressed: False reads its bytes as they are.

    Raises:
        DataError: truncated, or bytes that don't fit their checksum.
    """
    with path.open("rb") as raw:
        compressed = may_be_compressed and _is_gzip(raw.read(_HEADER_BYTES))
        raw.seek(0)
        file: Any = gzip.GzipFile(fileobj=raw, mode="rb") if compressed else raw
        try:
            while header := file.read(_HEADER_BYTES):
                yield _read_record(file, header)
        except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
            raise DataError(f"{str(path)!r} isn't a whole TFRecord file: {error}") from error


def read_all_records(path: Path) -> list[bytes]:
    """Return the records of one file: quicker than `read_records`, at the price of memory.

    Raises:
        DataError: truncated, or bytes that don't fit their checksum.
    """
    data = path.read_bytes()
    try:
        if _is_gzip(data[:_HEADER_BYTES]):
            data = gzip.decompress(data)
        return list(_slice_records(data))
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise DataError(f"{str(path)!r} isn't a whole TFRecord file: {error}") from error


def _is_gzip(header: bytes) -> bool:
    """Whether a file is compressed; a first record's length may begin with the same bytes."""
    if header[: len(_GZIP_MAGIC)] != _GZIP_MAGIC:
        return False
    length, check = header[: _LENGTH.size], header[_LENGTH.size :]
    return len(check) != _CHECK.size or _CHECK.unpack(check)[0] != _masked_crc(length)


def _slice_records(data: bytes) -> Iterator[bytes]:
    checksum, position, size = google_crc32c.value, 0, len(data)
    known: dict[bytes, int] = {}  # records of a table have few different lengths
    while position < size:
        begin = position + _HEADER_BYTES
        header = data[position:begin]
        length = known.get(header)
        if length is None:
            (length,) = _LENGTH.unpack_from(header)
            _verify(header[: _LENGTH.size], header[_LENGTH.size :], "length")
            known[header] = length
        position = begin + length + _CHECK.size
        record = data[begin : begin + length]
        crc = checksum(record)
        if (
            _CHECK.unpack_from(data, begin + length)[0]
            != ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        ):
            raise ValueError("the data of a record doesn't fit its checksum")
        yield record


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


def _read_record(file: IO[bytes], header: bytes) -> bytes:
    (length,) = _LENGTH.unpack(header[: _LENGTH.size])
    _verify(header[: _LENGTH.size], header[_LENGTH.size :], "length")
    record = file.read(length)
    if len(record) != length:
        raise ValueError(f"a record of {length} bytes ends after {len(record)}")
    _verify(record, file.read(_CHECK.size), "data")
    return record


def _verify(data: bytes, check: bytes, what: str) -> None:
    if _CHECK.unpack(check)[0] != _masked_crc(data):
        raise ValueError(f"the {what} of a record doesn't fit its checksum")


def _masked_crc(data: bytes) -> int:
    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
