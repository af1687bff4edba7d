"""What part of a run Transform is: ``python -m benchmarks.transform``.

Each step of the flight model's run on one month is the command that its task runs, in a process of
its own, so that imports count. Beside Keras' layers, which the model uses, stands what a user would
pick instead: the same features by tf.Transform on Beam. CPU time alone: wall time says little on a
machine that does other work.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from models.flight_delays import data

FOLDER = Path(data.__file__).parent
BEAM_MODULE = """
import math
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    turn = 2 * math.pi / 1440
    departure = tf.cast(inputs["hour"] * 60 + inputs["minute"], tf.float32) * turn
    hhmm = inputs["sched_arr_time"]
    arrival = tf.cast(hhmm // 100 * 60 + hhmm % 100, tf.float32) * turn
    logarithm = tf.math.log1p(tf.cast(inputs["distance"], tf.float32))
    circle = [tf.sin(departure), tf.cos(departure), tf.sin(arrival), tf.cos(arrival)]
    numbers = [departure / math.pi - 1, *circle, tft.scale_to_z_score(logarithm)]
    texts = {
        name: tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1)
        for name in ("carrier", "origin", "dest")
    }
    route = tf.strings.join([inputs["origin"], inputs["dest"]], "-")
    flight = tf.strings.join([inputs["carrier"], tf.strings.as_string(inputs["flight"])])
    hashed = {
        "route": tft.hash_strings(route, 2048),
        "scheduled_flight": tft.hash_strings(flight, 16384),
    }
    hours = {
        "hour": inputs["hour"],
        "weekday": inputs["weekday"],
        "hour_of_week": inputs["weekday"] * 24 + inputs["hour"],
    }
    return {
        "numbers": tf.concat(numbers, 1), **texts, **hashed, **hours, "is_late": inputs["is_late"]
    }
"""


def main() -> None:
    """Measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--without-beam", action="store_true", help="only the model's own run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        flights = directory / "flights.parquet"
        data.main(["--output", str(flights)])
        seconds = {
            name: run(directory, name, *arguments)
            for name, arguments in steps(directory, flights).items()
        }
        total = sum(seconds.values())
        if not given.without_beam:
            module = directory / "by_beam.py"
            module.write_text(BEAM_MODULE)
            seconds["transform by Beam"] = run(
                directory, "beam", *transform(directory, str(module))
            )
    for name, value in seconds.items():
        print(f"{name:>18} {value:>7.1f} CPU s {value / total:>7.1%} of the run", file=sys.stderr)
    print(json.dumps({"seconds": seconds, "transform_share": seconds["transform"] / total}))


def steps(directory: Path, flights: Path) -> dict[str, list[str]]:
    """Return the command of each step, in their order."""
    examples = ["--examples", f"{directory}/example_gen/record.json"]
    statistics = ["--statistics", f"{directory}/statistics/record.json"]
    model = ["--model", f"{directory}/trainer/record.json"]
    read = ["--source", str(flights), "--time-column", "time_hour"]
    verb = "components.data_validation"
    return {
        "example_gen": ["components.example_gen", *read, "--window", "2013-01-01/2013-02-01"],
        "statistics": [verb, "statistics", *examples],
        "schema": [verb, "schema", *statistics, "--curated", str(FOLDER / "schema.pbtxt")],
        "validate": [
            *(verb, "validate", *examples, *statistics),
            *("--schema", f"{directory}/schema/record.json"),
        ],
        "transform": transform(directory, str(FOLDER / "preprocessing.py")),
        "trainer": [
            *("components.trainer", *examples, "--module-file", str(FOLDER / "module.py")),
            *("--transform-graph", f"{directory}/transform/record.json"),
        ],
        "evaluator": [
            *("components.evaluator", *model, *examples),
            *("--eval-config", str(FOLDER / "eval_config.json")),
        ],
        "infra_validator": [
            *("components.infra_validator", *model, *examples),
            *("--serving-spec", '{"local_process": {}}'),
        ],
    }


def transform(directory: Path, module: str) -> list[str]:
    """Return the command that transforms by a module."""
    return [
        *("components.transform", "--examples", f"{directory}/example_gen/record.json"),
        *("--schema", str(FOLDER / "schema.pbtxt"), "--module-file", module),
    ]


def run(directory: Path, name: str, module: str, *arguments: str) -> float:
    """Run a step's command and return the CPU seconds of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", module, *arguments, "--output-dir", str(directory / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
