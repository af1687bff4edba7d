"""Encodes, splits and compresses batches of rows on several threads, and writes them in order.

Threads, not processes: tfx_bsl and zlib let other threads run, and two more processes take longer
to import all this than they save on some hundred thousand rows.
"""

import collections
import gzip
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from components.example_gen.encoding import ExampleEncoder
from components.example_gen.split import Splitter
from components.tfrecord import frame

GZIP_LEVEL = 1


@dataclass(frozen=True)
class Encoded:
    """One batch's records of one split: a whole gzip member, so that members can be joined."""

    num_examples: int
    member: bytes


@dataclass(frozen=True)
class BatchEncoder:
    """What turns one batch into files' bytes; has no state, so threads may share it."""

    encoder: ExampleEncoder
    splitter: Splitter
    features: Sequence[str]
    num_splits: int

    def encode(self, batch: pa.RecordBatch) -> list[Encoded]:
        """Return the batch's records, by split."""
        examples = self.encoder.encode(batch.select(list(self.features)))
        framed: list[list[bytes]] = [[] for _ in range(self.num_splits)]
        for example, split in zip(examples, self.splitter.assign(batch, examples), strict=True):
            framed[split].append(frame(example))
        return [Encoded(len(records), _compress(records)) for records in framed]


def write_batches(
    encoder: BatchEncoder,
    batches: Iterable[pa.RecordBatch],
    directories: Sequence[Path],
    num_workers: int,
) -> list[int]:
    """Write one TFRecord file a split; its name is TFX's, GZIP is known by its ending.

    The bytes don't depend on `num_workers`; memory doesn't depend on the number of batches.

    Returns:
        How many examples each split got.
    """
    counts = [0] * len(directories)
    files: list[IO[bytes]] = []
    try:
        for directory in directories:
            directory.mkdir()
            files.append((directory / "data_tfrecord-00000-of-00001.gz").open("wb"))
        for encoded in _encode_all(encoder, iter(batches), num_workers):
            for split, part in enumerate(encoded):
                counts[split] += part.num_examples
                files[split].write(part.member)
    finally:
        for file in files:
            file.close()
    return counts


def _encode_all(
    encoder: BatchEncoder, batches: Iterator[pa.RecordBatch], num_workers: int
) -> Iterator[list[Encoded]]:
    with ThreadPoolExecutor(num_workers) as pool:
        waiting: collections.deque[Future[list[Encoded]]] = collections.deque()
        for batch in batches:
            waiting.append(pool.submit(encoder.encode, batch))
            if len(waiting) > 2 * num_workers:  # as many as are held in memory
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _compress(records: Sequence[bytes]) -> bytes:
    # no time in the header: the same rows give the same bytes
    return gzip.compress(b"".join(records), GZIP_LEVEL, mtime=0) if records else b""
