"""What is said of a SavedModel, against what TensorFlow says of it, and the lint's advice."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from mul_model import MyMulModel

from components.errors import InvalidModelError
from components.saved_model import __main__ as command
from components.saved_model.description import describe
from components.saved_model.inspection import inspect, model_card


def findings(directory):
    return {finding.check: finding for finding in inspect(directory).findings}


def failed(directory):
    return {name for name, finding in findings(directory).items() if not finding.passed}


def test_describes_what_tensorflow_loads(exported):
    import tensorflow as tf

    loaded, described = tf.saved_model.load(str(exported)), describe(exported)
    assert [v.name for v in described.variables] == [
        v.name.removesuffix(":0") for v in loaded.variables
    ]
    assert [v.shape for v in described.variables] == [
        str(v.shape.as_list()) for v in loaded.variables
    ]
    assert [v.num_bytes for v in described.variables] == [
        v.numpy().nbytes for v in loaded.variables
    ]
    trained = {v.name.removesuffix(":0") for v in loaded.trainable_variables}
    assert {v.name for v in described.variables if v.trained} == trained
    assert described.num_regularization_losses == len(loaded.regularization_losses)
    assert set(described.signatures) == set(loaded.signatures)
    signature = described.signatures["serving_default"]
    assert dict(signature.inputs) == {"examples": "string[None]"}
    assert dict(signature.outputs) == {"logits": "float32[None, 2]"}
    assert [dict(call.arguments) for call in described.calls] == [
        {
            "inputs": "float32[None, 4]",
            "training": training,
            "dropout_rate": "float32[]",
            "momentum": "float32[]",
        }
        for training in (False, True)
    ]
    assert [call.is_random for call in described.calls] == [False, True]


def test_size_is_that_of_the_files(exported):
    expected = sum(path.stat().st_size for path in exported.rglob("*") if path.is_file())
    assert describe(exported).num_bytes == expected


def test_an_export_of_ours_follows_the_advice_but_for_what_its_optimizer_did(exported):
    assert failed(exported) == {"optimizer_regularization"}
    message = findings(exported)["optimizer_regularization"].message
    assert "Ftrl with l1_regularization_strength=0.25" in message


def test_keras_own_export_is_not_reusable(model, tmp_path):
    model.export(tmp_path / "model", verbose=False)
    assert failed(tmp_path / "model") >= {"reusable", "fine_tunable", "training_modes", "losses"}


def test_advises_against_probabilities_ranks_and_a_rate_that_is_fixed(tmp_path):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export

    inputs = keras.Input((4,))
    dropped = keras.layers.Dropout(0.5)(keras.layers.Dense(3)(inputs))
    softmax = keras.layers.Reshape((3, 1))(keras.layers.Softmax()(dropped))
    exported = export(keras.Model(inputs, softmax), tmp_path / "softmax")
    assert failed(exported) == {"logits", "hyperparameters"}
    assert "comes from Softmax: gradients flow better" in findings(exported)["logits"].message

    best = tf.function(
        lambda x: tf.math.top_k(x, 2).indices,
        input_signature=[tf.TensorSpec([None, 4], tf.float32)],
    )
    ranked = findings(export(best, tmp_path / "ranked"))
    assert "comes from TopKV2, which gradients don't flow through" in ranked["logits"].message
    assert not ranked["fine_tunable"].passed


PROBABILITIES = {
    "scaled": lambda keras, tf, x: keras.layers.Rescaling(2.0, 1.0)(tf.nn.softmax(x)),
    "one class": lambda keras, tf, x: tf.nn.sigmoid(x)[:, 1],
    "clipped": lambda keras, tf, x: tf.clip_by_value(tf.nn.softmax(x), 0.01, 0.99),
    "joined": lambda keras, tf, x: tf.concat([x, tf.nn.sigmoid(x)], 1),
}
SCORES = {
    "weighted by a softmax": lambda keras, tf, x: tf.matmul(tf.nn.softmax(x), tf.transpose(x)),
    "swish": lambda keras, tf, x: x * tf.nn.sigmoid(x),
    "scaled": lambda keras, tf, x: keras.layers.Rescaling(2.0)(x),
}


@pytest.mark.parametrize("outputs", [PROBABILITIES, SCORES], ids=["probabilities", "scores"])
def test_follows_outputs_through_scaling_slicing_and_joining(tmp_path, outputs):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export

    for name, compute in outputs.items():
        spec = tf.TensorSpec([None, 4], tf.float32)
        function = tf.function(functools.partial(compute, keras, tf), input_signature=[spec])
        verdict = findings(export(function, tmp_path / name))["logits"]
        assert verdict.passed is (outputs is SCORES), (name, verdict.message)


def test_says_what_can_not_be_told_without_a_call(score_model):
    found = findings(score_model().uri)
    for check in ("training_modes", "logits", "hyperparameters"):
        assert not found[check].passed
        assert "can't be told without a __call__" in found[check].message


def test_knows_an_optimizer_within_one_that_scales_the_loss(tmp_path):
    import keras

    from components.saved_model.export import export

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    inner = keras.optimizers.AdamW(weight_decay=0.125)
    model.compile(keras.optimizers.LossScaleOptimizer(inner), "mse")
    message = findings(export(model, tmp_path / "model"))["optimizer_regularization"].message
    assert "AdamW with weight_decay=0.125" in message


def test_finds_an_optimizer_and_a_mode_that_was_not_traced(tmp_path):
    import tensorflow as tf
    import tf_keras

    class Trained(tf.Module):
        def __init__(self):
            super().__init__()
            self.weight = tf.Variable(1.0)
            self.optimizer = tf_keras.optimizers.legacy.Adam()
            self.variables_ = [self.weight]

        @tf.function
        def __call__(self, inputs, training=False):
            return inputs * self.weight

    module = Trained()
    module(tf.constant(1.0), training=True)
    module.optimizer.apply_gradients([(tf.constant(1.0), module.weight)])
    tf.saved_model.save(module, str(tmp_path / "model"))
    found = findings(tmp_path / "model")
    assert {"optimizer", "training_modes", "variables", "fine_tunable", "servable"} <= failed(
        tmp_path / "model"
    )
    assert "It holds an optimizer (optimizer)" in found["optimizer"].message
    assert "wasn't traced with training=False" in found["training_modes"].message


def test_mul_model_has_one_mode_and_one_loss(tmp_path):
    import tensorflow as tf

    tf.saved_model.save(MyMulModel(2.0), str(tmp_path / "model"))
    found = findings(tmp_path / "model")
    assert failed(tmp_path / "model") == set()
    assert "no argument training" in found["training_modes"].message
    assert describe(tmp_path / "model").num_regularization_losses == 1


def test_names_operations_that_touch_files(tmp_path):
    import tensorflow as tf

    from components.saved_model.export import export

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="path")])
    def read(path):
        return tf.io.read_file(path)

    exported = export(read, tmp_path / "model")
    (risky,) = inspect(exported).risky_ops
    assert risky.startswith("ReadFile reads files")
    assert "ReadFile reads files" in model_card(inspect(exported), title="reader")


def test_command_runs_nothing_of_tensorflow_and_writes_a_card(exported, tmp_path):
    packed = tmp_path / "model.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(exported, ".")
    card = tmp_path / "card.md"
    code = (
        "import sys; from components.saved_model.__main__ import main; code = main(); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", str(packed), "--model-card", str(card)],
        env={**os.environ, "TFHUB_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["num_regularization_losses"] == 1
    text = card.read_text()
    assert '`arguments={"dropout_rate": …}`: stands for dropout.rate; 0.5 unless given.' in text
    assert "| hidden/kernel " in text
    assert "✗ It was trained by Ftrl" in text


def test_command_refuses_what_is_no_model(tmp_path, caplog):
    (tmp_path / "tfhub_module.pb").write_bytes(b"")
    assert command.main(["inspect", str(tmp_path)]) == 2
    assert "TF1 Hub format" in caplog.text


@pytest.mark.parametrize("damage", [b"\x08\x01\x12\xff", b""], ids=["cut off", "empty"])
def test_refuses_a_damaged_graph(exported, tmp_path, damage):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "saved_model.pb").write_bytes(damage)
    with pytest.raises(InvalidModelError, match=r"saved_model\.pb' (can't be read|holds no graph)"):
        inspect(copy)


@pytest.mark.parametrize(
    "note",
    [
        "{",
        "[]",
        '{"optimizer": 3}',
        '{"hyperparameters": {"rate": {"default": 0.5}}}',
        '{"hyperparameters": {"rate": 0.5}}',
        '{"hyperparameters": {"rate": {"default": "half", "targets": ["dropout.rate"]}}}',
        '{"optimizer_regularization": {"weight_decay": "much"}}',
        '{"num_lost_losses": "some"}',
        '{"versions": ["3.12"]}',
    ],
)
def test_refuses_a_note_that_is_none(exported, tmp_path, note):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "assets.extra/reusable.json").write_text(note)
    with pytest.raises(InvalidModelError, match=r"reusable\.json' can't be read"):
        inspect(copy)
