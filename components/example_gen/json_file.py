"""Reads JSON Lines, plain or gzipped, a block at a time: an object a line, its keys the columns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.json

from components.example_gen.moment import epoch_seconds
from components.example_gen.source_file import BLOCK_BYTES, SourceFile


def read_schema(file: SourceFile) -> pa.Schema:
    """Return the columns; their types are those of the first block."""
    with file.open() as stream:
        if not stream.read(1):  # Arrow has no reader of nothing
            return pa.schema([])
    with _open(file, pa.json.ParseOptions()) as reader:
        return reader.schema


def read_batches(
    file: SourceFile, columns: Sequence[str], time_column: str | None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows in the order in which they stand in the file.

    A key that isn't there is null. One that no row of the first block has is an error, unless only
    some `columns` are read.
    """
    schema = read_schema(file)
    if not schema.names:
        return
    times = [name for name in schema.names if name == time_column and _is_time(schema, name)]
    for name in times:  # read as text, since fractions of seconds may come later
        schema = schema.set(schema.get_field_index(name), pa.field(name, pa.string()))
    everything = set(columns) == set(schema.names)
    options = pa.json.ParseOptions(
        explicit_schema=pa.schema([schema.field(name) for name in columns]),
        unexpected_field_behavior="error" if everything else "ignore",
    )
    with _open(file, options) as reader:
        for batch in reader:
            for name in times:
                seconds = epoch_seconds(batch.column(name), name).cast(pa.timestamp("s"))
                batch = batch.set_column(batch.schema.get_field_index(name), name, seconds)
            yield batch.select(list(columns))


def _is_time(schema: pa.Schema, name: str) -> bool:
    return bool(pa.types.is_timestamp(schema.field(name).type))


@contextmanager
def _open(file: SourceFile, options: pa.json.ParseOptions) -> Iterator[Any]:
    with file.open() as stream, pa.PythonFile(stream, mode="r") as plain:
        packed = file.path.lower().endswith(".gz")
        source = pa.CompressedInputStream(plain, "gzip") if packed else plain
        read = pa.json.ReadOptions(use_threads=False, block_size=BLOCK_BYTES)
        with pa.json.open_json(source, read_options=read, parse_options=options) as reader:
            yield reader
