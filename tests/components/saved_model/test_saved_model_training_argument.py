"""Numbers of layers become arguments of the exported call, whatever the layer does with them."""

import numpy as np
import pytest

from components.errors import ConfigurationError

MANY = np.ones((4000, 1, 1), np.float32)


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


def export_with(layer, tmp_path, hyperparameters):
    """Export one layer on its own."""
    import keras
    import tensorflow as tf

    from components.saved_model.export import export

    inputs = keras.Input((1, 1))
    model = keras.Model(inputs, layer(inputs))
    return tf.saved_model.load(
        str(export(model, tmp_path / "model", hyperparameters=hyperparameters))
    )


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # one key
def test_rates_within_recurrent_and_attention_layers_can_be_given(keras, tmp_path):
    import tensorflow as tf

    from components.saved_model.export import export

    plain = {"kernel_initializer": "ones", "use_bias": False}
    inputs = keras.Input((1, 1))
    recurrent = keras.layers.SimpleRNN(1, "linear", dropout=0.5, name="recurrent", **plain)
    attention = keras.layers.MultiHeadAttention(1, 1, dropout=0.5, name="attention", **plain)
    alpha = keras.layers.AlphaDropout(0.5, name="alpha")
    outputs = [recurrent(inputs), attention(inputs, inputs), alpha(inputs)]
    exported = export(
        keras.Model(inputs, outputs),
        tmp_path / "model",
        hyperparameters={name: f"{name}.{attribute}" for name, attribute in (
            ("recurrent", "dropout"), ("attention", "dropout"), ("alpha", "rate")
        )},
    )  # fmt: skip
    loaded = tf.saved_model.load(str(exported))
    # Dropped are as many as the rate says, and the others are divided by what is left.
    first, second, third = loaded(MANY, training=True, recurrent=0.2, attention=0.75, alpha=0.9)
    for output, rate in ((first, 0.2), (second, 0.75)):
        values, counts = np.unique(np.round(output, 4), return_counts=True)
        np.testing.assert_allclose(values, [0.0, 1.0 / (1.0 - rate)], rtol=1e-3)
        assert counts[0] / len(MANY) == pytest.approx(rate, abs=0.03)
    dropped, counts = np.unique(np.round(third, 4), return_counts=True)
    assert (len(dropped), counts[0] / len(MANY)) == (2, pytest.approx(0.9, abs=0.02))
    by_default = loaded(MANY, training=True)[0].numpy()
    assert (by_default == 0).mean() == pytest.approx(0.5, abs=0.03)
    for output in loaded(MANY, recurrent=0.9, attention=0.9, alpha=0.9):
        np.testing.assert_array_equal(np.ravel(output), 1.0)


def test_a_number_that_a_layer_of_ones_own_computes_with(keras, tmp_path):
    class Scaled(keras.layers.Layer):
        def __init__(self, factor):
            super().__init__(name="scaled")
            self.factor = factor

        def call(self, inputs, training=False):
            if not training or not 0 < self.factor <= 1:
                return inputs
            return (1 - self.factor) ** 2 * inputs / self.factor - self.factor + (-self.factor)

    loaded = export_with(Scaled(0.5), tmp_path, {"factor": "scaled.factor"})
    expected = 0.75**2 / 0.25 - 0.5
    assert float(loaded(MANY[:1], training=True, factor=0.25)[0, 0, 0]) == pytest.approx(expected)
    assert float(loaded(MANY[:1], training=True)[0, 0, 0]) == pytest.approx(-0.5)


def test_names_the_layer_that_needs_a_number_of_python(keras, tmp_path):
    class Rounded(keras.layers.Layer):
        digits = 2

        def call(self, inputs):
            return inputs * 10 ** int(self.digits)

    with pytest.raises(
        ConfigurationError, match=r"own\.digits is needed as a number of Python.*leave out of hyper"
    ):
        export_with(Rounded(name="own"), tmp_path, {"digits": "own.digits"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("layer", "target", "message"),
    [
        (lambda k: k.layers.Dropout(0, name="own"), "own.rate", "own.rate in a call; it is 0"),
        (lambda k: k.layers.Dense(3, name="own"), "own.units", "own.units in a call; the layer re"),
        (
            lambda k: k.layers.Bidirectional(k.layers.GRU(1, dropout=0.1), name="own"),
            "own.dropout",
            "no number 'dropout'",
        ),
    ],
)
def test_refuses_numbers_that_no_call_computes_with(keras, tmp_path, layer, target, message):
    with pytest.raises(ConfigurationError, match=message):
        export_with(layer(keras), tmp_path, {"number": target})
    assert list(tmp_path.iterdir()) == []


def test_a_pattern_may_match_a_recurrent_layer_and_its_cell(keras, tmp_path):
    layer = keras.layers.SimpleRNN(1, "linear", kernel_initializer="ones", dropout=0.5)
    loaded = export_with(layer, tmp_path, {"rate": f"{layer.name}*.dropout"})
    dropped = np.ravel(loaded(MANY, training=True, rate=0.2)) == 0
    assert dropped.mean() == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        (
            {"one": "own.dropout", "two": "own*.dropout"},
            r"'one' and 'two' both stand for own\.dropout; give each number one argument",
        ),
        ({"one": 3}, "'one' stands for 3; expected 'layer.attribute'"),
        ({"one": ["own.dropout", 3]}, r"stands for \['own.dropout', 3\]; expected"),
        ({1: "own.dropout"}, "hyperparameters has 1; expected a name"),
    ],
)
def test_refuses_wrong_hyperparameters(keras, tmp_path, hyperparameters, message):
    layer = keras.layers.SimpleRNN(1, dropout=0.5, name="own")
    with pytest.raises(ConfigurationError, match=message):
        export_with(layer, tmp_path, hyperparameters)
    assert list(tmp_path.iterdir()) == []


def test_the_layer_is_as_it_was_afterwards(keras, tmp_path):
    layer = keras.layers.GaussianDropout(0.5, name="own")
    export_with(layer, tmp_path, {"rate": "own.rate"})
    assert layer.rate == 0.5
    assert "call" not in vars(layer)
