"""Our server as a child: how it starts, ends, and what its client is told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.errors import ModelLoadError, ServerDiedError, ServerUnavailableError
from components.model_server import Endpoints, LocalProcess, ModelClient, wait_until_available
from components.model_server.client import AnswerError, Deadline
from components.model_server.tensor_codec import strings

ROOT = Path(__file__).resolve().parents[3]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def wait_for_end(pid):
    deadline = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline, f"{pid} is still running"


@pytest.fixture
def start(tmp_path):
    """Start servers, and end them after the test."""
    started = []

    def start(base_path):
        log_path = tmp_path / "server.log"
        started.append(LocalProcess().start(base_path, model_name="m", log_path=log_path))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def test_the_client_gets_the_models_answers(server, examples):
    import numpy as np

    rows, scores = examples
    with ModelClient(server.endpoints(0), "demo") as client:
        answer = client.predict("serving_default", {"examples": strings(rows)}, Deadline.after(60))
    np.testing.assert_allclose(answer["score"], scores, rtol=1e-6)


def test_the_client_tells_what_the_server_answered(server):
    with ModelClient(server.endpoints(0), "demo") as client:
        with pytest.raises(AnswerError, match=r"FAILED_PRECONDITION: .*key \"z\" not found") as e:
            client.predict("z", {}, Deadline.after(60))
        assert e.value.code.name == "FAILED_PRECONDITION"
        with pytest.raises(AnswerError, match="DEADLINE_EXCEEDED"):
            client.status(Deadline.after(0))


def test_the_log_has_tensorflow_servings_words(server):
    log = server.log_path.read_text()
    assert "Successfully loaded servable version {name: demo version: 7}" in log
    assert "Running gRPC ModelServer at 127.0.0.1:" in log


def test_a_model_that_cannot_be_loaded_ends_the_server_with_255(start, tmp_path):
    version = tmp_path / "m" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"\x08\x01\x12\xff")
    server = start(tmp_path / "m")
    with pytest.raises(ServerDiedError, match="ended with exit code 255"):
        wait_until_available(server, "m", Deadline.after(240))
    last = server.log_path.read_text().strip().splitlines()[-1]
    assert "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become" in last
    assert "{name: m version: 1}" in last


def test_a_folder_without_versions_opens_no_port(start, tmp_path):
    (tmp_path / "m").mkdir()
    server = start(tmp_path / "m")
    with pytest.raises(ModelLoadError, match=r"within 1 s: it has opened no port yet"):
        wait_until_available(server, "m", Deadline.after(1))
    assert server.exit_code() is None


def test_stopping_leaves_nothing(start, tmp_path):
    (tmp_path / "m").mkdir()
    server = start(tmp_path / "m")
    assert is_running(server.pid)
    server.stop()
    assert not is_running(server.pid)
    server.stop()


def test_a_killed_server_is_dead_and_not_away(start, tmp_path):
    (tmp_path / "m").mkdir()
    server = start(tmp_path / "m")
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(ServerDiedError, match="was killed by SIGKILL") as died:
        wait_until_available(server, "m", Deadline.after(60))
    assert died.value.return_code == -signal.SIGKILL


def test_nobody_at_the_port_is_unavailable():
    refused = pytest.raises(ServerUnavailableError, match=r"127\.0\.0\.1:9 can't be reached")
    with ModelClient(Endpoints("127.0.0.1", 9), "m") as client, refused:
        client.status(Deadline.after(30))


def test_a_server_dies_with_its_parent(tmp_path):
    (tmp_path / "m").mkdir()
    script = (
        "from pathlib import Path\nfrom components.model_server import LocalProcess\n"
        f"base = Path({str(tmp_path)!r})\n"
        "server = LocalProcess().start(base / 'm', model_name='m', log_path=base / 'log')\n"
        "print(server.pid, flush=True)\ninput()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        server_pid = int(parent.stdout.readline())
        assert is_running(server_pid)
        parent.kill()
    wait_for_end(server_pid)


def test_usage_errors_and_help_need_no_tensorflow():
    command = [sys.executable, "-X", "importtime", "-m", "components.model_server", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--model-base-path" in shown.stdout
    assert "| tensorflow" not in shown.stderr.replace("  ", " ")


def test_the_client_needs_no_tensorflow():
    code = "import components.model_server, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
