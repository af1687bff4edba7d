"""Reads CSV and TSV files, plain, gzipped or zipped, a block at a time."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from components.errors import DataError
from components.example_gen.source_file import BLOCK_BYTES, SourceFile


def read_schema(file: SourceFile) -> pa.Schema:
    """Return the columns; their types are those of the first block."""
    with _open(file) as reader:
        return reader.schema


def read_batches(file: SourceFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows in the order in which they stand in the file.

    Raises:
        DataError: a value that spans lines.
    """
    with _open(file) as reader:
        texts = [field.name for field in reader.schema if _may_span_lines(field.type)]
    needed = [*columns, *(name for name in texts if name not in columns)]
    with _open(file, needed) as reader:
        for batch in reader:
            _check_lines(file, batch, texts)
            yield batch.select(list(columns))


@contextmanager
def _open(file: SourceFile, columns: Sequence[str] | None = None) -> Iterator[Any]:
    name = file.path.lower()
    with _unzipped(file) if name.endswith(".zip") else file.open_arrow() as source:
        reader = pa.csv.open_csv(
            source,
            # one thread: a broken row's number is known only where blocks are parsed in order
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=pa.csv.ParseOptions(
                delimiter="\t" if ".tsv" in name else ",", newlines_in_values=True
            ),
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(columns) if columns is not None else None,
                strings_can_be_null=True,
            ),
        )
        with reader:
            yield reader


@contextmanager
def _unzipped(file: SourceFile) -> Iterator[Any]:
    with file.open() as packed, zipfile.ZipFile(packed) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise DataError(
                f"{file.name!r} holds {len(members)} files; expected one: unpack it, and give the "
                "folder as the source"
            )
        with archive.open(members[0]) as stream:
            yield pa.PythonFile(stream)


def _may_span_lines(kind: pa.DataType) -> bool:
    """Whether values may hold any text; that which isn't UTF-8 is read as binary."""
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _check_lines(file: SourceFile, batch: pa.RecordBatch, texts: Sequence[str]) -> None:
    """Refuse a value that spans lines: a quote that isn't closed swallows rows without an error."""
    for name in texts:
        column = batch.column(name)
        breaks = pc.or_(*(pc.match_substring(column, end) for end in ("\n", "\r")))
        if pc.any(breaks).as_py():
            value = column.filter(breaks)[0].as_py()
            raise DataError(
                f"a value of the column {name!r} in {file.name!r} spans lines: {value[:60]!r}…; "
                "close the quote that stands before it, or give Parquet if it is meant"
            )
