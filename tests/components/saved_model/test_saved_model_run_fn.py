"""A user's run_fn that exports by us and rewrites what it exported, in the trainer's process."""

from pathlib import Path

import pytest

from components.saved_model.description import describe
from components.trainer import train

pytestmark = pytest.mark.slow

MODULE = """
from pathlib import Path

import keras
import tensorflow as tf

from components.saved_model.example_inputs import read_examples
from components.saved_model.export import export
from components.saved_model.rewrite import rewrite
from components.saved_model.serving_signature import raw_tensors, serialized_examples

SPEC = {"x": tf.io.FixedLenFeature([2], tf.float32)}
TRAIN_SPEC = {**SPEC, "y": tf.io.FixedLenFeature([1], tf.float32)}


def parse(example):
    row = tf.io.parse_single_example(example, TRAIN_SPEC)
    return row["x"], row["y"]


def run_fn(fn_args):
    model = keras.Sequential([
        keras.Input((2,)), keras.layers.Dense(32, "relu"), keras.layers.Dropout(0.1),
        keras.layers.Dense(1),
    ])
    model.compile("adam", "mse")
    files = tf.io.gfile.glob(fn_args.train_files)
    model.fit(tf.data.TFRecordDataset(files, "GZIP").map(parse).repeat().batch(4),
              steps_per_epoch=fn_args.train_steps, verbose=0)

    def answer(features):
        return {"y": model(features["x"], training=False)}

    export(
        model,
        fn_args.serving_model_dir,
        signatures={
            "serving_default": serialized_examples(answer, SPEC),
            "serving_raw": raw_tensors(answer, {"x": tf.TensorSpec([None, 2], tf.float32)}),
        },
        hyperparameters={"dropout_rate": "dropout*.rate"},
    )
    examples = read_examples(fn_args.eval_files, 100)
    for quantization in ("none", "float16", "int8"):
        directory = Path(fn_args.model_run_dir) / "tflite" / quantization
        rewrite(fn_args.serving_model_dir, directory, examples=examples, quantization=quantization)
"""


def test_run_fn_exports_and_rewrites_to_several_formats(write_examples, tmp_path):
    rows = [{"x": [i / 8, 1 - i / 8], "y": i / 4} for i in range(8)]
    examples = write_examples(splits={"train": rows, "eval": rows})
    module = tmp_path / "own_module.py"
    module.write_text(MODULE)
    model = train(
        module_file=module,
        examples=examples,
        output_dir=tmp_path / "out",
        train_args={"num_steps": 3},
    )
    described = describe(model.uri)
    assert set(described.signatures) == {"serving_default", "serving_raw"}
    assert [call.arguments["training"] for call in described.calls] == [False, True]
    written = sorted((tmp_path / "out/model_run/tflite").glob("*/*"))
    assert [str(path.relative_to(Path(tmp_path, "out/model_run/tflite"))) for path in written] == [
        "float16/model.tflite", "int8/model.tflite", "none/model.tflite"
    ]  # fmt: skip
