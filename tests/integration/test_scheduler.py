"""The flight delay DAG on a real Airflow, with real training, evaluation and serving."""

import os
import signal
from typing import Any

import pytest

from components.serving_folder import ServingFolder
from tests.integration.conftest import DAG_ID, Installation
from tests.integration.process import child_of, is_running, parent_of

JANUARY = {"window_start": "2013-01-01T00:00:00Z", "window_end": "2013-02-01T00:00:00Z"}
FEBRUARY = {"window_start": "2013-02-01T00:00:00Z", "window_end": "2013-03-01T00:00:00Z"}
DATA = ("statistics_gen", "schema_gen", "example_validator", "transform", "tuner")
JUDGES = ("evaluator", "infra_validator", "approval")
ALL = ("example_gen", *DATA, "trainer", *JUDGES, "pusher", "report")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]  # 90 s on a machine at rest
ENDLESS = {**JANUARY, "epochs": 100}


@pytest.fixture(scope="module")
def january(installation: Installation) -> dict[str, Any]:
    """The first run, which publishes."""
    installation.trigger("january", **JANUARY, epochs=1)
    state, tasks = installation.finish("january")
    report = installation.client.xcom(DAG_ID, "january", "report")
    return {"state": state, "tasks": tasks, "report": report}


def live_version(installation: Installation) -> int | None:
    live = ServingFolder(str(installation.serving)).live()
    return live and live.number


def test_a_month_of_flights_goes_live(installation, january):
    assert january["tasks"] == dict.fromkeys(ALL, "success")
    assert january["state"] == "success"
    assert live_version(installation) == 20130201000000
    assert january["report"]["outcome"] == "pushed"


def test_the_push_is_an_event_of_the_models_asset(installation, january):
    events = installation.client.http.get("/api/v2/assets/events").raise_for_status().json()
    (event,) = [e for e in events["asset_events"] if e["source_run_id"] == "january"]
    assert (event["source_task_id"], event["extra"]["outcome"]) == ("pusher", "pushed")
    assert event["extra"]["window"]["start"] == "2013-01-01T00:00:00Z"


def test_a_spoiled_model_is_refused_and_what_is_live_stays(installation, january):
    installation.trigger("spoiled", **FEBRUARY, epochs=1, shuffle_labels=True)
    state, tasks = installation.finish("spoiled")
    assert tasks == {**dict.fromkeys(ALL, "success"), "pusher": "skipped"}
    assert state == "success"
    assert live_version(installation) == 20130201000000
    report = installation.client.xcom(DAG_ID, "spoiled", "report")
    assert report["headline"].startswith("REFUSED by pusher: not_blessed")
    assert "AUC" in report["headline"]
    refusal = installation.client.xcom(DAG_ID, "spoiled", "pusher", "refusal")
    assert refusal["live_version"] == "20130201000000"


def test_the_scheduled_month_without_flights_is_skipped(installation):
    """Unpausing starts the newest month of the calendar; the flights end with 2013."""
    runs = installation.client.http.get(
        f"/api/v2/dags/{DAG_ID}/dagRuns", params={"run_type": "scheduled"}
    ).json()["dag_runs"]
    (run,) = runs
    state, tasks = installation.finish(run["dag_run_id"])
    assert (state, tasks.pop("report")) == ("success", "success")
    assert set(tasks.values()) == {"skipped"}
    report = installation.client.xcom(DAG_ID, run["dag_run_id"], "report")
    assert "empty_window" in report["headline"]


def test_a_run_marked_as_failed_stops_its_training(installation):
    installation.trigger("stopped", **ENDLESS)
    installation.wait_until(lambda: child_of("stopped", "trainer"), "the trainer starts")
    child = child_of("stopped", "trainer")
    assert child is not None
    installation.client.fail_run(DAG_ID, "stopped")
    installation.wait_until(lambda: not is_running(child), "the trainer ends", 30.0)
    installation.wait_until(lambda: not is_running(child), "nothing is left", 5.0)


def test_a_task_dies_with_its_supervisor(installation):
    """Otherwise it would go on to push, while Airflow starts the retry minutes later."""
    installation.trigger("orphaned", **ENDLESS)
    installation.wait_until(lambda: child_of("orphaned", "trainer"), "the trainer starts")
    child = child_of("orphaned", "trainer")
    assert child is not None
    task = parent_of(child)
    supervisor = parent_of(task)
    assert supervisor > 1
    os.kill(supervisor, signal.SIGKILL)
    installation.wait_until(lambda: not is_running(task), "the task ends", 5.0)
    installation.wait_until(lambda: not is_running(child), "its child ends", 5.0)
    installation.client.fail_run(DAG_ID, "orphaned")
