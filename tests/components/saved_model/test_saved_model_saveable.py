"""Objects that hold Keras 3 models are saved whole by TensorFlow's own function."""

import numpy as np
import pytest

ROWS = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


@pytest.fixture(scope="module")
def keras(tf):
    import keras

    return keras


@pytest.fixture
def save(tf, tmp_path):
    """Save an object; return it loaded."""
    from components.saved_model.saveable import saveable

    def save(obj, signatures=None):
        root = saveable(obj, signatures).root
        tf.saved_model.save(root, str(tmp_path / "model"), signatures)
        return tf.saved_model.load(str(tmp_path / "model"))

    return save


def network(keras, units):
    keras.utils.set_random_seed(units)
    dense = keras.layers.Dense(units, kernel_regularizer="l2")
    model = keras.Sequential([keras.Input((4,)), dense])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture
def module(tf, keras):
    """A module with models in a list and a dict, a frozen one, and a child that points back."""

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(2.0)
            self.parts = [network(keras, 3), {"frozen": network(keras, 2)}]
            self.parts[1]["frozen"].trainable = False
            self.optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
            self.optimizer.build(self.parts[0].trainable_variables)
            self.child = tf.Module()
            self.child.parent = self

        @tf.function(input_signature=[tf.TensorSpec([None, 4], name="rows")])
        def __call__(self, rows):
            return tf.concat([self.parts[0](rows), self.parts[1]["frozen"](rows)], 1) * self.scale

        @tf.function(input_signature=[tf.TensorSpec([None, 4], name="rows")])
        def step(self, rows):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(self.parts[0](rows) ** 2)
            trained = self.parts[0].trainable_variables
            self.optimizer.apply(tape.gradient(loss, trained), trained)
            return {"loss": loss}

    return Module()


def test_a_module_keeps_its_form_and_can_be_fine_tuned(tf, module, save):
    loaded = save(module)
    np.testing.assert_allclose(loaded(ROWS), module(ROWS), rtol=1e-6)
    first, second = module.parts[0], module.parts[1]["frozen"]
    np.testing.assert_allclose(loaded.parts[0](ROWS), first(ROWS), rtol=1e-6)
    np.testing.assert_allclose(loaded.child.parent.parts[1]["frozen"](ROWS), second(ROWS))
    names = {v.name for v in loaded.trainable_variables}
    assert names == {module.scale.name, *(f"{v.path}:0" for v in first.trainable_variables)}
    assert len(loaded.variables) == 5
    kernel = first.layers[0].kernel.numpy()
    (loss,) = loaded.regularization_losses
    assert float(loss()) == pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)
    assert not hasattr(loaded, "step")
    assert not hasattr(loaded, "optimizer")


def test_an_exported_module_can_be_fine_tuned(tf, module, tmp_path):
    from components.saved_model.export import export

    loaded = tf.saved_model.load(str(export(module, tmp_path / "model")))
    np.testing.assert_allclose(loaded(ROWS), module(ROWS), rtol=1e-6)
    trained = module.parts[0].trainable_variables
    names = {v.name for v in loaded.trainable_variables}
    assert names == {module.scale.name, *(f"{v.path}:0" for v in trained)}
    assert (len(loaded.variables), len(loaded.regularization_losses)) == (5, 1)


def test_a_signature_that_trains_keeps_the_optimizer_it_needs(tf, module, save):
    loaded = save(module, {"answer": module.__call__, "step": module.step})
    rows = tf.constant(ROWS)
    losses = [float(loaded.signatures["step"](rows=rows)["loss"]) for _ in range(3)]
    expected = [float(module.step(rows)["loss"]) for _ in range(3)]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_what_a_user_hung_at_a_model_comes_with_it(tf, keras, save):
    def table(key, value):
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([key], [value]), "?")

    word = keras.Input((), dtype="string")
    ids = keras.layers.StringLookup(vocabulary=["yes", "no"])(word)
    model = keras.Model(word, keras.layers.Embedding(3, 2)(ids))
    model.table, model.tables = table("ja", "yes"), [table("j", "ja")]
    spec = tf.TensorSpec([None], tf.string, name="words")
    model.translated = tf.function(
        lambda words: model(model.table.lookup(model.tables[0].lookup(words))),
        input_signature=[spec],
    )
    loaded = save(model)
    np.testing.assert_array_equal(
        loaded.translated(tf.constant(["j"])), model(tf.constant(["yes"]))
    )


def test_a_reused_model_in_a_module_can_be_called_again(tf, keras, save, tmp_path):
    from components.saved_model.export import export
    from components.saved_model.reusable_layer import ReusableLayer

    module = tf.Module()
    module.inner = ReusableLayer(export(network(keras, 2), tmp_path / "inner"), trainable=True)
    loaded = save(module)
    np.testing.assert_allclose(loaded.inner(ROWS), module.inner(ROWS), rtol=1e-6)
    assert len(loaded.inner.trainable_variables) == 2
    (loss,) = loaded.inner.regularization_losses
    assert float(loss()) == pytest.approx(float(module.inner.losses[0]))


def test_a_model_whose_call_can_not_be_traced_is_saved_without_one(tf, keras, save, caplog):
    class Fails(keras.Model):
        def call(self, inputs, training=None):
            if training:
                raise RuntimeError("not like that\nnor so")
            return 2.0 * inputs

    model = Fails(name="fails")
    model(ROWS)
    spec = tf.TensorSpec([None, 4], name="rows")
    doubled = tf.function(lambda rows: {"twice": model(rows)}, input_signature=[spec])
    loaded = save(model, {"serving_default": doubled})
    answer = loaded.signatures["serving_default"](rows=tf.constant(ROWS))
    np.testing.assert_allclose(answer["twice"], 2 * ROWS)
    assert "'fails' is saved without a __call__, so nothing can be built upon it: " in caplog.text
    assert "not like that" in caplog.text


def test_an_object_without_keras_is_left_as_it_is(tf):
    from components.saved_model.saveable import saveable

    module = tf.Module()
    module.parts = [tf.Variable(1.0)]
    assert saveable(module) is None
