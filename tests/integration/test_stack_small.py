"""``scripts/stack`` as a person uses it: profile small comes up, shows its demo, and ends."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from components.serving_folder import ServingFolder
from scripts.stack_compose import Compose
from scripts.stack_settings import REPOSITORY, read_settings
from tests.integration.stack_installation import (
    remove_containers,
    require_compose,
    write_settings,
)

pytestmark = [pytest.mark.docker, pytest.mark.slow]
MODEL = "flight_delays"
LABELS = ("com.docker.compose.project={project}", f"imprimatur.dag={MODEL}")
MEMORY_LIMIT = 4 << 30
VERSIONS = ["20130201000000", "20130301000000"]


class Meter:
    """Asks the engine how much memory containers take, all together, while something is done."""

    def __init__(self, engine: docker.DockerClient, project: str) -> None:
        self.engine = engine
        self.labels = [label.format(project=project) for label in LABELS]
        self.most = 0
        self._stop = threading.Event()

    def look(self) -> None:
        while not self._stop.wait(1.0):
            taken = 0
            for label in self.labels:
                for container in self.engine.containers.list(
                    filters={"label": label}, ignore_removed=True
                ):
                    taken += self._taken_by(container)
            self.most = max(self.most, taken)

    @staticmethod
    def _taken_by(container: object) -> int:
        """Return what `docker stats` shows: without files that the kernel has cached."""
        try:
            memory = container.stats(stream=False, one_shot=True)["memory_stats"]
        except (docker.errors.NotFound, ValueError):
            return 0  # it ended while it was asked for, and the engine answers nothing
        if "usage" not in memory:
            return 0  # it has just ended
        cached = memory["stats"].get("inactive_file", memory["stats"].get("total_inactive_file", 0))
        return int(memory["usage"] - cached)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.look)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


def stack(env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [REPOSITORY / "scripts" / "stack", "--env-file", env_file, *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, cwd=env_file.parent,
    )  # fmt: skip


@pytest.fixture(scope="module")
def env_file(docker_client, tmp_path_factory):
    require_compose()
    path = write_settings(docker_client, tmp_path_factory.mktemp("small"), MODEL)
    project = read_settings(path).project
    yield path
    Compose(read_settings(path)).run("down", "--volumes", "--remove-orphans")
    remove_containers(docker_client, project)


def test_up_demo_and_down(env_file, docker_client):
    settings = read_settings(env_file)
    meter = Meter(docker_client, settings.project)
    with meter.running():
        up = stack(env_file, "up", "--profile", "small")
        assert up.returncode == 0, up.stdout
        assert "all of profile small are healthy" in up.stdout
        assert settings["AIRFLOW_BASE_URL"] in up.stdout
        demo = stack(env_file, "demo")
    assert demo.returncode == 0, demo.stdout
    for version in VERSIONS:
        assert f"the model server answers with {version}" in demo.stdout
    assert f"rolled back: {VERSIONS[1]} is withdrawn" in demo.stdout
    serving = Path(settings["IMPRIMATUR_SERVING_ROOT"], MODEL)
    assert str(ServingFolder(serving).live().number) == VERSIONS[0]
    print(f"all containers together took {meter.most / 2**30:.2f} GiB")
    assert 1 << 30 < meter.most <= MEMORY_LIMIT

    again = stack(env_file, "demo")
    assert again.returncode == 1
    assert f"{serving} serves {VERSIONS[0]} already" in again.stdout
    assert "demo --replace" in again.stdout
    assert str(ServingFolder(serving).live().number) == VERSIONS[0]

    other = stack(env_file, "up", "--profile", "full", "--no-build")
    assert other.returncode == 1
    assert "the stack runs with profile small: scripts/stack down first" in other.stdout

    down = stack(env_file, "down", "--volumes")
    assert down.returncode == 0, down.stdout
    assert not Compose(settings).services()
    assert str(ServingFolder(serving).live().number) == VERSIONS[0]


def test_what_an_earlier_up_left_doesnt_fail_the_next(env_file, docker_client):
    """The database is elsewhere, then here: `init` has failed meanwhile."""
    secrets = Path(read_settings(env_file)["STACK_SECRETS"])
    right = (secrets / "sql_alchemy_conn").read_text()
    (secrets / "sql_alchemy_conn").write_text("postgresql+psycopg2://airflow:x@nowhere/airflow")
    failed = stack(env_file, "up", "--profile", "small", "--no-build")
    assert failed.returncode == 1
    assert "the stack doesn't start" in failed.stdout
    assert "init: ended with 1" in failed.stdout
    assert 'could not translate host name "nowhere"' in failed.stdout
    (secrets / "sql_alchemy_conn").write_text(right)
    healed = stack(env_file, "up", "--profile", "small", "--no-build")
    assert healed.returncode == 0, healed.stdout
    assert (secrets / "sql_alchemy_conn").stat().st_mode & 0o077 == 0
