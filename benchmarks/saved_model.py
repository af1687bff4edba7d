"""Export and reload against Keras' own: ``python -m benchmarks.saved_model``.

``model.export`` traces the model once and writes no ``__call__``; ours traces it for training and
inference too. Both write the same variables to the same disk and load them again, in turn, in one
run, the order changing.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

from components.saved_model.export import export

MEGABYTE = 1_000_000
NUM_LAYERS = 8


def main() -> None:
    """Measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--directory", type=Path, help="on the disk to measure; default: here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory or Path.cwd()) as scratch:
        result = measure(Path(scratch), arguments)
    print(f"{'model.export':>14} {result['keras_seconds']:7.2f} s", file=sys.stderr)
    print(f"{'export':>14} {result['export_seconds']:7.2f} s", file=sys.stderr)
    print(f"{'ratio':>14} {result['ratio']:7.2f}", file=sys.stderr)
    print(json.dumps(result))


def measure(scratch: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the median seconds of both, each for an export and a reload, and their ratio."""
    model = build(arguments.megabytes)
    theirs: list[float] = []
    ours: list[float] = []
    for repeat in range(arguments.repeats):
        calls: list[tuple[list[float], Callable[[str], Any]]] = [
            (theirs, lambda path: model.export(path, verbose=False)),
            (ours, lambda path: export(model, path)),
        ]
        for times, write in calls if repeat % 2 else reversed(calls):
            times.append(timed(write, scratch / "model"))
    result: dict[str, Any] = {
        "megabytes": 4 * model.count_params() / MEGABYTE,
        "keras_seconds": statistics.median(theirs),
        "export_seconds": statistics.median(ours),
        "repeats": arguments.repeats,
    }
    return {**result, "ratio": result["export_seconds"] / result["keras_seconds"]}


def build(megabytes: int) -> keras.Model:
    """Return a network of dense layers with that many bytes of float32 weights."""
    width = int((megabytes * MEGABYTE / 4 / NUM_LAYERS) ** 0.5)
    layers = [keras.layers.Dense(width, "relu", kernel_regularizer="l2") for _ in range(NUM_LAYERS)]
    return keras.Sequential([keras.Input((width,)), *layers])


def timed(write: Callable[[str], Any], path: Path) -> float:
    """Return the seconds of writing to a path and loading from it; removes what was written."""
    start = time.perf_counter()
    write(str(path))
    tf.saved_model.load(str(path))
    seconds = time.perf_counter() - start
    shutil.rmtree(path)
    return seconds


if __name__ == "__main__":
    main()
