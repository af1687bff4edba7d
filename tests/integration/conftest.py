"""One real Airflow (scheduler, api-server, dag processor, LocalExecutor) for all these tests."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.airflow_client import ENDED, AirflowClient
from scripts.local_airflow import REPOSITORY, LocalAirflow
from tests.integration.tiny_installation import Tiny, tiny_airflow

DAG_ID = "flight_delays"
RUN_SECONDS = 1200.0


@dataclass(frozen=True)
class Installation:
    """A running Airflow with a home of its own."""

    airflow: LocalAirflow
    client: AirflowClient
    home: Path

    @property
    def serving(self) -> Path:
        return self.home / "serving" / DAG_ID

    def trigger(self, run_id: str, **conf: Any) -> None:
        self.client.trigger(DAG_ID, run_id, conf, note="test")

    def wait_until(self, condition: Any, what: str, seconds: float = RUN_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self.airflow.check_alive()
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            time.sleep(0.2)

    def finish(self, run_id: str) -> tuple[str, dict[str, str]]:
        """Wait for the end of a run; return its state and its tasks'."""
        self.wait_until(lambda: self.client.run_state(DAG_ID, run_id) in ENDED, run_id)
        return self.client.run_state(DAG_ID, run_id), self.client.task_states(DAG_ID, run_id)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    with tiny_airflow(tmp_path_factory.mktemp("tiny")) as running:
        yield running


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("airflow")
    settings = {
        "IMPRIMATUR_ARTIFACTS": str(home / "artifacts"),
        "IMPRIMATUR_SERVING_ROOT": str(home / "serving"),
        "IMPRIMATUR_DATA": str(home / "data"),
    }
    (home / "data").mkdir()
    output = home / "data" / "flights.parquet"
    making = subprocess.Popen(
        [sys.executable, "-m", "models.flight_delays.data", "--output", str(output)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    )
    with LocalAirflow(home=home, settings=settings, preferred_port=0) as airflow:
        assert making.wait() == 0
        client = airflow.wait_until_healthy()
        running = Installation(airflow, client, home)
        running.wait_until(lambda: client.has_dag(DAG_ID), "the DAG is parsed")
        client.unpause(DAG_ID)
        with contextlib.closing(client.http):
            yield running
