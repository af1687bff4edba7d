"""What becomes of a model with risky operations, and of one that can't be read."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import InvalidModelError
from components.infra_validator.op_policy import check_ops
from components.saved_model.risky_op import find_risky_ops

ROOT = Path(__file__).resolve().parents[3]
FILE = "/nowhere/file"


def write(text):
    import tensorflow as tf

    with tf.control_dependencies([tf.io.write_file(FILE, tf.reshape(text, [-1])[0])]):
        return tf.identity(text)


def test_reads_a_graph_in_text_form(saved):
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved(write)
    binary = model / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(binary.read_bytes())
    (model / "saved_model.pbtxt").write_text(text_format.MessageToString(message))
    binary.unlink()
    assert [risky.op for risky in find_risky_ops(model)] == ["WriteFile"]


def test_refuses_what_is_no_saved_model(tmp_path):
    with pytest.raises(InvalidModelError, match=r"holds no saved_model\.pb"):
        find_risky_ops(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\xff")
    with pytest.raises(InvalidModelError, match="can't be read"):
        find_risky_ops(tmp_path)


def test_refuses_a_model_that_no_server_loads(saved, edited):
    def retag(graph):
        graph.meta_info_def.tags[:] = ["train"]

    with pytest.raises(InvalidModelError, match=r"no graph with the tags \['serve'\]"):
        find_risky_ops(edited(saved(write), retag))


def test_warns_or_refuses(saved, caplog):
    model = saved(write)
    caplog.clear()
    refused = check_ops(model, "refuse")
    assert caplog.messages == []
    warned = check_ops(model, "warn")
    assert caplog.messages == ["1 operations of the model do more than compute"]
    assert (warned.check, warned.passed, warned.observed, warned.bound) == ("ops", True, 1.0, None)
    assert (refused.passed, refused.observed, refused.bound.upper) == (False, 1.0, 0.0)
    for finding in (warned, refused):
        assert "WriteFile writes files (node " in finding.message
        assert "run by the signature 'serving_default'" in finding.message


def test_a_finding_names_five(saved):
    import tensorflow as tf

    def compute(examples):
        for number in range(7):
            tf.io.write_file(f"{FILE}{number}", "x")
        return tf.identity(examples)

    message = check_ops(saved(compute), "warn").message
    assert message.count("WriteFile writes") == 5
    assert "; and 2 more." in message


def test_a_sound_model_passes_both_policies(good_model):
    for policy in ("warn", "refuse"):
        finding = check_ops(good_model, policy)
        assert (finding.passed, finding.observed) == (True, 0.0)


@pytest.mark.parametrize("policy", ["warn", "refuse"])
def test_a_graph_that_cannot_be_read_passes_neither(damaged, policy):
    path = damaged / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-20])
    finding = check_ops(damaged, policy)
    assert not finding.passed
    assert "can't be read" in finding.message


def test_needs_no_tensorflow(good_model):
    code = (
        "import pathlib, sys; from components.saved_model.risky_op import find_risky_ops; "
        "assert not find_risky_ops(pathlib.Path(sys.argv[1])); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(good_model)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
