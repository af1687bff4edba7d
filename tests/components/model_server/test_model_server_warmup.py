"""Warm-up requests are replayed when a version is loaded; a bad one fails the load."""

import shutil

import numpy as np
import pytest

from components.errors import InvalidModelError
from components.tfrecord import write_records

FILE = "assets.extra/tf_serving_warmup_requests"


@pytest.fixture
def load(demo_model, tmp_path):
    """Load a copy of the model with these warm-up records."""
    from components.model_server.server import _load
    from components.model_server.settings import Loading

    def load(write, **loading):
        directory = tmp_path / "1"
        shutil.copytree(demo_model, directory)
        (directory / "assets.extra").mkdir()
        write(directory / FILE)
        return _load(directory, 1, loading=Loading(**loading))

    return load


def record(signature, **inputs):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = "another"
    request.model_spec.version.value = 99
    request.model_spec.signature_name = signature
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return log.SerializeToString()


def good():
    return record("echo", x=np.ones((1, 2), np.float32))


def test_good_requests_are_replayed_whatever_model_and_version_they_name(load, caplog):
    caplog.set_level("INFO")
    load(lambda path: write_records(path, [good()] * 3)).close()
    assert "Finished reading warmup data for model at" in caplog.text
    assert "Number of warmup records read: 3" in caplog.text


def test_a_thousand_are_allowed(load):
    load(lambda path: write_records(path, [good()] * 1000)).close()


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: write_records(path, [good()] * 1001), r"exceeds the maximum \(1000\)"),
        (lambda path: write_records(path, [good(), record("z")]), r"record 2 .*key \"z\" not"),
        (lambda path: write_records(path, [b"\xff\xff"]), "Failed to parse warmup record"),
        (lambda path: path.write_bytes(b"not a TFRecord"), "DATA_LOSS: .*warmup data is in TFRec"),
    ],
    ids=["too many", "one fails", "no PredictionLog", "no TFRecord"],
)
def test_bad_ones_fail_the_load(load, write, reason):
    with pytest.raises(InvalidModelError, match=reason):
        load(write)


def test_kinds_that_are_not_offered_fail_the_load(load):
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    log.session_run_log.SetInParent()
    with pytest.raises(InvalidModelError, match="Unsupported log_type for warmup: session_run"):
        load(lambda path: write_records(path, [log.SerializeToString()]))
