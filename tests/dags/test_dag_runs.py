"""Whole runs of the flight delay DAG by `dag.test()`, with every component but the pusher faked."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from components.serving_folder import ServingFolder

DATA = ("statistics_gen", "schema_gen", "example_validator", "transform", "tuner")
ALL = (
    "example_gen",
    *DATA,
    "trainer",
    "evaluator",
    "infra_validator",
    "approval",
    "pusher",
    "report",
)


@pytest.fixture(scope="session")
def database():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run_dag(database, dag_bag, fake_components):
    dag = dag_bag.dags["flight_delays"]

    def run(behaviours: dict[str, str] | None = None, **arguments: Any) -> Any:
        fake_components(**behaviours or {})
        # dag.test() leaves `run_conf` in the DAG's params, which makes another version of it.
        return copy.deepcopy(dag).test(**arguments)

    return run


@pytest.fixture
def folder(installation) -> ServingFolder:
    return ServingFolder(str(installation / "serving" / "flight_delays"))


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def xcom(run: Any, task_id: str, key: str = "return_value") -> Any:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        row = session.scalars(
            XComModel.get_many(run_id=run.run_id, key=key, task_ids=task_id, dag_ids=run.dag_id)
        ).first()
        return None if row is None else XComModel.deserialize_value(row)


def test_a_blessed_model_is_published(run_dag, folder):
    run = run_dag(logical_date=datetime(2013, 2, 1, tzinfo=UTC))
    assert states(run) == dict.fromkeys(ALL, "success")
    assert str(run.state) == "success"
    live = folder.live()
    assert live is not None
    assert live.record.run.run_id == run.run_id
    assert xcom(run, "report")["outcome"] == "pushed"


def test_an_untouched_form_without_a_date_trains_on_the_newest_month(run_dag, folder):
    run = run_dag(logical_date=None)
    assert states(run) == dict.fromkeys(ALL, "success")
    assert "newest whole interval" in xcom(run, "example_gen", "window_rule")
    assert folder.live().number == 20140101000000


def test_hyperparameters_keep_their_types_on_the_way(run_dag):
    conf = {"learning_rate": 0.25, "shuffle_labels": True, "train_steps": 7}
    run = run_dag(logical_date=None, run_conf=conf)
    model = xcom(run, "trainer")
    assert model["hyperparameters"] == {
        "learning_rate": 0.25,
        "epochs": 3,
        "shuffle_labels": True,
    }
    assert model["train_args"] == {"num_steps": 7}


def test_a_model_that_is_not_blessed_is_skipped_and_the_run_is_green(run_dag, folder):
    run_dag(logical_date=None)
    live = folder.live().number
    window = {"window_start": "2014-01-01T00:00:00Z", "window_end": "2014-02-01T00:00:00Z"}
    run = run_dag({"evaluator": "refuse"}, logical_date=None, run_conf=window)
    expected = {**dict.fromkeys(ALL, "success"), "pusher": "skipped"}
    assert states(run) == expected
    assert str(run.state) == "success"
    assert folder.live().number == live
    report = xcom(run, "report")
    assert report["outcome"] == "refused"
    assert "AUC overall is 0.500, below the bound 0.600" in report["headline"]
    assert xcom(run, "pusher", "refusal")["findings"][0]["check"] == "not_blessed"


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise's import
def test_a_refusal_and_a_failure_are_told(run_dag, inbox):
    run_dag({"evaluator": "refuse"}, logical_date=None)
    run_dag({"infra_validator": "usage"}, logical_date=None)
    assert [notice["title"] for notice in inbox] == [
        "flight_delays: pusher refused (not_blessed)",
        "flight_delays: infra_validator failed",
    ]
    assert "AUC overall is 0.500, below the bound 0.600" in inbox[0]["message"]
    assert "broken on purpose" in inbox[1]["message"]


def test_a_failure_that_no_retry_can_help_fails_the_run_at_once(run_dag, folder):
    run = run_dag({"infra_validator": "usage"}, logical_date=None)
    assert str(run.state) == "failed"
    assert states(run) == {
        **dict.fromkeys(ALL, "success"),
        "infra_validator": "failed",
        "approval": "upstream_failed",
        "pusher": "upstream_failed",
        "report": "upstream_failed",
    }
    assert folder.live() is None


def test_an_empty_window_skips_everything_but_the_report(run_dag, folder):
    run = run_dag({"example_gen": "refuse"}, logical_date=None)
    assert states(run) == {**dict.fromkeys(ALL, "skipped"), "report": "success"}
    assert str(run.state) == "success"
    assert xcom(run, "report")["headline"].startswith("REFUSED by example_gen: empty_window")


def test_a_backfill_trains_and_judges_but_publishes_nothing(run_dag, folder, monkeypatch):
    from airflow.models import dagrun
    from airflow.utils.types import DagRunType

    make = dagrun.get_or_create_dagrun

    def make_backfill(**arguments: Any) -> Any:
        run = make(**arguments)
        run.run_type = DagRunType.BACKFILL_JOB
        arguments["session"].commit()
        return run

    monkeypatch.setattr(dagrun, "get_or_create_dagrun", make_backfill)
    run = run_dag(logical_date=datetime(2013, 3, 1, tzinfo=UTC), run_conf={"push_policy": "auto"})
    assert states(run) == {**dict.fromkeys(ALL, "success"), "pusher": "skipped"}
    assert "backfill_push" in xcom(run, "report")["headline"]
    assert "data interval 2013" in xcom(run, "example_gen", "window_rule")
    assert folder.live() is None


def test_bad_data_cost_no_training_and_the_reason_is_shown(run_dag, folder):
    run = run_dag({"validate": "refuse"}, logical_date=datetime(2013, 2, 1, tzinfo=UTC))

    skipped = (
        "transform",
        "tuner",
        "trainer",
        "evaluator",
        "infra_validator",
        "approval",
        "pusher",
    )
    expected = {**dict.fromkeys(ALL, "success"), **dict.fromkeys(skipped, "skipped")}
    assert states(run) == expected
    assert str(run.state) == "success"
    assert folder.live() is None
    refusal = xcom(run, "transform", "refusal")
    assert [finding["check"] for finding in refusal["findings"]] == [
        "data_not_blessed",
        "int_type_big_int",
    ]
    headline = xcom(run, "report")["headline"]
    assert headline.startswith("REFUSED by transform: data_not_blessed")
    assert "as great as 8019" in headline


def test_each_airport_has_its_own_model_and_verdict(
    database, dag_bag, fake_components, installation
):
    fake_components()
    dag = dag_bag.dags["flight_delays_by_airport"]
    run = dag.test(logical_date=None)
    assert str(run.state) == "success"
    pushed = [ti for ti in run.get_task_instances() if ti.task_id == "airport.pusher"]
    assert sorted((ti.map_index, str(ti.state)) for ti in pushed) == [
        (index, "success") for index in range(3)
    ]
    for code in ("EWR", "JFK", "LGA"):
        live = ServingFolder(str(installation / "serving" / f"flight_delays_{code}")).live()
        assert live is not None, code
        assert live.record.run.dag_id == "flight_delays_by_airport"
        assert f"flights_{code}" in arguments_of(run, "example_gen", live.record.run.map_index)


def arguments_of(run: Any, stage: str, map_index: int) -> str:
    """Return what the faked component of a mapped task was called with."""
    from components.artifact_path import encode
    from components.installation import artifacts_root

    task = artifacts_root() / run.dag_id / encode(run.run_id) / f"airport.{stage}"
    (arguments,) = (task / str(map_index)).glob("*/arguments.json")
    return arguments.read_text()
