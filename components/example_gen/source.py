"""A table of one or more files: which there are, what columns they have, their rows by window."""

import glob
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.errors import ConfigurationError, DataError
from components.example_gen.feature_type import same_meaning
from components.example_gen.moment import Span, epoch_seconds, may_hold_moments
from components.example_gen.table_file import (
    BATCH_ROWS,
    CSV_SUFFIXES,
    PARQUET_SUFFIXES,
    read_batches,
    read_schema,
    time_bounds,
)
from components.records import Window

_log = logging.getLogger(__name__)


def find_files(source: str) -> list[Path]:
    """Return the files of a source in the order of their names.

    Args:
        source: a file, a folder (searched through, but for names that begin with ``.`` or ``_``),
            or a glob of files and folders.

    Raises:
        ConfigurationError: nothing there, or files of an unknown kind.
    """
    path = Path(source)
    roots = [path] if path.exists() else sorted(map(Path, glob.glob(source, recursive=True)))  # noqa: PTH207
    found = sorted({file for root in roots for file in _files_in(root)})
    if not found:
        raise ConfigurationError(
            f"the source {source!r} holds no files; expected a CSV or Parquet file, a folder of "
            "them, or a glob"
        )
    for file in found:
        if not file.name.lower().endswith(CSV_SUFFIXES + PARQUET_SUFFIXES):
            raise ConfigurationError(
                f"{str(file)!r} is neither CSV nor Parquet; expected a name that ends in one of "
                f"{', '.join(CSV_SUFFIXES + PARQUET_SUFFIXES)}"
            )
    return found


def _files_in(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for item in root.rglob("*"):
        hidden = any(part.startswith((".", "_")) for part in item.relative_to(root).parts)
        if item.is_file() and not hidden:
            yield item


class Table:
    """The rows of one or more files with the same columns.

    Args:
        source: as in `find_files`.
        time_column: which column says when a row happened; None where rows have no time.

    Raises:
        ConfigurationError: no such files.
        DataError: a file can't be read, has other columns than the first, or no `time_column`.
    """

    def __init__(self, source: str, time_column: str | None = None) -> None:
        self.source = source
        self.files = find_files(source)
        self.time_column = time_column
        for file in self.files[1:]:
            _check_same_columns(self.files[0], self.schema, file, read_schema(file))
        if time_column is not None:
            self.check_columns([time_column], "the time column")
            _check_is_time(self.schema.field(time_column), source)

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of the first file."""
        return read_schema(self.files[0])

    def check_columns(self, names: Sequence[str], what: str) -> None:
        """Refuse names of columns that aren't there.

        Raises:
            DataError: naming the first, and those that are there.
        """
        for name in names:
            if name not in self.schema.names:
                raise DataError(
                    f"{what} {name!r} isn't in {str(self.files[0])!r}; its columns are "
                    f"{', '.join(self.schema.names)}"
                )

    def batches(self, columns: Sequence[str], window: Window | None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a window, file by file, in the order in which they stand there.

        How many rows a batch has doesn't depend on how the files hold them, so neither do the
        bytes that are made of it; only where the files' types differ does a batch end early.

        Args:
            columns: which to keep, in this order.
            window: None, or for a table without a time column: all rows.

        Raises:
            DataError: rows that can't be read.
        """
        return _regroup(self._rows(columns, window))

    def _rows(self, columns: Sequence[str], window: Window | None) -> Iterator[pa.RecordBatch]:
        wanted = list(columns)
        if self.time_column is not None and self.time_column not in wanted:
            wanted.append(self.time_column)
        without_time = 0
        for file in self.files:
            for batch in read_batches(file, wanted, self.time_column, window):
                if window is not None and self.time_column is not None:
                    without_time += batch.column(self.time_column).null_count
                    batch = _within(batch, self.time_column, window)
                yield batch.select(list(columns))
        if without_time:
            _log.warning(
                "left out %d rows that have no time in the column %r",
                without_time,
                self.time_column,
            )

    @cached_property
    def span(self) -> Span | None:
        """The times of the whole table; None if no row has one.

        Raises:
            ConfigurationError: the table has no time column.
        """
        if self.time_column is None:
            raise ConfigurationError("a table without a time column has no span of time")
        first: int | None = None
        last: int | None = None
        for file in self.files:
            for second in time_bounds(file, self.time_column):
                first = second if first is None else min(first, second)
                last = second if last is None else max(last, second)
        if first is None or last is None:
            return None
        return Span(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC))


def _within(batch: pa.RecordBatch, time_column: str, window: Window) -> pa.RecordBatch:
    seconds = epoch_seconds(batch.column(time_column), time_column)
    inside = pc.and_(
        pc.greater_equal(seconds, int(window.start_time.timestamp())),
        pc.less(seconds, int(window.end_time.timestamp())),
    )
    return batch.filter(inside)


def _regroup(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    waiting: list[pa.RecordBatch] = []
    num_rows = 0
    for batch in batches:
        if waiting and not batch.schema.equals(waiting[0].schema):
            yield pa.concat_batches(waiting)
            waiting, num_rows = [], 0
        while num_rows + batch.num_rows >= BATCH_ROWS:
            missing = BATCH_ROWS - num_rows
            yield pa.concat_batches([*waiting, batch.slice(0, missing)])
            batch, waiting, num_rows = batch.slice(missing), [], 0
        if batch.num_rows:
            waiting.append(batch)
            num_rows += batch.num_rows
    if waiting:
        yield pa.concat_batches(waiting)


def _check_is_time(field: pa.Field, source: str) -> None:
    if not may_hold_moments(field.type):
        raise DataError(
            f"the time column {field.name!r} of {source!r} holds {field.type}; expected "
            "timestamps, dates, or ISO 8601 text"
        )


def _check_same_columns(first: Path, expected: pa.Schema, file: Path, found: pa.Schema) -> None:
    for name in sorted(set(expected.names) ^ set(found.names)):
        has, lacks = (first, file) if name in expected.names else (file, first)
        raise DataError(
            f"the column {name!r} is in {str(has)!r} but not in {str(lacks)!r}; expected the same "
            "columns in all files of a source"
        )
    for field in expected:
        other = found.field(field.name).type
        if not same_meaning(field.type, other):
            raise DataError(
                f"the column {field.name!r} holds {field.type} in {str(first)!r} but {other} in "
                f"{str(file)!r}; expected the same type in all files of a source"
            )
