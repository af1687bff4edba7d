"""SavedModels inside Keras 3 models, frozen and fine-tuned, and inside tensorflow_hub's layers."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mul_model import MyMulModel

from components.errors import ConfigurationError, InvalidModelError

HUB_CHILD = Path(__file__).with_name("hub_child.py")


@pytest.fixture(scope="module")
def saved_mul_model(tmp_path_factory):
    """The example, saved as its page says."""
    import tensorflow as tf

    directory = tmp_path_factory.mktemp("mul") / "my_mul"
    tf.saved_model.save(MyMulModel(2.0), str(directory))
    return directory


@pytest.fixture(scope="module")
def exported_mul_model(tmp_path_factory):
    """The example, exported by us."""
    from components.saved_model.export import export

    return export(MyMulModel(2.0), tmp_path_factory.mktemp("mul") / "exported")


@pytest.mark.parametrize("directory", ["saved_mul_model", "exported_mul_model"])
def test_mul_model_multiplies_trains_and_reports_its_loss(directory, request):
    import keras

    from components.saved_model.reusable_layer import ReusableLayer

    layer = ReusableLayer(request.getfixturevalue(directory))
    assert layer([10.0, 20.0]).numpy().tolist() == [20.0, 40.0]
    assert (layer.trainable_weights, layer.losses) == ([], [])
    layer.trainable = True
    assert [float(weight) for weight in layer.trainable_weights] == [2.0]
    assert [float(loss) for loss in layer.losses] == [pytest.approx(0.004)]
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    ones = np.ones((8, 1), np.float32)
    # (v - 3)² + 0.001 v² at v = 2; its minimum is at v = 3 / 1.001.
    assert model.evaluate(ones, 3 * ones, verbose=0) == pytest.approx(1.004)
    model.fit(ones, 3 * ones, epochs=60, verbose=0)
    assert float(layer.trainable_weights[0]) == pytest.approx(3 / 1.001, abs=1e-4)


@pytest.fixture(scope="module")
def saved_by_tensorflow(model, tmp_path_factory):
    """A Keras 3 model as `tf.saved_model.save` writes it in a training."""
    import tensorflow as tf

    from components.saved_model.saveable import saveable

    directory = tmp_path_factory.mktemp("saved") / "model"
    tf.saved_model.save(saveable(model).root, str(directory))
    return directory


def test_tensorflow_hub_loads_and_trains_what_is_exported(
    saved_mul_model, exported_mul_model, exported, saved_by_tensorflow, model, rows
):
    arguments = [f"mul_model {saved_mul_model}", f"mul_model {exported_mul_model}"]
    done = subprocess.run(
        [
            sys.executable,
            str(HUB_CHILD),
            *arguments,
            f"network {exported}",
            f"plain_network {saved_by_tensorflow}",
        ],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *mul_models, with_arguments, plain = json.loads(done.stdout.splitlines()[-1])
    for found in mul_models:
        assert (found["product"], found["weights"]) == ([20.0, 40.0], [2.0])
        assert found["losses"] == [pytest.approx(0.004)]
    kernel = model.get_layer("hidden").kernel.numpy()
    expected = model.predict(rows, verbose=0)
    for network in (with_arguments, plain):
        np.testing.assert_allclose(network["loaded"], expected, atol=1e-6)
        assert network["losses"] == [pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)]
        assert len(network["moved"]) == len(model.trainable_variables)
    assert all(with_arguments["moved"])
    assert any(plain["moved"])


def around(layer):
    import keras

    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(layer(inputs)))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def weights_of(layer):
    return {weight.name: weight.numpy() for weight in layer.weights}


def test_frozen_layer_changes_nothing_while_the_model_around_it_trains(exported, rows):
    from components.saved_model.reusable_layer import ReusableLayer

    layer = ReusableLayer(exported)
    model, before = around(layer), weights_of(layer)
    model.fit(rows, rows[:, :1], epochs=2, verbose=0)
    after = weights_of(layer)
    assert len(before) > 5
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert (layer.losses, len(model.trainable_weights)) == ([], 2)


def test_fine_tuned_layer_trains_weights_and_moving_statistics(exported, rows):
    from components.saved_model.reusable_layer import ReusableLayer

    layer = ReusableLayer(exported, trainable=True, arguments={"dropout_rate": 0.1})
    model, before = around(layer), weights_of(layer)
    model.fit(rows, rows[:, :1], verbose=0)
    assert len(model.losses) == 1
    after = weights_of(layer)
    unmoved = [name for name in before if np.array_equal(before[name], after[name])]
    # The bias before a batch normalization has no gradient; rounding may move it all the same.
    assert set(unmoved) <= {"hidden_bias"}


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras' model.save, NumPy 2
def test_is_saved_again_inside_a_bigger_model(exported, rows, tmp_path):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.reusable_layer import ReusableLayer
    from components.saved_model.session import ServingSession

    copy = shutil.copytree(exported, tmp_path / "copy")
    model = around(ReusableLayer(copy, trainable=True))
    model.fit(rows, rows[:, :1], verbose=0)
    expected = model.predict(rows, verbose=0)
    bigger = export(model, tmp_path / "bigger")
    model.save(tmp_path / "bigger.keras")
    np.testing.assert_allclose(
        keras.models.load_model(tmp_path / "bigger.keras").predict(rows, verbose=0),
        expected,
        atol=1e-6,
    )
    shutil.rmtree(copy)
    loaded = tf.saved_model.load(str(bigger))
    np.testing.assert_allclose(loaded(rows), expected, atol=1e-6)
    assert len(loaded.trainable_variables) == len(model.trainable_variables) == 8
    kernel = model.layers[1].weights[0].numpy()
    assert [float(loss()) for loss in loaded.regularization_losses] == [
        pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)
    ]
    with ServingSession(bigger) as session:
        (name,) = session.signature().inputs
        answer = session.run("serving_default", {name: rows})
    np.testing.assert_allclose(answer["output_0"], expected, atol=1e-6)


def test_tables_of_a_reused_model_come_with_the_bigger_one(tmp_path):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.reusable_layer import ReusableLayer
    from components.saved_model.session import ServingSession

    word = keras.Input((), dtype="string", name="word")
    ids = keras.layers.StringLookup(vocabulary=["yes", "no"])(word)
    inner = export(keras.Model(word, tf.keras.ops.cast(ids, "float32")), tmp_path / "inner")
    outer_word = keras.Input((), dtype="string", name="word")
    outer = keras.Model(outer_word, ReusableLayer(inner)(outer_word) * 10.0)
    exported = export(outer, tmp_path / "outer")
    shutil.rmtree(inner)
    asked = np.array([b"yes", b"no", b"?"], object)
    np.testing.assert_array_equal(tf.saved_model.load(str(exported))(asked), [10.0, 20.0, 0.0])
    with ServingSession(exported) as session:
        answer = session.run("serving_default", {"word": asked})
    np.testing.assert_array_equal(answer["output_0"], [10.0, 20.0, 0.0])


def test_refuses_a_model_without_a_call(tmp_path, score_model):
    from components.saved_model.reusable_layer import ReusableLayer

    with pytest.raises(InvalidModelError, match=r"no __call__, .*'serving_default'"):
        ReusableLayer(score_model().uri)


def test_refuses_an_argument_that_the_call_does_not_have(exported):
    from components.saved_model.reusable_layer import ReusableLayer

    with pytest.raises(ConfigurationError, match=r"no argument \['rate'\]; .*'dropout_rate'"):
        ReusableLayer(exported, arguments={"rate": 0.1})


@pytest.mark.parametrize(
    ("handle", "arguments", "message"),
    [
        (None, None, "handle is None; expected a SavedModel's directory"),
        (3, None, "handle is 3; expected"),
        ("exported", ["dropout_rate"], r"arguments is \['dropout_rate'\]; expected values by name"),
        ("exported", {"training": True}, r"no argument \['training'\]"),
        ("exported", {"inputs": 1.0}, r"no argument \['inputs'\]"),
        ("exported", {"dropout_rate": float("nan")}, "dropout_rate=nan; expected a finite number"),
    ],
)
def test_refuses_bad_settings(exported, handle, arguments, message):
    from components.saved_model.reusable_layer import ReusableLayer

    with pytest.raises(ConfigurationError, match=message):
        ReusableLayer(exported if handle == "exported" else handle, arguments=arguments)


def test_says_what_it_takes_when_called_with_something_else(exported, rows):
    from components.saved_model.reusable_layer import ReusableLayer

    with pytest.raises(
        ConfigurationError, match=r"called with float32\[3, 3\] and .* takes \['float32\[None, 4\]'"
    ):
        ReusableLayer(exported)(rows[:, :3])
    with pytest.raises(ConfigurationError, match=r"'dropout_rate': 'high'.*; it takes"):
        ReusableLayer(exported, arguments={"dropout_rate": "high"})(rows)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_takes_and_refuses_inputs_by_the_saved_models_own_type(tmp_path, policy):
    import keras
    import tensorflow as tf

    from components.saved_model.reusable_layer import ReusableLayer

    class Doubled(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float64)])
        def __call__(self, inputs):
            return 2.0 * inputs

    tf.saved_model.save(Doubled(), str(tmp_path / "model"))
    for handle in (tmp_path / "model", Doubled()):
        layer = ReusableLayer(handle, dtype=policy)
        third = layer(np.array([[1.0 / 3.0]]))
        assert float(third[0, 0]) == 2.0 / 3.0  # all of its digits
        head = keras.layers.Dense(1, dtype=policy)
        assert head(layer(tf.ones([3, 1], tf.float16))).shape == (3, 1)
        for wrong in (np.ones((2, 3)), np.ones((2, 1), np.int32), {"a": np.ones((2, 1))}):
            with pytest.raises(ConfigurationError, match=r"it takes \['float64\[None, 1\]'"):
                layer(wrong)


def test_refuses_a_damaged_model(exported, tmp_path):
    from components.saved_model.reusable_layer import ReusableLayer

    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "variables/variables.index").unlink()
    with pytest.raises(InvalidModelError, match="can't be loaded"):
        ReusableLayer(copy)
