"""Publishing to a folder that a real model server polls."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from components import artifacts
from components.errors import InvalidModelError
from components.records import Model, Window

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.slow


@pytest.fixture
def served(workshop):
    """A folder with one version of a real SavedModel, and a server on it."""
    workshop.push(real_model(workshop, 2, 2.0))
    port = free_port()
    command = [sys.executable, "-m", "components.model_server"]
    flags = ["--model-base-path", workshop.base, "--model-name", "m", "--rest-port", port]
    log = (workshop.directory / "server.log").open("w")
    server = subprocess.Popen(
        [*map(str, [*command, *flags, "--grpc-port", 0])], cwd=ROOT, stdout=log, stderr=log
    )
    workshop.url = f"http://127.0.0.1:{port}"
    try:
        wait_for_answer(workshop.url)
        yield workshop
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def real_model(workshop, month, factor) -> Model:
    import tensorflow as tf

    class Doubler(tf.Module):
        def __init__(self):
            self.factor = tf.Variable(factor)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, x):
            return {"y": self.factor * x}

    module = Doubler()
    path = workshop.directory / f"saved-{month}"
    tf.saved_model.save(module, str(path), signatures=module.__call__)
    manifest = artifacts.read_manifest(path)
    return Model(
        uri=str(path),
        digest=manifest.digest,
        num_bytes=manifest.num_bytes,
        window=Window("2013-01-01", f"2013-{month:02d}-01"),
    )


def test_confirmed_by_the_server_and_withdrawn_if_it_can_not_load(served):
    confirm = {"urls": [served.url], "model_name": "m", "timeout_seconds": 120}

    pushed = served.push(real_model(served, 3, 3.0), confirm=confirm)

    assert served.folder.live().record.state == "confirmed"
    assert ask(served.url) == [3.0]
    with pytest.raises(InvalidModelError, match="in quarantine"):
        served.push(served.model("no graph at all", 4), confirm=confirm)
    assert served.folder.live().number == int(pushed.version)
    assert ask(served.url) == [3.0]

    assert served.rollback(hold=False).version == "20130201000000"
    deadline = time.monotonic() + 60
    while ask(served.url) != [2.0]:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def ask(url):
    response = httpx.post(f"{url}/v1/models/m:predict", json={"instances": [1.0]}, timeout=30)
    return response.json()["predictions"]


def wait_for_answer(url):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            state = httpx.get(f"{url}/v1/models/m").json()["model_version_status"][0]["state"]
        except (httpx.TransportError, KeyError):
            state = ""
        if state == "AVAILABLE":
            return
        time.sleep(0.2)
    raise AssertionError("the server does not answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
