"""Reads the examples of a split as Arrow record batches, by tfx_bsl's C++ decoder."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.errors import ConfigurationError, DataError
from components.records import Examples
from components.tfrecord import WholeFile

BATCH_SIZE = 8192


def read_batches(
    files: list[Path], parts: Collection[int], num_parts: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield batches of up to `BATCH_SIZE` examples, each feature a column of lists.

    Args:
        files: TFRecords of serialized `tf.Example`s whose digest was compared.
        parts: which shares, from 0.
        num_parts: how many shares there are. Where there are as many files, each goes to one share,
            and isn't read for the others; of fewer files, the batches go round.

    Yields:
        The share that the batch belongs to, and the batch.

    Raises:
        DataError: a truncated file; a record that is no `tf.Example`; a feature whose type changes
            within a batch.
    """
    decoder = ExamplesToRecordBatchDecoder()
    by_file = len(files) >= num_parts
    turn = 0
    for index, file in enumerate(files):
        if by_file and index % num_parts not in parts:
            continue
        records = WholeFile(file)
        for start in range(0, len(records), BATCH_SIZE):
            part = (index if by_file else turn) % num_parts
            turn += 1
            if part in parts:
                batch = records.read(start, start + BATCH_SIZE)
                yield part, _decode(decoder, batch, file, start)


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
