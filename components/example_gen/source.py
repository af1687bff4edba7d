"""A table of one or more files: what columns they have, their rows by window."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from components.errors import DataError
from components.example_gen.feature_type import is_time, same_meaning
from components.example_gen.lateness import LatenessCount
from components.example_gen.moment import Span, epoch_seconds, may_hold_moments
from components.example_gen.parquet_file import BATCH_BYTES, BATCH_ROWS
from components.example_gen.source_file import SourceFile
from components.example_gen.table_file import Roles, read_batches, read_schema, time_bounds
from components.records import Window

_log = logging.getLogger(__name__)


class Rows(Protocol):
    """What examples are made of."""

    @property
    def source(self) -> str:
        """Where they are from, for messages; nothing secret."""

    @property
    def roles(self) -> Roles:
        """Which columns mean something."""

    @property
    def schema(self) -> pa.Schema:
        """The columns."""

    @property
    def span(self) -> Span | None:
        """The times of all rows; None if no row has one."""

    def batches(self, columns: Sequence[str], window: Window | None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a window; None, or without a time column: all rows."""


class Table:
    """The rows of files with the same columns.

    Args:
        files: at least one.
        source: where they are from, for messages.
        roles: which columns mean something.
        key_types: the columns that folders make, where the files haven't got them.
        expects_lateness: whether somebody said that rows come late.

    Raises:
        DataError: a file can't be read, has other columns than the first, or no time column.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        source: str,
        roles: Roles,
        *,
        key_types: Mapping[str, pa.DataType] | None = None,
        expects_lateness: bool = False,
    ) -> None:
        self.source = source
        self.roles = roles
        self._files = files
        self._expects_lateness = expects_lateness
        self._schemas = [read_schema(file, roles) for file in files]
        self._key_types = dict(key_types or {})
        self.schema = self._merge()
        check_time_column(self)

    def batches(self, columns: Sequence[str], window: Window | None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a window, file by file, in the order in which they stand there.

        How many rows a batch has doesn't depend on how the files hold them, so neither do the
        bytes that are made of it; only where the files' types differ or rows are very large does
        a batch end early.

        Args:
            columns: which to keep, in this order.
            window: None, or for a table without a time column: all rows.

        Raises:
            DataError: rows that can't be read.
        """
        return regroup(self._rows(columns, window))

    @cached_property
    def span(self) -> Span | None:
        """The times of the whole table; None if no row has one."""
        time_column = self.roles.time_column
        if time_column is None:
            return None
        first: int | None = None
        last: int | None = None
        for file, schema in zip(self._files, self._schemas, strict=True):
            for second in self._seconds(file, schema, time_column):
                first = second if first is None else min(first, second)
                last = second if last is None else max(last, second)
        return None if first is None or last is None else Span.of_seconds(first, last)

    def _seconds(self, file: SourceFile, schema: pa.Schema, name: str) -> Iterator[int]:
        if name in schema.names:
            yield from time_bounds(file, schema, name)
        elif file.interval is not None:  # a folder is called by its time
            yield int(file.interval.start_time.timestamp())

    def _rows(self, columns: Sequence[str], window: Window | None) -> Iterator[pa.RecordBatch]:
        time_column = self.roles.time_column
        wanted = list(columns)
        if time_column is not None and time_column not in wanted:
            wanted.append(time_column)
        late = None if window is None else LatenessCount(window, self._expects_lateness)
        without_time = 0
        for file, schema in zip(self._files, self._schemas, strict=True):
            for batch in self._read(file, schema, wanted, window):
                if window is not None and time_column is not None:
                    without_time += batch.column(time_column).null_count
                    seconds = epoch_seconds(batch.column(time_column), time_column)
                    if late is not None:
                        late.add(file, seconds)
                    batch = within(batch, seconds, window)
                yield batch.select(list(columns))
        if without_time:
            warn_without_time(without_time, time_column)
        if late is not None:
            late.report()

    def _read(
        self, file: SourceFile, schema: pa.Schema, wanted: list[str], window: Window | None
    ) -> Iterator[pa.RecordBatch]:
        """Yield a file's rows with the columns of the table: those of its folders, and nulls."""
        there = [name for name in wanted if name in schema.names] or schema.names[:1]
        for batch in read_batches(file, schema, there, self.roles, window):
            arrays = [self._column(batch, name, file) for name in wanted]
            yield pa.RecordBatch.from_arrays(arrays, names=wanted)

    def _column(self, batch: pa.RecordBatch, name: str, file: SourceFile) -> pa.Array:
        kind = self.schema.field(name).type
        if name in batch.schema.names:
            column = batch.column(name)
            unknown = pa.types.is_null(column.type) and not pa.types.is_null(kind)
            return pa.nulls(batch.num_rows, kind) if unknown else column
        if name not in file.keys:
            return pa.nulls(batch.num_rows, kind)
        value: str | int | None = file.keys[name]
        if name == self.roles.time_column and file.interval is not None:
            value = file.interval.start
        if pa.types.is_integer(kind) and value is not None:
            value = int(value)
        return pa.repeat(pa.scalar(value, kind), batch.num_rows)

    def _merge(self) -> pa.Schema:
        """Return the columns of all files; a type that a file doesn't know is another's."""
        known = [
            (file, schema)
            for file, schema in zip(self._files, self._schemas, strict=True)
            if schema.names  # JSON Lines without a line
        ]
        first, found = known[0] if known else (self._files[0], pa.schema([]))
        fields = {field.name: field.type for field in found}
        for file, schema in known[1:]:
            if not file.kind == first.kind == "tfrecord":  # whose features may be missing
                _check_same_names(first, found, file, schema)
            for field in schema:
                kind = fields.setdefault(field.name, field.type)
                _check_same_type(first, pa.field(field.name, kind), file, field.type)
                if pa.types.is_null(kind):
                    fields[field.name] = field.type
        for name, kind in self._key_types.items():
            fields.setdefault(name, pa.string() if name == self.roles.time_column else kind)
        return pa.schema(list(fields.items()))


def check_columns(rows: Rows, names: Sequence[str], what: str) -> None:
    """Refuse names of columns that aren't there.

    Raises:
        DataError: naming the first, and those that are there.
    """
    for name in names:
        if name not in rows.schema.names:
            raise DataError(
                f"{what} {name!r} isn't in {rows.source!r}; its columns are "
                f"{', '.join(rows.schema.names)}"
            )


def check_time_column(rows: Rows) -> None:
    """Refuse a time column that isn't there, or holds no times.

    Raises:
        DataError: naming it.
    """
    name = rows.roles.time_column
    if name is None:
        return
    check_columns(rows, [name], "the time column")
    kind = rows.schema.field(name).type
    if not may_hold_moments(kind):
        raise DataError(
            f"the time column {name!r} of {rows.source!r} holds {kind}; expected timestamps, "
            "dates, or ISO 8601 text"
        )


def within(batch: pa.RecordBatch, seconds: pa.Array, window: Window) -> pa.RecordBatch:
    """Return the rows of a batch that lie in a window; `seconds` are their times."""
    inside = pc.and_(
        pc.greater_equal(seconds, int(window.start_time.timestamp())),
        pc.less(seconds, int(window.end_time.timestamp())),
    )
    return batch.filter(inside)


def warn_without_time(num_rows: int, time_column: str | None) -> None:
    """Say that rows were left out since they have no time."""
    _log.warning("left out %d rows that have no time in the column %r", num_rows, time_column)


def regroup(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of `BATCH_ROWS`, or of `BATCH_BYTES` where rows are large."""
    waiting: list[pa.RecordBatch] = []
    num_rows = num_bytes = 0
    for batch in batches:
        if waiting and (num_bytes > BATCH_BYTES or not batch.schema.equals(waiting[0].schema)):
            yield pa.concat_batches(waiting)
            waiting, num_rows, num_bytes = [], 0, 0
        while num_rows + batch.num_rows >= BATCH_ROWS:
            missing = BATCH_ROWS - num_rows
            yield pa.concat_batches([*waiting, batch.slice(0, missing)])
            batch, waiting, num_rows, num_bytes = batch.slice(missing), [], 0, 0
        if batch.num_rows:
            waiting.append(batch)
            num_rows += batch.num_rows
            num_bytes += batch.nbytes
    if waiting:
        yield pa.concat_batches(waiting)


def _check_same_names(
    first: SourceFile, expected: pa.Schema, file: SourceFile, found: pa.Schema
) -> None:
    for name in sorted(set(expected.names) ^ set(found.names)):
        has, lacks = (first, file) if name in expected.names else (file, first)
        raise DataError(
            f"the column {name!r} is in {has.name!r} but not in {lacks.name!r}; expected the same "
            "columns in all files of a source"
        )


def _check_same_type(
    first: SourceFile, expected: pa.Field, file: SourceFile, found: pa.DataType
) -> None:
    name, kind = expected.name, expected.type
    if not same_meaning(kind, found):
        raise DataError(
            f"the column {name!r} holds {kind} in {first.name!r} but {found} in {file.name!r}; "
            "expected the same type in all files of a source"
        )
    if is_time(kind) and is_time(found) and _is_zoned(kind) != _is_zoned(found):
        raise DataError(
            f"the column {name!r} holds {kind} in {first.name!r} but {found} in {file.name!r}: "
            "only one says which time zone it means; write both in UTC, with their zone"
        )


def _is_zoned(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) and kind.tz is not None
