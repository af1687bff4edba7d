"""Encodes, splits and compresses batches of rows on several processes, and writes them in order."""

import collections
import gzip
import itertools
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from components.example_gen.encoding import ExampleEncoder
from components.example_gen.split import Splitter
from components.parent_death import die_with_parent
from components.tfrecord import frame

GZIP_LEVEL = 1
SERIAL_BATCHES = 4
"""Fewer than these are done before other processes would have started."""


@dataclass(frozen=True)
class Encoded:
    """One batch's records of one split: a whole gzip member, so that members can be joined."""

    num_examples: int
    member: bytes


@dataclass(frozen=True)
class BatchEncoder:
    """What turns one batch into files' bytes; sent to each worker process once."""

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
    yield from map(encoder.encode, itertools.islice(batches, SERIAL_BATCHES))
    if num_workers < 2:
        yield from map(encoder.encode, batches)
        return
    first = next(batches, None)
    if first is not None:
        yield from _encode_in_pool(encoder, itertools.chain([first], batches), num_workers)


def _encode_in_pool(
    encoder: BatchEncoder, batches: Iterator[pa.RecordBatch], num_workers: int
) -> Iterator[list[Encoded]]:
    with ProcessPoolExecutor(
        num_workers,
        mp_context=multiprocessing.get_context("spawn"),  # Arrow's threads don't survive a fork
        initializer=_start_worker,
        initargs=(encoder, os.getpid()),
    ) as pool:
        started = [pool.submit(_is_started) for _ in range(num_workers)]
        while not any(start.done() for start in started):  # importing takes them a second or two
            batch = next(batches, None)
            if batch is None:
                return
            yield encoder.encode(batch)
        waiting: collections.deque[Future[list[Encoded]]] = collections.deque()
        for batch in batches:
            waiting.append(pool.submit(_encode_in_worker, batch))
            if len(waiting) > 2 * num_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_worker_encoder: list[BatchEncoder] = []


def _start_worker(encoder: BatchEncoder, parent_pid: int) -> None:
    die_with_parent(parent_pid)
    _worker_encoder[:] = [encoder]


def _is_started() -> None:
    """Answer, which a worker can do once it has imported everything."""


def _encode_in_worker(batch: pa.RecordBatch) -> list[Encoded]:
    return _worker_encoder[0].encode(batch)


def _compress(records: Sequence[bytes]) -> bytes:
    # no time in the header: the same rows give the same bytes
    return gzip.compress(b"".join(records), GZIP_LEVEL, mtime=0) if records else b""
