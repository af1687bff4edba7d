"""Reads one CSV or Parquet file in batches of rows, never whole."""

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from components.errors import DataError
from components.example_gen.feature_type import is_time
from components.example_gen.moment import epoch_seconds
from components.records import Window

BATCH_ROWS = 16_384
CSV_SUFFIXES = (".csv", ".csv.gz", ".csv.zip", ".tsv", ".tsv.gz", ".tsv.zip")
PARQUET_SUFFIXES = (".parquet", ".pq")
_BLOCK_BYTES = 4 << 20


def read_schema(file: Path) -> pa.Schema:
    """Return the columns of a file; a CSV file's types are those of its first 4 MiB.

    Raises:
        DataError: it can't be read, or two columns have the same name.
    """
    with _translated(file):
        if is_csv(file):
            with _open_csv(file) as reader:
                schema = reader.schema
        else:
            schema = pq.read_schema(file)
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise DataError(
            f"{str(file)!r} has more than one column named {twice[0]!r}; expected every column to "
            "have its own name"
        )
    return schema


def read_batches(
    file: Path, columns: Sequence[str], time_column: str | None, window: Window | None
) -> Iterator[pa.RecordBatch]:
    """Yield rows in the order in which they stand in the file.

    Of a Parquet file, row groups whose statistics lie outside the window aren't read.

    Raises:
        DataError: broken rows or bytes; the message names the file, and the row of a CSV file.
        OSError: the disk failed.
    """
    with _translated(file):
        if is_csv(file):
            yield from _read_csv(file, columns)
        else:
            yield from _read_parquet(file, columns, time_column, window)


def time_bounds(file: Path, time_column: str) -> Iterator[int]:
    """Yield moments in seconds, among them the file's first and last; none if no row has one.

    Parquet's statistics say it without reading rows, where they are there.
    """
    if not is_csv(file):
        with _translated(file), pq.ParquetFile(file) as parquet:
            groups = [
                _group_bounds(parquet, group, time_column)
                for group in range(parquet.num_row_groups)
            ]
        if all(bounds is not None for bounds in groups):
            yield from (second for bounds in groups if bounds is not None for second in bounds)
            return
    for batch in read_batches(file, [time_column], None, None):
        bounds = pc.min_max(epoch_seconds(batch.column(0), time_column))
        if bounds["min"].is_valid:
            yield from (bounds["min"].as_py(), bounds["max"].as_py())


def is_csv(file: Path) -> bool:
    """Whether a file is CSV, by its name."""
    return file.name.lower().endswith(CSV_SUFFIXES)


@contextmanager
def _open_csv(file: Path, columns: Sequence[str] | None = None) -> Iterator[Any]:
    name = file.name.lower()
    with _unzipped(file) if name.endswith(".zip") else _plain(file) as source:
        reader = pa.csv.open_csv(
            source,
            # one thread: a broken row's number is known only where blocks are parsed in order
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
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
def _plain(file: Path) -> Iterator[Path]:
    yield file


@contextmanager
def _unzipped(file: Path) -> Iterator[Any]:
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise DataError(
                f"{str(file)!r} holds {len(members)} files; expected one: unpack it, and give the "
                "folder as the source"
            )
        with archive.open(members[0]) as stream:
            yield pa.PythonFile(stream)


def _read_csv(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with _open_csv(file) as reader:
        texts = [field.name for field in reader.schema if pa.types.is_string(field.type)]
    needed = [*columns, *(name for name in texts if name not in columns)]
    with _open_csv(file, needed) as reader:
        for batch in reader:
            _check_lines(file, batch, texts)
            batch = batch.select(list(columns))
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)


def _check_lines(file: Path, batch: pa.RecordBatch, texts: Sequence[str]) -> None:
    """Refuse a value that spans lines: a quote that isn't closed swallows rows without an error."""
    for name in texts:
        column = batch.column(name)
        breaks = pc.match_substring(column, "\n")
        if pc.any(breaks).as_py():
            value = column.filter(breaks)[0].as_py()
            raise DataError(
                f"a value of the column {name!r} in {str(file)!r} spans lines: {value[:60]!r}…; "
                "close the quote that stands before it, or give Parquet if it is meant"
            )


def _read_parquet(
    file: Path, columns: Sequence[str], time_column: str | None, window: Window | None
) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file) as parquet:
        groups = list(range(parquet.num_row_groups))
        if window is not None and time_column is not None:
            groups = [group for group in groups if _may_hold(parquet, group, time_column, window)]
        for batch in parquet.iter_batches(BATCH_ROWS, row_groups=groups, columns=list(columns)):
            yield _without_views(batch)


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


def _may_hold(parquet: pq.ParquetFile, group: int, time_column: str, window: Window) -> bool:
    bounds = _group_bounds(parquet, group, time_column)
    if bounds is None:
        return True
    first, last = bounds
    return first < window.end_time.timestamp() and last >= int(window.start_time.timestamp())


def _group_bounds(parquet: pq.ParquetFile, group: int, time_column: str) -> tuple[int, int] | None:
    """Return a row group's least and greatest time in seconds, if its statistics know them."""
    index = parquet.schema_arrow.get_field_index(time_column)
    if index < 0 or not is_time(parquet.schema_arrow.field(index).type):
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


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        if getattr(error, "errno", None) is not None or isinstance(error, MemoryError):
            raise  # the disk or the machine, not the bytes: a retry may help
        message = str(error).strip()
        remedy = "mend the file or leave it out"
        conversion = re.search(r"In CSV column #(\d+): .*CSV conversion error to (\S+):", message)
        if conversion is not None:
            remedy = (
                f"the file's first {_BLOCK_BYTES >> 20} MiB made the column {conversion[2]} "
                "(columns count from 0): mend the row, or give Parquet, which states its types"
            )
        raise DataError(f"{str(file)!r} can't be read: {message}; {remedy}") from error
