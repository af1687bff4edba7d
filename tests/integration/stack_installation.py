"""The stack on a real engine, in images that were built here: profile full, a DAG of the tests."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import docker
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import docker_images
from components.serving_folder import ServingFolder
from scripts.airflow_client import ENDED, AirflowClient
from scripts.local_airflow import free_port
from scripts.stack_compose import Compose, Service, compose_program
from scripts.stack_demo import ModelServer, log_in
from scripts.stack_settings import StackError, prepare, write_env_file

DAG_ID = "stacked"
HERE = Path(__file__).parent
RUN_SECONDS = 480.0
SERVING_BYTES = 16 << 20
FILES = (
    "docker-compose.yml",
    str(HERE.relative_to(Path(__file__).parents[2]) / "stack_override.yml"),
)
DAG_LABEL = f"imprimatur.dag={DAG_ID}"
_TAIL = 3000
_KILL_ALL = ["sh", "-c", "kill -9 -1"]
"""All that this user runs in a container; its first process, docker-init, ends with its child."""


def require_compose() -> None:
    """Skip where there is no Docker Compose; fail if IMPRIMATUR_REQUIRE names docker."""
    try:
        compose_program()
    except StackError as error:
        skip(str(error))


def skip(why: str) -> None:
    """Skip what this machine can't do; fail if IMPRIMATUR_REQUIRE names docker."""
    required = os.environ.get("IMPRIMATUR_REQUIRE", "").split(",")
    (pytest.fail if "docker" in required else pytest.skip)(why)


@dataclass
class Stack:
    """A stack that is up, and what a person does with it."""

    compose: Compose
    engine: docker.DockerClient
    client: AirflowClient
    server: ModelServer
    state: Path
    is_serving_small: bool
    """Whether the serving folders are on a file system of `SERVING_BYTES`."""

    @property
    def serving(self) -> Path:
        return self.state / "serving" / DAG_ID

    def live(self) -> str | None:
        live = ServingFolder(self.serving).live()
        return None if live is None else str(live.number)

    def service(self, name: str) -> Service:
        (found,) = [service for service in self.compose.services() if service.name == name]
        return found

    def container(self, name: str) -> Any:
        return self.engine.containers.get(self.service(name).container)

    def trigger(self, run_id: str, month: int, **conf: Any) -> None:
        start, end = (datetime(2024, number, 1, tzinfo=UTC) for number in (month, month + 1))
        window = {"window_start": f"{start:%FT%TZ}", "window_end": f"{end:%FT%TZ}"}
        self.client.trigger(DAG_ID, run_id, {**window, **conf}, note="test")

    def state_of(self, run_id: str, task: str) -> str | None:
        return self.client.task_states(DAG_ID, run_id).get(task)

    def task(self, run_id: str, task: str) -> dict[str, Any]:
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{task}"
        found: dict[str, Any] = self.client.http.get(path).raise_for_status().json()
        return found

    def tasks(self, run_id: str, dag_id: str = DAG_ID) -> list[dict[str, Any]]:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        answer = self.client.http.get(path).raise_for_status().json()
        found: list[dict[str, Any]] = answer["task_instances"]
        return found

    def finish(self, run_id: str, dag_id: str = DAG_ID) -> str:
        """Wait for the end of a run; return its state."""
        self.wait_until(lambda: self.client.run_state(dag_id, run_id) in ENDED, f"{run_id} ends")
        return self.client.run_state(dag_id, run_id)

    def wait_until(
        self, condition: Callable[[], Any], what: str, seconds: float = RUN_SECONDS
    ) -> Any:
        """Wait until a condition holds; while a part starts again it may not answer."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if found := condition():
                    return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds:.0f} s\n{self.report()}")
            time.sleep(0.5)

    def wait_until_healthy(self, name: str, seconds: float = 180.0) -> None:
        self.wait_until(lambda: self.service(name).is_ready, f"{name} is healthy", seconds)

    def log(self, run_id: str, task: str) -> str:
        """Return what a task logged, all of its tries."""
        directory = self.state / "logs" / f"dag_id={DAG_ID}" / f"run_id={run_id}"
        files = sorted((directory / f"task_id={task}").glob("attempt=*.log"))
        return "".join(path.read_text(encoding="utf-8") for path in files)

    def kill(self, name: str) -> None:
        """Kill all processes of a container by SIGKILL, as the kernel does without memory."""
        self.container(name).exec_run(_KILL_ALL, detach=True)

    def restart(self, name: str) -> None:
        self.container(name).restart(timeout=5)

    def report(self) -> str:
        """Return how the parts are, how the runs are, and the ends of the logs."""
        lines = [
            f"{s.name}: {s.status}, {s.num_restarts} restarts" for s in self.compose.services()
        ]
        for path in sorted(self.state.glob(f"logs/dag_id={DAG_ID}/*/*/*.log"), key=_changed)[-3:]:
            lines.append(f"--- {path}\n{path.read_text(encoding='utf-8')[-_TAIL:]}")
        for service in self.compose.services():
            container = self.engine.containers.get(service.container)
            lines.append(f"--- {service.name}\n{container.logs(tail=25).decode()[-_TAIL:]}")
        return "\n".join(lines)


@dataclass
class Watch:
    """Looks at the containers that validate models, as long as they last."""

    engine: docker.DockerClient
    seen: list[dict[str, Any]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        known: set[str] = set()
        while not self._stop.wait(0.2):
            labelled = {"label": DAG_LABEL}
            for container in self.engine.containers.list(filters=labelled, ignore_removed=True):
                if container.id in known:
                    continue
                with contextlib.suppress(docker.errors.APIError):
                    files = container.exec_run(["find", "/models", "-type", "f"])
                    if files.exit_code == 0:
                        known.add(container.id)
                        names = files.output.decode().split()
                        self.seen.append({"attributes": container.attrs, "files": names})

    @contextlib.contextmanager
    def watching(self) -> Iterator[list[dict[str, Any]]]:
        thread = threading.Thread(target=self.look)
        thread.start()
        try:
            yield self.seen
        finally:
            self._stop.set()
            thread.join()


@contextlib.contextmanager
def running_stack(engine: docker.DockerClient, state: Path) -> Iterator[Stack]:
    """Build the images, start the stack below `state`, and remove whatever there was of it."""
    with contextlib.ExitStack() as cleanup:
        is_serving_small = cleanup.enter_context(small_file_system(state / "serving"))
        env_file = write_settings(engine, state)
        write_rows(state / "data" / "rows.parquet")
        compose = Compose(prepare(env_file), FILES)
        cleanup.callback(compose.run, "down", "--volumes", "--remove-orphans")
        cleanup.callback(remove_containers, engine, compose.settings.project)
        compose.start("full", lambda text: print(text, flush=True))
        settings = compose.settings
        password = Path(settings["STACK_SECRETS"], "admin_password").read_text()
        client = log_in(f"http://127.0.0.1:{settings['AIRFLOW_PORT']}", password)
        http = cleanup.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{settings['MODEL_SERVER_REST_PORT']}",
                timeout=30.0,
                trust_env=False,
            )
        )
        cleanup.callback(client.http.close)
        server = ModelServer(http, DAG_ID)
        stack = Stack(compose, engine, client, server, state, is_serving_small)
        stack.wait_until(lambda: client.has_dag(DAG_ID), "the DAG is parsed")
        stack.wait_until(lambda: client.has_dag("imprimatur_rollback"), "the DAGs are parsed")
        yield stack


def write_settings(engine: docker.DockerClient, state: Path, model: str = DAG_ID) -> Path:
    """Write a .env of ports, names and images of this test's own."""
    name = f"imprimatur-test-{model.replace('_', '-')}-{os.getpid()}"
    network = f"{name}-validation"
    airflow, stores = docker_images.airflow_image(engine), docker_images.stores_image(engine)
    model_server = docker_images.model_server_image(engine)
    image_name, _, tag = model_server.partition(":")
    spec = (
        f'{{"tensorflow_serving": {{"image_name": "{image_name}", "tags": ["{tag}"]}}, '
        f'"local_docker": {{"network": "{network}", "pull": "never"}}, '
        '"resources": {"memory": "1Gi"}}'
    )
    values = {
        "COMPOSE_PROJECT_NAME": name,
        "VALIDATION_NETWORK": network,
        "AIRFLOW_IMAGE": airflow,
        "AIRFLOW_BASE_IMAGE": docker_images.base_image(engine),
        "POSTGRES_IMAGE": stores,
        "REDIS_IMAGE": stores,
        "MODEL_SERVER_IMAGE": model_server,
        "MODEL_NAME": model,
        "IMPRIMATUR_SERVING_SPEC": spec,
        "AIRFLOW_PORT": str(free_port(0)),
        "MODEL_SERVER_REST_PORT": str(free_port(0)),
        "MODEL_SERVER_GRPC_PORT": str(free_port(0)),
        "TASK_HEARTBEAT_TIMEOUT_SECONDS": "45",
        "WORKER_CONCURRENCY": "3",
    }
    env_file = state / "stack.env"
    write_env_file(env_file, state, values)
    with env_file.open("a", encoding="utf-8") as file:
        file.write(f"STACK_TEST_DAGS={HERE / 'stack_dags'}\n")
    return env_file


@contextlib.contextmanager
def small_file_system(directory: Path) -> Iterator[bool]:
    """Mount a small file system on a directory; yield False where this user may not."""
    directory.mkdir(parents=True)
    options = f"size={SERVING_BYTES},mode=0755,uid={50000 if os.getuid() == 0 else os.getuid()}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def write_rows(path: Path) -> None:
    """Write twenty rows for each day of a year."""
    start, days = datetime(2024, 1, 1, tzinfo=UTC), 366
    times = [start + timedelta(days=day, hours=hour) for day in range(days) for hour in range(20)]
    score = [(number % 10) / 10 for number in range(len(times))]
    label = [number % 2 for number in range(len(times))]
    at = pa.array(times, pa.timestamp("s", "UTC"))
    table = pa.table({"at": at, "score": pa.array(score, pa.float32()), "label": label})
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)


def remove_containers(engine: docker.DockerClient, project: str) -> None:
    """Remove the stack's containers, and those that it started, at once."""
    for label in (f"com.docker.compose.project={project}", DAG_LABEL):
        labelled = {"label": label}
        for container in engine.containers.list(all=True, filters=labelled, ignore_removed=True):
            with contextlib.suppress(docker.errors.APIError):  # somebody else removes it
                container.remove(force=True)


def _changed(path: Path) -> float:
    return path.stat().st_mtime
