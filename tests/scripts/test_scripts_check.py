"""What scripts/check finds besides what the linters find."""

import json

import pytest

from scripts import check

GOOD = json.loads((check.REPOSITORY / "models/flight_delays/eval_config.json").read_text())
MEASURING_DAG = """
from airflow.sdk import DAG, BaseOperator
CONFIG = {"model_specs": [{"label_key": "x"}]}
CONFIG["metrics_specs"] = [{"metrics": [{"class_name": "AUC"}]}]
class Evaluator(BaseOperator):
    def __init__(self, *, without_thresholds, **kwargs):
        super().__init__(**kwargs)
        self.eval_config, self.without_thresholds = CONFIG, without_thresholds
with DAG("d"):
    for name, flag in (("judge", False), ("measure", True)):
        Evaluator(task_id=name, without_thresholds=flag)
"""


def task(**changes):
    return {
        "task": "d.t",
        "pool": "default_pool",
        "eval_config": None,
        "first_run": "x",
        "without_thresholds": False,
        **changes,
    }


@pytest.fixture(autouse=True)
def no_airflow(monkeypatch):
    """Other tests have an Airflow of their own in the environment."""
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Return a function that writes an eval config into a repository of its own."""
    monkeypatch.setattr(check, "REPOSITORY", tmp_path)

    def write(value):
        path = tmp_path / "models" / "m" / "eval_config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
        return path

    return write


def change_only(config):
    metric = {
        "class_name": "AUC",
        "threshold": {"change_threshold": {"direction": "HIGHER_IS_BETTER", "absolute": -0.01}},
    }
    return {**config, "metrics_specs": [{"metrics": [metric]}]}


def test_is_content_with_the_example(config):
    config(GOOD)

    assert check.check_eval_configs() == []


def test_finds_a_config_that_could_never_refuse(config):
    config({**GOOD, "metrics_specs": [{"metrics": [{"class_name": "AUC"}]}]})

    (problem,) = check.check_eval_configs()

    assert problem.startswith("models/m/eval_config.json: the eval config has no thresholds")


def test_finds_a_config_that_does_not_parse(config):
    config(GOOD).write_text("{")

    assert len(check.check_eval_configs()) == 1


def test_finds_that_none_is_there(config):
    assert check.check_eval_configs() == [
        "no models/*/eval_config.json is there, not even the example's"
    ]


def test_finds_a_config_that_deadlocks_under_its_dags_policy(config):
    path = str(config(change_only(GOOD)).relative_to(check.REPOSITORY))

    assert (
        list(check.problems_of_task(task(eval_config=path, first_run="bless"), {"default_pool"}))
        == []
    )
    (problem,) = check.problems_of_task(
        task(eval_config=path, first_run="refuse"), {"default_pool"}
    )
    assert "first_run is 'refuse'" in problem


def test_checks_a_config_that_the_dag_itself_holds(config):
    config(GOOD)
    (problem,) = check.problems_of_task(
        task(eval_config=change_only(GOOD), first_run="refuse"), {"default_pool"}
    )
    assert problem.startswith("d.t's eval_config: the eval config has change thresholds only")
    assert list(check.problems_of_task(task(eval_config=GOOD), {"default_pool"})) == []


@pytest.mark.parametrize("flag", [True, False, "{{ params.measure_only }}"])
def test_knows_that_a_task_only_measures(flag):
    measured = {**GOOD, "metrics_specs": [{"metrics": [{"class_name": "AUC"}]}]}
    only = task(eval_config=measured, without_thresholds=flag)
    assert len(list(check.problems_of_task(only, {"default_pool"}))) == (flag is False)


def test_finds_a_pool_that_nobody_made():
    (problem,) = check.problems_of_task(task(pool="gpu"), {"default_pool"})

    assert "names the pool 'gpu', which doesn't exist" in problem
    assert list(check.problems_of_task(task(pool="gpu"), {"default_pool", "gpu"})) == []


def test_says_so_if_the_pools_cannot_be_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////nowhere/airflow.db")

    (problem,) = check.check_dags()

    assert problem.startswith(f"the pools of the Airflow in {tmp_path} can't be listed")


def test_finds_an_import_error_and_an_empty_folder(tmp_path, monkeypatch):
    (tmp_path / "dags").mkdir()
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(check, "REPOSITORY", tmp_path)
    assert check.check_dags() == ["no DAG was found in dags/"]

    (tmp_path / "dags" / "broken.py").write_text("from airflow.sdk import DAG\n1 / 0\n")
    (tmp_path / "dags" / "measuring.py").write_text(MEASURING_DAG)
    broken, judging = check.check_dags()
    assert "ZeroDivisionError" in broken
    assert judging.startswith("d.judge's eval_config: the eval config has no thresholds")
