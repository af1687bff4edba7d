"""Measures how much of the inference rate an evaluation keeps, and what slices and memory cost.

All flights of 2013 are measured with untrained models of the flight model's shape. Pure inference
runs the same signature on batches of serialized examples in memory. Ratios are of one run on one
machine; those of CPU time hold on a busy one too, but count what runs on another core as loss.

Run ``python -m benchmarks.evaluator [--rounds N]``.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

Seconds = tuple[float, float]
CASES: dict[str, list[dict[str, Any]]] = {
    "no slices": [{}],
    "by carrier": [{}, {"feature_keys": ["carrier"]}],
    "168 slices": [
        {},
        *({"feature_keys": [name]} for name in ("carrier", "origin", "dest", "month")),
        {"feature_keys": ["carrier", "origin"]},
    ],
    "1,000 slices": [{}, {"feature_keys": ["carrier", "dest"]}, {"feature_keys": ["hour", "dest"]}],
}
MODELS = {"flight model": [32, 16], "1 M parameters": [960, 960]}
MIN_SHARE = 0.6
"""Of the pure inference rate, for the model with 1 M parameters; reading costs about 3 µs."""
CLOCKS = ("wall", "cpu")
METRICS = [
    {"class_name": "AUC", "threshold": {"value_threshold": {"lower_bound": {"value": 0.0}}}},
    *(
        {"class_name": name}
        for name in (
            "ExampleCount",
            "AUCPrecisionRecall",
            "BinaryAccuracy",
            "Precision",
            "Recall",
            "BinaryCrossentropy",
            "Calibration",
            "MeanLabel",
            "MeanPrediction",
        )
    ),
]


def main() -> int:
    """Print a table; fail if an evaluation without slices keeps less than `MIN_SHARE`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluator", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--directory", type=Path, help="keep examples and models here")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return measure_case(*arguments.child, rounds=arguments.rounds)
    with tempfile.TemporaryDirectory() as scratch:
        directory = arguments.directory or Path(scratch)
        prepare(directory)
        shares = {model: report(directory, model, arguments.rounds) for model in MODELS}
    return 0 if shares["1 M parameters"] >= MIN_SHARE else 1


def prepare(directory: Path) -> None:
    """Write examples and models, unless they are there."""
    if not (directory / "examples").exists():
        flights = directory / "flights.parquet"
        run("models.flight_delays.data", "--output", flights)
        arguments = ("--source", flights, "--splits", '{"eval": 1}')
        run("components.example_gen", *arguments, "--output-dir", directory / "examples")
    for name, units in MODELS.items():
        if not (directory / name).exists():
            run("benchmarks.evaluator", "--child", "export", directory / name, json.dumps(units))


def report(directory: Path, model: str, rounds: int) -> float:
    """Print the rows of one model; return the better of the shares without slices."""
    results = {}
    for case in ("inference", *CASES):
        output = run(
            *("benchmarks.evaluator", "--rounds", str(rounds)),
            *("--child", case, directory / model, str(directory / "examples" / "record.json")),
        )
        results[case] = json.loads(output.splitlines()[-1])
    print(f"{model + ':':28} {'µs/example':>16} {'share of inference':>20} {'over no slices':>16}")
    print(f"{'':28} {'wall':>8}{'CPU':>8} {'wall':>12}{'CPU':>8} {'wall':>9}{'CPU':>7} {'MiB':>7}")
    shares = {}
    for case, result in results.items():
        cost = [result[clock] / result["examples"] * 1e6 for clock in CLOCKS]
        share = [results["inference"][clock] / result[clock] for clock in CLOCKS]
        over = [result[clock] / results["no slices"][clock] for clock in CLOCKS]
        shares[case] = max(share)
        print(
            f"  {case:14} {result['slices']:5} slices {cost[0]:8.2f}{cost[1]:8.2f} "
            f"{share[0]:12.2f}{share[1]:8.2f} {over[0]:9.2f}{over[1]:7.2f} "
            f"{result['mebibytes']:7.0f}",
            flush=True,
        )
    return shares["no slices"]


def measure_case(case: str, model: str, argument: str, *, rounds: int) -> int:
    """Do one measurement in this process, so that memory is its own; print it as JSON."""
    if case == "export":
        export_model(model, json.loads(argument))
        return 0
    from components.evaluator.eval_config import read_eval_config
    from components.evaluator.example_reader import ExampleReader, Wanted
    from components.evaluator.predictor import Predictor
    from components.evaluator.slicing import Slicer

    config = read_eval_config(
        {
            "model_specs": [{"label_key": "is_late"}],
            "slicing_specs": CASES.get(case, [{}]),
            "metrics_specs": [{"metrics": METRICS}],
        }
    )
    files = sorted(Path(argument).parent.glob("Split-eval/*"))
    reader = ExampleReader(files, Wanted("is_late", "", Slicer(config.slicing_specs).features))
    with Predictor("the model", model, config.candidate) as predictor:
        if case == "inference":
            times, examples, slices = time_inference(reader, predictor, rounds)
        else:
            times, examples, slices = time_evaluation(config, reader, predictor, rounds)
    mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = {"examples": examples, "slices": slices, "mebibytes": mebibytes}
    result |= {
        clock: min(column) for clock, column in zip(CLOCKS, zip(*times, strict=True), strict=True)
    }
    print(json.dumps(result))
    return 0


def time_inference(reader: Any, predictor: Any, rounds: int) -> tuple[list[Seconds], int, int]:
    """Time the signature alone on batches in memory."""
    batches = [batch.serialized for batch in reader]
    predictor.predict(batches[0])
    times = []
    for _ in range(rounds):
        started = now()
        for batch in batches:
            predictor.predict(batch)
        times.append(since(started))
    return times, sum(map(len, batches)), 0


def time_evaluation(
    config: Any, reader: Any, predictor: Any, rounds: int
) -> tuple[list[Seconds], int, int]:
    """Time from the files to the metrics."""
    from components.evaluator.engine import tally_examples

    predictor.predict(next(iter(reader)).serialized)
    times = []
    for _ in range(rounds):
        started = now()
        tally, examples = tally_examples(config, reader, {"candidate": predictor})
        measurements = tally.measure()
        times.append(since(started))
    return times, examples, len(measurements.slices)


def now() -> Seconds:
    """Return wall time and this process's CPU time."""
    return time.perf_counter(), time.process_time()


def since(started: Seconds) -> Seconds:
    """Return how much of both has passed."""
    ended = now()
    return ended[0] - started[0], ended[1] - started[1]


def export_model(directory: str, units: list[int]) -> None:
    """Write an untrained flight model with these hidden layers."""
    from models.flight_delays import module

    network = module.build_model({**module.DEFAULTS, "hidden_units": units})
    print(f"{network.count_params():,} parameters")
    module.export(network, directory)


def run(module: str, *arguments: object) -> str:
    """Run a module and return what it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, check=False, text=True, capture_output=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(f"{module} failed with exit code {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
