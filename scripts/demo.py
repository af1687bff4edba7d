"""``scripts/demo``: three months of flights on a real Airflow, and a spoiled model that is refused.

Each demo begins with an empty serving folder: what an earlier one published is moved to
``var/airflow/earlier/``, so nothing that was live is lost. Its runs stay in Airflow's database.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import httpx

from components.records import Window
from scripts.demo_run import DAG_ID, DemoError, Outcome, Plan, Stage
from scripts.demo_table import broken_promises, reasons_of, table_of
from scripts.local_airflow import HOME, REPOSITORY, AirflowError, LocalAirflow

PARSE_TIMEOUT_SECONDS = 60.0
PLANS = (
    Plan("January", Window("2013-01-01", "2013-02-01")),
    Plan("February", Window("2013-02-01", "2013-03-01")),
    Plan("March", Window("2013-03-01", "2013-04-01")),
    Plan("spoiled", Window("2013-04-01", "2013-05-01"), {"shuffle_labels": True}),
)
SERVING = HOME / "serving" / DAG_ID
INTRODUCTION = """\
Imprimatur: will a flight out of New York arrive 15 minutes late or more?
Three months each train a model; it goes live only if it is judged good enough against the model
that is live, and answers in a model server. Then one is spoiled on purpose: labels shuffled.
"""
CLOSING = """
The live model is a TensorFlow SavedModel, where TensorFlow Serving would look for it:
  {live}

Serve it, here or with TensorFlow Serving:
  .venv/bin/python -m components.model_server --model-name {model} --model-base-path {base}
and ask it, in another terminal, about a flight on a Friday (4) evening:
  {curl}

Go back to the version before:
  .venv/bin/python -m components.pusher rollback {base} --reason "error rate doubled"
  .venv/bin/python -m components.pusher status {base}

See the runs, and start your own, in Airflow's page:
  scripts/ui
"""
CURL = """\
curl http://127.0.0.1:8501/v1/models/flight_delays:predict -d '{"signature_name": "serving_raw",
    "instances": [{"hour": 18, "minute": 30, "weekday": 4, "sched_arr_time": 2045, "distance": 944,
      "flight": 1141, "carrier": "UA", "origin": "EWR", "dest": "MIA"}]}'"""


class Clock:
    """Prints lines with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line."""
        print(f"[{time.monotonic() - self._start:4.0f} s] {text}", flush=True)


def main() -> int:
    """Run the demo; 1 if something failed or isn't as promised, 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("IMPRIMATUR_")]:
        del os.environ[name]  # the demo is the same for everybody
    print(INTRODUCTION, flush=True)
    try:
        outcomes = run_all(Clock())
        show(outcomes)
    except (AirflowError, DemoError, httpx.HTTPError) as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Airflow has ended; scripts/demo starts anew.", file=sys.stderr)
        return 130
    return 0


def run_all(clock: Clock) -> list[Outcome]:
    """Start Airflow, perform the plans one after the other, end Airflow."""
    settings = {"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False"}  # no runs but ours
    clock.say("starting Airflow in var/airflow: scheduler, API server, DAG processor")
    with LocalAirflow(settings=settings) as airflow:
        prepare_data(clock)
        set_aside(SERVING, clock)
        client = airflow.wait_until_healthy()
        stage = Stage(client, airflow.home, SERVING, clock.say, airflow.check_alive)
        wait_for_dag(stage)
        stage.fail_unfinished()
        client.unpause(DAG_ID)
        clock.say(f"Airflow is ready at {airflow.address}")
        stamp = f"{datetime.now():%Y%m%dT%H%M%S}"
        return [stage.perform(plan, f"demo-{stamp}-{plan.label}") for plan in PLANS]


def prepare_data(clock: Clock) -> None:
    """Write the flights where the DAG looks for them."""
    output = HOME / "data" / "flights.parquet"
    command = [sys.executable, "-m", "models.flight_delays.data", "--output", str(output)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DemoError(result.stderr.strip())
    clock.say(result.stdout.strip().replace(f"{REPOSITORY}/", ""))


def set_aside(serving: Path, clock: Clock) -> None:
    """Move what an earlier demo published out of the way."""
    if not serving.exists():
        return
    earlier = HOME / "earlier" / f"{serving.name}-{datetime.now():%Y%m%dT%H%M%S}"
    earlier.parent.mkdir(exist_ok=True)
    serving.rename(earlier)
    clock.say(f"what was published before is now in {earlier.relative_to(REPOSITORY)}")


def wait_for_dag(stage: Stage) -> None:
    """Wait until Airflow has read the DAG file.

    Raises:
        DemoError: it has errors, or isn't read within `PARSE_TIMEOUT_SECONDS`.
    """
    deadline = time.monotonic() + PARSE_TIMEOUT_SECONDS
    while not stage.client.has_dag(DAG_ID):
        stage.check_alive()
        for name, trace in stage.client.import_errors().items():
            raise DemoError(f"dags/{name} can't be imported:\n{trace}")
        if time.monotonic() > deadline:
            raise DemoError(f"Airflow hasn't read {DAG_ID} after {PARSE_TIMEOUT_SECONDS:.0f} s")
        time.sleep(0.5)


def show(outcomes: list[Outcome]) -> None:
    """Print the table, the reasons, and what to do next.

    Raises:
        DemoError: something isn't as promised.
    """
    print(f"\n{table_of(outcomes)}\n", flush=True)
    print("(AUC and live AUC, that of the model that was live: on the run's own examples.)")
    for outcome in outcomes:
        reasons = reasons_of(outcome)
        if reasons:
            print(f"\n{outcome.plan.label} was refused, {outcome.live_after} stays live:")
            print("\n".join(f"  - {reason}" for reason in reasons))
    problems = broken_promises(outcomes)
    if problems:
        raise DemoError("this isn't what was promised:\n  - " + "\n  - ".join(problems))
    print(closing(outcomes[-1]), end="", flush=True)


def closing(last: Outcome) -> str:
    """Return what to do next."""
    base = SERVING.relative_to(REPOSITORY)
    return CLOSING.format(
        live=base / str(last.live_after), model=DAG_ID, base=shlex.quote(str(base)), curl=CURL
    )


if __name__ == "__main__":
    sys.exit(main())
