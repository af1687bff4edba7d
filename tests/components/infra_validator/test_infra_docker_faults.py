"""Whatever happens to the engine or to the container: a fault, never a verdict, nothing left."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_proxy import EngineProxy

import docker_images
from components.errors import ServerUnavailableError
from components.infra_validator import validate
from components.model_server.docker_engine import DEFAULT_URL
from components.model_server.docker_reaper import OWNER_LABEL, reap

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_SECONDS = 240.0
NEVER_READY = "import time\nprint('starting', flush=True)\ntime.sleep(3600)"


@pytest.fixture
def bytes_of_a_model(tmp_path):
    """For servers that never come to look at it."""
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "saved_model.pb").write_bytes(b"a model")
    return directory


@pytest.fixture
def never_ready(docker_client):
    """The image of a server that starts and never answers."""
    return docker_images.script_image(docker_client, NEVER_READY)


def serving_spec(image, **local_docker):
    name, _, tag = image.rpartition(":")
    binary = {"image_name": name, "tags": [tag]}
    return {"tensorflow_serving": binary, "local_docker": {"pull": "never", **local_docker}}


def poll(condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def containers(client, pid):
    found = client.api.containers(all=True, filters={"label": OWNER_LABEL})
    return [item["Id"] for item in found if json.loads(item["Labels"][OWNER_LABEL])["pid"] == pid]


class Validation:
    """The command line in a process of its own."""

    def __init__(self, model, examples, spec, output_dir):
        command = [sys.executable, "-P", "-m", "components.infra_validator"]
        flags = {
            "--model": str(model),
            "--examples": json.dumps(examples.to_json()),
            "--serving-spec": json.dumps(spec),
            "--validation-spec": '{"num_tries": 1}',
            "--output-dir": str(output_dir),
        }
        for flag, value in flags.items():
            command += [flag, value]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.end()

    def await_container(self, client):
        """Wait until the server runs; return the container."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.end()
            owned = containers(client, self.pid)
            for item in client.api.containers(filters={"label": OWNER_LABEL}):
                if item["Id"] in owned and item["State"] == "running":
                    return item["Id"]
            time.sleep(0.05)
        raise AssertionError("no container runs")

    def end(self):
        """Wait; return exit code, stdout, stderr."""
        out, err = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, out, err


def test_an_engine_that_refuses_is_a_fault(bytes_of_a_model, infra_examples, tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    with pytest.raises(ServerUnavailableError, match="start the engine"):
        validate(
            model=bytes_of_a_model,
            examples=infra_examples,
            serving_spec=serving_spec("any:1", client_base_url=f"unix://{path}"),
            validation_spec={"num_tries": 2},
            output_dir=tmp_path / "infra",
        )
    assert not (tmp_path / "infra").exists()


@pytest.mark.docker
def test_an_image_that_isnt_there_is_a_fault(bytes_of_a_model, infra_examples, tmp_path):
    with pytest.raises(ServerUnavailableError, match="no image 'imprimatur-none:1'"):
        validate(
            model=bytes_of_a_model,
            examples=infra_examples,
            serving_spec=serving_spec("imprimatur-none:1"),
            validation_spec={"num_tries": 1},
            output_dir=tmp_path / "infra",
        )
    assert not (tmp_path / "infra").exists()


@pytest.mark.docker
@pytest.mark.parametrize(
    "end",
    [
        lambda api, name: api.kill(name),
        lambda api, name: api.stop(name, timeout=0),
        lambda api, name: api.remove_container(name, force=True),
    ],
    ids=["kill", "stop", "remove"],
)
def test_a_container_that_somebody_ends_is_a_fault(
    docker_client, never_ready, bytes_of_a_model, infra_examples, tmp_path, end
):
    spec = serving_spec(never_ready)
    with Validation(bytes_of_a_model, infra_examples, spec, tmp_path / "infra") as validation:
        container_id = validation.await_container(docker_client)
        end(docker_client.api, container_id)
        code, out, err = validation.end()
        assert (code, out) == (1, ""), err
        assert re.search("was killed by SIG(KILL|TERM)", err), err
        assert not (tmp_path / "infra").exists()
        assert containers(docker_client, validation.pid) == []


@pytest.mark.docker
def test_losing_the_engine_is_a_fault_and_the_next_run_tidies_up(
    docker_client, never_ready, bytes_of_a_model, infra_examples, tmp_path
):
    proxy = EngineProxy(tmp_path / "docker.sock", DEFAULT_URL.removeprefix("unix://"))
    spec = serving_spec(never_ready, client_base_url=proxy.url)
    with Validation(bytes_of_a_model, infra_examples, spec, tmp_path / "infra") as validation:
        validation.await_container(docker_client)
        proxy.cut()
        code, out, err = validation.end()
        assert (code, out) == (1, ""), err
        assert "start the engine" in err
        assert not (tmp_path / "infra").exists()
        assert len(containers(docker_client, validation.pid)) == 1
        reap(docker_client)
        assert containers(docker_client, validation.pid) == []


@pytest.mark.docker
def test_nothing_is_left_of_a_validation_that_airflow_ends(
    docker_client, never_ready, bytes_of_a_model, infra_examples, tmp_path
):
    spec = serving_spec(never_ready)
    with Validation(bytes_of_a_model, infra_examples, spec, tmp_path / "infra") as validation:
        validation.await_container(docker_client)
        os.killpg(validation.pid, signal.SIGTERM)
        code, out, err = validation.end()
        assert (code, out) == (128 + signal.SIGTERM, ""), err
        assert containers(docker_client, validation.pid) == []


@pytest.mark.docker
def test_nothing_is_left_of_a_validation_that_is_killed(
    docker_client, never_ready, bytes_of_a_model, infra_examples, tmp_path
):
    spec = serving_spec(never_ready)
    with Validation(bytes_of_a_model, infra_examples, spec, tmp_path / "infra") as validation:
        validation.await_container(docker_client)
        os.killpg(validation.pid, signal.SIGKILL)
        validation.end()
        poll(lambda: containers(docker_client, validation.pid) == [])
