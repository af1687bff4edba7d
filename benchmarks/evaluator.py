"""Measures the evaluator against TFMA and against pure inference: time, slices, memory.

All flights of 2013 are measured with untrained models of the flight model's shape, through the
signature that takes tensors, by ten metrics. Pure inference runs the signature that takes
serialized examples, on batches in memory. Ratios are of one run on one machine; those of CPU time
hold on a busy one too, but count what runs on another core as loss.

Run ``python -m benchmarks.evaluator [--rounds N] [--tfma-python PYTHON [--tfma-examples N]]``:
PYTHON is of an environment with ``tensorflow-model-analysis==0.52.0``; it measures the same
examples (all take it an hour or more) by the same metrics and slices.
"""

import argparse
import itertools
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
WITH_INTERVALS = {
    f"{case}, {name}": (case, method)
    for case in ("no slices", "168 slices", "1,000 slices")
    for name, method in (("jackknife", "JACKKNIFE"), ("bootstrap", "POISSON_BOOTSTRAP"))
}
"""Intervals of confidence for all metrics; only ours, TFMA takes hours."""
LARGE = "1 M parameters"
MODELS = {"flight model": [32, 16], LARGE: [960, 960]}
TARGET_SHARE = 0.85
"""Of the pure inference rate, for the model with 1 M parameters; reading costs about 3 µs."""
MIN_SHARE = 0.6
"""With less than that the benchmark fails: so much a busy machine may take from the target."""
MAX_SLICES_COST = 1.5
"""Target of what 1,000 slices cost over none, for the model with 1 M parameters."""
TFMA_TARGETS = {
    ("flight model", "no slices"): 70,
    ("flight model", "168 slices"): 100,
    ("flight model", "1,000 slices"): 100,
    (LARGE, "no slices"): 30,
    (LARGE, "by carrier"): 60,
}
"""Times as fast as TFMA."""
FLIGHT_MODEL = Path(__file__).parents[1] / "models" / "flight_delays"
GRAPH = "transform"
RUN_TFMA = Path(__file__).parents[1] / "tests" / "components" / "evaluator" / "run_tfma.py"
CLOCKS = ("wall", "cpu")
METRICS = [
    {"class_name": "AUC", "threshold": {"value_threshold": {"lower_bound": 0.0}}},
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
    parser.add_argument("--tfma-python", type=Path, help="TFMA's interpreter")
    parser.add_argument("--tfma-examples", type=int, help="give it only the first so many")
    parser.add_argument("--directory", type=Path, help="keep examples and models here")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return measure_case(*arguments.child, rounds=arguments.rounds)
    with tempfile.TemporaryDirectory() as scratch:
        directory = arguments.directory or Path(scratch)
        prepare(directory)
        shares = {}
        for model in MODELS:
            results = measure_all(directory, model, arguments.rounds)
            shares[model] = report(model, results)
            if arguments.tfma_python:
                tfma = run_tfma(arguments.tfma_python, directory, model, arguments.tfma_examples)
                report_tfma(model, results, tfma)
    return 0 if shares[LARGE] >= MIN_SHARE else 1


def prepare(directory: Path) -> None:
    """Write examples and models, unless they are there."""
    if not (directory / "examples").exists():
        flights = directory / "flights.parquet"
        run("models.flight_delays.data", "--output", flights)
        arguments = ("--source", flights, "--splits", '{"eval": 1}')
        run("components.example_gen", *arguments, "--output-dir", directory / "examples")
    if not (directory / GRAPH).exists():
        record = directory / "examples" / "record.json"
        module = FLIGHT_MODEL / "preprocessing.py"
        read = ("--schema", FLIGHT_MODEL / "schema.pbtxt", "--module-file", module)
        more = ("--analyze-splits", "eval", "--output-dir", directory / GRAPH)
        run("components.transform", "--examples", record, *read, *more)
    for name, units in MODELS.items():
        if not (directory / name).exists():
            run("benchmarks.evaluator", "--child", "export", directory / name, json.dumps(units))


def measure_all(directory: Path, model: str, rounds: int) -> dict[str, Any]:
    """Return the measurements of all cases, each of a process of its own."""
    results = {}
    for case in ("inference", *CASES, *WITH_INTERVALS):
        output = run(
            *("benchmarks.evaluator", "--rounds", str(rounds)),
            *("--child", case, directory / model, str(directory / "examples" / "record.json")),
        )
        results[case] = json.loads(output.splitlines()[-1])
    return results


def eval_config(case: str) -> dict[str, Any]:
    """Return the configuration of a case, for us and for TFMA."""
    slicing, method = WITH_INTERVALS.get(case, (case, None))
    options = {"compute_confidence_intervals": True, "confidence_intervals": {"method": method}}
    return {
        "model_specs": [{"label_key": "is_late", "signature_name": "serving_default"}],
        "slicing_specs": CASES.get(slicing, [{}]),
        "metrics_specs": [{"metrics": METRICS}],
        **({"options": options} if method is not None else {}),
    }


def run_tfma(
    python: Path, directory: Path, model: str, num_examples: int | None
) -> dict[str, dict[str, float]]:
    """Return TFMA's seconds by case, and how many examples it had."""
    examples = directory / "examples" / "Split-eval"
    if num_examples is not None:
        examples = directory / f"first-{num_examples}"
        copy_examples(directory / "examples" / "Split-eval", examples, num_examples)
    jobs = [
        {
            "model": str(directory / model),
            "examples": f"{examples}/*",
            "config": eval_config(case),
        }
        for case in CASES
    ]
    (directory / "jobs.json").write_text(json.dumps(jobs))
    subprocess.run(
        [python, RUN_TFMA, directory / "jobs.json", directory / "tfma.json"],
        check=True,
        cwd=directory,
        capture_output=True,
    )
    answers = json.loads((directory / "tfma.json").read_text())
    return {
        case: {**answer["seconds"], "examples": count_of(answer)}
        for case, answer in zip(CASES, answers, strict=True)
    }


def count_of(answer: dict[str, Any]) -> float:
    """Return how many examples TFMA counted."""
    overall = next(metrics for key, metrics in answer["slices"] if not key)
    return float(next(m["value"] for m in overall if m["name"] == "example_count"))


def copy_examples(source: Path, target: Path, count: int) -> None:
    """Copy the first examples."""
    from components import tfrecord

    target.mkdir(exist_ok=True)
    records = itertools.chain.from_iterable(map(tfrecord.read_records, sorted(source.iterdir())))
    tfrecord.write_records(target / "examples", itertools.islice(records, count))


def report_tfma(model: str, results: dict[str, Any], tfma: dict[str, dict[str, float]]) -> None:
    """Print what TFMA took, and how many times what we took."""
    for case, theirs in tfma.items():
        cost = [theirs[clock] / theirs["examples"] * 1e6 for clock in CLOCKS]
        ours = [results[case][clock] / results[case]["examples"] * 1e6 for clock in CLOCKS]
        target = TFMA_TARGETS.get((model, case))
        print(
            f"  {case:14} TFMA: {cost[0]:10.1f} {cost[1]:8.1f} µs/example, "
            f"{cost[0] / ours[0]:6.1f} × wall, {cost[1] / ours[1]:6.1f} × CPU "
            f"({theirs['examples']:,.0f} examples)" + (f", target {target} ×" if target else ""),
            flush=True,
        )


def report(model: str, results: dict[str, Any]) -> float:
    """Print the rows of one model and its targets; return the better share without slices."""
    print(f"{model + ':':37} {'µs/example':>16} {'share of inference':>20} {'over no slices':>16}")
    print(f"{'':37} {'wall':>8}{'CPU':>8} {'wall':>12}{'CPU':>8} {'wall':>9}{'CPU':>7} {'MiB':>7}")
    shares = {}
    for case, result in results.items():
        cost = [result[clock] / result["examples"] * 1e6 for clock in CLOCKS]
        share = [results["inference"][clock] / result[clock] for clock in CLOCKS]
        over = [result[clock] / results["no slices"][clock] for clock in CLOCKS]
        shares[case] = max(share)
        print(
            f"  {case:23} {result['slices']:5} slices {cost[0]:8.2f}{cost[1]:8.2f} "
            f"{share[0]:12.2f}{share[1]:8.2f} {over[0]:9.2f}{over[1]:7.2f} "
            f"{result['mebibytes']:7.0f}",
            flush=True,
        )
    if model == LARGE:
        slices = min(results["1,000 slices"][each] / results["no slices"][each] for each in CLOCKS)
        print(
            f"  share of inference {shares['no slices']:.2f}, target {TARGET_SHARE} (fails below "
            f"{MIN_SHARE}); 1,000 slices cost {slices:.2f} × none, target {MAX_SLICES_COST}",
            flush=True,
        )
    return shares["no slices"]


def measure_case(case: str, model: str, argument: str, *, rounds: int) -> int:
    """Do one measurement in this process, so that memory is its own; print it as JSON."""
    if case == "export":
        export_model(model, json.loads(argument))
        return 0
    from components.evaluator.engine import wanted_features
    from components.evaluator.eval_config import read_eval_config
    from components.evaluator.example_reader import ExampleReader
    from components.evaluator.predictor import Predictor

    value = eval_config(case)
    if case != "inference":
        value["model_specs"][0]["signature_name"] = "serving_raw"
    config = read_eval_config(value)
    files = sorted(Path(argument).parent.glob("Split-eval/*"))
    with Predictor("the model", model, config.candidate) as predictor:
        reader = ExampleReader(files, wanted_features(config, {"candidate": predictor}))
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
    batches = list(reader)
    predictor.predict(batches[0])
    times = []
    for _ in range(rounds):
        started = now()
        for batch in batches:
            predictor.predict(batch)
        times.append(since(started))
    return times, sum(batch.size for batch in batches), 0


def time_evaluation(
    config: Any, reader: Any, predictor: Any, rounds: int
) -> tuple[list[Seconds], int, int]:
    """Time from the files to the metrics."""
    from components.evaluator.engine import tally_examples

    predictor.predict(next(iter(reader)))
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
    """Write an untrained flight model with these hidden layers, beside the transform graph."""
    from components.transform.feature_transform import FeatureTransform
    from models.flight_delays import module

    record = json.loads(Path(directory).with_name(GRAPH).joinpath("record.json").read_text())
    transform = FeatureTransform(record["uri"])
    network = module.build_model(transform, {**module.DEFAULTS, "hidden_units": units})
    print(f"{network.count_params():,} parameters")
    module.export(network, transform, directory)


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
