"""Loads SavedModels with tensorflow_hub and prints what it finds: ``python hub_child.py DIR...``.

A process of its own, since tensorflow_hub brings Keras 2. It asks the `pkg_resources` that newer
setuptools no longer have for one function.
"""

import json
import sys
import types

import packaging.version

resources = types.ModuleType("pkg_resources")
resources.parse_version = packaging.version.parse
sys.modules["pkg_resources"] = resources

import numpy as np  # noqa: E402
import tensorflow_hub as hub  # noqa: E402
import tf_keras  # noqa: E402


def describe_mul_model(directory):
    layer = hub.KerasLayer(directory)
    product = layer([10.0, 20.0]).numpy().tolist()
    layer.trainable = True
    return {
        "product": product,
        "weights": [float(v) for v in layer.trainable_weights],
        "losses": [float(loss) for loss in layer.losses],
    }


def describe_network(directory):
    rows = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)
    loaded = hub.load(directory)(rows).numpy().tolist()
    layer = hub.KerasLayer(directory, trainable=True, arguments={"dropout_rate": 0.0})
    before = [v.numpy() for v in layer.trainable_weights]
    losses = [float(loss) for loss in layer.losses]
    model = tf_keras.Sequential([layer, tf_keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(rows, rows[:, :1], verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, layer.trainable_weights, strict=True)]
    return {"loaded": loaded, "losses": losses, "moved": moved}


describe = {"mul_model": describe_mul_model, "network": describe_network}
found = [describe[kind](directory) for kind, directory in map(str.split, sys.argv[1:])]
print(json.dumps(found))
