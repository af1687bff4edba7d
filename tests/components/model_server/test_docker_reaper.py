"""Nothing is left running, however the process ends that started it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from docker_workshop import WAIT, poll

from components.model_server.docker_owner import Owner
from components.model_server.docker_reaper import DEADLINE_LABEL, OWNER_LABEL, reap, remove

pytestmark = pytest.mark.docker
ROOT = Path(__file__).resolve().parents[3]
STARTER = """
import sys, time
from pathlib import Path
from components.model_server import Docker, DockerSettings
settings = DockerSettings(image=sys.argv[1], pull="never")
server = Docker(settings).start(
    Path(sys.argv[2]), model_name="m", log_path=Path(sys.argv[2] + ".log")
)
print(server.container_id, flush=True)
time.sleep(3600)
"""


@pytest.fixture
def starter(docker_workshop):
    """A process that has started a container, the leader of its group."""
    image = docker_workshop.image(WAIT)
    command = [sys.executable, "-c", STARTER, image, str(docker_workshop.base_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        container_id = process.stdout.readline().strip()
        assert docker_workshop.containers(process.pid) == {container_id}
        yield process
        process.kill()
    poll(lambda: is_tidy(docker_workshop, process.pid))


def is_tidy(workshop, pid):
    return workshop.containers(pid) == workshop.networks(pid) == set()


def watchdogs_of(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rpartition(")")[2].split()[1]
            line = path.with_name("cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and b"docker_watchdog" in line:
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_container_goes_with_the_process_group_that_started_it(
    docker_workshop, starter, number
):
    (watchdog,) = watchdogs_of(starter.pid)
    os.killpg(starter.pid, number)
    poll(lambda: is_tidy(docker_workshop, starter.pid))
    poll(lambda: not Path(f"/proc/{watchdog}").exists())


def test_the_next_start_removes_what_even_the_watchdog_couldnt(docker_workshop, starter):
    for watchdog in watchdogs_of(starter.pid):
        os.kill(watchdog, signal.SIGKILL)
    starter.kill()
    starter.wait()
    docker_workshop.start(WAIT)
    assert is_tidy(docker_workshop, starter.pid)


def test_what_belongs_to_a_live_process_is_left_alone(docker_workshop, starter):
    docker_workshop.start(WAIT)
    assert len(docker_workshop.containers(starter.pid)) == 1
    assert len(docker_workshop.networks(starter.pid)) == 1


def owner_elsewhere(client, **changes):
    return Owner(**{**vars(Owner.this_process(client)), "boot": "of another machine", **changes})


@pytest.fixture
def left_over(docker_workshop):
    """Return a function that makes a container with an owner and a deadline; its name."""
    image = docker_workshop.image(WAIT)
    made = []

    def make(owner, deadline):
        labels = {OWNER_LABEL: owner, DEADLINE_LABEL: str(int(deadline))}
        made.append(docker_workshop.client.containers.create(image, labels=labels))
        return made[-1].name

    yield make
    remove(docker_workshop.client, [container.name for container in made], [])


def is_there(workshop, name):
    return bool(workshop.client.api.containers(all=True, filters={"name": f"^/{name}$"}))


def test_an_owner_that_cant_be_seen_has_until_the_deadline(docker_workshop, left_over):
    owner = owner_elsewhere(docker_workshop.client).to_label()
    kept = left_over(owner, time.time() + 60)
    past = left_over(owner, time.time() - 3600)
    no_owner = json.dumps({"pid": 0})
    unreadable = left_over(no_owner, time.time() - 3600)
    reap(docker_workshop.client)
    found = [is_there(docker_workshop, name) for name in (kept, past, unreadable)]
    assert found == [True, False, False]


def test_an_owner_whose_container_is_gone_is_dead(docker_workshop, left_over):
    """It ran in a container that shares this engine; its processes can't be seen from here."""
    home = docker_workshop.client.containers.run(docker_workshop.image(WAIT), detach=True)
    try:
        owner = owner_elsewhere(docker_workshop.client, container=home.id).to_label()
        name = left_over(owner, time.time() + 3600)
        reap(docker_workshop.client)
        assert is_there(docker_workshop, name)
        home.kill()
        reap(docker_workshop.client)
        assert not is_there(docker_workshop, name)
    finally:
        home.remove(force=True)


def test_a_number_that_was_given_to_another_process_isnt_the_owner(docker_workshop):
    client = docker_workshop.client
    owner = Owner.this_process(client)
    assert owner.life(client) == "alive"
    assert Owner(**{**vars(owner), "start_time": "1"}).life(client) == "dead"
    assert Owner(**{**vars(owner), "pid": 2**22 + 1}).life(client) == "dead"
    assert Owner.from_label(owner.to_label()) == owner


def test_a_zombie_owns_nothing(docker_workshop):
    client = docker_workshop.client
    with subprocess.Popen(["true"]) as process:
        stat = Path(f"/proc/{process.pid}/stat")
        poll(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")
        start_time = stat.read_text().rpartition(")")[2].split()[19]
        owner = Owner(
            **{**vars(Owner.this_process(client)), "pid": process.pid, "start_time": start_time}
        )
        assert owner.life(client) == "dead"


def test_the_label_is_json(docker_workshop):
    label = json.loads(Owner.this_process(docker_workshop.client).to_label())
    assert label["pid"] == os.getpid()
