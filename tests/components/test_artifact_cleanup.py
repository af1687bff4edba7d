"""Clean-up of artifacts against serving folders that the pusher made."""

import json
import os
import time
from pathlib import Path

import pytest

from components import artifact_cleanup, artifacts, pusher
from components.artifact_cleanup import clean_up
from components.artifact_path import encode
from components.errors import ConfigurationError, RecordError
from components.records import Blessing, Model, Run, Subject, Validator, Window
from components.serving_folder import ServingFolder

DAY = 86400
OLD = time.time() - 100 * DAY


class Installation:
    def __init__(self, root: Path) -> None:
        self.artifacts, self.serving = root / "artifacts", root / "serving"
        self.serving.mkdir()

    def run(self, run_id: str, *, age_days: float = 100, note: str = "") -> Path:
        """Make a run with a model of its own."""
        run = self.artifacts / "flights" / encode(run_id)
        model = run / "trainer" / "1-abcdef01" / "Format-Serving"
        model.mkdir(parents=True)
        (model / "saved_model.pb").write_text(run_id)
        (model.parent / "record.json").write_text(json.dumps({"uri": str(model), "note": note}))
        then = time.time() - age_days * DAY
        for path in (*run.rglob("*"), run):
            os.utime(path, (then, then))
        return model

    def push(self, run_id: str, month: int, **changes: object) -> None:
        model = self.run(run_id)
        digest = artifacts.digest(model)
        window = Window(f"2013-{month:02}-01", f"2013-{month + 1:02}-01")
        kinds = ("evaluation", "infra")
        subject, validator = Subject("model", digest), Validator("test", "1")
        pushed = pusher.push(
            model=Model(str(model), digest, 7, window=window),
            blessings=[
                Blessing(kind, True, subject, (), validator, "2026-01-01T00:00:00Z")
                for kind in kinds
            ],
            push_destination={"filesystem": {"base_directory": str(self.base)}},
            run=Run("flights", run_id, "pusher"),
            **changes,
        )
        assert pushed.outcome == "pushed"

    @property
    def base(self) -> Path:
        return self.serving / "flights"

    def clean_up(self, **changes: object) -> artifact_cleanup.Cleanup:
        return clean_up(artifacts=self.artifacts, serving_root=self.serving, **changes)

    def left(self) -> set[str]:
        return {path.name for path in (self.artifacts / "flights").iterdir()}


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path)


def test_only_what_is_old_and_not_referred_to_goes(installation):
    installation.push("live", 2)
    installation.run("refused")
    installation.run("yesterday", age_days=1)
    found = installation.clean_up()
    assert found.removed == ("flights/refused",)
    assert found.referenced == ("flights/live",)
    assert found.num_young == 1
    assert installation.left() == {"live", "yesterday"}


def test_a_dry_run_removes_nothing(installation):
    installation.run("refused")
    assert installation.clean_up(dry_run=True).removed == ("flights/refused",)
    assert installation.left() == {"refused"}


def test_what_was_rolled_back_stays_and_what_retention_removed_goes(installation):
    for month in (1, 2, 3, 4):
        installation.push(f"month {month}", month, keep_versions=2)
    pusher.rollback(base_directory=str(installation.base), reason="bad", by="ada")
    assert ServingFolder(installation.base).live().number == 20130401000000
    installation.clean_up()
    assert installation.left() == {encode("month 3"), encode("month 4")}


def test_a_model_that_a_kept_run_started_from_stays(installation):
    base = installation.run("base")
    installation.run("older", age_days=100)
    installation.run("fine-tuned", age_days=1, note=str(base))
    installation.clean_up()
    assert installation.left() == {"base", "fine-tuned"}


def test_a_damaged_record_keeps_everything(installation):
    installation.push("live", 2)
    installation.run("refused")
    (record,) = (installation.base / ".imprimatur" / "versions").glob("*.json")
    record.write_text("{")
    with pytest.raises(RecordError, match="is damaged"):
        installation.clean_up()
    assert installation.left() == {"live", "refused"}


def test_a_run_that_goes_on_is_young_by_its_newest_file(installation):
    model = installation.run("running")
    (model / "checkpoint").write_text("just written")
    assert installation.clean_up().removed == ()


def test_a_run_that_waits_for_an_answer_stays_however_old_it_is(installation):
    installation.run("scheduled__2013-01-01T00:00:00+00:00")
    installation.run("over")
    asked = []

    def is_active(dag_id, run_id):
        asked.append((dag_id, run_id))
        return run_id != "over"

    found = installation.clean_up(is_active=is_active)

    assert (found.removed, found.num_active) == (("flights/over",), 1)
    assert installation.left() == {encode("scheduled__2013-01-01T00:00:00+00:00")}
    assert asked == [("flights", "over"), ("flights", "scheduled__2013-01-01T00:00:00+00:00")]


def test_a_run_that_starts_again_while_others_are_removed_stays(installation):
    installation.run("first")
    again = installation.run("second")

    def is_active(dag_id, run_id):
        (again / "checkpoint").write_text("just written")
        return False

    assert installation.clean_up(is_active=is_active).removed == ("flights/first",)


def test_what_a_killed_clean_up_left_is_removed(installation):
    installation.run("kept", age_days=1)
    (installation.artifacts / "flights" / ".trash-1" / "trainer").mkdir(parents=True)
    installation.clean_up()
    assert installation.left() == {"kept"}


@pytest.mark.parametrize("days", [0, 0.5, -1, float("nan")])
def test_less_than_a_day_is_refused(installation, days):
    with pytest.raises(ConfigurationError, match="expected at least 1"):
        installation.clean_up(keep_days=days)


def test_without_a_serving_root_nothing_is_removed(installation):
    installation.run("refused")
    installation.serving.rmdir()
    with pytest.raises(ConfigurationError, match="it isn't known what is live"):
        installation.clean_up()
    assert installation.left() == {"refused"}


def test_the_command_line_prints_what_it_did(installation, capfd):
    installation.run("refused")
    code = artifact_cleanup.main(
        ["--artifacts", str(installation.artifacts), "--serving-root", str(installation.serving)]
    )
    assert code == 0
    assert json.loads(capfd.readouterr().out)["removed"] == ["flights/refused"]
