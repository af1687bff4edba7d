"""Broken models of many kinds, each through a whole validation by real processes."""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from components import artifacts
from components.infra_validator import validate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BUILD = Path(__file__).with_name("broken_models.py")
MARK = "IMPRIMATUR_TEST_MARK"
LIMITED = {"max_loading_time_seconds": 300, "num_tries": 1, "max_request_time_seconds": 10}
CASES = {
    "truncated_graph": ("loads", "ended with exit code 255"),
    "missing_shard": ("loads", "variables.data-00000-of-00001"),
    "damaged_shard": ("loads", "DATA_LOSS|[Cc]hecksum|crc"),
    "no_serve_tag": ("loads", "tags .*could not be found"),
    "unknown_operation": ("loads", "LicensedMatMul"),
    "exits_while_loading": ("loads", "ended with exit code 0"),
    "no_serving_default": ("signature", r"no signature 'serving_default'; it has \['predict'\]"),
    "no_signature": ("signature", r"no signature 'serving_default'; it has \[\]"),
    "takes_no_examples": ("signature", "has no feature of that name"),
    "keras_variables_untracked": ("answers", "Could not find variable"),
    "aborts": ("answers", "was killed by SIGABRT"),
    "exits": ("answers", "ended with exit code 0"),
    "loops_for_ever": ("answers", "DEADLINE_EXCEEDED"),
    "answers_nan": ("no_nan", "Output 'score' of 'serving_default' is NaN in "),
    "other_answers_at_every_load": ("same_answers", "values differ"),
    "writes_beside_its_asset": ("bytes_unchanged", "has other files than before"),
    "too_many_warmup_records": ("loads", "exceeds the maximum"),
    "warmup_that_fails": ("loads", "warmup record 2 of .* not found in request"),
    "warmup_that_is_no_request": ("loads", "parse warmup record"),
    "warmup_that_is_no_tfrecord": ("loads", "verify your warmup data is in TFRecord format"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A directory with all of them, built by one process."""
    directory = tmp_path_factory.mktemp("models")
    subprocess.run(
        [sys.executable, str(BUILD), str(directory)], check=True, capture_output=True, timeout=600
    )
    return directory


@pytest.fixture
def judge(models, infra_examples, tmp_path, monkeypatch):
    """Validate a model; fail if any process or any file but the artifact is left."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)

    def validated(name, *, serving_spec=None, **validation_spec):
        digest = artifacts.digest(models / name)
        blessing = validate(
            model=models / name,
            examples=infra_examples,
            serving_spec={"local_process": {}, **(serving_spec or {})},
            validation_spec={**LIMITED, **validation_spec},
            output_dir=tmp_path / "infra",
        )
        assert running(mark) == []
        assert sorted(path.name for path in tmp_path.iterdir()) == ["examples", "infra"]
        assert {path.suffix for path in (tmp_path / "infra").iterdir()} <= {".json", ".log"}
        assert artifacts.digest(models / name) == blessing.subject.digest == digest
        assert blessing.blessed == (not blessing.failures)
        return blessing

    return validated


def running(mark):
    """Return the command lines of all processes that inherited our mark, orphans too."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process.cmdline())
        except psutil.Error:  # ended while we looked
            continue
    return found


def the_failure(blessing):
    assert not blessing.blessed
    (failure,) = blessing.failures
    return failure


@pytest.mark.parametrize("name", CASES)
def test_is_not_blessed_and_told_why(judge, name):
    check, text = CASES[name]
    failure = the_failure(judge(name))
    assert failure.check == check
    assert re.search(text, failure.message), failure.message


def test_sound_models_are_blessed(judge):
    assert judge("good").blessed


def test_as_many_warmup_requests_as_a_server_takes_are_fine(judge):
    assert judge("warmed_up").blessed


def test_a_model_that_loads_for_ever_is_given_up(judge):
    failure = the_failure(judge("loads_for_ever", max_loading_time_seconds=75))
    assert failure.check == "loads"
    assert "within 75 s" in failure.message


def test_a_model_that_takes_too_much_memory_is_ended(judge):
    limit = {"resources": {"memory": "2Gi"}}
    failure = the_failure(
        judge("takes_20_gigabytes", serving_spec=limit, max_request_time_seconds=120)
    )
    assert failure.check == "memory"


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("writes_a_file", "WriteFile"),
        ("writes_beside_its_asset", "WriteFile"),
        ("aborts", "Abort"),
        ("exits", "Abort"),
        ("exits_while_loading", "Abort"),
        ("unknown_operation", "LicensedMatMul"),
    ],
)
def test_the_policy_refuses_before_anything_runs(judge, models, name, op):
    failure = the_failure(judge(name, op_policy="refuse"))
    assert failure.check == "ops"
    assert f": {op} " in failure.message
    assert not (models / "written").exists()


def test_a_model_that_writes_a_file_is_blessed_with_a_warning(judge, models):
    blessing = judge("writes_a_file", op_policy="warn")
    assert (models / "written").read_text() == "by the model"
    (models / "written").unlink()
    assert blessing.blessed
    (ops,) = (finding for finding in blessing.findings if finding.check == "ops")
    assert "WriteFile writes files" in ops.message
