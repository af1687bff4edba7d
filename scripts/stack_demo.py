"""``scripts/stack demo``, in a container: two months of flights go live, and one goes back.

After each change it is asked of the model server what it serves now, and what it thinks of one
flight.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from components.installation import data_root, serving_root
from components.records import PushedModel, Window
from scripts.airflow_client import ENDED, USER, AirflowClient
from scripts.demo import Clock, wait_for_dag
from scripts.demo_run import DAG_ID, DemoError, Outcome, Plan, Stage, fail_unfinished

AIRFLOW = "http://api-server:8080"
MODEL_SERVER = "http://model-server:8501"
PASSWORD = Path("/run/secrets/admin_password")
ROLLBACK = "imprimatur_rollback"
SERVED_TIMEOUT_SECONDS = 120.0
END_SECONDS = 20.0
"""A task's process learns of it by a heartbeat, of which there is one in five seconds."""
ROLLBACK_TIMEOUT_SECONDS = 180.0
POLL_SECONDS = 0.5
PLANS = (
    Plan("January", Window("2013-01-01", "2013-02-01")),
    Plan("February", Window("2013-02-01", "2013-03-01")),
)
FLIGHT = {"hour": 18, "minute": 30, "weekday": 4, "sched_arr_time": 2045, "distance": 944,
          "flight": 1141, "carrier": "UA", "origin": "EWR", "dest": "MIA"}  # fmt: skip
CLOSING = """
{model} is on hold now: the next run would publish the same defect. To publish again, start the DAG
imprimatur_resume in Airflow's page. Every month's runs and reports are there, too.
"""


@dataclass(frozen=True)
class ModelServer:
    """The stack's model server, asked over REST as any client would."""

    http: httpx.Client
    model: str = DAG_ID

    def served(self) -> str | None:
        """Return the version that it serves; None before the first."""
        try:
            answer = self.http.get(f"/v1/models/{self.model}")
        except httpx.TransportError:
            return None  # TensorFlow Serving opens its ports with the first version
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        versions = answer.raise_for_status().json()["model_version_status"]
        available = [each["version"] for each in versions if each["state"] == "AVAILABLE"]
        return max(available, key=int, default=None)

    def wait_for(self, version: str) -> None:
        """Wait until it serves this version and no other.

        Raises:
            DemoError: not within `SERVED_TIMEOUT_SECONDS`.
        """
        deadline = time.monotonic() + SERVED_TIMEOUT_SECONDS
        while (found := self.served()) != version:
            if time.monotonic() > deadline:
                raise DemoError(
                    f"the model server serves {found}, not {version}, after "
                    f"{SERVED_TIMEOUT_SECONDS:.0f} s; see scripts/stack logs model-server"
                )
            time.sleep(POLL_SECONDS)

    def probability(self) -> float:
        """Return how probable it is that the flight is late."""
        body = {"signature_name": "serving_raw", "instances": [FLIGHT]}
        answer = self.http.post(f"/v1/models/{self.model}:predict", json=body).raise_for_status()
        (prediction,) = answer.json()["predictions"]
        return float(prediction["probability"] if isinstance(prediction, dict) else prediction)


def main(argv: Sequence[str]) -> int:
    """Run the demo, or with ``--end-runs`` end those of its DAG; 1 if that failed."""
    parser = argparse.ArgumentParser(prog="scripts/stack demo", description=__doc__)
    parser.add_argument("--end-runs", action="store_true")
    is_ending = parser.parse_args(argv).end_runs
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    clock = Clock()
    try:
        client = log_in(AIRFLOW, PASSWORD.read_text(encoding="ascii").strip())
        with (
            contextlib.closing(client.http),
            httpx.Client(base_url=MODEL_SERVER, timeout=30.0, trust_env=False) as http,
        ):
            if is_ending:
                end_runs(client, clock.say)
                return 0
            run_all(client, ModelServer(http), clock.say)
    except (DemoError, httpx.HTTPError) as error:
        print(f"scripts/stack demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The stack goes on; scripts/stack demo starts anew.", file=sys.stderr)
        return 130
    print(CLOSING.format(model=DAG_ID), end="", flush=True)
    return 0


def log_in(address: str, password: str) -> AirflowClient:
    """Return a client of an Airflow whose users FAB manages, as its administrator."""
    http = httpx.Client(base_url=address, timeout=60.0, trust_env=False)
    answer = http.post("/auth/token", json={"username": USER, "password": password})
    http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
    return AirflowClient(http)


def end_runs(client: AirflowClient, say: Callable[[str], None]) -> None:
    """Mark the runs of the demo's DAG as failed, and give their tasks time to end."""
    if fail_unfinished(client, say):
        time.sleep(END_SECONDS)


def run_all(client: AirflowClient, server: ModelServer, say: Callable[[str], None]) -> None:
    """Publish the months one after the other, then go back.

    Raises:
        DemoError: a run failed, was refused, or the model server doesn't follow.
    """
    write_flights(data_root() / "flights.parquet", say)
    serving = serving_root() / DAG_ID
    stage = Stage(client, Path("/opt/airflow"), serving, say, check_alive=lambda: None)
    wait_for_dag(stage)
    stage.fail_unfinished()
    client.unpause(DAG_ID)
    stamp = f"{datetime.now():%Y%m%dT%H%M%S}"
    asked = [publish(stage, server, plan, f"stack-{stamp}-{plan.label}") for plan in PLANS]
    (first, before), (second, _) = asked
    roll_back(client, second, f"stack-{stamp}-rollback", say)
    after = ask(server, first, say)
    if after != before:
        raise DemoError(f"version {first} answers {after} now, and answered {before} before")


def write_flights(path: Path, say: Callable[[str], None]) -> None:
    """Write the flights where the DAG looks for them."""
    command = [sys.executable, "-m", "models.flight_delays.data", "--output", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DemoError(result.stderr.strip())
    say(result.stdout.strip())


def publish(stage: Stage, server: ModelServer, plan: Plan, run_id: str) -> tuple[str, float]:
    """Run a month; return its version, and what the model server says of the flight then."""
    outcome = stage.perform(plan, run_id)
    version = _pushed(outcome).version
    stage.say(f"{plan.label:<9} pushed as {version}")
    return version, ask(server, version, stage.say)


def ask(server: ModelServer, version: str, say: Callable[[str], None]) -> float:
    """Wait until a version is served; say and return what it thinks of the flight."""
    server.wait_for(version)
    probability = server.probability()
    say(f"the model server answers with {version}: late with probability {probability:.3f}")
    return probability


def roll_back(client: AirflowClient, version: str, run_id: str, say: Callable[[str], None]) -> None:
    """Withdraw a version by the control DAG, as the person on call does.

    Raises:
        DemoError: its run failed, or isn't done within `ROLLBACK_TIMEOUT_SECONDS`.
    """
    conf: dict[str, Any] = {"model": DAG_ID, "from_version": version, "reason": "stack demo"}
    client.trigger(ROLLBACK, run_id, conf, note="stack demo")
    deadline = time.monotonic() + ROLLBACK_TIMEOUT_SECONDS
    while (state := client.run_state(ROLLBACK, run_id)) not in ENDED:
        if time.monotonic() > deadline:
            raise DemoError(f"{ROLLBACK} isn't done after {ROLLBACK_TIMEOUT_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    if state != "success":
        raise DemoError(f"{ROLLBACK} failed; its log is in Airflow's page, run {run_id}")
    say(f"rolled back: {version} is withdrawn")


def _pushed(outcome: Outcome) -> PushedModel:
    if not isinstance(outcome.decision, PushedModel):
        raise DemoError(f"{outcome.plan.label} wasn't pushed: {outcome.decision}")
    return outcome.decision


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
