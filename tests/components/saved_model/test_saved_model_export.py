"""Exports can be served, and are Reusable SavedModels: checked by loading what was written."""

import logging

import numpy as np
import pytest

from components.errors import ConfigurationError


@pytest.fixture
def loaded(exported):
    import tensorflow as tf

    return tf.saved_model.load(str(exported))


def example(row):
    import tensorflow as tf

    feature = tf.train.Feature(float_list=tf.train.FloatList(value=row))
    return tf.train.Example(
        features=tf.train.Features(feature={"row": feature})
    ).SerializeToString()


def test_serves_examples_and_raw_tensors(model, exported, rows):
    from components.saved_model.session import ServingSession

    expected = model.predict(rows, verbose=0)
    with ServingSession(exported) as session:
        assert set(session.signatures) == {"serving_default", "serving_raw"}
        serialized = np.array([example(row) for row in rows], object)
        by_example = session.run("serving_default", {"examples": serialized})
        raw = session.run("serving_raw", {"row": rows})
    np.testing.assert_allclose(by_example["logits"], expected, atol=1e-6)
    np.testing.assert_allclose(raw["logits"], expected, atol=1e-6)


def test_call_is_inference_unless_told_to_train(model, loaded, rows):
    expected = model.predict(rows, verbose=0)
    np.testing.assert_allclose(loaded(rows), expected, atol=1e-6)
    np.testing.assert_allclose(loaded(rows, training=False), expected, atol=1e-6)


def test_training_updates_the_moving_statistics_as_keras_does(model, loaded, rows):
    means = {v.path: v.numpy() for v in model.variables}
    kernel, bias = means["hidden/kernel"], means["hidden/bias"]
    expected = 0.99 * means["normal/moving_mean"] + 0.01 * (rows @ kernel + bias).mean(axis=0)
    loaded(rows, training=True)
    (found,) = [v for v in loaded.variables if "moving_mean" in v.name]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_dropout_rate_and_momentum_can_be_given(loaded, rows):
    many = np.repeat(rows[:1], 4000, axis=0)
    (bias,) = [v for v in loaded.variables if v.name.startswith("logits/bias")]
    dropped = loaded(many, training=True, dropout_rate=0.9).numpy() == bias.numpy()
    # All 8 units dropped leaves the bias: 0.9 ** 8 of the rows; at the default of 0.5, 0.4 %.
    assert dropped[:, 0].mean() == pytest.approx(0.9**8, abs=0.04)
    by_default = loaded(many, training=True).numpy() == bias.numpy()
    assert by_default[:, 0].mean() == pytest.approx(0.5**8, abs=0.01)
    (mean,) = [v for v in loaded.variables if "moving_mean" in v.name]
    before = mean.numpy()
    loaded(rows, training=True, momentum=1.0)
    np.testing.assert_array_equal(mean, before)


def test_lists_variables_and_losses_without_the_optimizer(model, loaded):
    trainable = [v.name.removesuffix(":0") for v in loaded.trainable_variables]
    assert trainable == [v.path for v in model.trainable_variables]
    assert {v.ref() for v in loaded.trainable_variables} < {v.ref() for v in loaded.variables}
    kernel = model.get_layer("hidden").kernel.numpy()
    assert [float(loss()) for loss in loaded.regularization_losses] == [
        pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)
    ]
    assert (
        len(loaded.variables)
        == len(model.variables)
        < len(model.variables + model.optimizer.variables)
    )


def test_checkpoint_holds_nothing_else_than_the_model(model, exported):
    import tensorflow as tf

    names = [name for name, _ in tf.train.list_variables(str(exported / "variables/variables"))]
    saved = [name for name in names if name.endswith("VARIABLE_VALUE")]
    assert len(saved) == len(model.variables)


def test_gradients_reach_each_trainable_variable(loaded, rows):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(loaded(rows, training=True)))
    assert all(g is not None for g in tape.gradient(loss, loaded.trainable_variables))


def test_warns_of_what_the_optimizer_did(model, tmp_path, caplog):
    from components.saved_model.export import export

    with caplog.at_level(logging.WARNING):
        export(model, tmp_path / "model")
    assert "optimizer Ftrl regularizes (l1_regularization_strength=0.25)" in caplog.text


def test_warns_of_losses_that_depend_on_inputs(tmp_path, caplog):
    import keras

    from components.saved_model.export import export

    layer = keras.layers.Dense(1, activity_regularizer="l2", kernel_regularizer="l2")
    with caplog.at_level(logging.WARNING):
        export(keras.Sequential([keras.Input((2,)), layer]), tmp_path / "model")
    assert "1 losses depend on inputs" in caplog.text


def test_serves_what_the_model_takes_by_default(tmp_path):
    import keras

    from components.saved_model.export import export
    from components.saved_model.session import ServingSession

    first, second = keras.Input((1,), name="first"), keras.Input((1,), name="second")
    add, both = keras.layers.Add(), {"first": first, "second": second}
    model = keras.Model(both, {"sum": add([first, second]), "twice": add([first, first])})
    with ServingSession(export(model, tmp_path / "model")) as session:
        answer = session.run("serving_default", {"first": [[1.0]], "second": [[2.0]]})
    assert {name: float(value[0, 0]) for name, value in answer.items()} == {"sum": 3, "twice": 2}


def test_vocabulary_files_come_with_the_model(tmp_path):
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.session import ServingSession

    class Lookup(tf.Module):
        def __init__(self, path):
            super().__init__()
            initializer = tf.lookup.TextFileInitializer(
                str(path), tf.string, 0, tf.int64, 1, delimiter=" "
            )
            self.table = tf.lookup.StaticHashTable(initializer, -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
        def __call__(self, words):
            return self.table.lookup(words)

    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("yes 1\nno 0\n")
    exported = export(Lookup(vocabulary), tmp_path / "model")
    vocabulary.unlink()
    moved = exported.rename(tmp_path / "elsewhere")
    assert (moved / "assets/words.txt").read_text() == "yes 1\nno 0\n"
    words = np.array([b"yes", b"no", b"?"], object)
    np.testing.assert_array_equal(tf.saved_model.load(str(moved))(words), [1, 0, -1])
    with ServingSession(moved) as session:
        answer = session.run("serving_default", {"word": words})
    np.testing.assert_array_equal(answer["output_0"], [1, 0, -1])


def test_keras_lookup_layers_come_with_the_model(tmp_path):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.session import ServingSession

    words = keras.Input((), dtype="string", name="word")
    ids = keras.layers.StringLookup(vocabulary=["yes", "no"])(words)
    weights = keras.layers.Embedding(3, 1, embeddings_initializer="ones")(ids)
    exported = export(keras.Model(words, weights), tmp_path / "model")
    asked = np.array([b"no", b"?"], object)
    assert tf.saved_model.load(str(exported))(asked).shape == (2, 1)
    with ServingSession(exported) as session:
        answer = session.run("serving_default", {"word": asked})
    np.testing.assert_array_equal(answer["output_0"], [[1.0], [1.0]])


def test_exports_a_module_in_both_modes_with_its_own_arguments(tmp_path):
    import tensorflow as tf

    from components.saved_model.export import export

    class Noisy(tf.Module):
        def __init__(self):
            super().__init__()
            self.weight = tf.Variable(3.0)
            self.frozen = tf.Variable(1.0, trainable=False)
            self.regularization_losses = [lambda: 0.5 * self.weight**2]

        def __call__(self, inputs, training=False, scale=10.0):
            return inputs * self.weight + (scale if training else self.frozen)

    exported = export(Noisy(), tmp_path / "model", input_spec=tf.TensorSpec([None], tf.float32))
    loaded = tf.saved_model.load(str(exported))
    assert [float(loaded([2.0])[0]), float(loaded([2.0], training=True)[0])] == [7.0, 16.0]
    assert float(loaded([2.0], training=True, scale=4.0)[0]) == 10.0
    assert [v.numpy() for v in loaded.trainable_variables] == [3.0]
    assert len(loaded.variables) == 2
    assert [float(loss()) for loss in loaded.regularization_losses] == [4.5]


def test_exports_a_function_with_the_variables_it_uses(tmp_path):
    import tensorflow as tf

    from components.saved_model.export import export

    weight = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def double(x):
        return x * weight

    loaded = tf.saved_model.load(str(export(double, tmp_path / "model")))
    assert loaded([1.5]).numpy().tolist() == [3.0]
    assert [v.numpy() for v in loaded.trainable_variables] == [2.0]
    assert loaded.signatures["serving_default"](x=tf.constant([1.0]))["output_0"].numpy() == [2.0]


def test_layers_that_add_noise_take_its_strength(tmp_path):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export

    inputs = keras.Input((5, 3))
    outputs = [
        keras.layers.GaussianNoise(0.1, name="noise")(inputs),
        keras.layers.GaussianDropout(0.2, name="multiply")(inputs),
        keras.layers.SpatialDropout1D(0.3, name="spatial")(inputs),
    ]
    exported = export(
        keras.Model(inputs, outputs),
        tmp_path / "model",
        hyperparameters={
            "stddev": "noise.stddev",
            "rate": "multiply.rate",
            "whole": "spatial.rate",
        },
    )
    loaded = tf.saved_model.load(str(exported))
    ones = np.ones((5000, 5, 3), np.float32)
    noise, multiplied, spatial = loaded(ones, training=True, stddev=2.0, rate=0.8, whole=0.6)
    assert np.std(noise) == pytest.approx(2.0, rel=0.02)
    assert np.std(multiplied) == pytest.approx(np.sqrt(0.8 / 0.2), rel=0.02)
    whole_maps = spatial.numpy()[:, 0, :]
    np.testing.assert_array_equal(spatial.numpy(), np.repeat(whole_maps[:, None, :], 5, axis=1))
    assert (whole_maps == 0).mean() == pytest.approx(0.6, abs=0.03)


def test_replaces_a_model_and_nothing_else(model, tmp_path):
    from components.saved_model.export import export

    assert export(model, tmp_path / "model") == export(model, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/text").write_text("mine")
    with pytest.raises(ConfigurationError, match="isn't a model, so it won't be replaced"):
        export(model, tmp_path / "notes")


def test_leaves_nothing_when_saving_fails(model, tmp_path):
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.serving_signature import raw_tensors

    def table():
        initializer = tf.lookup.KeyValueTensorInitializer(["a"], [1.0])
        return tf.lookup.StaticHashTable(initializer, 0.0)

    made = table()
    signature = raw_tensors(lambda words: {"id": made.lookup(words["word"])}, {"word": tf.string})
    with pytest.raises(ConfigurationError, match=r"give the object that holds it in tracked="):
        export(model, tmp_path / "model", signatures={"look_up": signature})
    assert list(tmp_path.iterdir()) == []
    export(model, tmp_path / "model", signatures={"look_up": signature}, tracked=[made])


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"rate": "absent.rate"}, r"no such layer; expected .* a layer of: .*dropout.*hidden"),
        ({"rate": "hidden.rate"}, "no number 'rate'"),
        ({"training": "dropout.rate"}, "has 'training'; expected a name"),
        ({"rate": ["dropout.rate", "normal.momentum"]}, "different values .*dropout.rate=0.5"),
    ],
)
def test_refuses_hyperparameters_that_stand_for_nothing(model, tmp_path, hyperparameters, message):
    from components.saved_model.export import export

    with pytest.raises(ConfigurationError, match=message):
        export(model, tmp_path / "model", hyperparameters=hyperparameters)


def test_refuses_what_does_not_say_what_it_takes(tmp_path):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export

    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs * 2.0

    with pytest.raises(ConfigurationError, match="doesn't say what it takes; give input_spec"):
        export(Subclassed(), tmp_path / "model")
    with pytest.raises(ConfigurationError, match="was never traced"):
        export(tf.function(lambda x: x), tmp_path / "model")
    with pytest.raises(ConfigurationError, match="3 can't be called"):
        export(3, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    exported = export(
        Subclassed(), tmp_path / "model", input_spec=tf.TensorSpec([None], tf.float32)
    )
    assert float(tf.saved_model.load(str(exported))([2.0])[0]) == 4.0


def test_a_model_of_a_distribution_strategy_is_exported_as_one(tmp_path, rows):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.reusable_layer import ReusableLayer

    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(1, kernel_regularizer="l2", name="only")]
        )
        model.compile("sgd", "mse")
    exported = export(model, tmp_path / "model")
    loaded = tf.saved_model.load(str(exported))
    np.testing.assert_allclose(loaded(rows), rows @ model.layers[0].kernel.numpy(), atol=1e-6)
    assert len(loaded.variables) == len(loaded.trainable_variables) == 2
    layer = ReusableLayer(exported, trainable=True)
    layer.set_weights([np.ones((4, 1)), np.ones(1)])
    np.testing.assert_allclose(layer(rows), rows.sum(axis=1, keepdims=True) + 1.0, atol=1e-6)


def test_says_how_a_keras_2_model_is_exported(tmp_path):
    import tf_keras

    from components.saved_model.export import export

    with pytest.raises(ConfigurationError, match=r"is a model of Keras 2, .*save_format='tf'"):
        export(tf_keras.Sequential([tf_keras.layers.Dense(1)]), tmp_path / "model")


def test_lists_and_nests_of_tensors_keep_their_form(tmp_path, rows):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.reusable_layer import ReusableLayer

    first, second = keras.Input((4,)), keras.Input((4,))
    added, scaled = keras.layers.Add()([first, second]), keras.layers.Rescaling(3.0)(first)
    exported = export(keras.Model([first, second], [added, scaled]), tmp_path / "model")
    inside = keras.Model([first, second], ReusableLayer(exported)([first, second]))
    for outputs in (
        tf.saved_model.load(str(exported))([rows, rows]),
        inside.predict([rows, rows], verbose=0),
    ):
        np.testing.assert_allclose(outputs[0], 2 * rows, atol=1e-6)
        np.testing.assert_allclose(outputs[1], 3 * rows, atol=1e-6)
