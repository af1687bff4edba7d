"""A real Airflow with the DAGs of `tiny_dags`, the control DAGs, and a year of small data."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from components.serving_folder import ServingFolder
from scripts.airflow_client import ENDED, AirflowClient
from scripts.local_airflow import REPOSITORY, LocalAirflow

TINY_DAGS = Path(__file__).with_name("tiny_dags")
NUM_MONTHS = 13
REQUEST_SECONDS = 180.0
"""On a busy machine, before the api-server has loaded all that it needs."""
_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"


def months(now: datetime | None = None) -> list[datetime]:
    """Return the starts of the months with data, and that of this month, which has none."""
    now = now or datetime.now(UTC)
    first = [now.year * 12 + now.month - 1 - back for back in range(NUM_MONTHS, -1, -1)]
    return [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in first]


def write_rows(path: Path) -> None:
    """Write a row for each 6 hours of the months, and one that shows that the last is whole."""
    starts = months()
    num_rows = (starts[-1] - starts[0]) // timedelta(hours=6) + 1
    times = [starts[0] + n * timedelta(hours=6) for n in range(num_rows)]
    table = pa.table({"at": pa.array(times, pa.timestamp("s", "UTC")), "number": range(num_rows)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


@dataclass(frozen=True)
class Tiny:
    """A running Airflow, and what a person does with it through its API."""

    airflow: LocalAirflow
    client: AirflowClient
    home: Path

    def folder(self, dag_id: str) -> ServingFolder:
        return ServingFolder(self.home / "serving" / dag_id)

    def runs(self, dag_id: str, **params: Any) -> list[dict[str, Any]]:
        answer = self.client.http.get(f"/api/v2/dags/{dag_id}/dagRuns", params=params)
        runs: list[dict[str, Any]] = answer.raise_for_status().json()["dag_runs"]
        return runs

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.http.post(f"/api/v2{path}", json=body)
        assert answer.is_success, answer.text
        value: dict[str, Any] = answer.json()
        return value

    def trigger(self, dag_id: str, run_id: str, **conf: Any) -> None:
        self.client.trigger(dag_id, run_id, conf, note="test")

    def set_paused(self, dag_id: str, is_paused: bool) -> None:
        body = {"is_paused": is_paused}
        self.client.http.patch(f"/api/v2/dags/{dag_id}", json=body).raise_for_status()

    def backfill(self, dag_id: str, start: datetime, end: datetime, **more: Any) -> None:
        """Backfill the months that begin from `start` to `end`, both included.

        The DAG is paused meanwhile: on SQLite a backfill isn't made while the scheduler writes, and
        a scheduler that sees a run of one that is made again ends.
        """
        dates = {"from_date": start.isoformat(), "to_date": end.isoformat()}
        shared = {"run_backwards": False, "dag_run_conf": {}, "max_active_runs": 4}
        body = {"dag_id": dag_id, **dates, **shared, **more}

        def is_created() -> bool:
            answer = self.client.http.post("/api/v2/backfills", json=body)
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                return False  # SQLite, while the scheduler writes
            assert answer.is_success, answer.text
            return True

        self.set_paused(dag_id, True)
        self.wait_until(is_created, "the backfill is created")
        self.set_paused(dag_id, False)

    def wait_until(self, condition: Callable[[], Any], what: str, seconds: float = 900.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            self.airflow.check_alive()
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            time.sleep(0.5)
        return found

    def finish(self, dag_id: str, run_id: str) -> tuple[str, dict[str, str]]:
        """Wait for the end of a run; return its state and its tasks'."""
        self.wait_until(lambda: self.client.run_state(dag_id, run_id) in ENDED, run_id)
        return self.client.run_state(dag_id, run_id), self.client.task_states(dag_id, run_id)

    def finish_all(self, dag_id: str, num_runs: int) -> list[dict[str, Any]]:
        """Wait until a DAG has this many runs, all ended; return them, oldest first."""

        def ended() -> bool:
            runs = self.runs(dag_id)
            return len(runs) >= num_runs and all(run["state"] in ENDED for run in runs)

        self.wait_until(ended, f"{num_runs} runs of {dag_id}", seconds=1800.0)
        return sorted(self.runs(dag_id), key=lambda run: str(run["data_interval_start"]))

    def window(self, dag_id: str, run_id: str) -> tuple[str, str]:
        """Return the start of the window that a run took, and the rule that gave it."""
        examples = self.client.xcom(dag_id, run_id, "example_gen")
        rule = self.client.xcom(dag_id, run_id, "example_gen", "window_rule")
        return examples["window"]["start"], rule

    def refused(self, dag_id: str, run_id: str, task_id: str = "pusher") -> str | None:
        """Return the rule by which a task refused."""
        refusal = self.client.xcom(dag_id, run_id, task_id, "refusal")
        return refusal and refusal["findings"][0]["check"]


@contextlib.contextmanager
def tiny_airflow(home: Path) -> Iterator[Tiny]:
    """Run it below a home of its own."""
    bundles = [
        {
            "name": name,
            "classpath": _BUNDLE,
            "kwargs": {"path": str(path), "refresh_interval": 3600},
        }
        for name, path in (("tiny", TINY_DAGS), ("ours", REPOSITORY / "dags"))
    ]
    (home / "pauses").mkdir(parents=True, exist_ok=True)
    write_rows(home / "data" / "rows.parquet")
    settings = {
        "IMPRIMATUR_ARTIFACTS": str(home / "artifacts"),
        "IMPRIMATUR_SERVING_ROOT": str(home / "serving"),
        "IMPRIMATUR_DATA": str(home / "data"),
        "IMPRIMATUR_MAX_DATA_AGE_HOURS": '{"tiny": 1000000, "never_pushed": 24}',
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,vic:viewer,una:user",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "FAKE_PAUSES": str(home / "pauses"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",  # each is read once
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    }
    with LocalAirflow(home=home, settings=settings, preferred_port=0) as airflow:
        client = airflow.wait_until_healthy()
        client.http.timeout = REQUEST_SECONDS
        with contextlib.closing(client.http):
            dags = ("tiny_form", "tiny_on_data", "imprimatur_resume")
            running = Tiny(airflow, client, home)
            running.wait_until(lambda: all(map(client.has_dag, dags)), "the DAGs are parsed")
            yield running
