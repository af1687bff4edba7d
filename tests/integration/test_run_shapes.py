"""Each row of the table in docs/run_shapes.md, on a real Airflow."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from components import pusher
from scripts.local_airflow import REPOSITORY
from tests.integration.tiny_installation import Tiny, months

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]  # 3 minutes on a machine at rest
MONTHS = months()
BEFORE, NEWEST = MONTHS[-3:-1]
STAGES = ("example_gen", "trainer", "evaluator", "infra_validator", "approval", "pusher", "report")
PUSHED = dict.fromkeys(STAGES, "success")
REFUSED = {**PUSHED, "pusher": "skipped"}


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def asset_id(tiny: Tiny, name: str) -> int:
    answer = tiny.client.http.get("/api/v2/assets", params={"name_pattern": name})
    return next(one["id"] for one in answer.json()["assets"] if one["name"] == name)


@pytest.fixture(scope="module")
def started(tiny: Tiny) -> Tiny:
    """Everything that can be started at once; the tests wait for their run."""
    for run_id, task_id in (("paused", "evaluator"), ("unmade", "trainer")):
        tiny.trigger("tiny_killed", run_id)
        path = f"/api/v2/dags/tiny_killed/dagRuns/{run_id}/taskInstances/{task_id}"
        tiny.client.http.patch(path, json={"new_state": "success"}).raise_for_status()
    for dag_id in ("tiny", "tiny_on_data", "tiny_backfill"):
        tiny.client.unpause(dag_id)
    defaults = {"window_start": None, "window_end": None, "refused_by": ""}
    form = {**defaults, "push_policy": "never", "backfill_push": "never"}
    now = iso(datetime.now(UTC))
    tiny.post("/dags/tiny/dagRuns", dag_run_id="form", logical_date=now, conf=form)
    window = {"window_start": iso(MONTHS[3]), "window_end": iso(MONTHS[4])}
    tiny.trigger("tiny", "rest", push_policy="never")
    tiny.trigger("tiny", "window", push_policy="never", **window)
    tiny.trigger("tiny", "ask", push_policy="ask", refused_by="evaluator")
    data = {"window": {"start": iso(MONTHS[5]), "end": iso(MONTHS[6])}}
    tiny.post("/assets/events", asset_id=asset_id(tiny, "tiny_data"), extra=data)
    tiny.backfill("tiny_backfill", BEFORE, BEFORE)
    return tiny


def test_a_paused_dags_run_waits(started):
    assert started.client.run_state("tiny_killed", "paused") == "queued"


def test_a_verdict_marked_as_success_by_hand_is_none_and_refuses(started):
    started.client.unpause("tiny_killed")
    assert started.finish("tiny_killed", "paused") == ("success", REFUSED)
    assert started.refused("tiny_killed", "paused") == "blessing_missing"
    records = started.folder("tiny_killed").records()  # of the scheduled run, if it was quick
    assert "paused" not in [record.run.run_id for record in records if record.run is not None]


def test_a_model_marked_as_success_by_hand_is_none_and_fails_without_a_retry(started):
    started.client.unpause("tiny_killed")
    state, tasks = started.finish("tiny_killed", "unmade")
    assert (state, tasks["evaluator"], tasks["pusher"]) == ("failed", "failed", "upstream_failed")
    path = "/api/v2/dags/tiny_killed/dagRuns/unmade/taskInstances/evaluator"
    assert started.client.http.get(path).json()["try_number"] == 1


def scheduled_run(tiny: Tiny) -> str:
    (run,) = tiny.wait_until(lambda: tiny.runs("tiny", run_type="scheduled"), "it is scheduled")
    return str(run["dag_run_id"])


def test_a_scheduled_run_takes_its_data_interval_and_publishes(started):
    run_id = scheduled_run(started)
    assert started.finish("tiny", run_id) == ("success", PUSHED)
    start, rule = started.window("tiny", run_id)
    assert (start, rule.startswith("data interval")) == (iso(NEWEST), True)


@pytest.mark.parametrize(
    ("run_id", "month", "rule"),
    [
        ("form", NEWEST, "newest whole interval of the data that ends by"),
        ("rest", NEWEST, "newest whole interval of the data (the run has no data interval)"),
        ("window", MONTHS[3], "as given by hand"),
    ],
)
def test_a_run_by_hand_takes_the_window_that_was_given_or_the_newest(started, run_id, month, rule):
    assert started.finish("tiny", run_id) == ("success", REFUSED)
    start, said = started.window("tiny", run_id)
    assert start == iso(month)
    assert rule in said
    assert started.refused("tiny", run_id) == "policy"


def test_the_command_line_is_a_run_without_a_date(started):
    command = ("dags", "trigger", "tiny", "--run-id", "cli", "--conf", '{"push_policy": "never"}')
    subprocess.run(
        [sys.executable, "-m", "airflow", *command],
        env=started.airflow.environment,
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    assert started.finish("tiny", "cli") == ("success", REFUSED)
    assert started.window("tiny", "cli")[0] == iso(NEWEST)


def test_a_run_that_data_trigger_takes_their_window(started):
    (run,) = started.wait_until(lambda: started.runs("tiny_on_data"), "the event triggers")
    assert run["run_type"] == "asset_triggered"
    assert started.finish("tiny_on_data", run["dag_run_id"]) == ("success", PUSHED)
    start, rule = started.window("tiny_on_data", run["dag_run_id"])
    assert (start, "of 1 asset event(s)" in rule) == (iso(MONTHS[5]), True)


def test_a_materialised_asset_takes_the_newest_month(started):
    path = f"/assets/{asset_id(started, 'model/tiny_on_data')}/materialize"
    run = started.post(path)
    assert run["run_type"] == "asset_materialization"
    assert started.finish("tiny_on_data", run["dag_run_id"]) == ("success", PUSHED)
    assert started.window("tiny_on_data", run["dag_run_id"])[0] == iso(NEWEST)


def test_a_backfill_publishes_nothing_and_a_reprocessed_one_what_it_may(started):
    (run,) = [
        run
        for run in started.finish_all("tiny_backfill", 2)
        if run["data_interval_start"] == iso(BEFORE)
    ]
    run_id = run["dag_run_id"]
    assert run["run_type"] == "backfill"
    assert started.finish("tiny_backfill", run_id) == ("success", REFUSED)
    assert started.refused("tiny_backfill", run_id) == "policy"

    scheduled = started.runs("tiny_backfill", run_type="scheduled")[0]["dag_run_id"]
    started.backfill(
        "tiny_backfill",
        BEFORE,
        NEWEST,
        reprocess_behavior="completed",
        dag_run_conf={"backfill_push": "newer", "push_policy": "never"},
    )
    runs = {run["dag_run_id"]: run for run in started.finish_all("tiny_backfill", 2)}
    assert runs[scheduled]["run_type"] == "backfill"  # the id stays, the type changes
    assert started.client.task_states("tiny_backfill", scheduled)["pusher"] == "success"
    live = started.folder("tiny_backfill").live()
    assert live is not None
    assert live.window.end == iso(MONTHS[-1])


def test_a_cleared_pusher_returns_what_it_did_before(started):
    run_id = scheduled_run(started)
    before = started.client.xcom("tiny", run_id, "pusher")
    started.post(
        "/dags/tiny/clearTaskInstances",
        dag_run_id=run_id,
        task_ids=["pusher"],
        dry_run=False,
        only_failed=False,
        include_downstream=True,
    )
    assert started.finish("tiny", run_id) == ("success", PUSHED)
    again = started.client.xcom("tiny", run_id, "pusher")
    assert (again["version"], again["replayed"]) == (before["version"], True)


def test_a_cleared_run_trains_anew_on_the_same_window(started):
    before = started.client.xcom("tiny", "window", "trainer")
    path = "/dags/tiny/dagRuns/window/clear"
    started.post(path, dry_run=False, only_failed=False)
    assert started.finish("tiny", "window") == ("success", REFUSED)
    again = started.client.xcom("tiny", "window", "trainer")
    assert again["window"] == before["window"]
    assert again["uri"] != before["uri"]


def test_a_person_overrides_a_threshold_by_name_and_it_stays_visible(started):
    path = "/api/v2/dags/tiny/dagRuns/ask/taskInstances/approval/-1/hitlDetails"
    started.wait_until(
        lambda: started.client.task_states("tiny", "ask")["approval"] == "awaiting_input",
        "the person is asked",
    )
    detail = started.client.http.get(path).json()
    assert "AUC overall is 0.500, below the bound 0.600" in detail["body"]
    answer = {"override_1": True, "reason": "known and accepted"}
    body = {"chosen_options": ["Approve"], "params_input": answer}
    started.client.http.patch(path, json=body).raise_for_status()
    assert started.finish("tiny", "ask") == ("success", PUSHED)
    version = started.client.xcom("tiny", "ask", "pusher")["version"]
    status = pusher.status(base_directory=str(started.folder("tiny").base_directory))
    (ours,) = [one for one in status.versions if one.version == version]
    assert [(one.metric, one.by, one.reason) for one in ours.overrides] == [
        ("AUC", "admin", "known and accepted")
    ]


@pytest.mark.parametrize(
    ("dag_id", "conf", "said"),
    [
        ("tiny", {"push_policy": "always"}, "push_policy"),
        ("tiny", {"window_start": "January"}, "window_start"),
        ("imprimatur_rollback", {"model": "tiny", "from_version": "7"}, "reason"),
        ("imprimatur_rollback", {"model": "../x", "from_version": "7", "reason": "bad"}, "model"),
        ("imprimatur_rollback", {"model": "tiny", "from_version": "x", "reason": "bad"}, "version"),
    ],
)
def test_the_api_refuses_what_makes_no_sense_and_says_what(started, dag_id, conf, said):
    body = {"logical_date": None, "conf": conf}
    answer = started.client.http.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert said in answer.text


def control(tiny: Tiny, dag_id: str, run_id: str, **conf: Any) -> str:
    """Run a control DAG for ``tiny``; return its task's state."""
    tiny.trigger(dag_id, run_id, model="tiny", **conf)
    _, tasks = tiny.finish(dag_id, run_id)
    return next(iter(tasks.values()))


def test_the_person_on_call_goes_back_once_and_lifts_it_again(started):
    folder = started.folder("tiny")
    base = str(folder.base_directory)
    live = str(folder.live().number)
    bad = {"from_version": live, "reason": "errors doubled"}
    assert control(started, "imprimatur_rollback", "first", **bad) == "success"
    back = str(folder.live().number)
    assert back < live
    assert folder.hold().by == "admin"
    assert control(started, "imprimatur_rollback", "second", **bad) == "skipped"
    assert str(folder.live().number) == back
    events = started.client.http.get("/api/v2/assets/events").json()["asset_events"]
    (event,) = [one for one in events if one["source_dag_id"] == "imprimatur_rollback"]
    assert (event["extra"]["outcome"], event["extra"]["version"]) == ("rolled_back", back)

    release = {"version": live, "reason": "it was the network"}
    assert control(started, "imprimatur_release", "release", **release) == "success"
    pin = {"version": back, "reason": "for the audit"}
    assert control(started, "imprimatur_pin", "pin", **pin) == "success"
    assert control(started, "imprimatur_resume", "resume", reason="it is mended") == "success"
    status = pusher.status(base_directory=base)
    assert (status.hold, status.quarantine) == (None, ())
    assert [one.version for one in status.pins] == [back]


def test_a_control_dag_is_started_by_hand_alone(started):
    answer = started.client.http.post(
        "/api/v2/backfills",
        json={
            "dag_id": "imprimatur_rollback",
            "from_date": iso(MONTHS[0]),
            "to_date": iso(MONTHS[1]),
        },
    )
    assert answer.is_client_error


def test_freshness_fails_for_the_model_that_is_too_old_alone(started):
    started.trigger("imprimatur_freshness", "check")
    started.client.unpause("imprimatur_freshness")
    state, _ = started.finish("imprimatur_freshness", "check")
    assert state == "failed"
    path = "/api/v2/dags/imprimatur_freshness/dagRuns/check/taskInstances/freshness/listMapped"
    found = started.client.http.get(path).json()["task_instances"]
    states = {task["rendered_map_index"]: (task["state"], task["try_number"]) for task in found}
    assert states == {"never_pushed": ("failed", 1), "tiny": ("success", 1)}


def test_reports_open_for_those_who_may_see_them_and_are_sandboxed(started):
    links = {
        task_id: started.client.http.get(
            f"/api/v2/dags/tiny/dagRuns/form/taskInstances/{task_id}/links"
        ).json()["extra_links"]
        for task_id in ("evaluator", "infra_validator")
    }
    for address in (
        links["evaluator"]["Evaluation report"],
        links["infra_validator"]["Infra report"],
    ):
        page = started.client.http.get(address)
        assert page.status_code == httpx.codes.OK
        assert page.headers["Content-Security-Policy"] == "sandbox allow-scripts"
        assert "AUC overall is 0.700" in page.text
        assert httpx.get(address, trust_env=False).status_code == httpx.codes.UNAUTHORIZED
        elsewhere = address.rpartition("/")[0] + "/..%2F..%2F..%2Frest%2Fevaluator"
        assert started.client.http.get(elsewhere).status_code == httpx.codes.NOT_FOUND


def test_the_previous_version_is_linked_to_the_run_that_published_it(started):
    links = started.client.http.get("/api/v2/dags/tiny/dagRuns/ask/taskInstances/pusher/links")
    address = links.json()["extra_links"]["Previous version"]
    assert address.startswith(f"{started.airflow.address}/dags/tiny/runs/scheduled__")
