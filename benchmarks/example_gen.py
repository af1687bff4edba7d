"""Rows per second and memory of `example_gen`, against a Python loop over `tf.train.Example`.

Run: python -m benchmarks.example_gen [--rows N]. Prints one line a measurement; the loop does a
part of the rows and is scaled up.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from components.example_gen import generate
from models.flight_delays import data

LOOP_ROWS = 20_000


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=10, help="for the memory at many rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        flights = Path(folder) / "flights.parquet"
        data.main(["--output", str(flights)])
        table = pq.read_table(flights)
        many = Path(folder) / "many.parquet"
        with pq.ParquetWriter(many, table.schema) as writer:
            for _ in range(arguments.copies):
                writer.write_table(table)
        loop_rate = _in_child(_loop, flights, Path(folder) / "loop")[0]
        print(f"tf.train.Example loop       {loop_rate:>9,.0f} rows/s")
        for name, source, rows, workers in (
            ("example_gen, 1 process", flights, table.num_rows, 1),
            (f"example_gen, {os.cpu_count()} processes", flights, table.num_rows, os.cpu_count()),
            (f"the same, {arguments.copies} x rows", many, arguments.copies * table.num_rows, os.cpu_count()),
        ):
            rate, peak = _in_child(_generate, source, Path(folder) / name, rows, workers)
            ratio = rate / loop_rate
            print(f"{name:27} {rate:>9,.0f} rows/s  {ratio:5.1f} x  peak {peak / 1024:5.0f} MiB")
    return 0


def _in_child(function, *arguments) -> tuple[float, int]:  # noqa: ANN001, ANN002
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(writer, function, arguments))
    process.start()
    result: tuple[float, int] = reader.recv()
    process.join()
    return result


def _report(writer, function, arguments) -> None:  # noqa: ANN001
    rate = function(*arguments)
    writer.send((rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def _generate(source: Path, output: Path, rows: int, workers: int) -> float:
    started = time.perf_counter()
    generate(source=source, output_dir=output, time_column="time_hour", num_workers=workers)
    return rows / (time.perf_counter() - started)


def _loop(source: Path, output: Path) -> float:
    import tensorflow as tf

    rows = pq.read_table(source).slice(0, LOOP_ROWS).to_pylist()
    started = time.perf_counter()
    with tf.io.TFRecordWriter(str(output), tf.io.TFRecordOptions("GZIP")) as writer:
        for row in rows:
            features = {name: _feature(tf, value) for name, value in row.items()}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return LOOP_ROWS / (time.perf_counter() - started)


def _feature(tf, value):  # noqa: ANN001, ANN202
    if isinstance(value, str):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
    number = value if isinstance(value, int) or value is None else int(value.timestamp())
    values = [] if number is None else [number]
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


if __name__ == "__main__":
    sys.exit(main())
