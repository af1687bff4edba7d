"""How servers in containers start, end, and are told apart when they end."""

import json
import time

import pytest
from docker.errors import NotFound
from docker_workshop import DEADLINE_SECONDS, SERVE, WAIT, poll

from components.model_server import docker_memory

pytestmark = pytest.mark.docker

ENDS_POLITELY = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up")
signal.pause()
"""
KILLED_BY = """
import os
print("the last words", flush=True)
os.kill(os.getpid(), {signal})
"""


def await_log(server, text):
    poll(lambda: text in server.log_path.read_text())


def test_a_server_is_reached_at_the_address_that_is_told(docker_workshop):
    server = docker_workshop.start(SERVE)
    endpoints = server.endpoints(1)
    assert (endpoints.grpc_port, endpoints.rest_port) == (8500, 8501)
    assert docker_workshop.await_answer(endpoints) == b"here I am"
    assert server.exit_code() is None


def test_published_ports_are_this_machines_and_differ(docker_workshop):
    servers = [docker_workshop.start(SERVE, host_name="127.0.0.1") for _ in range(2)]
    found = [server.endpoints(1) for server in servers]
    assert {endpoints.host for endpoints in found} == {"127.0.0.1"}
    assert len({port for e in found for port in (e.grpc_port, e.rest_port)}) == 4
    assert [docker_workshop.await_answer(e) for e in found] == [b"here I am"] * 2
    ports = docker_workshop.inspect(servers[0])["NetworkSettings"]["Ports"]
    bound = {binding["HostIp"] for bindings in ports.values() for binding in bindings}
    assert bound == {"127.0.0.1"}


def test_stop_leaves_nothing_and_may_be_repeated(docker_workshop):
    server = docker_workshop.start(WAIT)
    assert docker_workshop.containers() == {server.container_id}
    await_log(server, "up")
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < 5  # all that Airflow gives
    server.stop()
    assert docker_workshop.containers() == docker_workshop.networks() == set()
    assert server.log_path.read_text() == "up\n"


def test_labels_say_whose_it_is(docker_workshop):
    server = docker_workshop.start(WAIT, labels=(("run", "manual__1"), ("dag", "flights")))
    labels = docker_workshop.inspect(server)["Config"]["Labels"]
    assert labels["imprimatur.run"] == "manual__1"
    assert labels["imprimatur.dag"] == "flights"
    assert json.loads(labels["imprimatur.owner"])["pid"] > 0


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_an_exit_code_is_the_servers(docker_workshop, code):
    server = docker_workshop.start(f"import sys; sys.exit({code})")
    assert server.wait(DEADLINE_SECONDS) == code
    assert server.exit_code() == code
    assert not server.out_of_memory()


@pytest.mark.parametrize("signal", [6, 9, 11])
def test_a_signal_is_negative_and_the_log_is_whole(docker_workshop, signal):
    server = docker_workshop.start(KILLED_BY.format(signal=signal))
    assert server.wait(DEADLINE_SECONDS) == -signal
    assert server.log_path.read_text() == "the last words\n"
    assert not server.out_of_memory()


def test_wait_gives_up_at_its_time(docker_workshop):
    server = docker_workshop.start(WAIT)
    assert server.wait(0) is None
    assert server.wait(0.3) is None


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda api, server: api.kill(server.container_id), -9),
        (lambda api, server: api.stop(server.container_id, timeout=60), -15),
        (lambda api, server: api.remove_container(server.container_id, force=True), -9),
    ],
    ids=["kill", "stop", "remove"],
)
def test_one_that_somebody_ended_doesnt_pass_for_one_that_ended(docker_workshop, end, code):
    """An exit code of 0 after SIGTERM would be taken for the model's doing."""
    server = docker_workshop.start(ENDS_POLITELY)
    await_log(server, "up")
    end(docker_workshop.client.api, server)
    assert server.wait(DEADLINE_SECONDS) == code
    assert not server.out_of_memory()
    server.stop()
    assert "up" in server.log_path.read_text()


def test_memory_beyond_the_limit_is_told_from_being_killed(docker_workshop):
    code = "print('begin', flush=True)\nhog = bytearray(1 << 30)"
    server = docker_workshop.start(code, memory_bytes=64 << 20)
    assert server.wait(DEADLINE_SECONDS) == -9
    assert server.out_of_memory()
    assert server.log_path.read_text() == "begin\n"


def test_the_memory_peak_is_what_was_taken(docker_workshop):
    code = "import time\ntaken = b'x' * (200 << 20)\ntime.sleep(2)\ndel taken\ntime.sleep(3600)"
    server = docker_workshop.start(code)
    poll(lambda: (server.peak_memory_bytes() or 0) > 200 << 20)
    assert server.peak_memory_bytes() < 300 << 20


class Engine:
    """Tells a container's memory, one number after another; then that the container is gone."""

    api_version = "1.41"

    def __init__(self, *usages):
        self.api = self
        self.is_closed = False
        self._usages = list(usages)

    def stats(self, container_id, **options):
        if not self._usages:
            raise NotFound("it is gone")
        cache = {"total_inactive_file": 5}
        return {"memory_stats": {"usage": self._usages.pop(0) + 5, "stats": cache}}

    def close(self):
        self.is_closed = True


def test_the_memory_peak_is_the_most_that_was_seen(monkeypatch):
    monkeypatch.setattr(docker_memory, "_INTERVAL_SECONDS", 0.0)
    engine = Engine(100, 300, 200)
    watch = docker_memory.MemoryWatch(engine, "a container")
    poll(lambda: engine.is_closed)
    assert watch.peak_bytes == 300


def test_the_log_holds_all_that_a_talkative_server_printed(docker_workshop):
    code = "import sys\nfor i in range(50_000): print('line', i)\nprint('end', file=sys.stderr)"
    server = docker_workshop.start(code)
    assert server.wait(DEADLINE_SECONDS) == 0
    lines = server.log_path.read_text().splitlines()
    assert sorted(lines) == sorted([*(f"line {i}" for i in range(50_000)), "end"])


def test_the_log_can_be_read_while_it_runs(docker_workshop):
    await_log(docker_workshop.start(WAIT), "up")


def test_it_ends_at_its_deadline_by_itself(docker_workshop):
    server = docker_workshop.start(WAIT, max_seconds=1.0)
    assert server.wait(DEADLINE_SECONDS) == -9
    assert server.log_path.read_text() == "up\n"


def test_the_image_that_ran_is_named_by_its_digest(docker_workshop):
    server = docker_workshop.start(WAIT)
    image = docker_workshop.client.images.get(docker_workshop.inspect(server)["Image"])
    assert server.image_digest == image.id  # this one never saw a registry
