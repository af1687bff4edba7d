"""Whether the table of risky operations is complete, by TensorFlow's own register."""

import re

import pytest

from components.saved_model.op_registry import known_ops
from components.saved_model.op_risk import _BY_SETTING, _WHY

NAMES = re.compile(
    r"filename|(^|_)(file|path|dir|url|urls|address|uri|region|descriptor|server|driver)(_|$)"
    r"|prefix|pattern|^scheme$|^target$|graph_def|mlir_module|_directory|^directory$"
)
HARMLESS = {
    "OptionsDataset": "its serialized options tune",
    "RegexFullMatch": "a pattern of text",
    "RegexReplace": "a pattern of text",
    "StaticRegexFullMatch": "a pattern of text",
    "StaticRegexReplace": "a pattern of text",
    "ExperimentalSetStatsAggregatorDataset": "a prefix of counters' names",
    "SetStatsAggregatorDataset": "a prefix of counters' names",
    "ShardedFilename": "only composes a name",
    "ShardedFilespec": "only composes a name",
    "TPUReplicateMetadata": "descriptive",
}
RETIRED = {"RemoteFusedGraphExecute", "Rpc", "TRTEngineOp", "TryRpc"}


@pytest.fixture(scope="module")
def register():
    """TensorFlow's own list, through its Python package."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    buffer = pywrap_tf_session.TF_GetAllOpList()
    return {
        op.name: op
        for op in op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(buffer)).op
    }


def test_the_light_register_has_all_public_operations_and_nothing_else(register):
    import tensorflow as tf

    public = {name for name in dir(tf.raw_ops) if not name.startswith("_")}
    assert len(public) > 1000
    assert public <= known_ops() <= register.keys()


def test_the_light_register_lacks_the_operations_of_tensorflows_own_tests(register):
    assert "StubResourceHandleOp" in register
    assert "StubResourceHandleOp" not in known_ops()


def test_all_that_name_files_or_hosts_are_judged(register):
    suspicious = {
        name
        for name, op in register.items()
        for argument in (*op.input_arg, *op.attr)
        if NAMES.search(argument.name)
    }
    assert len(suspicious) > 60
    assert suspicious - _WHY.keys() - _BY_SETTING.keys() - HARMLESS.keys() == set()


def test_all_that_tensorflows_own_scan_denies_are_judged():
    from tensorflow.python.tools.saved_model_cli import _OP_DENYLIST

    assert _WHY.keys() | _BY_SETTING.keys() >= _OP_DENYLIST


def test_the_table_names_operations_that_there_are(register):
    assert _WHY.keys() - register.keys() == RETIRED
    assert _BY_SETTING.keys() <= register.keys()
    assert not _WHY.keys() & _BY_SETTING.keys()
