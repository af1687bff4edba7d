"""Whole trainings, by modules that use what TFX's users use. Each takes a process or two."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.errors import TrainingError
from components.records import Run, Schema
from components.trainer import train

pytestmark = pytest.mark.slow

READ = """
import tensorflow as tf

SPEC = {"x": tf.io.FixedLenFeature([], tf.float32), "y": tf.io.FixedLenFeature([], tf.float32)}

def batches(patterns, size=4):
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    records = tf.data.TFRecordDataset(files, "GZIP").shuffle(64).batch(size, drop_remainder=True)
    parsed = records.map(lambda record: tf.io.parse_example(record, SPEC))
    return parsed.map(lambda row: (row["x"][:, None], row["y"][:, None]))

def serving(predict):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def answer(examples):
        features = tf.io.parse_example(examples, {"x": SPEC["x"]})
        return {"score": predict(features["x"][:, None])}
    return {"serving_default": answer}
"""

TFX_WITH_KERAS_3 = """
from absl import logging
import keras_tuner
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow import keras
from tfx import v1 as tfx
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.orchestration import pipeline
from tfx.utils import io_utils
from tfx_bsl.public import tfxio
from tensorflow_metadata.proto.v0 import schema_pb2
import reading

def make_pipeline() -> pipeline.Pipeline:
    return pipeline.Pipeline(components=[tfx.components.Trainer()])

def run_fn(fn_args: tfx.components.FnArgs):
    schema = io_utils.parse_pbtxt_file(fn_args.schema_path, schema_pb2.Schema())
    options = tfxio.TensorFlowDatasetOptions(batch_size=4, label_key="y")
    train, evaluation = (
        fn_args.data_accessor.tf_dataset_factory(files, options, schema).repeat()
        for files in (fn_args.train_files, fn_args.eval_files)
    )
    values = keras_tuner.HyperParameters.from_config(fn_args.hyperparameters)
    with tf.distribute.MirroredStrategy().scope():
        x = keras.layers.Input(shape=(1,), name="x")
        hidden = keras.layers.BatchNormalization()(x)
        model = keras.Model([x], keras.layers.Dense(1)(hidden))
        model.compile(keras.optimizers.Adam(values.get("rate")), keras.losses.MeanSquaredError())
    model.summary(print_fn=logging.info)
    board = tf.keras.callbacks.TensorBoard(log_dir=fn_args.model_run_dir, update_freq="batch")
    model.fit(
        train, steps_per_epoch=fn_args.train_steps, callbacks=[board],
        validation_data=evaluation, validation_steps=fn_args.eval_steps,
    )
    signatures = reading.serving(model)
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures=signatures)
    model.save(fn_args.eval_model_dir, save_format="tf")
    with tfx.dsl.io.fileio.open(fn_args.model_run_dir + "/answer.txt", "w") as file:
        file.write(str(float(model(tf.constant([[3.0]]))[0, 0])))
"""

LEGACY = """
import tensorflow as tf
import keras
import reading

def run_fn(fn_args):
    assert keras.Model is tf.keras.Model and keras.__version__.startswith("2"), keras
    inputs = {"x": keras.Input((1,), name="x")}
    columns = [tf.feature_column.bucketized_column(tf.feature_column.numeric_column("x"), [2.5])]
    dense = tf.keras.layers.DenseFeatures(columns)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(tf.identity(dense)))
    model.compile(tf.keras.optimizers.legacy.Adam(lr=0.1), "mse")
    train = reading.batches(fn_args.train_files).map(lambda x, y: ({"x": x}, y))
    model.fit(train, epochs=2, workers=1)
    model.save(fn_args.serving_model_dir, save_format="tf",
               signatures=reading.serving(lambda x: model({"x": x})))
    (value,) = model({"x": tf.constant([[3.0]])}).numpy()[0]
    open(fn_args.model_run_dir + "/answer.txt", "w").write(str(value))
"""

OWN_LOOP = """
import os, signal
import tensorflow as tf
from components.trainer.progress import Progress
import reading

class Line(tf.Module):
    def __init__(self):
        super().__init__()
        self.slope, self.seen = tf.Variable(0.0), tf.Variable(0, dtype=tf.int64)

    def __call__(self, x):
        return self.slope * x

def run_fn(fn_args):
    line = Line()
    if fn_args.base_model:
        line.slope.assign(tf.saved_model.load(fn_args.base_model).slope)
        print("starts at slope", float(line.slope), flush=True)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(line=line), fn_args.model_run_dir, max_to_keep=1
    )
    manager.restore_or_initialize()
    first = int(line.seen)
    print("first step is", first + 1, flush=True)
    progress = Progress(num_steps=fn_args.train_steps, batch_size=4)
    data = reading.batches(fn_args.train_files).repeat()
    for x, y in data.take(fn_args.train_steps - first):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((line(x) - y) ** 2)
        line.slope.assign_sub(0.01 * tape.gradient(loss, line.slope))
        line.seen.assign_add(1)
        progress.step(loss=loss)
        if int(line.seen) == fn_args.custom_config.get("dies_at") and not first:
            manager.save()
            os.kill(os.getpid(), signal.SIGSEGV)
    line.serve = reading.serving(line)["serving_default"]
    tf.saved_model.save(line, fn_args.serving_model_dir, {"serving_default": line.serve})
"""

TOGETHER = """
import json, os
import tensorflow as tf
import reading

def run_fn(fn_args):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    print("worker", index, "of", strategy.num_replicas_in_sync, flush=True)
    with strategy.scope():
        slope = tf.Variable(0.0)

    @tf.function
    def step(x, y):
        def replica(x, y):
            gradient = tf.reduce_mean(2 * (slope * x - y) * x)
            total = tf.distribute.get_replica_context().all_reduce("mean", gradient)
            slope.assign_sub(0.01 * total)
        strategy.run(replica, args=(x, y))

    for x, y in reading.batches(fn_args.train_files).repeat().take(20):
        step(x, y)
    module = tf.Module()
    module.slope = slope
    module.serve = reading.serving(lambda x: slope * x)["serving_default"]
    tf.saved_model.save(module, fn_args.serving_model_dir, {"serving_default": module.serve})
"""

DROPOUT = """
import keras
import reading

def run_fn(fn_args):
    model = keras.Sequential([
        keras.Input((1,)), keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1),
    ])
    model.compile("adam", "mse")
    model.fit(reading.batches(fn_args.train_files), epochs=2, verbose=2)
    model.save_weights(fn_args.model_run_dir + "/kept.weights.h5")
    model.export(fn_args.serving_model_dir, verbose=False)
"""

BACKUP = """
import os, signal
import keras
import reading

class Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        print("epoch", epoch, "learning rate", float(self.model.optimizer.learning_rate),
              "steps", int(self.model.optimizer.iterations), flush=True)
        if epoch == 2 and not self.was_there:
            os.kill(os.getpid(), signal.SIGKILL)

def run_fn(fn_args):
    killed = Killed()
    killed.was_there = os.listdir(fn_args.model_run_dir) != []
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.5), "mse")
    backup = keras.callbacks.BackupAndRestore(fn_args.model_run_dir)
    model.fit(reading.batches(fn_args.train_files), epochs=4, callbacks=[backup, killed])
    model.export(fn_args.serving_model_dir, verbose=False)
"""


@pytest.fixture
def line_examples(write_examples):
    """Examples on the line y = 2 x, x from 0 to 4.9."""
    rows = [{"x": step / 10, "y": step / 5} for step in range(50)]
    return write_examples(splits={"train": rows, "eval": rows[:10]})


@pytest.fixture
def run(line_examples, write_module, tmp_path):
    """Train with a module; return its record, its directory, its facts."""
    write_module(READ, "reading.py")

    def run(source, output_dir="task/1-a", **arguments):
        model = train(
            module_file=write_module(source),
            examples=line_examples,
            output_dir=tmp_path / output_dir,
            **arguments,
        )
        directory = Path(model.uri).parent
        return model, directory, json.loads((directory / "training.json").read_text())

    return run


def score_at_3(directory):
    import tensorflow as tf

    from components.saved_model.session import ServingSession
    from tests.conftest import _example

    example = _example(tf, {"x": 3.0}).SerializeToString()
    with ServingSession(directory) as session:
        inputs = dict.fromkeys(session.signature().inputs, np.array([example], object))
        (answer,) = session.run("serving_default", inputs).values()
    return float(np.ravel(answer)[0])


def test_a_module_for_tfx_and_keras_3(run, tmp_path, capfd):
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "schema.pbtxt").write_text(
        "".join(
            f'feature {{ name: "{name}" type: FLOAT presence {{ min_fraction: 1 }} '
            "shape { dim { size: 1 } } }\n"
            for name in "xy"
        )
    )
    model, directory, facts = run(
        TFX_WITH_KERAS_3,
        schema=Schema(str(tmp_path / "schema"), "sha256:0", "sha256:0"),
        hyperparameters={"rate": 0.1},
        train_args={"num_steps": 40},
        eval_args={"num_steps": 2},
    )
    expected = float((directory / "model_run" / "answer.txt").read_text())
    assert score_at_3(model.uri) == pytest.approx(expected, rel=1e-5)
    assert model.eval_model_uri == str(directory / "Format-TFMA")
    assert model.hyperparameters == {"rate": 0.1}
    assert facts["keras"]["version"] == 3
    assert facts["answered"] == "the first of its own examples"
    assert facts["steps"] == 40
    assert facts["metrics"].keys() == {"loss", "val_loss"}
    assert facts["signatures"]["serving_default"]["outputs"] == {
        "score": {"dtype": "float32", "shape": [None, 1]}
    }
    assert (facts["num_variables"], facts["num_parameters"]) == (6, 6)
    assert facts["tensorboard"] == f"tensorboard --logdir {directory / 'model_run'}"
    assert (directory / "training_curves.svg").is_file()
    shown = capfd.readouterr().err
    assert "INFO components.trainer.progress: epoch 1/1: step 40/40, loss " in shown
    assert "INFO absl: Model:" in shown


def test_a_module_for_keras_2(run):
    model, directory, facts = run(LEGACY)
    assert facts["keras"]["version"] == 2
    assert "taxi.py, line " in facts["keras"]["reason"]
    assert facts["metrics"].keys() == {"loss"}
    expected = float((directory / "model_run" / "answer.txt").read_text())
    assert score_at_3(model.uri) == pytest.approx(expected, rel=1e-5)


def test_a_loop_of_ones_own_goes_on_after_a_crash_and_starts_from_a_model(run, tmp_path, capfd):
    task = Run("lines", "manual__1", "trainer")
    arguments = {
        "train_args": {"num_steps": 30},
        "custom_config": {"dies_at": 12},
        "run": task,
    }
    with pytest.raises(TrainingError, match=r"SIGSEGV: native code crashed"):
        run(OWN_LOOP, **arguments)
    assert not (tmp_path / "task" / "1-a").exists()
    model, directory, facts = run(OWN_LOOP, "task/2-b", **arguments)
    shown = capfd.readouterr().err
    assert [line for line in shown.splitlines() if line.startswith("first")] == [
        "first step is 1",
        "first step is 13",
    ]
    assert facts["resumed"]
    assert any((directory / "model_run").glob("ckpt-*"))
    slope = score_at_3(model.uri) / 3
    assert 1.5 < slope < 2.5
    assert facts["num_variables"] == 1

    warm, _, _ = run(
        OWN_LOOP, "task/3-c", train_args={"num_steps": 1}, custom_config={}, base_model=model
    )
    assert f"starts at slope {slope:.3f}" in capfd.readouterr().err
    assert warm.base_model_digest == model.digest


def test_keras_own_backup_goes_on_after_a_kill(run, tmp_path, capfd):
    task = Run("lines", "manual__1", "trainer")
    with pytest.raises(TrainingError, match=r"ended by SIGKILL"):
        run(BACKUP, run=task)
    assert [path.name[:11] for path in (tmp_path / "task").iterdir()] == [".model_run-"] * 2
    _, directory, facts = run(BACKUP, "task/2-b", run=task)
    shown = [line for line in capfd.readouterr().err.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in shown] == ["0", "1", "2", "2", "3"]
    assert shown[2] == shown[3]
    assert facts["resumed"]
    assert list((directory / "model_run").iterdir()) == []  # Keras removed what it was given
    assert [path.name for path in (tmp_path / "task").iterdir()] == ["2-b"]


def test_several_workers_train_together(run, capfd):
    model, _, facts = run(TOGETHER, process={"num_workers": 2})
    shown = capfd.readouterr().err
    assert {"worker 0 of 2", "worker 1 of 2"} <= set(shown.splitlines())
    assert 1.5 < score_at_3(model.uri) / 3 < 2.5
    assert facts["answered"]


def test_a_deterministic_training_gives_the_same_weights(run):
    import h5py

    weights = []
    for output_dir in ("task/1-a", "task/2-b"):
        model, directory, facts = run(DROPOUT, output_dir, seed=3, deterministic=True)
        assert model.train_args == {
            "num_steps": 0,
            "splits": ["train"],
            "seed": 3,
            "deterministic": True,
        }
        assert (facts["seed"], facts["deterministic"]) == (3, True)
        with h5py.File(directory / "model_run" / "kept.weights.h5") as file:
            found = {}
            file.visititems(lambda name, item, found=found: found.update({name: item}))
            weights.append({n: i[()] for n, i in found.items() if isinstance(i, h5py.Dataset)})
    first, second = weights
    assert len(first) >= 4
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
