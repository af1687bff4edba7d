"""What is wrong with the engine is said, with a remedy; nothing of it says a word on the model."""

import socket
import threading

import pytest
from docker_workshop import DEADLINE_SECONDS, SERVE, WAIT

from components.errors import ConfigurationError, ServerUnavailableError
from components.model_server import Docker, DockerSettings
from components.model_server.docker_engine import translated


def start(tmp_path, **settings):
    base_path = tmp_path / "model"
    base_path.mkdir()
    return Docker(DockerSettings(**settings)).start(
        base_path, model_name="m", log_path=tmp_path / "server.log"
    )


def test_an_engine_that_refuses(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    expected = rf"engine at tcp://127.0.0.1:{port} can't be used.*start the engine"
    with pytest.raises(ServerUnavailableError, match=expected):
        start(tmp_path, client_base_url=f"tcp://127.0.0.1:{port}")


def test_a_socket_that_nobody_listens_to(tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    with pytest.raises(ServerUnavailableError, match="start the engine"):
        start(tmp_path, client_base_url=f"unix://{path}")


def test_a_socket_that_isnt_there(tmp_path):
    with pytest.raises(ServerUnavailableError, match=r"No such file.*start the engine"):
        start(tmp_path, client_base_url=f"unix://{tmp_path}/none.sock")


def test_an_engine_that_says_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ServerUnavailableError, match=r"timed out|timeout"):
            start(tmp_path, client_base_url=f"tcp://127.0.0.1:{port}", client_timeout_seconds=1)


def test_something_else_than_an_engine(tmp_path):
    def answer(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises(ServerUnavailableError, match="can't be used"):
            start(tmp_path, client_base_url=f"tcp://127.0.0.1:{port}")
        thread.join()


@pytest.mark.docker
def test_an_image_that_isnt_there_and_mustnt_be_pulled(docker_workshop):
    with pytest.raises(ServerUnavailableError, match=r"no image 'imprimatur-none'.*docker load"):
        docker_workshop.start(SERVE, image="imprimatur-none", pull="never")


@pytest.mark.docker
def test_an_image_that_cant_be_pulled(docker_workshop):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    image = f"127.0.0.1:{port}/none:1"
    with pytest.raises(ServerUnavailableError, match=rf"'{image}' can't be pulled.*refused"):
        docker_workshop.start(SERVE, image=image, pull="missing")


@pytest.mark.docker
def test_an_image_without_a_server(docker_workshop):
    """What is imported has no entry point, so that the first flag is taken for the program."""
    server = docker_workshop.start(SERVE, image="imprimatur-test-base:bookworm")
    with pytest.raises(ServerUnavailableError, match=r"can't run its entry point \(exit code 127"):
        server.wait(DEADLINE_SECONDS)


@pytest.mark.docker
def test_a_port_that_is_taken(docker_workshop):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        image = docker_workshop.image(WAIT)
        container = docker_workshop.client.containers.create(
            image, ports={"8500/tcp": ("127.0.0.1", port)}
        )
        try:
            expected = "address already in use.*end what holds the port"
            with pytest.raises(ServerUnavailableError, match=expected), translated("it can't"):
                container.start()
        finally:
            container.remove(force=True)


@pytest.mark.docker
def test_a_path_that_the_engine_doesnt_have(docker_workshop):
    settings = {"host_path_map": ((str(docker_workshop.directory), "/nowhere/to/be/found"),)}
    expected = "bind source path does not exist.*host_path_map"
    with pytest.raises(ServerUnavailableError, match=expected):
        docker_workshop.start(SERVE, **settings)
    assert docker_workshop.containers() == docker_workshop.networks() == set()


@pytest.mark.docker
def test_a_network_that_isnt_there(docker_workshop):
    with pytest.raises(ServerUnavailableError, match="network 'imprimatur-none' can't be joined"):
        docker_workshop.start(SERVE, network="imprimatur-none")
    assert docker_workshop.containers() == set()


@pytest.mark.docker
def test_more_processors_than_there_are_cant_be_retried(docker_workshop):
    with pytest.raises(ConfigurationError, match="CPUs"):
        docker_workshop.start(SERVE, cpus=100_000.0)
    assert docker_workshop.containers() == docker_workshop.networks() == set()


@pytest.mark.docker
def test_a_version_of_the_api_that_the_engine_doesnt_speak(docker_workshop):
    with pytest.raises(ConfigurationError, match=r"1\.99 is too new"):
        docker_workshop.start(SERVE, client_api_version="1.99")
