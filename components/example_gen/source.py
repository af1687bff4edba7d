"""Reads tables: which files there are, what columns they have, their rows by window."""

import glob
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from components.errors import ConfigurationError, DataError
from components.records import Window

BATCH_ROWS = 16_384
_CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_PARQUET_SUFFIXES = (".parquet", ".pq")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Span:
    """The least and the greatest time that a table holds."""

    first: datetime
    last: datetime

    def __str__(self) -> str:
        return f"{self.first:%Y-%m-%dT%H:%M:%SZ} to {self.last:%Y-%m-%dT%H:%M:%SZ}"


def find_files(source: str) -> list[Path]:
    """Return the files of a source in the order of their names.

    Args:
        source: a file, a folder (searched through), or a glob.

    Raises:
        ConfigurationError: nothing there, or files of an unknown kind.
    """
    path = Path(source)
    if path.is_dir():
        found = sorted(
            item for item in path.rglob("*") if item.is_file() and _is_visible(item, path)
        )
    elif path.is_file():
        found = [path]
    else:
        found = sorted(Path(name) for name in glob.glob(source, recursive=True))  # noqa: PTH207
    if not found:
        raise ConfigurationError(
            f"the source {source!r} holds no files; expected a CSV or Parquet file, a folder of "
            "them, or a glob"
        )
    for file in found:
        if not file.name.endswith(_CSV_SUFFIXES + _PARQUET_SUFFIXES):
            raise ConfigurationError(
                f"{str(file)!r} is neither CSV nor Parquet; expected a name that ends in one of "
                f"{', '.join(_CSV_SUFFIXES + _PARQUET_SUFFIXES)}"
            )
    return found


def _is_visible(file: Path, root: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in file.relative_to(root).parts)


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
            _check_same_columns(self.files[0], self.schema, file, _read_schema(file))
        if time_column is not None:
            self.check_columns([time_column], "the time column")
            _check_is_time(self.schema.field(time_column), source)

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of the first file."""
        return _read_schema(self.files[0])

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

        Args:
            columns: which to keep, in this order.
            window: None, or for a table without a time column: all rows.
        """
        wanted = list(columns)
        if self.time_column is not None and self.time_column not in wanted:
            wanted.append(self.time_column)
        for file in self.files:
            for batch in _read_batches(file, wanted, self.time_column, window):
                kept = self._within(batch, window)
                if kept.num_rows:
                    yield kept.select(list(columns))

    def _within(self, batch: pa.RecordBatch, window: Window | None) -> pa.RecordBatch:
        if window is None or self.time_column is None:
            return batch
        seconds = epoch_seconds(batch.column(self.time_column))
        inside = pc.and_(
            pc.greater_equal(seconds, int(window.start_time.timestamp())),
            pc.less(seconds, int(window.end_time.timestamp())),
        )
        return batch.filter(inside)

    @cached_property
    def span(self) -> Span | None:
        """The times of the whole table; None if no row has one."""
        if self.time_column is None:
            raise ConfigurationError("a table without a time column has no span of time")
        bounds = [bound for file in self.files for bound in _file_bounds(file, self.time_column)]
        if not bounds:
            return None
        return Span(_moment(min(bounds)), _moment(max(bounds)))


def epoch_seconds(column: pa.Array) -> pa.Array:
    """Return times as whole seconds since 1970 UTC, int64, rounded down; naive ones read as UTC."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = pc.assume_timezone(_parse_times(column), "UTC", ambiguous="earliest")
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
    if column.type.unit != "s":
        column = pc.floor_temporal(column, unit="second")
    return column.cast(pa.timestamp("s", tz=column.type.tz)).cast(pa.int64())


def _parse_times(column: pa.Array) -> pa.Array:
    """Read ISO 8601 text; `cast` takes both forms, with an offset only into a zoned type."""
    try:
        return column.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return column.cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us"))


def is_time(kind: pa.DataType) -> bool:
    """Whether values of a type are moments."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _check_is_time(field: pa.Field, source: str) -> None:
    if not (is_time(field.type) or pa.types.is_string(field.type)):
        raise DataError(
            f"the time column {field.name!r} of {source!r} holds {field.type}; expected "
            "timestamps, dates, or ISO 8601 text"
        )


def _is_csv(file: Path) -> bool:
    return file.name.endswith(_CSV_SUFFIXES)


def _read_schema(file: Path) -> pa.Schema:
    try:
        if not _is_csv(file):
            return pq.read_schema(file)
        with _open_csv(file) as reader:
            return reader.schema
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(file, error) from error


def _open_csv(file: Path, columns: Sequence[str] | None = None) -> Any:
    separator = "\t" if ".tsv" in file.name else ","
    return pa.csv.open_csv(
        file,
        # one thread: a broken row's number is known only where blocks are parsed in order
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=4 << 20),
        parse_options=pa.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            include_columns=list(columns) if columns is not None else None,
            strings_can_be_null=True,
        ),
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
        if other != field.type and not pa.types.is_null(other) and not pa.types.is_null(field.type):
            raise DataError(
                f"the column {field.name!r} holds {field.type} in {str(first)!r} but {other} in "
                f"{str(file)!r}; expected the same type in all files of a source"
            )


def _read_batches(
    file: Path, columns: Sequence[str], time_column: str | None, window: Window | None
) -> Iterator[pa.RecordBatch]:
    try:
        if _is_csv(file):
            yield from _read_csv(file, columns)
        else:
            yield from _read_parquet(file, columns, time_column, window)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(file, error) from error


def _read_csv(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with _open_csv(file, columns) as reader:
        for batch in reader:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)


def _read_parquet(
    file: Path, columns: Sequence[str], time_column: str | None, window: Window | None
) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file) as parquet:
        groups = list(range(parquet.num_row_groups))
        if window is not None and time_column is not None:
            groups = [group for group in groups if _may_hold(parquet, group, time_column, window)]
        yield from parquet.iter_batches(BATCH_ROWS, row_groups=groups, columns=list(columns))


def _may_hold(parquet: pq.ParquetFile, group: int, time_column: str, window: Window) -> bool:
    bounds = _group_bounds(parquet, group, time_column)
    if bounds is None:
        return True
    first, last = bounds
    return first < window.end_time.timestamp() and last >= int(window.start_time.timestamp())


def _group_bounds(parquet: pq.ParquetFile, group: int, time_column: str) -> tuple[int, int] | None:
    """Return a row group's least and greatest time in seconds, if its statistics know them."""
    index = parquet.schema_arrow.get_field_index(time_column)
    if index < 0 or pa.types.is_string(parquet.schema_arrow.field(index).type):
        return None
    names = [parquet.schema.column(i).path for i in range(len(parquet.schema.names))]
    statistics = parquet.metadata.row_group(group).column(names.index(time_column)).statistics
    if statistics is None or not statistics.has_min_max:
        return None
    return _seconds(statistics.min), _seconds(statistics.max)


def _seconds(value: datetime | date) -> int:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return int(aware.timestamp() // 1)


def _file_bounds(file: Path, time_column: str) -> Iterator[int]:
    if not _is_csv(file):
        with pq.ParquetFile(file) as parquet:
            groups = [
                _group_bounds(parquet, group, time_column)
                for group in range(parquet.num_row_groups)
            ]
        if all(bounds is not None for bounds in groups):
            yield from (second for bounds in groups if bounds is not None for second in bounds)
            return
    for batch in _read_batches(file, [time_column], None, None):
        bounds = pc.min_max(epoch_seconds(batch.column(0)))
        if bounds["min"].is_valid:
            yield from (bounds["min"].as_py(), bounds["max"].as_py())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(
        f"{str(file)!r} can't be read: {str(error).strip()}; mend the file or leave it out"
    )
