"""Tiny models and examples that several suites share, and what a marked test needs to run.

TensorFlow is imported by the fixtures that need it, not by this file.
"""

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

from components import artifacts
from components.records import Examples, Model, Split

# How long an example takes says more about the machine than about the code.
settings.register_profile("imprimatur", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("imprimatur")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_runtest_setup(item):
    """Skip what this machine can't run; fail it if IMPRIMATUR_REQUIRE names it."""
    required = os.environ.get("IMPRIMATUR_REQUIRE", "").split(",")
    for name, is_there in (("docker", has_docker), ("browser", has_browser)):
        if item.get_closest_marker(name) and not is_there():
            message = f"this machine has no {name}"
            (pytest.fail if name in required else pytest.skip)(message)


def pytest_collection_modifyitems(items):
    """Give tests in containers time: whichever comes first builds the images."""
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.timeout(1800))


def has_docker():
    """Return whether a Docker engine answers."""
    import docker

    try:
        client = docker.from_env(timeout=5)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    finally:
        client.close()


def has_browser():
    """Return whether Chromium or its like is installed."""
    return any(shutil.which(name) for name in BROWSERS)


@pytest.fixture(scope="session")
def docker_client():
    """A client of the Docker engine; for tests marked `docker`."""
    import docker

    client = docker.from_env(timeout=600)
    yield client
    client.close()


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, driven by Playwright, whose event loop must not outlive these tests."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def score_model(tmp_path_factory):
    """Return a function that makes a model whose predictions a test can choose.

    The prediction is ``factor`` · the example's feature ``score``, NaN where that is missing. The
    signatures: ``serving_default`` gives ``probability`` of shape (n,); ``column`` of shape (n, 1);
    ``two_outputs`` and ``two_columns``; ``tensors`` takes plain tensors.
    """
    made = {}

    def make(factor=1.0):
        if factor not in made:
            uri = tmp_path_factory.mktemp("score_model") / "Format-Serving"
            _export_score_model(uri, factor)
            manifest = artifacts.read_manifest(uri)
            made[factor] = Model(uri=str(uri), digest=manifest.digest, num_bytes=manifest.num_bytes)
        return made[factor]

    return make


def _export_score_model(directory, factor):
    import tensorflow as tf

    class Scored(tf.Module):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable(factor, dtype=tf.float32)

        def predict(self, examples):
            spec = {"score": tf.io.FixedLenFeature([], tf.float32, float("nan"))}
            return self.factor * tf.io.parse_example(examples, spec)["score"]

    module = Scored()
    shapes = {
        "serving_default": lambda p: {"probability": p},
        "column": lambda p: {"probability": p[:, None]},
        "two_outputs": lambda p: {"good": p, "bad": 1.0 - p},
        "two_columns": lambda p: {"probability": tf.stack([1.0 - p, p], axis=1)},
    }

    def signature(shape):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def answer(examples):
            return shape(module.predict(examples))

        return answer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="score")])
    def answer_tensors(score):
        return {"probability": module.factor * score}

    signatures = {name: signature(shape) for name, shape in shapes.items()}
    module.functions = [*signatures.values(), answer_tensors]
    tf.saved_model.save(
        module, str(directory), signatures={**signatures, "tensors": answer_tensors}
    )


@pytest.fixture
def write_examples(tmp_path):
    """Return a function that writes rows as tf.Examples and returns their record.

    A row is a dict: text, float or int, a list of them, or None for a missing feature.
    """

    def write(rows=None, *, name="examples", splits=None, compression="GZIP"):
        import tensorflow as tf

        root = tmp_path / name
        described = {}
        for split, split_rows in (splits or {"eval": rows}).items():
            directory = root / f"Split-{split}"
            directory.mkdir(parents=True)
            path = directory / "data_tfrecord-00000-of-00001.gz"
            options = tf.io.TFRecordOptions(compression_type=compression)
            with tf.io.TFRecordWriter(str(path), options) as writer:
                for row in split_rows:
                    writer.write(_example(tf, row).SerializeToString())
            described[split] = Split(f"Split-{split}/*", len(split_rows))
        return Examples(uri=str(root), splits=described, digest=artifacts.digest(root))

    return write


def _example(tf, row):
    kinds = {str: "bytes_list", float: "float_list", int: "int64_list"}
    example = tf.train.Example()
    for name, value in row.items():
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        encoded = [v.encode() if isinstance(v, str) else v for v in values]
        kind = kinds[type(values[0])] if values else "bytes_list"
        getattr(example.features.feature[name], kind).value.extend(encoded)
    return example
