"""Going back: what is withdrawn, what comes instead, and what may not come again."""

import dataclasses
import json
from pathlib import Path

import pytest

from components import artifacts, pusher
from components.errors import ConfigurationError
from components.records import PushedModel, Refusal, from_json


def test_the_version_below_is_live_again(workshop):
    first, second = workshop.publish(2, 3)

    result = workshop.rollback(by="ada")

    assert isinstance(result, PushedModel)
    assert (result.version, result.previous_version) == (first.version, second.version)
    assert (result.uri, result.digest) == (first.uri, first.digest)
    assert workshop.visible() == ["20130201000000", "20130301000000.withdrawn"]
    assert from_json(json.loads(json.dumps(result.to_json()))) == result


def test_the_withdrawn_bytes_are_kept(workshop):
    _, second = workshop.publish(2, 3)

    workshop.rollback()

    assert artifacts.digest(workshop.base / "20130301000000.withdrawn") == second.digest
    record = workshop.folder.record(20130301000000)
    assert (record.state, record.withdrawal.reason) == ("withdrawn", "it is bad")
    assert record.withdrawal.to_version == "20130201000000"


def test_pushes_are_on_hold_until_resume(workshop):
    workshop.publish(2, 3)
    workshop.rollback(by="ada")

    refused = workshop.push(workshop.model("graph 4", 4))
    pusher.resume(base_directory=str(workshop.base))

    assert refused.check == "hold"
    assert "it is bad" in refused.findings[0].message
    assert workshop.push(workshop.model("graph 4", 4)).version == "20130401000000"


def test_without_hold_the_next_model_goes_live(workshop):
    workshop.publish(2, 3)
    workshop.rollback(hold=False)

    assert workshop.push(workshop.model("graph 4", 4)).outcome == "pushed"


def test_a_hold_that_is_there_keeps_its_reason(workshop):
    workshop.publish(2, 3)
    pusher.hold(base_directory=str(workshop.base), reason="Black Friday")

    workshop.rollback()

    assert workshop.folder.hold().reason == "Black Friday"


def test_the_withdrawn_bytes_are_refused_until_released(workshop):
    workshop.publish(2)
    model = workshop.model("graph 3", 3)
    workshop.push(model)
    workshop.rollback(hold=False)

    refused = workshop.push(model)
    pusher.release(base_directory=str(workshop.base), version=20130301000000, by="ada")
    pushed = workshop.push(model)

    assert refused.check == "quarantined"
    assert "it is bad" in refused.findings[0].message
    assert pushed.version == "20130301000001"
    assert workshop.visible() == [
        "20130201000000",
        "20130301000000.withdrawn",
        "20130301000001",
    ]


def test_the_same_recipe_trained_again_is_refused_too(workshop):
    recipe = {
        "module_digest": "sha256:m",
        "examples_digest": "sha256:e",
        "hyperparameters": {"rate": 0.1},
        "train_args": {"num_steps": 10},
    }
    workshop.publish(2)
    workshop.push(workshop.model("once", 3, **recipe))
    workshop.rollback(hold=False)

    again = workshop.model("trained again", 3, **recipe)
    other_rate = dataclasses.replace(again, hyperparameters={"rate": 0.2})
    other_base = dataclasses.replace(again, base_model_digest="sha256:b")
    unknown = dataclasses.replace(again, module_digest=None)

    refused = workshop.push(again)
    assert refused.check == "quarantined"
    assert "same code, data and settings" in refused.findings[0].message
    for model in (other_rate, other_base, unknown):
        assert model.digest == again.digest
    assert workshop.push(other_rate).outcome == "pushed"


@pytest.mark.parametrize("change", [{"base_model_digest": "b"}, {"module_digest": None}])
def test_another_or_an_unknown_recipe_is_no_match(workshop, change):
    recipe = {"module_digest": "m", "examples_digest": "e"}
    workshop.publish(2)
    workshop.push(workshop.model("once", 3, **recipe))
    workshop.rollback(hold=False)

    assert workshop.push(workshop.model("again", 3, **{**recipe, **change})).outcome == "pushed"


def test_a_model_with_warm_up_is_quarantined_by_both_digests(workshop):
    workshop.publish(2)
    model = workshop.model("graph 3", 3)
    served = workshop.with_warm_up(model)
    infra = workshop.bless(model, "infra", served_model=served)
    workshop.push(model, [workshop.bless(model), infra])
    workshop.rollback(hold=False)

    assert workshop.push(model).check == "quarantined"
    assert workshop.push(served).check == "quarantined"


def test_from_version_must_be_live(workshop):
    workshop.publish(2, 3)

    refused = workshop.rollback(from_version="20130201000000")

    assert isinstance(refused, Refusal)
    assert (refused.check, refused.live_version) == ("live_changed", "20130301000000")
    assert workshop.visible() == ["20130201000000", "20130301000000"]


def test_a_retried_task_gets_the_first_result_again(workshop):
    workshop.publish(2, 3, 4)
    first = workshop.rollback(from_version=20130401000000, run=workshop.run())

    again = workshop.rollback(from_version=20130401000000, run=workshop.run(try_number=2))
    unnamed = workshop.rollback(run=workshop.run(try_number=3))

    assert (again.version, again.previous_version, again.replayed) == (
        first.version,
        first.previous_version,
        True,
    )
    assert unnamed.version == first.version
    assert workshop.folder.live().number == 20130301000000


def test_another_task_or_person_with_the_same_from_version_is_refused(workshop):
    workshop.publish(2, 3, 4)
    workshop.rollback(from_version=20130401000000, run=workshop.run())

    other = workshop.rollback(from_version=20130401000000, run=workshop.run(run_id="run 2"))
    person = workshop.rollback(from_version=20130401000000)

    assert other.check == person.check == "live_changed"
    assert "it is bad" in other.findings[0].message


def test_only_the_newest_withdrawal_is_repeated(workshop):
    workshop.publish(2, 3, 4)
    workshop.rollback(from_version=20130401000000, run=workshop.run())
    workshop.rollback(from_version=20130301000000, run=workshop.run(run_id="run 2"))

    refused = workshop.rollback(from_version=20130401000000, run=workshop.run())

    assert refused.check == "live_changed"


def test_going_further_back_is_a_new_call(workshop):
    workshop.publish(2, 3, 4)
    workshop.rollback(from_version=20130401000000)

    result = workshop.rollback(from_version=20130301000000)

    assert result.version == "20130201000000"


def test_the_last_version_stays(workshop):
    workshop.publish(2)

    refused = workshop.rollback()

    assert isinstance(refused, Refusal)
    assert "only whole version" in refused.findings[0].message
    assert workshop.visible() == ["20130201000000"]
    assert workshop.folder.hold() is None
    assert workshop.folder.quarantine().entries == ()


def test_nothing_live_is_a_refusal_and_no_folder_an_error(workshop):
    with pytest.raises(ConfigurationError, match="no serving folder"):
        workshop.rollback()
    workshop.base.mkdir()

    assert workshop.rollback().check == "live_changed"


def test_a_damaged_version_is_passed_over_and_moved_away(workshop):
    workshop.publish(2, 3, 4)
    (workshop.base / "20130301000000" / "saved_model.pb").write_text("GRAPH 3")

    result = workshop.rollback()

    assert result.version == "20130201000000"
    assert [finding.check for finding in result.findings] == ["damaged"]
    assert workshop.visible() == [
        "20130201000000",
        "20130301000000.withdrawn",
        "20130401000000.withdrawn",
    ]
    assert workshop.folder.record(20130301000000).withdrawal.cause == "damaged"


def test_a_version_with_an_extra_file_is_damaged(workshop):
    workshop.publish(2, 3, 4)
    (workshop.base / "20130301000000" / "assets.extra").mkdir()
    (workshop.base / "20130301000000" / "assets.extra" / "x").write_text("")

    assert workshop.rollback().version == "20130201000000"


def test_what_is_not_whole_above_the_live_version_is_moved_away(workshop):
    workshop.publish(2, 3)
    (workshop.base / "20140101000000").mkdir()
    (workshop.base / "20150101000000").write_text("a file")

    result = workshop.rollback()

    assert result.version == "20130201000000"
    numbered = [path.name for _, path in workshop.folder.numbered()]
    assert numbered == ["20130201000000"]


def test_a_foreign_version_may_be_gone_back_to_and_is_named_unverified(workshop):
    workshop.write_model(workshop.base / "1700000000", "by TFX")
    workshop.publish(2)

    result = workshop.rollback()

    assert result.version == "1700000000"
    assert [finding.check for finding in result.findings] == ["unverified"]
    assert result.digest == artifacts.digest(workshop.base / "1700000000")


def test_a_half_copied_foreign_version_is_not_gone_back_to(workshop):
    workshop.write_model(workshop.base / "1600000000", "older")
    workshop.write_model(workshop.base / "1700000000", "by TFX")
    (workshop.base / "1700000000" / "variables" / "variables.index").unlink()
    workshop.publish(2)

    assert workshop.rollback().version == "1600000000"


def test_a_foreign_live_version_can_be_withdrawn(workshop):
    workshop.write_model(workshop.base / "1600000000", "older")
    path = workshop.write_model(workshop.base / "1700000000", "by TFX")
    digest = artifacts.digest(path)

    result = workshop.rollback(hold=False)

    assert (result.version, result.previous_version) == ("1600000000", "1700000000")
    assert workshop.folder.quarantine().active[0].digest == digest
    again = workshop.model("by TFX", 2)
    assert again.digest == digest
    assert workshop.push(again).check == "quarantined"


def test_two_withdrawn_folders_are_kept(workshop):
    workshop.publish(2, 3, 4, 5)
    for _ in range(3):
        workshop.rollback(hold=False)

    assert workshop.visible() == [
        "20130201000000",
        "20130301000000.withdrawn",
        "20130401000000.withdrawn",
    ]
    assert workshop.folder.record(20130501000000).state == "removed"
    assert workshop.folder.highest_number() == 20130501000000


def test_bytes_whose_withdrawn_folder_is_gone_stay_in_quarantine(workshop):
    workshop.publish(2, 3, 4)
    model = workshop.model("graph 5", 5)
    workshop.push(model, run=workshop.run())
    for _ in range(3):
        workshop.rollback(hold=False)

    assert workshop.push(model).check == "quarantined"
    assert workshop.push(model, run=workshop.run()).check == "quarantined"


@pytest.mark.parametrize("version", ["", "zero", 0, -1, "007"])
def test_a_from_version_that_is_none_is_a_configuration_error(workshop, version):
    workshop.publish(2)

    with pytest.raises(ConfigurationError, match="from_version is"):
        workshop.rollback(from_version=version)


def test_the_live_version_is_the_last_to_be_renamed(workshop, monkeypatch):
    from components.pusher import disk

    workshop.publish(2, 3, 4)
    (workshop.base / "20130301000000" / "saved_model.pb").write_text("GRAPH 3")
    (workshop.base / "20140101000000").mkdir()
    renamed = []

    def watch(step, path: Path):
        if step == "rename" and path.parent == workshop.base:
            renamed.append(path.name)

    monkeypatch.setattr(disk, "_observers", [watch])
    workshop.rollback()

    assert renamed[-1] == "20130401000000.withdrawn"
    assert len(renamed) == 3
