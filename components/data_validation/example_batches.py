"""Reads the examples of a split as Arrow record batches, by tfx_bsl's C++ decoder."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.errors import ConfigurationError, DataError
from components.records import Examples
from components.tfrecord import read_all_records

BATCH_SIZE = 8192


def read_batches(
    files: list[Path], parts: Collection[int], num_parts: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield batches of up to `BATCH_SIZE` examples, each feature a column of lists.

    Args:
        files: TFRecords of serialized `tf.Example`s.
        parts: which shares of the batches, from 0.
        num_parts: how many shares there are; the batches go round.

    Yields:
        The share that the batch belongs to, and the batch.

    Raises:
        DataError: a truncated file; a record that is no `tf.Example`; a feature whose type changes
            within a batch.
    """
    decoder = ExamplesToRecordBatchDecoder()
    turn = 0
    for file in files:
        records = read_all_records(file)
        for start in range(0, len(records), BATCH_SIZE):
            part = turn % num_parts
            if part in parts:
                yield part, _decode(decoder, records[start : start + BATCH_SIZE], file, start)
            turn += 1


def split_files(examples: Examples, name: str) -> list[Path]:
    """Return the files of a split, sorted.

    Raises:
        ConfigurationError: no such split.
        DataError: no files.
    """
    split = examples.splits.get(name)
    if split is None:
        raise ConfigurationError(
            f"the examples in {examples.uri!r} have no split {name!r}; they have "
            f"{', '.join(sorted(examples.splits)) or 'none'}"
        )
    files = sorted(path for path in Path(examples.uri).glob(split.file_pattern) if path.is_file())
    if not files:
        raise DataError(
            f"no file in {examples.uri!r} matches {split.file_pattern!r} of the split {name!r}: "
            "the examples were moved or removed; make them again"
        )
    return files


def _decode(
    decoder: ExamplesToRecordBatchDecoder, records: list[bytes], file: Path, start: int
) -> pa.RecordBatch:
    try:
        return decoder.DecodeBatch(records)
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"examples {start:,} to {start + len(records) - 1:,} of {str(file)!r} can't be read: "
            f"{error}; a record is no tf.Example, or a feature changes its type"
        ) from error
