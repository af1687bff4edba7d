"""What a model in a container can see and do, asked of the kernel inside."""

import json
import os
import subprocess
import sys

import pytest
from docker_workshop import SERVE, command

from components.errors import ConfigurationError

pytestmark = pytest.mark.docker

LOOK_AROUND = """
import json, os, pathlib, resource, socket, sys
def try_to(act):
    try:
        act()
        return "done"
    except OSError as error:
        return error.strerror
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
print(json.dumps({
    "arguments": sys.argv[1:],
    "environment": {k: os.environ.get(k) for k in ("MODEL_NAME", "MODEL_BASE_PATH")},
    "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(),
    "capabilities": [status[k].strip() for k in ("CapEff", "CapPrm", "CapBnd", "CapInh")],
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "first_process": open("/proc/1/comm").read().strip(),
    "models": sorted(str(p) for p in pathlib.Path("/models").rglob("*")),
    "read": open("/models/m/1/saved_model.pb").read(),
    "write_model": try_to(lambda: open("/models/m/1/saved_model.pb", "a")),
    "add_version": try_to(lambda: os.mkdir("/models/m/2")),
    "write_root": try_to(lambda: open("/etc/hosts.new", "w")),
    "write_tmp": try_to(lambda: open("/tmp/x", "w")),
    "chown": try_to(lambda: os.chown("/tmp/x", 0, 0)),
    "raw_socket": try_to(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "interfaces": sorted(name for _, name in socket.if_nameindex()),
}))
"""
REACH_OUT = """
import json, socket, sys
targets = json.loads(sys.argv[-1])
def reach(address):
    try:
        socket.create_connection(tuple(address), 3).close()
        return "reached"
    except OSError as error:
        return type(error).__name__
print(json.dumps([reach(target) for target in targets]))
"""
LISTEN = """
import socket
server = socket.create_server(("0.0.0.0", 80))
print("up", flush=True)
while True:
    server.accept()[0].close()
"""


def test_the_model_is_all_that_it_sees_and_nothing_can_be_changed(docker_workshop):
    (docker_workshop.base_path.parent / "secret").write_text("not for models")
    for path in (docker_workshop.base_path, *docker_workshop.base_path.rglob("*")):
        path.chmod(0o777)  # it is the mount that keeps it from writing
    seen = docker_workshop.run(LOOK_AROUND, model_server_arguments=("--enable_batching=false",))
    assert seen["models"] == ["/models/m", "/models/m/1", "/models/m/1/saved_model.pb"]
    assert seen["read"] == "a model"
    read_only = "Read-only file system"
    assert [seen[k] for k in ("write_model", "add_version", "write_root")] == [read_only] * 3
    assert seen["write_tmp"] == "done"
    assert seen["environment"] == {"MODEL_NAME": "m", "MODEL_BASE_PATH": "/models"}
    assert seen["arguments"] == [
        "--port=8500",
        "--rest_api_port=8501",
        "--model_name=m",
        "--model_base_path=/models/m",
        "--max_num_load_retries=0",
        "--enable_batching=false",
    ]


def test_it_has_no_privileges(docker_workshop):
    seen = docker_workshop.run(LOOK_AROUND)
    expected = 65534 if os.getuid() == 0 else os.getuid()
    assert seen["uid"] == expected
    assert 0 not in (seen["gid"], *seen["groups"])
    assert seen["capabilities"] == ["0000000000000000"] * 4
    assert (seen["no_new_privileges"], seen["seccomp"]) == ("1", "2")
    assert seen["chown"] == seen["raw_socket"] == "Operation not permitted"
    assert seen["core"] == [0, 0]
    assert seen["first_process"] == "docker-init"
    assert len(seen["interfaces"]) == 2  # loopback and one network


def test_limits_are_the_engines(docker_workshop):
    server = docker_workshop.start(
        "import time; time.sleep(3600)", memory_bytes=64 << 20, cpus=0.5, pids_limit=50
    )
    inspected = docker_workshop.inspect(server)
    assert inspected["Config"]["Healthcheck"] == {"Test": ["NONE"]}
    host = inspected["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (64 << 20, 64 << 20)
    assert (host["NanoCpus"], host["PidsLimit"]) == (500_000_000, 50)
    assert host["RestartPolicy"]["Name"] == "no"
    assert not host["Privileged"]


def test_more_processes_than_the_limit_cant_be_started(docker_workshop):
    code = """
import json, threading, time
count = 0
try:
    while count < 200:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        count += 1
except RuntimeError:
    pass
print(json.dumps(count), flush=True)
import os; os._exit(0)
"""
    assert docker_workshop.run(code, pids_limit=20) < 20


@pytest.fixture
def outside():
    """A machine that containers reach through this one, as they do the world."""
    if os.getuid() != 0:
        pytest.skip("only root can make a network of its own")
    name, link = f"imprimatur-{os.getpid()}", f"imp{os.getpid()}"
    command("ip", "netns", "add", name)
    try:
        command("ip", "link", "add", link, "type", "veth", "peer", "name", "far", "netns", name)
        command("ip", "addr", "add", "198.51.100.1/30", "dev", link)
        command("ip", "link", "set", link, "up")
        command("ip", "-n", name, "addr", "add", "198.51.100.2/30", "dev", "far")
        command("ip", "-n", name, "link", "set", "far", "up")
        command("ip", "-n", name, "route", "add", "default", "via", "198.51.100.1")
        with subprocess.Popen(
            ["ip", "netns", "exec", name, sys.executable, "-c", LISTEN], stdout=subprocess.PIPE
        ) as listener:
            assert listener.stdout.readline() == b"up\n"
            yield ("198.51.100.2", 80)
            listener.kill()
    finally:
        command("ip", "netns", "del", name)


def test_a_model_reaches_nothing_beyond_this_machine(docker_workshop, outside):
    everything = json.dumps([outside])
    assert docker_workshop.run(REACH_OUT, model_server_arguments=(everything,)) != ["reached"]
    # The same from Docker's usual network: it would be reached.
    assert docker_workshop.run(
        REACH_OUT, model_server_arguments=(everything,), network="bridge"
    ) == ["reached"]


def test_two_models_dont_see_each_other(docker_workshop):
    other = docker_workshop.start(SERVE).endpoints(1)
    docker_workshop.await_answer(other)
    target = json.dumps([(other.host, other.rest_port)])
    assert docker_workshop.run(REACH_OUT, model_server_arguments=(target,)) != ["reached"]


def test_a_model_that_the_container_cant_read_is_refused_before_it_is_started(docker_workshop):
    if os.getuid() != 0:
        pytest.skip("only root starts the server as somebody else")
    path = docker_workshop.base_path / "1" / "saved_model.pb"
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"can't read .*saved_model.pb.*chmod -R a\+rX"):
        docker_workshop.start(SERVE)
    assert docker_workshop.containers() == set()
