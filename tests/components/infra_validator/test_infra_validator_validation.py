"""Validation end to end, with real processes."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components import artifacts, records
from components.errors import ConfigurationError, InvalidModelError, ServerUnavailableError
from components.infra_validator import attempt, validate
from components.model_server import LocalProcess

ROOT = Path(__file__).resolve().parents[3]
LOCAL = {"local_process": {}}


@pytest.fixture
def started(monkeypatch):
    """The servers that were started."""
    servers = []
    start = LocalProcess.start

    def watch(self, *args, **kwargs):
        servers.append(start(self, *args, **kwargs))
        return servers[-1]

    monkeypatch.setattr(LocalProcess, "start", watch)
    return servers


def model_record(directory, **changes):
    manifest = artifacts.read_manifest(directory)
    model = records.Model(uri=str(directory), digest=manifest.digest, num_bytes=manifest.num_bytes)
    return dataclasses.replace(model, **changes)


def is_running(pid):
    return Path(f"/proc/{pid}").exists()


def test_a_good_model_is_blessed_by_the_command_line(good_model, infra_examples, tmp_path):
    out = tmp_path / "infra"
    run = {"dag_id": "d", "run_id": "r", "task_id": "t"}
    command = [sys.executable, "-m", "components.infra_validator"]
    flags = {
        "--model": json.dumps(model_record(good_model).to_json()),
        "--examples": json.dumps(infra_examples.to_json()),
        "--serving-spec": json.dumps(LOCAL),
        "--output-dir": str(out),
        "--run": json.dumps(run),
    }
    for flag, value in flags.items():
        command += [flag, value]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    blessing = records.load(done.stdout.splitlines()[-1])
    assert blessing == records.load(out / "record.json")
    assert (blessing.kind, blessing.blessed, blessing.run.dag_id) == ("infra", True, "d")
    assert blessing.subject == records.Subject("model", artifacts.digest(good_model))
    assert [finding.check for finding in blessing.findings][-1] == "bytes_unchanged"
    assert "Successfully loaded servable version" in (out / "server-1.log").read_text()
    assert sorted(path.name for path in out.iterdir()) == ["record.json", "server-1.log"]
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_truncated_model_is_not_blessed(damaged, infra_examples, tmp_path, started):
    (damaged / "saved_model.pb").write_bytes((damaged / "saved_model.pb").read_bytes()[:40])
    blessing = validate(
        model=damaged,
        examples=infra_examples,
        serving_spec=LOCAL,
        output_dir=tmp_path / "infra",
    )
    assert not blessing.blessed
    (failure,) = blessing.failures
    assert failure.check == "loads"
    assert "ended with exit code 255" in failure.message
    assert "Failed to start server. Error:" in failure.message
    assert "Failed to start server. Error:" in (tmp_path / "infra" / "server-1.log").read_text()
    assert not any(is_running(server.pid) for server in started)


def test_a_server_killed_from_outside_is_a_fault(
    good_model, infra_examples, tmp_path, started, monkeypatch
):
    check = attempt.check

    def kill_first(trial):
        os.kill(trial.server.pid, signal.SIGKILL)
        return check(trial)

    monkeypatch.setattr(attempt, "check", kill_first)
    with pytest.raises(ServerUnavailableError, match="was killed by SIGKILL"):
        validate(
            model=good_model,
            examples=infra_examples,
            serving_spec=LOCAL,
            validation_spec={"num_tries": 1},
            output_dir=tmp_path / "infra",
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["examples"]
    assert not is_running(started[0].pid)


def test_faults_are_repeated_and_verdicts_are_not(
    good_model, infra_examples, tmp_path, monkeypatch
):
    starts = []

    def start(self, base_path, *, model_name, log_path):
        starts.append(sorted(path.name for path in base_path.iterdir()))
        raise ServerUnavailableError("no more processes")

    monkeypatch.setattr(LocalProcess, "start", start)
    with pytest.raises(ServerUnavailableError, match="no more processes"):
        validate(
            model=good_model,
            examples=infra_examples,
            serving_spec=LOCAL,
            validation_spec={"num_tries": 3},
            output_dir=tmp_path / "infra",
        )
    assert starts == [["1"]] * 3


def test_other_bytes_than_the_records_are_refused(damaged, infra_examples, tmp_path, started):
    model = model_record(damaged)
    (damaged / "extra").write_text("x")
    with pytest.raises(InvalidModelError, match="it was changed after it was trained"):
        validate(
            model=model, examples=infra_examples, serving_spec=LOCAL, output_dir=tmp_path / "o"
        )
    assert not started
    assert not (tmp_path / "o").exists()


def test_a_format_that_no_server_takes_is_refused(good_model, infra_examples, tmp_path):
    with pytest.raises(ConfigurationError, match="has the format 'tflite'"):
        validate(
            model=model_record(good_model, format="tflite"),
            examples=infra_examples,
            serving_spec=LOCAL,
            output_dir=tmp_path / "o",
        )


def test_a_model_that_writes_to_its_files_is_found_out_and_the_original_is_safe(
    good_model, infra_examples, tmp_path, monkeypatch
):
    def start(self, base_path, *, model_name, log_path):
        (base_path / "1" / "saved_model.pb").write_bytes(b"overwritten")
        raise_late = ServerUnavailableError("enough seen")
        raise raise_late

    copy = shutil.copytree(good_model, tmp_path / "copy")
    digest = artifacts.digest(copy)
    (copy / "written").write_text("by the model")
    finding = attempt._check_unchanged(copy, digest)
    assert (finding.check, finding.passed) == ("bytes_unchanged", False)
    monkeypatch.setattr(LocalProcess, "start", start)
    with pytest.raises(ServerUnavailableError):
        validate(
            model=good_model,
            examples=infra_examples,
            serving_spec=LOCAL,
            validation_spec={"num_tries": 1},
            output_dir=tmp_path / "o",
        )
    assert (good_model / "saved_model.pb").read_bytes() != b"overwritten"


def test_usage_errors_need_no_tensorflow_and_end_with_2(tmp_path):
    command = [sys.executable, "-m", "components.infra_validator", "--model", str(tmp_path)]
    done = subprocess.run(
        [*command, "--serving-spec", "{"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "'{' isn't JSON" in done.stderr


def test_the_package_needs_no_tensorflow():
    code = "import components.infra_validator, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
