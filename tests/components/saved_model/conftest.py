"""Models that several suites here export, load and take apart."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def rows():
    """Three rows of four features."""
    return np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture(scope="session")
def model():
    """Dense, normalized, dropped out; trained a little with an optimizer that regularizes."""
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,), name="row")
    hidden = keras.layers.Dense(8, kernel_regularizer=keras.regularizers.L2(0.01), name="hidden")(
        inputs
    )
    hidden = keras.layers.BatchNormalization(name="normal")(hidden)
    hidden = keras.layers.Dropout(0.5, name="dropout")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(hidden))
    model.compile(keras.optimizers.Ftrl(l1_regularization_strength=0.25), "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(64, 4)), rng.normal(size=(64, 2)), verbose=0)
    return model


@pytest.fixture(scope="session")
def exported(model, tmp_path_factory):
    """Its export, with signatures for examples and raw tensors, and two training arguments."""
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.serving_signature import raw_tensors, serialized_examples

    def answer(features):
        return {"logits": model(features["row"], training=False)}

    return export(
        model,
        tmp_path_factory.mktemp("export") / "model",
        signatures={
            "serving_default": serialized_examples(
                answer, {"row": tf.io.FixedLenFeature([4], tf.float32)}
            ),
            "serving_raw": raw_tensors(answer, {"row": tf.TensorSpec([None, 4], tf.float32)}),
        },
        hyperparameters={"dropout_rate": "drop*.rate", "momentum": "normal.momentum"},
    )
