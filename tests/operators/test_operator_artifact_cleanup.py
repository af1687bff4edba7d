"""Which old runs' artifacts go: those that Airflow calls over, or doesn't know any more."""

import os

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from operators import ArtifactCleanupOperator
from tests.operators.contexts import make_context

LONG_AGO = 1_000_000_000


def error(status):
    detail = {"status_code": status, "message": "no answer"}
    return AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))


@pytest.fixture
def old_runs(installation):
    """Artifacts of runs of long ago, that nothing refers to."""
    (installation / "serving").mkdir()
    runs = installation / "artifacts" / "flights"
    for name in ("over", "failed", "queued", "waiting", "forgotten"):
        record = runs / name / "trainer" / "1-abcdef01" / "record.json"
        record.parent.mkdir(parents=True)
        record.write_text("{}")
        for path in (record, *record.parents[:3]):
            os.utime(path, (LONG_AGO, LONG_AGO))
    return runs


def clean_up(state_of, **arguments):
    context = make_context("artifact_cleanup")
    context["ti"].get_dagrun_state = state_of
    return ArtifactCleanupOperator(task_id="artifact_cleanup", **arguments).execute(context)


def test_runs_that_are_not_over_keep_their_artifacts(old_runs):
    states = {"over": "success", "failed": "failed", "queued": "queued", "waiting": "running"}

    def state_of(dag_id, run_id):
        if run_id not in states:
            raise error(404)  # the run was cleaned from Airflow's database
        return states[run_id]

    left = clean_up(state_of, keep_days="30", is_dry_run="False")

    assert left["removed"] == ["flights/failed", "flights/forgotten", "flights/over"]
    assert left["num_active"] == 2
    assert sorted(path.name for path in old_runs.iterdir()) == ["queued", "waiting"]


def test_an_airflow_that_does_not_answer_removes_nothing(old_runs):
    def state_of(dag_id, run_id):
        raise error(None)

    with pytest.raises(AirflowRuntimeError):
        clean_up(state_of)
    assert len(list(old_runs.iterdir())) == 5
