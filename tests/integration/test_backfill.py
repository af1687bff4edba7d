"""A year's backfill with a killed run, and tasks killed together with their supervisor."""

import os
import signal
from datetime import datetime

import pytest

from components import pusher
from components.serving_folder import ServingFolder
from tests.integration.process import child_of, is_running, parent_of
from tests.integration.tiny_installation import Tiny, months

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]  # 3 minutes on a machine at rest
MONTHS = months()


def kill_with_supervisor(tiny: Tiny, run_id: str, component: str) -> tuple[int, int]:
    """Kill the supervisor of a task whose component works; return the task and its child."""
    child = tiny.wait_until(lambda: child_of(run_id, component), f"{component} of {run_id} starts")
    task = parent_of(child)
    supervisor = parent_of(task)
    assert supervisor > 1
    os.kill(supervisor, signal.SIGKILL)
    for process in (task, child):
        tiny.wait_until(lambda process=process: not is_running(process), "it dies too", 20.0)
    return task, child


def is_whole(folder: ServingFolder) -> bool:
    report = pusher.lint(base_directory=str(folder.base_directory))
    return report.findings == ()


def window_ends(folder: ServingFolder) -> list[datetime]:
    """Return what each version has seen, in the order in which they went live."""
    return [record.window.end_time for record in folder.records() if record.window is not None]


def test_a_backfill_never_goes_back_and_ends_with_the_newest_blessed_month(tiny: Tiny):
    dag_id = "tiny_year"
    mark = tiny.home / "pauses" / f"refuse-{MONTHS[-1]:%Y-%m-%dT%H:%M:%SZ}"
    mark.touch()
    tiny.client.unpause(dag_id)
    scheduled = tiny.finish_all(dag_id, 1)  # of the newest month, which is refused
    assert scheduled[0]["run_type"] == "scheduled"

    conf = {"backfill_push": "newer"}
    tiny.backfill(dag_id, MONTHS[1], MONTHS[-2], dag_run_conf=conf, reprocess_behavior="completed")
    killed = next(
        run["dag_run_id"]
        for run in tiny.runs(dag_id)
        if run["data_interval_start"] == f"{MONTHS[2]:%Y-%m-%dT%H:%M:%SZ}"
    )
    kill_with_supervisor(tiny, killed, "example_gen")
    runs = tiny.finish_all(dag_id, 12)
    mark.unlink()

    assert [run["state"] for run in runs] == ["success"] * 12
    folder = tiny.folder(dag_id)
    live = folder.live()
    assert live is not None
    assert live.window.end_time == MONTHS[-2]  # the end of the month before the refused one
    ends = window_ends(folder)
    assert ends == sorted(ends)
    assert len(set(ends)) == len(ends)
    assert is_whole(folder)


@pytest.fixture(scope="module")
def killed(tiny: Tiny) -> Tiny:
    """Runs of which one stage each was killed with its supervisor."""
    tiny.client.unpause("tiny_stages")
    tiny.finish_all("tiny_stages", 1)
    for stage in ("example_gen", "trainer", "evaluator", "infra_validator", "pusher"):
        pause = tiny.home / "pauses" / stage
        pause.touch()
        tiny.trigger("tiny_stages", f"kill-{stage}")
        kill_with_supervisor(tiny, f"kill-{stage}", stage)
        pause.unlink()
        # Or else its later stages wait at the next one's mark, in all slots of the executor.
        tiny.finish("tiny_stages", f"kill-{stage}")
    return tiny


@pytest.mark.parametrize(
    "stage", ["example_gen", "trainer", "evaluator", "infra_validator", "pusher"]
)
def test_a_stage_killed_with_its_supervisor_is_retried(killed: Tiny, stage: str):
    run_id = f"kill-{stage}"
    state, tasks = killed.finish("tiny_stages", run_id)
    assert (state, tasks["pusher"], tasks["report"]) == ("success", "success", "success")
    path = f"/api/v2/dags/tiny_stages/dagRuns/{run_id}/taskInstances/{stage}"
    assert killed.client.http.get(path).json()["try_number"] > 1
    pushed = [
        record.version
        for record in killed.folder("tiny_stages").records()
        if record.run is not None and record.run.run_id == run_id
    ]
    assert len(pushed) == 1


def test_nothing_half_done_is_left_by_those_that_were_killed(killed: Tiny):
    killed.finish("tiny_stages", "kill-pusher")
    assert is_whole(killed.folder("tiny_stages"))
    stages = list((killed.home / "artifacts" / "tiny_stages").glob("*/*"))
    assert stages
    assert [path for stage in stages for path in stage.glob(".*.partial")] == []
