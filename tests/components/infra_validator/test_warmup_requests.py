"""Warm-up requests, read back by TensorFlow and TensorFlow Serving's own messages."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from components import artifacts
from components.errors import ConfigurationError
from components.infra_validator.warmup_requests import WARMUP_FILE, add_warmup

ROOT = Path(__file__).resolve().parents[3]
INPUTS = {"serving_default": "examples", "other": "texts"}


@pytest.fixture
def target(tmp_path):
    return tmp_path / "versions" / "1"


def requests(directory):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    records = tf.data.TFRecordDataset(str(directory / WARMUP_FILE)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    assert {log.WhichOneof("log_type") for log in logs} == {"predict_log"}
    return [log.predict_log.request for log in logs]


def add(model, target, rows, names=("serving_default",), **options):
    add_warmup(model, target, rows, names, "flights", INPUTS, **options)


def test_the_copy_differs_by_nothing_but_the_requests(good_model, target, infra_rows):
    before = artifacts.read_manifest(good_model)
    add(good_model, target, infra_rows)
    assert artifacts.read_manifest(good_model) == before
    after = artifacts.read_manifest(target)
    assert after.digest != before.digest
    assert after.without("assets.extra/tf_serving_warmup_requests").digest == before.digest


def test_the_requests_are_a_batch_of_rows_and_single_rows(good_model, target, infra_rows):
    import tensorflow as tf

    add(good_model, target, infra_rows)
    asked = []
    for request in requests(target):
        assert request.model_spec.name == "flights"
        assert request.model_spec.signature_name == "serving_default"
        assert list(request.inputs) == ["examples"]
        asked.append(tf.make_ndarray(request.inputs["examples"]).tolist())
    assert asked == [infra_rows[:32], *([row] for row in infra_rows)]


def test_each_signature_gets_its_share(good_model, target, infra_rows):
    add(good_model, target, infra_rows, ["serving_default", "other"], num_requests=9)
    asked = [(r.model_spec.signature_name, list(r.inputs)) for r in requests(target)]
    assert asked == [("serving_default", ["examples"])] * 4 + [("other", ["texts"])] * 4


def test_there_are_never_more_than_a_server_loads(good_model, target, infra_rows):
    add(good_model, target, infra_rows * 50, num_requests=1000)
    assert len(requests(target)) == 1000


def test_a_signature_whose_share_is_one_gets_the_batch(good_model, target, infra_rows):
    add(good_model, target, infra_rows, num_requests=1)
    (request,) = requests(target)
    assert len(request.inputs["examples"].string_val) == 32


def test_equal_requests_have_equal_bytes(good_model, tmp_path, infra_rows):
    for name in ("a", "b"):
        add(good_model, tmp_path / name, infra_rows)
    assert artifacts.digest(tmp_path / "a") == artifacts.digest(tmp_path / "b")


def test_says_that_requests_may_hold_personal_data(good_model, target, infra_rows, caplog):
    with caplog.at_level(logging.WARNING):
        add(good_model, target, infra_rows)
    (record,) = caplog.records
    assert "41 warm-up requests" in record.getMessage()
    assert "personal data" in record.getMessage()


def test_a_model_that_has_requests_already_is_refused(good_model, target, infra_rows, tmp_path):
    add(good_model, target, infra_rows)
    with pytest.raises(ConfigurationError, match="has warm-up requests already"):
        add(target, tmp_path / "again", infra_rows)
    assert not (tmp_path / "again").exists()


def test_other_files_in_assets_extra_stay(damaged, target, infra_rows):
    (damaged / "assets.extra").mkdir()
    (damaged / "assets.extra" / "notes").write_text("n")
    add(damaged, target, infra_rows)
    assert (target / "assets.extra" / "notes").read_text() == "n"


@pytest.mark.parametrize(
    ("rows", "names", "num_requests", "text"),
    [
        (0, ["serving_default"], 100, "got 0 examples"),
        (1, [], 100, r"the signatures \[\]"),
        (1, ["serving_default", "other"], 1, "1 warm-up requests for 2 signatures"),
        (1, ["serving_default"], 1001, "at most 1000"),
        (1, ["serving_default"], 0, "at least one for each"),
    ],
)
def test_refuses(good_model, target, infra_rows, rows, names, num_requests, text):
    with pytest.raises(ConfigurationError, match=text):
        add(good_model, target, infra_rows[:rows], names, num_requests=num_requests)
    assert not target.exists()


def test_needs_no_tensorflow():
    code = (
        "import components.infra_validator.warmup_requests, sys; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
