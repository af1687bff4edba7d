"""Errors that Keras 3 really raises get a hint; its wording may change with a release."""

import re

import numpy as np
import pytest

from components.trainer.keras_hint import hint


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


ATTEMPTS = {
    "cut": (
        lambda keras, model, tf: model.layers[-1].get_output_at(0),
        "no get_output_at: .*piece.*keras=2",
    ),
    "load": (
        lambda keras, model, tf: keras.models.load_model("/data/live model/7"),
        "ReusableLayer.'/data/live model/7', trainable=True.*keras=2",
    ),
    "operation": (
        lambda keras, model, tf: tf.concat([keras.Input((1,)), keras.Input((1,))], 1),
        "keras.ops, .* keras=2",
    ),
    "checkpoint": (
        lambda keras, model, tf: keras.callbacks.ModelCheckpoint("folder/of/checkpoints"),
        "let its name end in .keras",
    ),
    "layer of Keras 2": (
        lambda keras, model, tf: keras.Sequential([tf.Module()]),
        "ReusableLayer, or train with keras=2",
    ),
    "lr": (lambda keras, model, tf: keras.optimizers.Adam(lr=0.1), "no argument lr: .*keras=2"),
    "input_dim": (
        lambda keras, model, tf: keras.layers.Dense(1, input_length=3),
        "no argument input_length: .*keras=2",
    ),
    "workers": (
        lambda keras, model, tf: model.fit(np.ones((2, 1)), np.ones((2, 1)), workers=3),
        "no argument workers",
    ),
    "name": (lambda keras, model, tf: keras.estimator, "written for Keras 2, train with keras=2"),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_says_what_to_write_instead(keras, attempt):
    import tensorflow as tf

    do, advice = ATTEMPTS[attempt]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    with pytest.raises((AttributeError, TypeError, ValueError)) as raised:
        do(keras, model, tf)
    found = hint(raised.value)
    assert found is not None, str(raised.value)
    assert re.search(advice, found), found


def test_has_nothing_to_say_to_other_errors(keras):
    assert hint(ValueError("no such file")) is None
