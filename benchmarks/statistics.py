"""Examples per second of `generate_statistics`: ``python -m benchmarks.statistics``.

What a user would write instead, where TFDV can't be installed: parse the examples with TensorFlow
and let pandas describe them. Both read the same TFRecords of all flights, in turn, each in its own
process; wall time says little on a machine that does other work, so CPU time stands beside it.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from components.example_gen import generate
from components.records import Examples
from models.flight_delays import data

Measured = dict[str, float]


def main() -> None:
    """Measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-processes", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        flights = directory / "flights.parquet"
        data.main(["--output", str(flights)])
        examples = generate(
            source=str(flights), time_column="time_hour", output_dir=directory / "examples"
        )
        if not isinstance(examples, Examples):
            raise TypeError(examples)
        count = sum(split.num_examples for split in examples.splits.values())
        ours = in_child(statistics, examples, directory / "ours", arguments.num_processes)
        theirs = in_child(describe, examples)
    for name, measured in (("statistics", ours), ("pandas", theirs)):
        print(
            f"{name:>11} {count / measured['wall']:>9,.0f} examples/s "
            f"{count / measured['cpu']:>9,.0f} examples/CPU s {measured['mebibytes']:>6.0f} MiB",
            file=sys.stderr,
        )
    ratios = {"wall_ratio": theirs["wall"] / ours["wall"], "cpu_ratio": theirs["cpu"] / ours["cpu"]}
    print(json.dumps({"examples": count, "ours": ours, "pandas": theirs, **ratios}))


def statistics(examples: Examples, output: Path, num_processes: int) -> Callable[[], Any]:
    """Return our work, with its modules loaded."""
    from components.data_validation import generate_statistics

    return lambda: generate_statistics(
        examples=examples, output_dir=output, num_processes=num_processes
    )


def describe(examples: Examples) -> Callable[[], Any]:
    """Return pandas' work, with its modules loaded."""
    import pandas as pd
    import tensorflow as tf

    def run() -> None:
        for split in examples.splits.values():
            files = sorted(map(str, Path(examples.uri).glob(split.file_pattern)))
            records = tf.data.TFRecordDataset(files, compression_type="GZIP")
            first = tf.train.Example.FromString(next(iter(records)).numpy()).features.feature
            kinds = {"bytes_list": tf.string, "float_list": tf.float32, "int64_list": tf.int64}
            spec = {
                name: tf.io.FixedLenFeature([], kinds[feature.WhichOneof("kind")])
                for name, feature in first.items()
            }
            parsed = [
                tf.io.parse_example(batch, spec)
                for batch in records.batch(8192, drop_remainder=False)
            ]
            table = pd.DataFrame(
                {name: [v for batch in parsed for v in batch[name].numpy()] for name in spec}
            )
            table.describe(include="all")

    return run


def in_child(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> Measured:
    """Run in a new process; only the work counts, not the start."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sending, prepare, arguments))
    process.start()
    measured: Measured = receiving.recv()
    process.join()
    return measured


def _measure(
    sending: Connection, prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]
) -> None:
    work = prepare(*arguments)
    begin, cpu = time.perf_counter(), _cpu_seconds()
    work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sending.send(
        {
            "wall": time.perf_counter() - begin,
            "cpu": _cpu_seconds() - cpu,
            "mebibytes": peak,
        }
    )


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


if __name__ == "__main__":
    main()
