"""Reads Parquet files by row groups; those whose statistics lie outside a window aren't read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import DataError
from components.example_gen.feature_type import is_time
from components.example_gen.source_file import MAX_ROW_BYTES, SourceFile
from components.records import Window

BATCH_ROWS = 16_384
BATCH_BYTES = 64 << 20
Bounds = tuple[int, int]
"""The least and the greatest time, in seconds since 1970 UTC."""


def read_schema(file: SourceFile) -> pa.Schema:
    """Return the columns."""
    with _open(file) as parquet:
        return parquet.schema_arrow


def read_batches(
    file: SourceFile, columns: Sequence[str], time_column: str | None, window: Window | None
) -> Iterator[pa.RecordBatch]:
    """Yield rows in the order in which they stand in the file.

    A row group is passed over if its statistics say that no row of it lies in the window; where
    the file's path names a time, only if all its rows lie in that: others came late, and are named.

    Raises:
        DataError: a row that is larger than `MAX_ROW_BYTES`.
    """
    with _open(file) as parquet:
        for group in range(parquet.num_row_groups):
            if window is not None and time_column is not None:
                bounds = _group_bounds(parquet, group, time_column)
                if bounds is not None and _is_beside(bounds, window, file.interval):
                    continue
            rows = _batch_rows(file, parquet.metadata.row_group(group), columns)
            for batch in parquet.iter_batches(rows, row_groups=[group], columns=list(columns)):
                yield _without_views(batch)


def time_bounds(file: SourceFile, time_column: str) -> list[Bounds] | None:
    """Return the times of all row groups; None if a group's statistics don't say them."""
    with _open(file) as parquet:
        found = [
            _group_bounds(parquet, group, time_column) for group in range(parquet.num_row_groups)
        ]
    bounds = [one for one in found if one is not None]
    return bounds if len(bounds) == len(found) else None


@contextmanager
def _open(file: SourceFile) -> Iterator[Any]:
    is_remote = file.file_system is not None
    with file.open_arrow() as source, pq.ParquetFile(source, pre_buffer=is_remote) as parquet:
        yield parquet


def _batch_rows(file: SourceFile, group: Any, columns: Sequence[str]) -> int:
    """Return how many rows to read at a time, so that a batch has about `BATCH_BYTES` at most."""
    wanted = set(columns)
    num_bytes = sum(
        group.column(index).total_uncompressed_size
        for index in range(group.num_columns)
        if group.column(index).path_in_schema.split(".")[0] in wanted
    )
    row_bytes = int(num_bytes // max(1, group.num_rows))
    if row_bytes > MAX_ROW_BYTES:
        raise DataError(
            f"rows of {file.name!r} take {row_bytes >> 20:,} MiB; expected at most "
            f"{MAX_ROW_BYTES >> 20} MiB: leave the large column out with --features"
        )
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, row_bytes)))


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the same rows in types that Arrow can filter, which it can't do with views."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_string_view(field.type):
            text = batch.column(index).cast(pa.large_string())
            batch = batch.set_column(index, field.name, text)
        elif pa.types.is_binary_view(field.type):
            binary = batch.column(index).cast(pa.large_binary())
            batch = batch.set_column(index, field.name, binary)
    return batch


def _is_beside(bounds: Bounds, window: Window, interval: Window | None) -> bool:
    return not _overlaps(bounds, window) and (interval is None or _lies_in(bounds, interval))


def _overlaps(bounds: Bounds, window: Window) -> bool:
    first, last = bounds
    return first < window.end_time.timestamp() and last >= int(window.start_time.timestamp())


def _lies_in(bounds: Bounds, window: Window) -> bool:
    first, last = bounds
    return first >= window.start_time.timestamp() and last < window.end_time.timestamp()


def _group_bounds(parquet: pq.ParquetFile, group: int, time_column: str) -> Bounds | None:
    """Return a row group's least and greatest time in seconds, if its statistics know them."""
    index = parquet.schema_arrow.get_field_index(time_column)
    if index < 0 or not is_time(parquet.schema_arrow.field(index).type):
        return None
    names = [parquet.schema.column(i).path for i in range(len(parquet.schema.names))]
    statistics = parquet.metadata.row_group(group).column(names.index(time_column)).statistics
    if statistics is None or not statistics.has_min_max:
        return None
    try:
        return _seconds(statistics.min), _seconds(statistics.max)
    except OverflowError:  # Python has no such time; the rows themselves say more
        return None


def _seconds(value: datetime | date) -> int:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return int(aware.timestamp() // 1)
