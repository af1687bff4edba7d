"""The image that `docker/model_server/` builds, with a model that NumPy can check."""

import json
import time
import urllib.request

import numpy as np
import pytest
from docker_workshop import DEADLINE_SECONDS, poll

import docker_images
from components.model_server import Docker, DockerSettings, wait_until_available
from components.model_server.client import Deadline
from components.model_server.tensor_codec import strings

pytestmark = [pytest.mark.docker, pytest.mark.slow]
NAME = "demo"
VERSION = 7
LOADING_SECONDS = 300


@pytest.fixture(scope="module")
def image(docker_client):
    return docker_images.model_server_image(docker_client)


@pytest.fixture(scope="module")
def in_container(image, base_path, tmp_path_factory):
    """The demo model in a container."""
    log_path = tmp_path_factory.mktemp("docker") / "server.log"
    settings = DockerSettings(image=image, pull="never", memory_bytes=3 << 30)
    server = Docker(settings).start(base_path, model_name=NAME, log_path=log_path)
    try:
        wait_until_available(server, NAME, Deadline.after(LOADING_SECONDS)).close()
        yield server
    finally:
        server.stop()


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data, timeout=60) as answer:
        return json.load(answer)


def test_answers_are_those_of_numpy(in_container, examples):
    rows, scores = examples
    with wait_until_available(in_container, NAME, Deadline.after(60)) as client:
        answer = client.predict(
            "serving_default", {"examples": strings(list(rows))}, Deadline.after(60)
        )
    np.testing.assert_allclose(answer["score"], scores, rtol=1e-6)


def test_rest_is_there_too(in_container):
    url = f"{in_container.endpoints(1).rest_url}/v1/models/{NAME}"
    (status,) = ask(url)["model_version_status"]
    assert (status["version"], status["state"]) == (str(VERSION), "AVAILABLE")
    answer = ask(f"{url}:predict", {"signature_name": "total", "inputs": {"x": [1.5, 2, 3]}})
    assert answer == {"outputs": 6.5}


def test_its_memory_is_watched(in_container):
    poll(lambda: in_container.peak_memory_bytes() is not None)
    assert 100 << 20 < in_container.peak_memory_bytes() < 3 << 30


def test_it_is_started_as_tensorflow_serving_is(docker_client, image, base_path):
    """By the variable and the mount of TensorFlow Serving's documentation; and ends when told."""
    container = docker_client.containers.run(
        image,
        detach=True,
        environment={"MODEL_NAME": NAME},
        volumes={str(base_path): {"bind": f"/models/{NAME}", "mode": "ro"}},
        ports={"8501/tcp": ("127.0.0.1", None)},
        healthcheck={"test": None, "interval": 1_000_000_000, "start_period": 0},
    )
    try:
        poll(lambda: health(container) == "healthy", LOADING_SECONDS)
        port = container.attrs["NetworkSettings"]["Ports"]["8501/tcp"][0]["HostPort"]
        (status,) = ask(f"http://127.0.0.1:{port}/v1/models/{NAME}")["model_version_status"]
        assert status["state"] == "AVAILABLE"
        assert container.attrs["Config"]["User"] == "65534:65534"
        begin = time.monotonic()
        container.stop(timeout=int(DEADLINE_SECONDS))
        assert time.monotonic() - begin < DEADLINE_SECONDS / 2
        assert container.wait()["StatusCode"] == 0
    finally:
        container.remove(force=True)


def health(container):
    container.reload()
    assert container.status == "running", container.logs().decode()
    return container.attrs["State"]["Health"]["Status"]


def test_a_model_that_doesnt_load_ends_it_with_255(image, tmp_path, docker_workshop):
    (docker_workshop.base_path / "1" / "saved_model.pb").write_bytes(b"\xff")
    settings = DockerSettings(image=image, pull="never")
    server = Docker(settings).start(
        docker_workshop.base_path, model_name=NAME, log_path=tmp_path / "log"
    )
    try:
        assert server.wait(LOADING_SECONDS) == 255
        assert "Failed to start server. Error:" in server.log_path.read_text()
    finally:
        server.stop()
