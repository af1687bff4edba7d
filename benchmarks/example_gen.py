"""Rows per second and memory of `example_gen`: ``python -m benchmarks.example_gen``.

A Python loop over `tf.train.Example` is what a user would write instead; it does a part of the rows
and gets them as Python values for nothing. All run in turn, each in its own process. Wall time
says little on a machine that does other work, so CPU time stands beside it.
"""

import argparse
import json
import multiprocessing
import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from components.example_gen import Query, generate
from models.flight_delays import data

LOOP_ROWS = 20_000
Times = tuple[float, float]
"""Wall seconds and CPU seconds."""


@dataclass(frozen=True)
class Measurement:
    """What one process took to write a number of rows."""

    rows: int
    wall_seconds: float
    cpu_seconds: float
    peak_mebibytes: float

    def __str__(self) -> str:
        return (
            f"{self.rows:>9,} rows {self.rows / self.wall_seconds:>9,.0f} rows/s "
            f"{self.rows / self.cpu_seconds:>9,.0f} rows/CPU s {self.peak_mebibytes:>5.0f} MiB"
        )


def main() -> None:
    """Measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copies", type=int, default=10, help="of all flights, for the memory")
    parser.add_argument("--num-workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), arguments.copies, arguments.num_workers)
    for name, measurement in measured.items():
        print(f"{name:>12} {measurement}", file=sys.stderr)
    print(json.dumps(summary(measured)))


def measure(folder: Path, copies: int, num_workers: int) -> dict[str, Measurement]:
    """Run the loop, and `example_gen` on one thread, on several, and on more rows."""
    flights, many = folder / "flights.parquet", folder / "many.parquet"
    data.main(["--output", str(flights)])
    table = pq.read_table(flights)
    with pq.ParquetWriter(many, table.schema) as writer:
        for copy in range(copies):  # other flights each time: repeated ones would be refused
            writer.write_table(set_column(table, "flight", pc.add(table["flight"], 10_000 * copy)))
    rows = table.num_rows
    forms = write_forms(table, folder)
    return {
        "loop": in_child(loop, flights, folder / "loop", LOOP_ROWS, 1),
        "1 thread": in_child(write, flights, folder / "one", rows, 1),
        f"{num_workers} threads": in_child(write, flights, folder / "all", rows, num_workers),
        f"{copies} x rows": in_child(write, many, folder / "many", copies * rows, num_workers),
        **{
            name: in_child(write, source, folder / f"from_{name}", rows, num_workers)
            for name, source in forms.items()
        },
    }


def write_forms(table: pa.Table, folder: Path) -> dict[str, Any]:
    """Return the same rows as CSV, JSON Lines, TFRecord, and as queries of a database."""
    csv, lines, database = folder / "flights.csv", folder / "flights.jsonl", folder / "flights.db"
    pyarrow.csv.write_csv(table, csv)
    frame = table.to_pandas()
    frame["time_hour"] = frame["time_hour"].astype(str)
    frame.to_json(lines, orient="records", lines=True)
    with sqlite3.connect(database) as connection:
        frame.to_sql("flights", connection, index=False)
    connection.close()
    records = generate(source=csv, splits={"all": 1}, output_dir=folder / "records")
    sql = "SELECT * FROM flights"
    return {
        "csv": csv,
        "json lines": lines,
        "tfrecord": Path(records.uri) / "Split-all",
        "sqlalchemy": Query(sql, f"sqlite:///{database}"),
        "adbc": Query(sql, f"adbc+sqlite:///{database}"),
    }


def set_column(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    """Return the table with other values in a column."""
    index = table.schema.get_field_index(name)
    return table.set_column(index, name, column.cast(table.schema.field(name).type))


def summary(measured: dict[str, Measurement]) -> dict[str, float]:
    """Return the ratios that say something on any machine."""
    looped, single, whole, many, *_ = measured.values()
    return {
        "rows_per_second": whole.rows / whole.wall_seconds,
        "wall_ratio_to_loop": whole.rows / whole.wall_seconds * looped.wall_seconds / looped.rows,
        "cpu_ratio_to_loop": single.rows / single.cpu_seconds * looped.cpu_seconds / looped.rows,
        "memory_ratio_of_many_rows": many.peak_mebibytes / whole.peak_mebibytes,
        "load_average": os.getloadavg()[0],
    }


def in_child(
    function: Callable[[Any, Path, int], Times],
    source: Any,
    output: Path,
    rows: int,
    workers: int,
) -> Measurement:
    """Run a function in a process of its own."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=report, args=(writer, function, source, output, rows, workers))
    process.start()
    writer.close()
    measurement: Measurement = reader.recv()
    process.join()
    return measurement


def report(
    writer: Connection,
    function: Callable[[Any, Path, int], Times],
    source: Any,
    output: Path,
    rows: int,
    workers: int,
) -> None:
    """Send what the function took."""
    wall, cpu = function(source, output, workers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    writer.send(Measurement(rows, wall, cpu, peak))


def cpu_seconds() -> float:
    """Return what this process has taken of the processors."""
    return time.process_time()


def write(source: Any, output: Path, workers: int) -> Times:
    """Write all rows with `example_gen`."""
    before = cpu_seconds()
    started = time.perf_counter()
    generate(source=source, output_dir=output, time_column="time_hour", num_workers=workers)
    return time.perf_counter() - started, cpu_seconds() - before


def loop(source: Any, output: Path, _workers: int) -> Times:
    """Write a part of the rows as a script would; neither import nor reading counts."""
    import tensorflow as tf

    rows = pq.read_table(source).slice(0, LOOP_ROWS).to_pylist()
    before = cpu_seconds()
    started = time.perf_counter()
    with tf.io.TFRecordWriter(str(output), tf.io.TFRecordOptions("GZIP")) as writer:
        for row in rows:
            features = {name: feature(tf, value) for name, value in row.items()}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return time.perf_counter() - started, cpu_seconds() - before


def feature(tf: Any, value: Any) -> Any:
    """Return a value as a feature; this table has texts, whole numbers and times."""
    if isinstance(value, str):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
    number = value if isinstance(value, int) or value is None else int(value.timestamp())
    values = [] if number is None else [number]
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


if __name__ == "__main__":
    main()
