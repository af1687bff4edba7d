"""What every DAG must keep to, and the exact shape of this one."""

import os
import subprocess
import sys

import pytest
from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import ParamValidationError

from tests.airflow_home import REPOSITORY

HEAVY = ("tensorflow", "keras", "docker", "apache_beam", "tfx_bsl", "tensorflow_transform")
EDGES = {
    "example_gen": {
        *("statistics_gen", "example_validator", "transform", "tuner", "trainer"),
        *("evaluator", "infra_validator", "pusher"),
    },
    "statistics_gen": {"schema_gen", "example_validator"},
    "schema_gen": {"example_validator", "transform", "tuner", "trainer"},
    "example_validator": {"transform", "tuner", "trainer", "approval", "pusher"},
    "transform": {"tuner", "trainer"},
    "tuner": {"trainer"},
    "trainer": {"evaluator", "infra_validator", "approval", "pusher"},
    "evaluator": {"approval", "pusher"},
    "infra_validator": {"approval", "pusher"},
    "approval": {"pusher"},
    "pusher": {"report"},
    "report": set(),
}


@pytest.fixture
def dag(dag_bag):
    return dag_bag.dags["flight_delays"]


def test_every_dag_file_imports(dag_bag):
    assert dag_bag.import_errors == {}
    assert "flight_delays" in dag_bag.dags


def test_no_leaf_hides_a_failure(dag_bag):
    """A leaf that runs whatever happened before turns a failed run green."""
    allowed = {TriggerRule.ALL_SUCCESS, TriggerRule.NONE_FAILED}
    for dag in dag_bag.dags.values():
        for task in dag.tasks:
            rules = allowed if not task.downstream_task_ids else {TriggerRule.ALL_SUCCESS}
            assert task.trigger_rule in rules, task


def test_every_task_may_fail_for_a_while_but_not_for_ever(dag_bag):
    for dag in dag_bag.dags.values():
        for task in dag.tasks:
            assert task.execution_timeout is not None, task
            assert task.retries == 2, task
            assert task.retry_delay.total_seconds() == 60, task
            assert task.retry_exponential_backoff, task


def test_every_pool_exists_without_anybody_making_it(dag_bag):
    """A task that names another pool would stay scheduled for ever."""
    pools = {task.pool for dag in dag_bag.dags.values() for task in dag.tasks}
    assert pools == {"default_pool"}


def test_the_edges_are_exactly_these(dag):
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == EDGES


def test_only_the_pusher_has_the_asset_and_runs_alone(dag):
    outlets = {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks}
    assert {task_id: names for task_id, names in outlets.items() if names} == {
        "pusher": ["model/flight_delays"],
        "tuner": ["hyperparameters/flight_delays"],  # an alias: only a search makes an event
    }
    assert dag.get_task("pusher").max_active_tis_per_dag == 1


def test_it_is_scheduled_by_whole_months_and_does_not_catch_up(dag):
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("0 0 1 * *", "UTC")
    assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"
    assert (dag.catchup, dag.max_active_runs, dag.end_date) == (False, 3, None)


def test_every_param_has_a_title_a_description_and_a_valid_default(dag_bag):
    for dag in dag_bag.dags.values():
        for name in dag.params:
            field = dag.params.get_param(name)
            assert field.schema.get("title"), (dag, name)
            assert field.description, (dag, name)
            assert field.schema.get("section"), (dag, name)
            if field.has_value:  # those without must be filled in
                field.resolve(field.value)


def test_a_form_says_where_its_reason_is_kept(dag_bag):
    """A hold leaves nothing behind once it is ended."""
    forms = {"imprimatur_rollback": "records", "imprimatur_resume": "log of this run"}
    for dag_id, where in forms.items():
        assert where in dag_bag.dags[dag_id].params.get_param("reason").description


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_start", "January"),
        ("train_steps", 0),
        ("train_steps", 1.5),
        ("learning_rate", 0),
        ("learning_rate", "fast"),
        ("shuffle_labels", "yes"),
        ("push_policy", "always"),
        ("backfill_push", "auto"),
        ("epochs", 0),
        ("tuning", True),
    ],
)
def test_the_form_refuses_what_makes_no_sense(dag, name, value):
    with pytest.raises(ParamValidationError):
        dag.params.get_param(name).resolve(value)


@pytest.mark.parametrize("value", [None, "2013-05-01T00:00:00+00:00", "2013-05-01T00:00:00Z"])
def test_the_form_takes_a_window_or_none(dag, value):
    assert dag.params.get_param("window_start").resolve(value) == value


def test_a_dag_names_the_queue_and_pool_that_are_set(monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("IMPRIMATUR_TRAINING_QUEUE", "gpu")
    monkeypatch.setenv("IMPRIMATUR_TRAINING_POOL", "training")
    monkeypatch.setenv("IMPRIMATUR_CONTROL_POOL", "on_call")
    dags = DagBag(str(REPOSITORY / "dags")).dags
    dag = dags["flight_delays"]
    placed = {task.task_id: (task.queue, task.pool) for task in dag.tasks}
    assert {placed.pop(name) for name in ("tuner", "trainer")} == {("gpu", "training")}
    assert set(placed.values()) == {("default", "default_pool")}
    for name in ("rollback", "release", "pin", "resume"):
        assert {task.pool for task in dags[f"imprimatur_{name}"].tasks} == {"on_call"}


def test_the_person_on_call_comes_before_every_pipeline():
    from airflow.dag_processing.dagbag import DagBag

    dags = DagBag(str(REPOSITORY / "dags")).dags.values()
    control = {f"imprimatur_{name}" for name in ("rollback", "release", "pin", "resume")}
    # By Airflow's default a task's weight is its own and that of all that come after it.
    most = max(
        sum(task.priority_weight for task in dag.tasks) for dag in dags if dag.dag_id not in control
    )
    weights = [task.priority_weight for dag in dags if dag.dag_id in control for task in dag.tasks]
    assert min(weights) > most


def test_nothing_that_airflow_imports_loads_tensorflow():
    """In a fresh interpreter: every DAG file, operator and plugin."""
    script = f"""
import importlib, pathlib, runpy, sys
import operators
for name in operators.__all__:
    getattr(operators, name)
for path in sorted(pathlib.Path("operators").glob("*.py")):
    importlib.import_module(f"operators.{{path.stem}}")
for folder in ("dags", "plugins"):
    for path in sorted(pathlib.Path(folder).glob("*.py")):
        runpy.run_path(str(path))
print(sorted(set(sys.modules) & set({HEAVY!r})))
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "[]"
