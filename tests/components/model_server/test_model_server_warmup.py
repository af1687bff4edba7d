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


@pytest.mark.parametrize(
    ("kind", "name"),
    [("session_run_log", "session_run"), ("predict_streamed_log", "predict_streamed")],
)
def test_kinds_that_cannot_be_replayed_fail_the_load(load, kind, name):
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    getattr(log, kind).SetInParent()
    with pytest.raises(InvalidModelError, match=f"Unsupported log_type for warmup: {name}"):
        load(lambda path: write_records(path, [log.SerializeToString()]))


def example_record(kind, *signatures):
    """A record that asks with one example; several signatures are tasks."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = getattr(log, kind).request
    example = tf.train.Example()
    example.features.feature["a"].float_list.value.extend([1.0, 2.0])
    request.input.example_list.examples.append(example)
    if kind != "multi_inference_log":
        request.model_spec.signature_name = signatures[0]
    else:
        for signature in signatures:
            task = request.tasks.add(method_name=f"tensorflow/serving/{signature}")
            task.model_spec.name = "any"
            task.model_spec.signature_name = signature
    return log.SerializeToString()


ASKED = [
    ("classify_log", ["classify"]),
    ("regress_log", ["regress"]),
    ("multi_inference_log", ["classify", "regress"]),
]


@pytest.mark.parametrize(("kind", "signatures"), ASKED)
def test_requests_with_examples_are_replayed(load, kind, signatures, monkeypatch):
    from components.model_server.servable import Servable

    fetched = []
    execute = Servable.execute

    def spy(self, feeds, fetches, **options):
        fetched.append(len(fetches))
        return execute(self, feeds, fetches, **options)

    monkeypatch.setattr(Servable, "execute", spy)
    record = example_record(kind, *signatures)
    load(lambda path: write_records(path, [record]), num_warmup_iterations=2).close()
    assert fetched == [{"classify_log": 2, "regress_log": 1, "multi_inference_log": 3}[kind]] * 2


@pytest.mark.parametrize(
    ("kind", "signatures", "reason"),
    [
        ("classify_log", ["regress"], "at least one of"),
        ("regress_log", ["z"], "No signature was found with the name: z"),
        ("multi_inference_log", ["predict"], "Requested signature not found in model graph"),
    ],
)
def test_requests_with_examples_that_fail_fail_the_load(load, kind, signatures, reason):
    record = example_record(kind, *signatures)
    with pytest.raises(InvalidModelError, match=f"record 1 of .* failed: .*{reason}") as refused:
        load(lambda path: write_records(path, [record]))
    assert refused.value.__cause__.code.name == "INVALID_ARGUMENT"


def test_a_record_of_no_kind_is_counted_and_not_run(load, caplog):
    caplog.set_level("INFO")
    load(lambda path: write_records(path, [b"", good()])).close()
    assert "Number of warmup records read: 2" in caplog.text


def test_a_compressed_file_is_no_warmup_file(load):
    import gzip

    def write(path):
        write_records(path, [good()])
        path.write_bytes(gzip.compress(path.read_bytes()))

    with pytest.raises(InvalidModelError, match=r"DATA_LOSS: .*warmup data is in TFRecord"):
        load(write)


def test_warm_up_can_be_left_out(load):
    load(lambda path: path.write_bytes(b"not a TFRecord"), warms_up=False).close()


def test_method_names_are_checked_where_that_is_wanted(load):
    from components.model_server.status import RequestError

    servable = load(lambda path: write_records(path, []), checks_method_names=True)
    try:
        servable.predict("echo", {"x": np.ones((1, 2), np.float32)})
        servable.signature_defs["echo"].method_name = "mine"
        with pytest.raises(RequestError, match=r"INTERNAL: .*one of \{.*predict.*Was: mine"):
            servable.predict("echo", {"x": np.ones((1, 2), np.float32)})
        record = example_record("regress_log", "regress")
        with pytest.raises(InvalidModelError, match="method_name to be tensorflow/serving/regress"):
            replay(servable, record)
    finally:
        servable.close()


def replay(servable, record):
    from components.model_server.warmup import warm_up

    write_records(servable.directory / FILE, [record])
    warm_up(servable)
