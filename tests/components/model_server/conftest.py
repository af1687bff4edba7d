"""A model that computes what NumPy can check, and one server on it for all tests."""

import shutil

import pytest

from components.model_server import LocalProcess, wait_until_available
from components.model_server.client import Deadline

MODEL_NAME = "demo"
VERSION = 7


@pytest.fixture(scope="session")
def demo_model(tmp_path_factory):
    """Signatures of all kinds: examples, several inputs, scalars, strings, odd types."""
    import tensorflow as tf

    class Demo(tf.Module):
        def __init__(self):
            super().__init__()
            self.weights = tf.Variable([[0.5], [-1.25]])

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def score(self, examples):
            spec = {"a": tf.io.FixedLenFeature([2], tf.float32)}
            features = tf.io.parse_example(examples, spec)["a"]
            return {"score": features @ self.weights}

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.float32, name="x"),
                tf.TensorSpec([None], tf.int32, name="n"),
            ]
        )
        def pair(self, x, n):
            text = tf.strings.as_string(n)
            return {"double": x * 2, "n": n + 1, "text": text, "raw_bytes": text}

        @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
        def total(self, x):
            return {"sum": tf.reduce_sum(x)}

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def echo(self, x):
            return {"y": tf.identity(x)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def narrow(self, x):
            return {"half": tf.cast(x, tf.half), "brain": tf.cast(x, tf.bfloat16)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def ragged_batch(self, x):
            return {"one": x, "two": tf.concat([x, x], 0)}

        def weigh(self, inputs):
            spec = {
                "a": tf.io.FixedLenFeature([2], tf.float32),
                "bonus": tf.io.FixedLenFeature([], tf.int64, default_value=0),
                "name": tf.io.FixedLenFeature([], tf.string, default_value="?"),
            }
            parsed = tf.io.parse_example(inputs, spec)
            bonus = tf.cast(parsed["bonus"], tf.float32)
            return parsed["a"] @ self.weights + bonus[:, None], parsed["name"]

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def classify(self, inputs):
            value, name = self.weigh(inputs)
            classes = tf.stack([name + "-yes", name + "-no"], axis=1)
            return {"classes": classes, "scores": tf.concat([value, -value], axis=1)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def labels(self, inputs):
            return {"classes": self.classify(inputs)["classes"]}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def scores(self, inputs):
            return {"scores": self.classify(inputs)["scores"]}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def regress(self, inputs):
            return {"outputs": self.weigh(inputs)[0]}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def wide(self, inputs):
            value, _ = self.weigh(inputs)
            return {"outputs": tf.concat([value, value], axis=1)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def exact(self, inputs):
            value = tf.cast(self.weigh(inputs)[0], tf.float64)
            return {"scores": value, "other": value}

    module = Demo()
    directory = tmp_path_factory.mktemp("demo") / "model"
    names = ("pair", "total", "echo", "narrow", "ragged_batch")
    names += ("classify", "labels", "scores", "regress", "wide", "exact")
    signatures = {"serving_default": module.score} | {n: getattr(module, n) for n in names}
    tf.saved_model.save(module, str(directory), signatures=signatures)
    return directory


@pytest.fixture(scope="session")
def base_path(demo_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / MODEL_NAME
    shutil.copytree(demo_model, path / str(VERSION))
    (path / "notes").mkdir()
    return path


@pytest.fixture(scope="session")
def server(base_path, tmp_path_factory):
    log_path = tmp_path_factory.mktemp("log") / "server.log"
    server = LocalProcess().start(base_path, model_name=MODEL_NAME, log_path=log_path)
    try:
        wait_until_available(server, MODEL_NAME, Deadline.after(240)).close()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def examples():
    """Five serialized examples and the scores that NumPy gives them."""
    import numpy as np
    import tensorflow as tf

    features = np.array([[1, 2], [0, 0], [-3, 0.5], [4, 4], [0.1, -0.1]], np.float32)
    rows = []
    for values in features:
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        example = tf.train.Example(features=tf.train.Features(feature={"a": feature}))
        rows.append(example.SerializeToString())
    return rows, features @ np.array([[0.5], [-1.25]], np.float32)


@pytest.fixture
def docker_workshop(docker_client, tmp_path):
    """Starts containers; none of them is there at the end."""
    from docker_workshop import Workshop

    workshop = Workshop(docker_client, tmp_path)
    yield workshop
    workshop.close()
