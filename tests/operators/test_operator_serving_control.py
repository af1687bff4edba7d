"""What the person on call does from Airflow's page, on a real serving folder."""

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException

import operators
from components import artifacts, pusher
from components.records import Blessing, Model, Subject, Validator, Window
from components.serving_folder import ServingFolder
from operators import (
    FreshnessOperator,
    HoldOperator,
    PinOperator,
    ReleaseOperator,
    ResumeOperator,
    RollbackOperator,
    ServingLintOperator,
    ServingStatusOperator,
)
from operators.model_asset import ALIAS
from tests.operators.contexts import make_context


def execute(operator, task_id="control", user="ada"):
    return operator.execute(make_context(task_id, user=user))


def publish(installation, content, window):
    directory = installation / content
    directory.mkdir()
    (directory / "saved_model.pb").write_text(content)
    digest = artifacts.digest(directory)
    subject, validator = Subject("model", digest), Validator("test", "1")
    blessings = [
        Blessing(kind, True, subject, (), validator, "2026-01-01T00:00:00Z")
        for kind in ("evaluation", "infra")
    ]
    base = installation / "serving" / "flight_delays"
    pusher.push(
        model=Model(str(directory), digest, 7, window=window),
        blessings=blessings,
        push_destination={"filesystem": {"base_directory": str(base)}},
    )


@pytest.fixture
def two_versions(installation):
    """A serving folder with the models of two months."""
    base = installation / "serving" / "flight_delays"
    for month in (2, 3):
        publish(installation, f"month {month}", Window("2013-01-01", f"2013-0{month}-01"))
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


def test_a_release_that_is_retried_is_done_already(two_versions):
    folder = str(two_versions)
    execute(RollbackOperator(task_id="rollback", base_directory=folder, reason="bad"))
    arguments = {"base_directory": folder, "version": "20130301000000"}
    release = ReleaseOperator(task_id="release", reason="it was the network", **arguments)

    execute(release)
    execute(release)

    (entry,) = ServingFolder(folder).quarantine().entries
    assert (entry.released_by, entry.released_for) == ("ada", "it was the network")
    context = make_context("release")
    context["ti"].run_id = "manual__another"
    with pytest.raises(AirflowFailException, match="isn't in quarantine"):
        release.execute(context)


def test_a_rollback_tells_the_models_asset_once_it_changed_something(two_versions):
    context = make_context("rollback")
    operator = RollbackOperator(
        task_id="rollback",
        base_directory=str(two_versions),
        reason="bad",
        from_version="20130301000000",
        hold="False",
        outlets=[ALIAS],
    )
    operator.execute(context)

    (event,) = context["outlet_events"][ALIAS].asset_alias_events
    assert event.dest_asset_key.name == "model/flight_delays"
    assert (event.extra["outcome"], event.extra["version"]) == ("rolled_back", "20130201000000")
    assert pusher.status(base_directory=str(two_versions)).hold is None


@pytest.mark.parametrize(("hours", "is_fresh"), [(1e6, True), (24, False)])
def test_freshness_fails_where_the_live_data_are_too_old(two_versions, hours, is_fresh):
    operator = FreshnessOperator(task_id="fresh", model="flight_delays", max_age_hours=hours)
    context = make_context("fresh")
    if is_fresh:
        expected = datetime.now(UTC) - datetime(2013, 3, 1, tzinfo=UTC)
        assert operator.execute(context) == pytest.approx(expected.total_seconds() / 3600, abs=0.1)
        return
    with pytest.raises(AirflowFailException, match="the data of the live version end"):
        operator.execute(context)
    assert context["ti"].xcoms["fresh"]["finding"]["check"] == "freshness"


@pytest.mark.parametrize(("days_ahead", "is_fresh"), [(1, True), (3, False)])
def test_data_that_end_in_the_future_are_not_called_fresh_for_ever(
    installation, days_ahead, is_fresh
):
    """A little is a clock that is slow; much is a window that somebody mistyped."""
    end = datetime.now(UTC) + timedelta(days=days_ahead)
    publish(installation, "graph", Window("2013-01-01", end.strftime("%Y-%m-%dT%H:%M:%SZ")))
    operator = FreshnessOperator(task_id="fresh", model="flight_delays", max_age_hours=48)
    if is_fresh:
        assert operator.execute(make_context("fresh")) == pytest.approx(-24, abs=0.1)
        return
    with pytest.raises(AirflowFailException, match=r"end 7[12]\.\d hours from now"):
        operator.execute(make_context("fresh"))


def test_freshness_fails_where_nothing_is_live(installation):
    operator = FreshnessOperator(task_id="fresh", model="other", max_age_hours=24)
    with pytest.raises(AirflowFailException, match="other: nothing is live"):
        operator.execute(make_context("fresh"))


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
