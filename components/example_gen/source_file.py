"""One file of a source, on this machine's disk or wherever fsspec reaches."""

import re
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from components import tfrecord
from components.errors import ConfigurationError, DataError, SourceUnavailableError
from components.records import Window

MAX_ROW_BYTES = 64 << 20
"""A row that takes more is refused: a training couldn't hold a batch of such either."""
BLOCK_BYTES = 4 << 20
"""How much of a text file is parsed at a time; its types are those of the first block."""
ENDINGS = {
    "csv": (".csv", ".csv.gz", ".csv.zip", ".tsv", ".tsv.gz", ".tsv.zip"),
    "json": (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz"),
    "parquet": (".parquet", ".pq"),
    "tfrecord": (".tfrecord", ".tfrecord.gz", ".tfrecords", ".tfrecords.gz"),
}
_SHARD = re.compile(r"tfrecords?-\d+-of-\d+(\.gz)?$")
_PARQUET_MAGIC = b"PAR1"
_SNIFFED_BYTES = 12
_NOT_THERE = (404, 410)


@dataclass(frozen=True)
class SourceFile:
    """A file, and what its path says of the rows in it.

    Attributes:
        path: as its file system names it.
        name: for messages; for a file elsewhere its URL.
        file_system: fsspec's; None is this machine's disk.
        keys: what hive-partitioned folders are called, ``{"year": "2013"}``; None for
            ``__HIVE_DEFAULT_PARTITION__``.
        interval: the span of time that the path names; None if it names none.
        span: the numbers of TFX's span and version; None if the source has no such pattern.
    """

    path: str
    name: str
    file_system: Any = None
    keys: Mapping[str, str | None] = field(default_factory=dict)
    interval: Window | None = None
    span: tuple[int, int] | None = None

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open it for reading bytes."""
        if self.file_system is None:
            with open(self.path, "rb") as stream:
                yield stream
        else:
            with self.file_system.open(self.path, "rb") as stream:
                yield stream

    @contextmanager
    def open_arrow(self) -> Iterator[Any]:
        """Open it for Arrow, which reads a local file by itself, also a compressed one."""
        if self.file_system is None:
            yield self.path
            return
        with self.open() as stream, pa.PythonFile(stream, mode="r") as file:
            if self.path.lower().endswith(".gz"):
                with pa.CompressedInputStream(file, "gzip") as inflated:
                    yield inflated
            else:
                yield file

    @cached_property
    def kind(self) -> str:
        """``csv``, ``json``, ``parquet`` or ``tfrecord``: by its name, else by its first bytes.

        Raises:
            ConfigurationError: none of them.
        """
        name = self.path.lower()
        for kind, endings in ENDINGS.items():
            if name.endswith(endings):
                return kind
        return "tfrecord" if _SHARD.search(name) else self._sniff()

    def _sniff(self) -> str:
        with translated(self.name), self.open() as stream:
            start = stream.read(_SNIFFED_BYTES)
        if start.startswith(_PARQUET_MAGIC):
            return "parquet"
        if tfrecord.is_tfrecord(start):
            return "tfrecord"
        endings = ", ".join(ending for known in ENDINGS.values() for ending in known)
        raise ConfigurationError(
            f"{self.name!r} is neither CSV, JSON Lines, Parquet nor TFRecord, as far as its name "
            f"and first bytes tell; expected a name that ends in one of {endings}"
        )


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Tell bytes that are broken from a disk, a network or a store that fails.

    Raises:
        DataError: the bytes can't be read; a retry can't help.
        SourceUnavailableError: the store can't be reached, or refuses.
        OSError: the disk failed.
    """
    try:
        yield
    except _faults() as error:
        raise SourceUnavailableError(
            f"{name!r} can't be reached: {type(error).__name__}: {error}; check the address, the "
            "network and the credentials"
        ) from error
    except (pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        if isinstance(error, MemoryError) or _is_fault(error):
            raise  # the disk or the machine, not the bytes: a retry may help
        raise DataError(f"{name!r} can't be read: {_explained(str(error).strip())}") from error


def is_outage(error: BaseException) -> bool:
    """Whether a store couldn't be reached, or refused; that something isn't there is an answer."""
    if getattr(error, "status", None) in _NOT_THERE:
        return False
    return isinstance(error, (*_faults(), ConnectionError, TimeoutError))


def _is_fault(error: BaseException) -> bool:
    return getattr(error, "errno", None) is not None or isinstance(
        error, ConnectionError | TimeoutError | FileNotFoundError | PermissionError
    )


def _faults() -> tuple[type[Exception], ...]:
    """Return what stores raise that is no OSError; only what was imported can have been raised."""
    botocore = sys.modules.get("botocore.exceptions")
    aiohttp = sys.modules.get("aiohttp")
    return (
        *((botocore.BotoCoreError, botocore.ClientError) if botocore is not None else ()),
        *((aiohttp.ClientError,) if aiohttp is not None else ()),
    )


def _explained(message: str) -> str:
    limit = f"{BLOCK_BYTES >> 20} MiB"
    conversion = re.search(r"In CSV column #(\d+): .*CSV conversion error to (\S+):", message)
    if conversion is not None:
        return (
            f"{message}; the file's first {limit} made the column {conversion[2]} (columns count "
            "from 0): mend the row, or give Parquet, which states its types"
        )
    if "straddling object" in message:
        return (
            f"a row is longer than {limit}, or a quote isn't closed ({message}); mend the row, or "
            "give Parquet"
        )
    if "JSON parse error: unexpected field" in message:
        return (
            f"{message}: one that none of the rows in the first {limit} has; name the columns you "
            "want with --features, give it in the first row (null will do), or give Parquet"
        )
    if "JSON parse error: Column" in message:
        return f"{message}; mend the row: a column has one type, and a file one object a line"
    return f"{message}; mend the file or leave it out"
