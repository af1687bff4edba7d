"""What is left when a validation is ended, and the known-good model, by real processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from components.errors import ServerUnavailableError
from components.infra_validator.control_model import ControlModel, check_infrastructure
from components.model_server import LocalProcess, local_process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[3]
MARK = "IMPRIMATUR_TEST_MARK"
NAME = "known"


def marked(mark):
    """Return the processes that inherited our mark, orphans too."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def wait_for(condition, seconds):
    """Poll until a condition holds; return whether it did."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def validator(good_model, infra_examples, tmp_path):
    """A validation that runs and has started its two processes."""
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "components.infra_validator"]
    flags = {
        "--model": str(good_model),
        "--examples": json.dumps(infra_examples.to_json()),
        "--serving-spec": '{"local_process": {}}',
        "--output-dir": str(tmp_path / "infra"),
    }
    for flag, value in flags.items():
        command += [flag, value]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, MARK: mark}, stderr=subprocess.DEVNULL
    )
    process.mark = mark

    def started():
        lines = [" ".join(each.cmdline()) for each in marked(mark)]
        return all(
            any(module in line for line in lines)
            for module in ("components.model_server", "infra_validator.offline_child")
        )

    try:
        assert wait_for(started, 120)
        yield process
    finally:
        process.kill()
        process.wait()
        for each in marked(mark):
            each.kill()


def test_sigterm_ends_all_of_it(validator, tmp_path):
    validator.send_signal(signal.SIGTERM)
    assert validator.wait(120) == 128 + signal.SIGTERM
    assert marked(validator.mark) == []
    assert [path.name for path in tmp_path.iterdir()] == ["examples"]


def test_sigkill_ends_all_of_it_and_the_next_removes_what_is_left(validator, tmp_path):
    validator.kill()
    validator.wait()
    assert wait_for(lambda: marked(validator.mark) == [], 30)
    (left,) = (path for path in tmp_path.iterdir() if path.name != "examples")
    assert left.name.startswith(".infra.")
    from components import artifacts

    with artifacts.new_directory(tmp_path / "infra"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["examples", "infra"]


def test_the_known_good_model_is_served_where_servers_work_and_only_there(tmp_path, monkeypatch):
    control = ControlModel(tmp_path / "control")

    def start(base_path):
        return LocalProcess().start(base_path, model_name=NAME, log_path=tmp_path / "log")

    settings = {
        "model_name": NAME,
        "max_loading_seconds": 300,
        "max_request_seconds": 60,
        "suspicion": "It crashed.",
    }
    check_infrastructure(control, start, **settings)
    built = control.base_path().stat()

    def start_small(base_path):
        runner = LocalProcess(memory_bytes=50 << 20)
        return runner.start(base_path, model_name=NAME, log_path=tmp_path / "log")

    with pytest.raises(ServerUnavailableError, match="takes more memory than was given"):
        check_infrastructure(control, start_small, **settings)

    ended = [sys.executable, "-c", "import sys; sys.exit('broken installation')"]
    monkeypatch.setattr(local_process, "_command", lambda *given: ended)
    with pytest.raises(ServerUnavailableError) as caught:
        check_infrastructure(control, start, **settings)
    assert "ended with exit code 1. What failed first: It crashed." in str(caught.value)
    assert os.path.samestat(control.base_path().stat(), built)
