"""Reads one file of whatever kind in batches of rows, never whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from components.errors import DataError
from components.example_gen import csv_file, json_file, parquet_file, tfrecord_file
from components.example_gen.moment import epoch_seconds
from components.example_gen.parquet_file import BATCH_ROWS
from components.example_gen.source_file import SourceFile, translated
from components.records import Window


@dataclass(frozen=True)
class Roles:
    """Which columns mean something beside being features; None where there is none.

    Attributes:
        time_column: when a row happened.
        key: what the splits are made by.
    """

    time_column: str | None = None
    key: str | None = None


def read_schema(file: SourceFile, roles: Roles) -> pa.Schema:
    """Return the columns of a file; a text file's types are those of its first 4 MiB.

    Raises:
        ConfigurationError: a file of no known kind.
        DataError: it can't be read, or two columns have the same name.
    """
    with translated(file.name):
        schema = _schema(file, roles)
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise DataError(
            f"{file.name!r} has more than one column named {twice[0]!r}; expected every column to "
            "have its own name"
        )
    return schema


def read_batches(
    file: SourceFile, schema: pa.Schema, columns: Sequence[str], roles: Roles, window: Window | None
) -> Iterator[pa.RecordBatch]:
    """Yield rows in the order in which they stand in the file.

    Of a Parquet file, row groups whose statistics lie outside the window aren't read.

    Args:
        file: one of a source.
        schema: what `read_schema` found.
        columns: which to read.
        roles: as for `read_schema`.
        window: outside which rows may be left out.

    Raises:
        DataError: broken rows or bytes; the message names the file, and the row of a text file.
        OSError: the disk failed.
    """
    with translated(file.name):
        for batch in _batches(file, schema, columns, roles, window):
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)


def time_bounds(file: SourceFile, schema: pa.Schema, time_column: str) -> Iterator[int]:
    """Yield moments in seconds, among them the file's first and last; none if no row has one.

    Parquet's statistics say it without reading rows, where they are there.
    """
    if file.kind == "parquet":
        with translated(file.name):
            known = parquet_file.time_bounds(file, time_column)
        if known is not None:
            yield from (second for bounds in known for second in bounds)
            return
    for batch in read_batches(file, schema, [time_column], Roles(time_column), None):
        bounds = pc.min_max(epoch_seconds(batch.column(0), time_column))
        if bounds["min"].is_valid:
            yield from (bounds["min"].as_py(), bounds["max"].as_py())


def _schema(file: SourceFile, roles: Roles) -> pa.Schema:
    if file.kind == "csv":
        return csv_file.read_schema(file)
    if file.kind == "json":
        return json_file.read_schema(file)
    if file.kind == "tfrecord":
        return tfrecord_file.read_schema(file, roles.time_column, roles.key)
    return parquet_file.read_schema(file)


def _batches(
    file: SourceFile, schema: pa.Schema, columns: Sequence[str], roles: Roles, window: Window | None
) -> Iterator[pa.RecordBatch]:
    if file.kind == "csv":
        return csv_file.read_batches(file, columns)
    if file.kind == "json":
        return json_file.read_batches(file, columns, roles.time_column)
    if file.kind == "tfrecord":
        return tfrecord_file.read_batches(file, schema, columns)
    return parquet_file.read_batches(file, columns, roles.time_column, window)
