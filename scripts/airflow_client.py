"""A client for the parts of Airflow's REST API that demos and tests need."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import tenacity

USER = "admin"
PASSWORD_FILE = "simple_auth_manager_passwords.json.generated"  # noqa: S105 - a file's name
ENDED = frozenset({"success", "failed"})
BUSY_SECONDS = 120.0
_DATABASE_ERROR = b"Database error"
"""What Airflow says where SQLite refused: then nothing was done."""


def password_of(home: Path, user: str = USER) -> str:
    """Return the password that Airflow made up for a user of this home."""
    return str(json.loads((home / PASSWORD_FILE).read_text(encoding="utf-8"))[user])


class PatientTransport(httpx.HTTPTransport):
    """Asks again, for up to `BUSY_SECONDS`, where SQLite refused since somebody else wrote.

    Without isolation levels, SQLite fails a transaction that has read and then writes at once if
    another one has written in between, whatever its timeout: https://sqlite.org/rescode.html,
    SQLITE_BUSY_SNAPSHOT. Airflow answers 500 or 503 then. What may have been done isn't asked for
    twice: a POST is, only if the answer says that the database refused it.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the first answer that isn't a busy database's, or the last one."""

        def is_busy(answer: httpx.Response) -> bool:
            if answer.status_code not in (500, 503):
                return False
            said = answer.read()
            return request.method != "POST" or answer.status_code == 503 or _DATABASE_ERROR in said

        asking = tenacity.Retrying(
            retry=tenacity.retry_if_result(is_busy),
            wait=tenacity.wait_random(0.5, 2.0),
            stop=tenacity.stop_after_delay(BUSY_SECONDS),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        answer: httpx.Response = asking(super().handle_request, request)
        return answer


def patient_client(address: str, **options: Any) -> httpx.Client:
    """Return a client of an Airflow on this machine that waits for its database."""
    # trust_env: a proxy for the world outside is none for this machine.
    shared = {"timeout": 30.0, "trust_env": False, "transport": PatientTransport()}
    return httpx.Client(base_url=address, **{**shared, **options})


@dataclass(frozen=True)
class AirflowClient:
    """Asks one Airflow; each error of the API is an `httpx.HTTPStatusError`."""

    http: httpx.Client

    @classmethod
    def log_in(cls, address: str, home: Path) -> Self:
        """Return a client of the Airflow at an address, as its administrator."""
        http = patient_client(address)
        token = http.post(
            "/auth/token", json={"username": USER, "password": password_of(home)}
        ).raise_for_status()
        http.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        return cls(http)

    def has_dag(self, dag_id: str) -> bool:
        """Return whether the DAG has been parsed."""
        answer = self.http.get(f"/api/v2/dags/{dag_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        answer.raise_for_status()
        return True

    def import_errors(self) -> dict[str, str]:
        """Return what is wrong with DAG files: traceback by file name."""
        errors = self._get("/api/v2/importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def unpause(self, dag_id: str) -> None:
        """Let the DAG's runs start."""
        self.http.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}).raise_for_status()

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any], note: str) -> None:
        """Start a run by hand, without a logical date."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf, "note": note}
        answer = self.http.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        answer.raise_for_status()

    def unfinished_runs(self, dag_id: str) -> list[str]:
        """Return the ids of the runs that are queued or running."""
        answer = self._get(f"/api/v2/dags/{dag_id}/dagRuns", state=["queued", "running"])
        return [run["dag_run_id"] for run in answer["dag_runs"]]

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """Mark a run as failed; its tasks are stopped."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
        self.http.patch(path, json={"state": "failed"}).raise_for_status()

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the state of each task of a run; ``waiting`` where it has none yet."""
        answer = self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")
        return {task["task_id"]: task["state"] or "waiting" for task in answer["task_instances"]}

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return what a task left, or None."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        answer = self.http.get(path, params={"deserialize": True})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return answer.raise_for_status().json()["value"]

    def _get(self, path: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.get(path, params=params).raise_for_status().json()
        return answer
