"""A whole search with Keras: killed, gone on with by two workers, one of which dies."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components import records
from components.records import HyperParameters
from components.tuner import __main__ as command
from tests.components.trainer.test_trainer_training import is_running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # on a busy machine, too

MODULE = """
    import os, pathlib, signal
    import keras
    import keras_tuner
    import tensorflow as tf
    from tfx import v1 as tfx

    SPEC = {"x": tf.io.FixedLenFeature([], tf.float32), "y": tf.io.FixedLenFeature([], tf.float32)}

    def batches(patterns):
        files = tf.io.gfile.glob(patterns)
        rows = tf.data.TFRecordDataset(files, "GZIP").batch(25)
        rows = rows.map(lambda row: tf.io.parse_example(row, SPEC))
        return rows.map(lambda row: (row["x"][:, None], row["y"][:, None])).repeat()

    def build(hp):
        first = keras.layers.Dense(1, kernel_initializer=hp.Choice("start", ["zeros", "ones"]))
        model = keras.Sequential([keras.Input((1,)), first])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-6, 1e-2, sampling="log")), "mse")
        return model

    class Tuner(keras_tuner.RandomSearch):
        def run_trial(self, trial, *args, **kwargs):
            with (LOG / "started").open("a") as log:
                log.write(f"{trial.trial_id} {os.getpid()}\\n")
            if trial.trial_id == "2" and not (LOG / "goes_on").exists():
                signal.pause()
            if trial.trial_id == "3":
                os.kill(os.getpid(), signal.SIGSEGV)
            return super().run_trial(trial, *args, **kwargs)

    def tuner_fn(fn_args):
        global LOG
        LOG = pathlib.Path(fn_args.custom_config["log"])
        tuner = Tuner(
            build, "val_loss", max_trials=9, directory=fn_args.working_dir, overwrite=True
        )
        return tfx.components.TunerFnResult(
            tuner=tuner,
            fit_kwargs={
                "x": batches(fn_args.train_files),
                "validation_data": batches(fn_args.eval_files),
                "steps_per_epoch": fn_args.train_steps,
                "validation_steps": fn_args.eval_steps,
            },
        )
"""


@pytest.fixture
def search(tmp_path, write_module, write_examples):
    """Start the command; what its trials did stands in the file ``started``."""
    rows = [{"x": step / 10, "y": step / 5} for step in range(50)]
    examples = write_examples(splits={"train": rows, "eval": rows[:25]})
    arguments = {
        "--module-file": write_module(MODULE),
        "--examples": records.dump(examples),
        "--train-args": '{"num_steps": 2}',
        "--eval-args": '{"num_steps": 1}',
        "--custom-config": json.dumps({"log": str(tmp_path)}),
    }
    started = []

    def search(output, tune_args):
        own = {**arguments, "--output-dir": tmp_path / "task" / output, "--tune-args": tune_args}
        started.append(
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "components.tuner"),
                    *(str(part) for pair in own.items() for part in pair),
                ],
                cwd=Path(command.__file__).parents[2],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield search
    for process in started:
        process.kill()
        process.communicate()


def test_goes_on_after_kills_and_finds_the_best(search, tmp_path):
    import numpy as np

    log = tmp_path / "started"
    first = search("1-a", '{"max_trials": 6}')
    wait_until(lambda: "\n2 " in _text(log) or first.poll() is not None, seconds=300)
    assert first.poll() is None, first.communicate()[1]
    first.send_signal(signal.SIGKILL)
    first.communicate()
    pids = {int(line.split()[1]) for line in log.read_text().splitlines()}
    wait_until(lambda: not any(map(is_running, pids)), seconds=5)

    (tmp_path / "goes_on").touch()
    second = search("2-b", '{"max_trials": 6, "num_parallel_trials": 2}')
    out, shown = second.communicate()
    assert second.returncode == 0, shown
    started = [line.split()[0] for line in log.read_text().splitlines()]
    assert sorted(started) == ["0", "1", "2", "2", "3", "4", "5"]
    assert [path.name for path in (tmp_path / "task").iterdir()] == ["2-b"]

    record = records.from_json(json.loads(out.splitlines()[-1]))
    assert isinstance(record, HyperParameters)
    facts = json.loads(Path(str(record.trials_uri)).read_text())
    statuses = {trial["trial"]: trial["status"] for trial in facts["trials"]}
    assert statuses == {**dict.fromkeys("01245", "completed"), "3": "failed"}
    assert "SIGSEGV" in facts["trials"][3]["reason"]
    scores = [trial["score"] for trial in facts["trials"] if trial["score"] is not None]
    assert record.score == min(scores)

    # two steps of gradient descent by hand: batches of 25 in order, mean squared error
    x, (weight, bias) = np.arange(50) / 10, (float(record.values["start"] == "ones"), 0.0)
    for batch in (x[:25], x[25:]):
        error = weight * batch + bias - 2 * batch
        weight -= record.values["rate"] * float(np.mean(2 * error * batch))
        bias -= record.values["rate"] * float(np.mean(2 * error))
    expected = np.mean((weight * x[:25] + bias - 2 * x[:25]) ** 2)
    assert record.score == pytest.approx(expected, rel=1e-4)
    assert "trial 4, epoch 1/1: step 2" in shown
    assert "best so far: trial" in shown


def _text(path):
    return path.read_text() if path.exists() else ""
