"""Encodes, splits and compresses batches of rows on several threads, and writes them in order.

Threads, not processes: tfx_bsl and zlib let other threads run, and two more processes take longer
to import all this than they save on some hundred thousand rows.
"""

import collections
import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import ConfigurationError, DataError
from components.example_gen.encoding import ExampleEncoder
from components.example_gen.feature_type import is_bytes, is_list, is_text
from components.example_gen.moment import epoch_seconds
from components.example_gen.repetition import Hashes, RepetitionCount
from components.example_gen.source_file import MAX_ROW_BYTES
from components.example_gen.split import hash_of
from components.tfrecord import frame

GZIP_LEVEL = 1
_MIXER = np.uint64(0x9E3779B97F4A7C15)
"""An odd number, so that no two times become one."""


@dataclass(frozen=True)
class OutputFormat:
    """How the files of a split are written.

    Attributes:
        num_shards: files per split; rows go to them in turn.
        compression: ``gzip`` or ``none``.
    """

    num_shards: int = 1
    compression: str = "gzip"

    def __post_init__(self) -> None:
        if not 1 <= self.num_shards <= 99_999:
            raise ConfigurationError(f"num_shards is {self.num_shards}; expected 1 to 99,999")
        if self.compression not in ("gzip", "none"):
            raise ConfigurationError(
                f"compression is {self.compression!r}; expected 'gzip' or 'none'"
            )

    @property
    def file_names(self) -> list[str]:
        """The names of a split's files: TFX's; a compressed one is known by its ending."""
        ending = ".gz" if self.compression == "gzip" else ""
        count = self.num_shards
        return [f"data_tfrecord-{index:05d}-of-{count:05d}{ending}" for index in range(count)]

    @property
    def empty(self) -> bytes:
        """A file without records."""
        return gzip.compress(b"", GZIP_LEVEL, mtime=0) if self.compression == "gzip" else b""

    def pack(self, records: Sequence[bytes]) -> bytes:
        """Return framed records as they stand in a file; what several calls give can be joined."""
        joined = b"".join(records)
        # no time in the header: the same rows give the same bytes
        packed = self.compression == "gzip" and records
        return gzip.compress(joined, GZIP_LEVEL, mtime=0) if packed else joined


class Assigner(Protocol):
    """Says which split rows are in; see `split.Splitter`."""

    def assign(self, batch: pa.RecordBatch, hashes: Sequence[int]) -> list[int]:
        """Return a split's index for each row."""


@dataclass(frozen=True)
class Encoded:
    """What one batch became.

    Attributes:
        counts: examples by split.
        members: bytes by split and shard.
        hashes: of the examples, and of their times.
        filled: for each feature, whether any row has a value.
    """

    counts: list[int]
    members: list[list[bytes]]
    hashes: Hashes
    filled: list[bool]


@dataclass(frozen=True)
class BatchEncoder:
    """What turns one batch into files' bytes; has no state, so threads may share it."""

    encoder: ExampleEncoder
    assigner: Assigner
    features: Sequence[str]
    num_splits: int
    output: OutputFormat
    time_column: str | None = None
    """What tells rows apart that are alike in all features; None where there is none."""

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """Return the batch's records, by split.

        Raises:
            DataError: a row that is larger than `MAX_ROW_BYTES`.
        """
        columns = batch.select(list(self.features))
        _check_values(columns)
        examples = self.encoder.encode(columns)
        _check_sizes(columns, examples)
        hashes = [hash_of(example) for example in examples]
        framed: list[list[bytes]] = [[] for _ in range(self.num_splits)]
        for example, split in zip(examples, self.assigner.assign(batch, hashes), strict=True):
            framed[split].append(frame(example))
        shards = self.output.num_shards
        return Encoded(
            [len(records) for records in framed],
            [
                [self.output.pack(records[shard::shards]) for shard in range(shards)]
                for records in framed
            ],
            self._with_times(np.array(hashes, np.uint64), batch),
            [_has_values(column) for column in columns.columns],
        )

    def _with_times(self, hashes: Hashes, batch: pa.RecordBatch) -> Hashes:
        """Return the hashes of rows that differ where only their times do."""
        name = self.time_column
        if name is None or name in self.features:
            return hashes
        seconds = pc.fill_null(epoch_seconds(batch.column(name), name), 0)
        times: Hashes = seconds.to_numpy(zero_copy_only=False).astype(np.uint64)
        mixed: Hashes = hashes ^ (times * _MIXER)
        return mixed


@dataclass
class Written:
    """What was written.

    Attributes:
        counts: examples by split.
        filled: for each feature, whether any row has a value.
    """

    counts: dict[str, int]
    filled: list[bool]


def write_batches(
    encoder: BatchEncoder,
    batches: Iterable[pa.RecordBatch],
    directories: Mapping[str, Path],
    num_workers: int,
    repetition: RepetitionCount,
) -> Written:
    """Write the TFRecord files of each split into its directory.

    The bytes don't depend on `num_workers`; memory doesn't depend on the number of batches.
    """
    written = Written(dict.fromkeys(directories, 0), [False] * len(encoder.features))
    files: list[list[IO[bytes]]] = []
    try:
        for directory in directories.values():
            directory.mkdir()
            files.append([(directory / name).open("wb") for name in encoder.output.file_names])
        for encoded in _encode_all(encoder, iter(batches), num_workers):
            repetition.add(encoded.hashes)
            written.filled = [a or b for a, b in zip(written.filled, encoded.filled, strict=True)]
            for index, split in enumerate(directories):
                written.counts[split] += encoded.counts[index]
                for file, member in zip(files[index], encoded.members[index], strict=True):
                    file.write(member)
        for file in (file for shards in files for file in shards):
            if not file.tell():  # no reader of gzip takes nothing at all for a file without records
                file.write(encoder.output.empty)
    finally:
        for file in (file for shards in files for file in shards):
            file.close()
    return written


def _encode_all(
    encoder: BatchEncoder, batches: Iterator[pa.RecordBatch], num_workers: int
) -> Iterator[Encoded]:
    with ThreadPoolExecutor(num_workers) as pool:
        waiting: collections.deque[Future[Encoded]] = collections.deque()
        for batch in batches:
            waiting.append(pool.submit(encoder.encode, batch))
            if len(waiting) > 2 * num_workers:  # as many as are held in memory
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _has_values(column: pa.Array) -> bool:
    if is_list(column.type):
        return len(column.flatten()) > 0
    return bool(column.null_count < len(column))


def _check_values(columns: pa.RecordBatch) -> None:
    """Refuse a text that is too long before it is copied."""
    for name, column in zip(columns.schema.names, columns.columns, strict=True):
        if column.nbytes > MAX_ROW_BYTES and (is_text(column.type) or is_bytes(column.type)):
            plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            longest = pc.max(pc.binary_length(plain)).as_py() or 0
            if longest > MAX_ROW_BYTES:
                raise _too_large(longest, name)


def _too_large(num_bytes: int, name: str) -> DataError:
    return DataError(
        f"a row takes {num_bytes >> 20:,} MiB, most of it in the column {name!r}; expected at most "
        f"{MAX_ROW_BYTES >> 20} MiB: leave the column out with --features, or mend the row"
    )


def _check_sizes(columns: pa.RecordBatch, examples: Sequence[bytes]) -> None:
    longest = max(map(len, examples), default=0)
    if longest <= MAX_ROW_BYTES:
        return
    row = next(index for index, example in enumerate(examples) if len(example) == longest)
    sizes = {name: columns.column(name).slice(row, 1).nbytes for name in columns.schema.names}
    largest = max(sizes, key=lambda name: sizes[name])
    raise _too_large(longest, largest)
