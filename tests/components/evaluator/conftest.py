"""TensorFlow Model Analysis to compare with, and a model and examples for both."""

import json
import os
import subprocess
import sys
from pathlib import Path

import filelock
import numpy as np
import pytest

TFMA = ("tensorflow-model-analysis==0.52.0", "setuptools<81")
RUN_TFMA = Path(__file__).with_name("run_tfma.py")
SIZE = 2_000
NUM_CLASSES = 5


@pytest.fixture(scope="session")
def run_tfma(request, tmp_path_factory):
    """Return a function that lets TFMA do some jobs; see `run_tfma.py`.

    TFMA can't be installed beside the rest, so it has an environment in pytest's cache.
    """
    directory = request.config.cache.mkdir("tfma-" + TFMA[0].rpartition("=")[2])
    python = directory / "venv" / "bin" / "python"
    with filelock.FileLock(directory / "lock"):
        if not (directory / "complete").exists():
            _install_tfma(directory / "venv", python)
            (directory / "complete").touch()

    def run(jobs):
        scratch = tmp_path_factory.mktemp("tfma")
        (scratch / "jobs.json").write_text(json.dumps(jobs))
        command = [python, RUN_TFMA, scratch / "jobs.json", scratch / "output.json"]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONNOUSERSITE": "1"}
        done = subprocess.run(
            command, cwd=scratch, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-20000:]
        return json.loads((scratch / "output.json").read_text())

    return run


def _install_tfma(venv, python):
    uv = [sys.executable, "-m", "uv"]
    commands = [
        [*uv, "venv", "--clear", "--python", "3.11", venv],
        [*uv, "pip", "install", "--python", python, *TFMA],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            message = f"TFMA can't be installed: {done.stderr.strip()[-500:]}"
            (pytest.fail if os.environ.get("IMPRIMATUR_REQUIRE") else pytest.skip)(message)


@pytest.fixture(scope="session")
def columns():
    """Return features by name, as the examples have them; None where one is missing."""
    random = np.random.default_rng(5)
    x = random.normal(size=(SIZE, 4)).astype(np.float32)
    score = x[:, 0] + random.normal(0, 1.2, SIZE)
    kinds = np.argmax(x @ random.normal(size=(4, NUM_CLASSES)) + random.normal(0, 2, (SIZE, 5)), 1)
    origin = random.choice(["JFK", "LGA", "EWR", ""], SIZE).tolist()
    query = random.integers(0, 200, SIZE)
    tags = [random.choice(["a", "b", "c"], count).tolist() for count in random.integers(0, 4, SIZE)]
    return {
        "x": x.tolist(),
        "late": (score > 0.8).astype(int).tolist(),
        "kind": kinds.tolist(),
        "one_hot": np.eye(NUM_CLASSES, dtype=int)[kinds].tolist(),
        "traits": (x[:, :3] + random.normal(0, 1, (SIZE, 3)) > 0.3).astype(int).tolist(),
        "delay": (10 * score).astype(np.float32).tolist(),
        "gain": random.integers(0, 4, SIZE).astype(float).tolist(),
        "query": [f"q{number}" for number in query],
        "of_query": (query % 5 / 2).tolist(),
        "w": (random.integers(0, 9, SIZE) / 4).tolist(),
        "origin": [None if random.random() < 0.1 else name for name in origin],
        "hour": random.integers(0, 6, SIZE).tolist(),
        "half": random.choice([0.5, 1.5, 2.25], SIZE).tolist(),
        "tags": [tag or None for tag in tags],
    }


@pytest.fixture(scope="session")
def examples(columns, tmp_path_factory):
    """Return the record of these examples."""
    import tensorflow as tf

    from components import artifacts
    from components.records import Examples, Split

    root = tmp_path_factory.mktemp("examples")
    (root / "Split-eval").mkdir()
    kinds = {str: "bytes_list", float: "float_list", int: "int64_list"}
    with tf.io.TFRecordWriter(str(root / "Split-eval" / "data.gz"), "GZIP") as writer:
        for row in range(SIZE):
            example = tf.train.Example()
            for name, values in columns.items():
                value = values[row]
                value = value if isinstance(value, list) else [] if value is None else [value]
                if value:
                    value_list = getattr(example.features.feature[name], kinds[type(value[0])])
                    value_list.value.extend(
                        [v.encode() if isinstance(v, str) else v for v in value]
                    )
            writer.write(example.SerializeToString())
    splits = {"eval": Split("Split-eval/*", SIZE)}
    return Examples(uri=str(root), splits=splits, digest=artifacts.digest(root))


@pytest.fixture(scope="session")
def many_headed_model(tmp_path_factory):
    """Return a model of the features ``x``.

    Its signatures: ``serving_default`` answers one probability, `(n, 1)`; ``classes`` one for each
    of 5 classes, `(n, 5)`, ``traits`` three independent ones, `(n, 3)`; ``delay`` a number, `(n,)`.
    """
    return _export(tmp_path_factory.mktemp("many_headed") / "Format-Serving", seed=1)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory):
    """Return the same with other weights."""
    return _export(tmp_path_factory.mktemp("other") / "Format-Serving", seed=2)


def _export(directory, seed):
    import tensorflow as tf

    from components import artifacts
    from components.records import Model

    random = np.random.default_rng(seed)
    module = tf.Module()
    module.weights = {
        name: tf.Variable(random.normal(size=(4, size)) + np.eye(4, size), dtype=tf.float32)
        for name, size in (("classes", NUM_CLASSES), ("traits", 3))
    }
    module.late = tf.Variable(np.array([[1.5], [0.3], [-0.2], [seed / 10]], np.float32))
    heads = {
        "serving_default": lambda x: tf.sigmoid(x @ module.late - 1.0),
        "classes": lambda x: tf.nn.softmax(x @ module.weights["classes"]),
        "traits": lambda x: tf.sigmoid(x @ module.weights["traits"]),
        "delay": lambda x: 9.0 * (x @ module.late)[:, 0],
    }

    def signature(head):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def answer(serialized):
            spec = {"x": tf.io.FixedLenFeature([4], tf.float32)}
            return {"output": head(tf.io.parse_example(serialized, spec)["x"])}

        return answer

    module.signatures_ = {name: signature(head) for name, head in heads.items()}
    tf.saved_model.save(module, str(directory), signatures=module.signatures_)
    manifest = artifacts.read_manifest(directory)
    return Model(uri=str(directory), digest=manifest.digest, num_bytes=manifest.num_bytes)
