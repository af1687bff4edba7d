"""What the person on call does from Airflow's page, on a real serving folder."""

import pytest
from airflow.sdk.exceptions import AirflowFailException

import operators
from components import artifacts, pusher
from components.records import Blessing, Model, Subject, Validator, Window
from operators import (
    HoldOperator,
    PinOperator,
    ReleaseOperator,
    ResumeOperator,
    RollbackOperator,
    ServingLintOperator,
    ServingStatusOperator,
)
from tests.operators.contexts import make_context


def execute(operator, task_id="control", user="ada"):
    return operator.execute(make_context(task_id, user=user))


@pytest.fixture
def two_versions(installation):
    """A serving folder with the models of two months."""
    base = installation / "serving" / "flight_delays"
    for month in (2, 3):
        directory = installation / f"model-{month}"
        directory.mkdir()
        (directory / "saved_model.pb").write_text(f"month {month}")
        digest = artifacts.digest(directory)
        subject, validator = Subject("model", digest), Validator("test", "1")
        pusher.push(
            model=Model(
                str(directory), digest, 7, window=Window("2013-01-01", f"2013-0{month}-01")
            ),
            blessings=[
                Blessing(kind, True, subject, (), validator, "2026-01-01T00:00:00Z")
                for kind in ("evaluation", "infra")
            ],
            push_destination={"filesystem": {"base_directory": str(base)}},
        )
    return base


def test_hold_and_resume(two_versions):
    folder = str(two_versions)

    held = execute(HoldOperator(task_id="hold", base_directory=folder, reason="Black Friday"))
    assert (held["hold"]["reason"], held["hold"]["by"]) == ("Black Friday", "ada")
    assert pusher.status(base_directory=folder).hold.run.dag_id == "flight_delays"

    resumed = execute(ResumeOperator(task_id="resume", base_directory=folder))
    assert resumed["hold"] is None
    assert pusher.status(base_directory=folder).hold is None


def test_a_version_that_was_rolled_back_may_be_released(two_versions):
    folder = str(two_versions)
    execute(RollbackOperator(task_id="rollback", base_directory=folder, reason="bad"))

    released = execute(
        ReleaseOperator(task_id="release", base_directory=folder, version="20130301000000")
    )

    assert released["quarantine"] == []
    with pytest.raises(AirflowFailException, match="isn't in quarantine"):
        execute(ReleaseOperator(task_id="release", base_directory=folder, version="7"))


def test_a_pin_is_set_and_removed(two_versions):
    folder = str(two_versions)
    arguments = {"task_id": "pin", "base_directory": folder, "version": 20130201000000}

    assert execute(PinOperator(**arguments, reason="audit"))["pins"][0]["reason"] == "audit"
    assert execute(PinOperator(**arguments, remove=True))["pins"] == []


def test_status_names_what_is_live(two_versions, capsys):
    status = execute(ServingStatusOperator(task_id="status", base_directory=str(two_versions)))

    assert status["live_version"] == "20130301000000"
    assert "20130201000000" in capsys.readouterr().out


def test_the_folder_of_the_dag_is_the_default(two_versions):
    status = execute(ServingStatusOperator(task_id="status"))

    assert status["live_version"] == "20130301000000"


def test_lint_fails_the_task_and_keeps_the_report(two_versions):
    operator = ServingLintOperator(task_id="lint", base_directory=str(two_versions))
    context = make_context("lint")
    operator.execute(context)
    assert context["ti"].xcoms["lint"]["lint_report"]["findings"] == []

    (two_versions / "7").write_text("a file that a server takes for a version")
    with pytest.raises(AirflowFailException, match="'7' is no directory"):
        operator.execute(context)
    assert context["ti"].xcoms["lint"]["lint_report"]["findings"][0]["check"] == (
        "accidental_version"
    )


def test_all_are_importable_lazily():
    for name in operators.__all__:
        assert getattr(operators, name).__name__ == name
