"""Validation in real containers of a real image, from this machine and from a container on it."""

import dataclasses
import json
import os
import shutil

import docker
import pytest

import docker_images
from components import artifacts, records
from components.infra_validator import validate
from components.model_server.docker_reaper import OWNER_LABEL

pytestmark = [pytest.mark.docker, pytest.mark.slow]
SOCKET = "/var/run/docker.sock"
ELSEWHERE = "/artifacts"
CLIENT = "/opt/docker-client"
TRY_OUT = """
import json, sys, urllib.request
from pathlib import Path
from components.model_server import Docker, DockerSettings, wait_until_available
from components.model_server.client import Deadline

base_path, settings = sys.argv[1], json.loads(sys.argv[2])
server = Docker(DockerSettings(**settings)).start(
    Path(base_path), model_name="m", log_path=Path(base_path + ".log")
)
try:
    with wait_until_available(server, "m", Deadline.after(300)) as client:
        with urllib.request.urlopen(client.endpoints.rest_url + "/v1/models/m") as answer:
            print(json.load(answer)["model_version_status"][0]["state"])
finally:
    server.stop()
"""


@pytest.fixture(scope="module")
def image(docker_client):
    return docker_images.model_server_image(docker_client)


def serving_spec(image, **local_docker):
    name, _, tag = image.rpartition(":")
    binary = {"image_name": name, "tags": [tag]}
    return {"tensorflow_serving": binary, "local_docker": {"pull": "never", **local_docker}}


def ours(client):
    found = client.api.containers(all=True, filters={"label": OWNER_LABEL})
    return [item for item in found if json.loads(item["Labels"][OWNER_LABEL])["pid"] == os.getpid()]


def test_a_good_model_is_blessed(docker_client, image, good_model, infra_examples, tmp_path):
    blessing = validate(
        model=good_model,
        examples=infra_examples,
        serving_spec=serving_spec(image) | {"resources": {"memory": "2Gi", "cpus": 1.5}},
        output_dir=tmp_path / "infra",
    )
    assert blessing.blessed, blessing.failures
    assert blessing.subject.digest == artifacts.digest(good_model)
    assert blessing.validator.image_digest == docker_client.images.get(image).id
    assert "Successfully loaded servable version" in server_log(tmp_path / "infra")
    assert ours(docker_client) == []


def server_log(directory):
    return "".join(path.read_text() for path in sorted(directory.glob("server*.log")))


def test_a_broken_model_is_not_blessed(docker_client, image, damaged, infra_examples, tmp_path):
    (damaged / "saved_model.pb").write_bytes((damaged / "saved_model.pb").read_bytes()[:40])
    blessing = validate(
        model=damaged,
        examples=infra_examples,
        serving_spec=serving_spec(image),
        output_dir=tmp_path / "infra",
    )
    (failure,) = blessing.failures
    assert failure.check == "loads"
    assert "Failed to start server. Error:" in failure.message
    assert "Failed to start server. Error:" in server_log(tmp_path / "infra")
    assert ours(docker_client) == []


def test_a_model_that_takes_too_much_memory_is_not_blessed(
    docker_client, image, save_model, infra_examples, tmp_path
):
    import tensorflow as tf

    def hoard(values, weights):
        rows = tf.shape(values)[0]
        return {"score": values @ weights + tf.reduce_sum(tf.ones([rows * 50_000_000]))}

    blessing = validate(
        model=save_model(hoard),
        examples=infra_examples,
        serving_spec=serving_spec(image) | {"resources": {"memory": "1Gi"}},
        output_dir=tmp_path / "infra",
    )
    assert [failure.check for failure in blessing.failures] == ["memory"]
    assert ours(docker_client) == []


class Worker:
    """A container that shares this engine, as one of Airflow's workers may: other paths, a network.

    It has the project, and Docker's client.
    """

    def __init__(self, client, image, directory):
        self._client = client
        self._image = image
        self._directory = directory

    def run(self, *command, **options):
        container = self._client.containers.create(
            self._image,
            entrypoint=["python3", "-P"],
            command=list(command),
            user="0",
            environment={"PYTHONPATH": f"/opt/imprimatur/app:{CLIENT}"},
            volumes={
                SOCKET: {"bind": SOCKET, "mode": "rw"},
                str(self._directory): {"bind": ELSEWHERE, "mode": "rw"},
                docker.__path__[0]: {"bind": f"{CLIENT}/docker", "mode": "ro"},
            },
            **options,
        )
        try:
            container.start()
            code = container.wait(timeout=600)["StatusCode"]
            out = container.logs(stdout=True, stderr=False).decode()
            return code, out, container.logs(stdout=False, stderr=True).decode()
        finally:
            container.remove(force=True)


@pytest.fixture
def worker(docker_client, image, tmp_path, good_model):
    shutil.copytree(good_model, tmp_path / "model")
    shutil.copytree(good_model, tmp_path / "served" / "m" / "1")
    return Worker(docker_client, image, tmp_path)


@pytest.fixture
def make_network(docker_client):
    made = []

    def make(**options):
        made.append(docker_client.networks.create(f"imprimatur-test-{os.getpid()}", **options))
        made[-1].reload()
        return made[-1]

    yield make
    for network in made:
        network.remove()


@pytest.fixture
def network(make_network):
    """The name of one that leads nowhere."""
    return make_network(internal=True).name


def test_from_a_container_over_a_shared_network(worker, image, network, infra_examples, tmp_path):
    path_map = {ELSEWHERE: str(tmp_path)}
    spec = serving_spec(image, network=network, host_path_map=path_map)
    there = dataclasses.replace(
        infra_examples, uri=infra_examples.uri.replace(str(tmp_path), ELSEWHERE)
    )
    code, out, err = worker.run(
        "-m", "components.infra_validator",
        "--model", f"{ELSEWHERE}/model",
        "--examples", json.dumps(there.to_json()),
        "--serving-spec", json.dumps(spec),
        "--output-dir", f"{ELSEWHERE}/infra",
        network=network,
    )  # fmt: skip
    assert code == 0, err
    blessing = records.load(out.splitlines()[-1])
    assert blessing.blessed
    assert blessing == records.load(tmp_path / "infra" / "record.json")


def test_from_a_container_at_published_ports(worker, image, make_network, tmp_path):
    network = make_network()
    gateway = network.attrs["IPAM"]["Config"][0]["Gateway"]
    settings = {
        "image": image,
        "pull": "never",
        "host_name": gateway,
        "host_path_map": [[ELSEWHERE, str(tmp_path)]],
    }
    code, out, err = worker.run(
        "-c", TRY_OUT, f"{ELSEWHERE}/served/m", json.dumps(settings), network=network.name
    )
    assert (code, out) == (0, "AVAILABLE\n"), err


def test_a_path_that_isnt_mapped_is_said_not_judged(worker, image, network, tmp_path):
    settings = {"image": image, "pull": "never", "network": network}
    code, out, err = worker.run(
        "-c", TRY_OUT, f"{ELSEWHERE}/served/m", json.dumps(settings), network=network
    )
    assert (code, out) == (1, "")
    assert "ServerUnavailableError" in err
    assert "host_path_map" in err
