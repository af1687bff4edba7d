"""Measures what the trainer costs: of a training's speed, and before it starts.

The same ``run_fn`` is called directly, in a plain Python process, and by the trainer, in turns; it
times its own second epoch, so that neither imports nor the building of the graph count. The start
is timed from the command to the first line of ``run_fn``, against ``import tensorflow`` alone.

Run ``python -m benchmarks.trainer [--rounds N]``. The best of the rounds counts: what else runs on
the machine only ever adds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from components import artifacts, records, tfrecord
from components.records import Examples, Split

ROOT = Path(__file__).parents[1]
MIN_SHARE = 0.95
MAX_START_SECONDS = 1.5
NUM_STEPS = 400
BATCH_SIZE = 256
SIZES = {"10 k parameters": 96, "1 M parameters": 960}
MODULE = f"""
import json, os, time
import tensorflow as tf
import keras

def run_fn(fn_args):
    entered = time.time()
    report = fn_args.custom_config["report"]
    if fn_args.custom_config["units"] is None:
        open(report, "w").write(json.dumps({{"entered": entered}}))
        raise SystemExit(0)
    units = fn_args.custom_config["units"]
    model = keras.Sequential([
        keras.Input((16,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(units, "relu"),
        keras.layers.Dense(1),
    ])
    model.compile("adam", "mse")
    x = tf.random.normal(({BATCH_SIZE} * 8, 16))
    data = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch({BATCH_SIZE}).cache().repeat()
    times = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: times.append(time.perf_counter()),
        on_epoch_end=lambda epoch, logs: times.append(time.perf_counter()),
    )
    model.fit(data, steps_per_epoch={NUM_STEPS}, epochs=3, callbacks=[clock], verbose=2)
    seconds = min(times[3] - times[2], times[5] - times[4])
    open(report, "w").write(json.dumps({{"seconds": seconds}}))
    model.export(fn_args.serving_model_dir, verbose=False)
"""
DIRECT = """
import json, sys, types
sys.path.append(sys.argv[1])
import module
module.run_fn(types.SimpleNamespace(**json.loads(sys.argv[2])))
"""


def main() -> int:
    """Print a table; fail if the trainer costs more than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trainer", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "user").mkdir()
        (directory / "user" / "module.py").write_text(MODULE, encoding="utf-8")
        examples = write_examples(directory / "examples")
        shares = [compare_speed(directory, examples, size, rounds) for size in SIZES]
        over = compare_start(directory, examples, rounds)
    return 0 if min(shares) >= MIN_SHARE and over <= MAX_START_SECONDS else 1


def write_examples(directory: Path) -> Examples:
    """Write what the trainer insists on; the module makes its own data."""
    for split in ("train", "eval"):
        (directory / f"Split-{split}").mkdir(parents=True)
        tfrecord.write_records(directory / f"Split-{split}" / "data", [b""])
    splits = {name: Split(f"Split-{name}/*", 1) for name in ("train", "eval")}
    return Examples(str(directory), splits, artifacts.digest(directory))


def compare_speed(directory: Path, examples: Examples, size: str, rounds: int) -> float:
    """Print the examples a second of both ways; return the trainer's share."""
    best = {"direct": float("inf"), "trainer": float("inf")}
    for _ in range(rounds):
        config = {"report": str(directory / "report.json"), "units": SIZES[size]}
        run_directly(directory, config)
        best["direct"] = min(best["direct"], read_report(config)["seconds"])
        run_trainer(directory, examples, config)
        best["trainer"] = min(best["trainer"], read_report(config)["seconds"])
    rates = {way: NUM_STEPS * BATCH_SIZE / seconds for way, seconds in best.items()}
    share = rates["trainer"] / rates["direct"]
    print(
        f"{size}: {rates['direct']:,.0f} examples/s directly, {rates['trainer']:,.0f} by the "
        f"trainer: {share:.3f} (at least {MIN_SHARE})",
        flush=True,
    )
    return share


def compare_start(directory: Path, examples: Examples, rounds: int) -> float:
    """Print how long both take to start; return what the trainer takes longer, in seconds."""
    config = {"report": str(directory / "report.json"), "units": None}
    bare, started = [], []
    for _ in range(rounds):
        begin = time.time()
        run([sys.executable, "-c", "import tensorflow, keras"])
        bare.append(time.time() - begin)
        begin = time.time()
        run_trainer(directory, examples, config, expected=1)
        started.append(read_report(config)["entered"] - begin)
    over = min(started) - min(bare)
    print(
        f"start: {min(bare):.2f} s for TensorFlow and Keras alone, {min(started):.2f} s to run_fn: "
        f"{over:.2f} s over (at most {MAX_START_SECONDS})"
    )
    return over


def run_directly(directory: Path, config: dict[str, Any]) -> None:
    """Call run_fn in a plain process."""
    arguments = {"custom_config": config, "serving_model_dir": str(directory / "direct")}
    user = str(directory / "user")
    run([sys.executable, "-c", DIRECT, user, json.dumps(arguments)])


def run_trainer(
    directory: Path, examples: Examples, config: dict[str, Any], expected: int = 0
) -> None:
    """Run the trainer's command line."""
    arguments = {
        "--module-file": directory / "user" / "module.py",
        "--examples": records.dump(examples),
        "--output-dir": directory / "trained",
        "--custom-config": json.dumps(config),
    }
    flags = [str(part) for pair in arguments.items() for part in pair]
    run([sys.executable, "-m", "components.trainer", *flags], expected)


def run(command: list[str], expected: int = 0) -> None:
    """Run a command in this project."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != expected:
        sys.stderr.write(done.stderr)
        raise SystemExit(f"{command[:4]} ended with exit code {done.returncode}")


def read_report(config: dict[str, Any]) -> dict[str, Any]:
    """Return what the module wrote."""
    report: dict[str, Any] = json.loads(Path(config["report"]).read_text(encoding="utf-8"))
    return report


if __name__ == "__main__":
    sys.exit(main())
