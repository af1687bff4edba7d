"""Loads SavedModels with tensorflow_hub and prints what it finds: ``python hub_child.py DIR...``.

A process of its own, since tensorflow_hub brings Keras 2.
"""

import json
import sys

import numpy as np
import tensorflow_hub as hub
import tf_keras


def describe_mul_model(directory):
    layer = hub.KerasLayer(directory)
    product = layer([10.0, 20.0]).numpy().tolist()
    layer.trainable = True
    return {
        "product": product,
        "weights": [float(v) for v in layer.trainable_weights],
        "losses": [float(loss) for loss in layer.losses],
    }


def describe_network(directory, arguments=None):
    rows = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)
    loaded = hub.load(directory)(rows).numpy().tolist()
    layer = hub.KerasLayer(directory, trainable=True, arguments=arguments)
    before = [v.numpy() for v in layer.trainable_weights]
    losses = [float(loss) for loss in layer.losses]
    model = tf_keras.Sequential([layer, tf_keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(rows, rows[:, :1], verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, layer.trainable_weights, strict=True)]
    return {"loaded": loaded, "losses": losses, "moved": moved}


describe = {
    "mul_model": describe_mul_model,
    "network": lambda directory: describe_network(directory, {"dropout_rate": 0.0}),
    "plain_network": describe_network,
}
found = [describe[kind](directory) for kind, directory in map(str.split, sys.argv[1:])]
print(json.dumps(found))
