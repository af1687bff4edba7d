"""What a push does, rule by rule."""

import json
from pathlib import Path

import pytest

from components import artifacts, pusher
from components.errors import ConfigurationError, PushError, RecordError
from components.records import Baseline, Refusal, Window, from_json


def test_publishes_the_bytes_of_the_model_under_the_end_of_its_window(workshop):
    model = workshop.model(month=2)

    pushed = workshop.push(model, run=workshop.run())

    assert (pushed.outcome, pushed.version, pushed.replayed) == ("pushed", "20130201000000", False)
    assert pushed.uri == str(workshop.base / "20130201000000")
    assert pushed.digest == pushed.trained_digest == model.digest
    assert artifacts.digest(pushed.uri) == model.digest
    assert pushed.window == Window("2013-01-01", "2013-02-01")
    assert pushed.previous_version is None
    assert pushed.run == workshop.run()
    assert [blessing.kind for blessing in pushed.blessings] == ["evaluation", "infra"]
    assert from_json(json.loads(json.dumps(pushed.to_json()))) == pushed


def test_names_the_version_that_was_live_before(workshop):
    first, second = workshop.publish(2, 3)

    assert second.previous_version == first.version
    assert workshop.folder.live().number == int(second.version)


def test_records_what_was_pushed_by_which_run(workshop):
    model = workshop.model()
    workshop.push(model, run=workshop.run())

    record = workshop.folder.record(20130201000000)

    assert record.state == "committed"
    assert record.manifest == artifacts.read_manifest(model.uri).text
    assert record.blessings == tuple(workshop.blessings(model))
    assert record.run == workshop.run()
    assert record.model == model


def test_leaves_nothing_but_the_version_and_its_record(workshop):
    workshop.push(workshop.model())

    assert workshop.visible() == ["20130201000000"]
    state = workshop.folder.state_directory
    assert sorted(path.name for path in state.iterdir()) == ["lock", "versions"]
    assert [path.name for path in (state / "versions").iterdir()] == ["20130201000000.json"]


def test_the_same_model_again_is_already_live_and_nothing_is_written(workshop):
    model = workshop.model()
    pushed = workshop.push(model)
    before = snapshot(workshop.base)

    again = workshop.push(model)

    assert (again.outcome, again.version) == ("already_live", pushed.version)
    assert snapshot(workshop.base) == before


def test_a_second_try_of_the_same_task_returns_what_the_first_recorded(workshop):
    model = workshop.model()
    pushed = workshop.push(model, run=workshop.run())
    pusher.hold(base_directory=str(workshop.base), reason="later")

    again = workshop.push(model, [], run=workshop.run(try_number=2))

    assert again.replayed
    assert (again.outcome, again.version, again.blessings) == (
        "pushed",
        pushed.version,
        pushed.blessings,
    )
    assert again.run == workshop.run(try_number=1)


def test_another_map_index_is_another_task(workshop):
    model = workshop.model()
    workshop.push(model, run=workshop.run(map_index=0))

    assert workshop.push(model, run=workshop.run(map_index=1)).outcome == "already_live"


def test_a_second_try_is_returned_even_when_something_newer_is_live(workshop):
    model = workshop.model("graph 2", 2)
    pushed = workshop.push(model, run=workshop.run())
    workshop.publish(3)

    again = workshop.push(model, run=workshop.run(try_number=2))

    assert (again.replayed, again.version) == (True, pushed.version)


@pytest.mark.parametrize("check", ["quarantined", "superseded"])
def test_a_second_try_is_refused_if_its_version_is_gone(workshop, check):
    workshop.publish(2)
    model = workshop.model("graph 3", 3)
    workshop.push(model, run=workshop.run())
    if check == "quarantined":
        workshop.rollback(hold=False)
    else:
        for month in (4, 5):
            workshop.push(workshop.model(f"graph {month}", month), keep_versions=2)

    refused = workshop.push(model, run=workshop.run(try_number=2))

    assert isinstance(refused, Refusal)
    assert refused.check == check


def test_a_model_that_was_live_before_is_superseded(workshop):
    model = workshop.model("graph 2", 2)
    workshop.push(model)
    workshop.publish(3)

    refused = workshop.push(model, allow_older=True)

    assert refused.check == "superseded"
    assert "20130201000000" in refused.findings[0].message


def test_an_older_window_is_refused_over_a_newer_one(workshop):
    workshop.publish(3)

    refused = workshop.push(workshop.model("older", 2))

    assert refused.check == "older_than_live"
    assert refused.live_version == "20130301000000"
    assert "2013-02-01" in refused.findings[0].message


def test_an_older_window_may_be_allowed_and_gets_a_higher_number(workshop):
    workshop.publish(3)

    pushed = workshop.push(workshop.model("older", 2), allow_older=True)

    assert pushed.version == "20130301000001"
    assert workshop.folder.live().window.end == "2013-02-01T00:00:00Z"


def test_an_equal_window_is_not_older(workshop):
    workshop.publish(3)

    assert workshop.push(workshop.model("other bytes", 3)).version == "20130301000001"


def test_a_model_without_a_window_goes_over_one_with_a_window_only_if_allowed(workshop):
    workshop.publish(3)
    model = workshop.model("by hand", window=None)

    assert workshop.push(model).check == "older_than_live"
    assert workshop.push(model, allow_older=True).version == "20130301000001"


def test_order_compares_windows_and_not_numbers(workshop):
    workshop.push(workshop.model("far ahead", 2), version=20990101000000)

    pushed = workshop.push(workshop.model("newer data", 3))

    assert pushed.version == "20990101000001"


def test_a_folder_of_ten_digit_versions_is_adopted(workshop):
    workshop.write_model(workshop.base / "1700000000", "by TFX")

    pushed = workshop.push(workshop.model())

    assert (pushed.version, pushed.previous_version) == ("20130201000000", "1700000000")
    assert [finding.check for finding in pushed.findings] == ["order_unchecked"]
    assert "1700000000" in pushed.findings[0].message


def test_the_bytes_of_a_foreign_live_version_are_already_live(workshop):
    model = workshop.model()
    workshop.write_model(workshop.base / "1700000000")

    assert workshop.push(model).outcome == "already_live"
    assert workshop.visible() == ["1700000000"]


def test_an_evaluation_against_what_is_live_goes_through(workshop):
    workshop.publish(2)
    model = workshop.model("graph 3", 3)
    evaluation = workshop.bless(model, baseline=workshop.baseline())

    pushed = workshop.push(model, [evaluation, workshop.bless(model, "infra")])

    assert pushed.outcome == "pushed"


@pytest.mark.parametrize("live_before", [True, False])
def test_an_evaluation_against_something_else_is_stale(workshop, live_before):
    if live_before:
        workshop.publish(2)
    model = workshop.model("graph 4", 4)
    evaluation = workshop.bless(model, baseline=workshop.baseline())
    workshop.publish(3)

    refused = workshop.push(model, [evaluation, workshop.bless(model, "infra")])

    assert refused.check == "stale_baseline"
    assert "20130301000000" in refused.findings[0].message


def test_an_evaluation_is_stale_if_what_it_compared_with_is_gone(workshop):
    model = workshop.model()
    baseline = Baseline(str(workshop.base), "20130101000000", "sha256:" + "0" * 64)

    refused = workshop.push(
        model, [workshop.bless(model, baseline=baseline), workshop.bless(model, "infra")]
    )

    assert refused.check == "stale_baseline"


@pytest.mark.parametrize("baseline", [None, Baseline(digest="sha256:" + "0" * 64)])
def test_a_comparison_with_a_plain_model_or_with_nothing_is_never_stale(workshop, baseline):
    workshop.publish(2)
    model = workshop.model("graph 3", 3)
    evaluation = workshop.bless(model, baseline=baseline)

    assert workshop.push(model, [evaluation, workshop.bless(model, "infra")]).outcome == "pushed"


def test_a_foreign_live_version_is_compared_by_its_bytes(workshop):
    workshop.write_model(workshop.base / "1700000000", "by TFX")
    model = workshop.model()
    evaluation = workshop.bless(model, baseline=workshop.baseline())

    assert workshop.push(model, [evaluation, workshop.bless(model, "infra")]).outcome == "pushed"


def test_a_baseline_from_another_folder_is_a_configuration_error(workshop):
    model = workshop.model()
    evaluation = workshop.bless(model, baseline=Baseline(str(workshop.directory / "elsewhere")))

    with pytest.raises(ConfigurationError, match="elsewhere"):
        workshop.push(model, [evaluation, workshop.bless(model, "infra")])


def test_a_baseline_folder_may_be_named_through_a_link(workshop):
    workshop.base.mkdir()
    link = workshop.directory / "link"
    link.symlink_to(workshop.base)
    model = workshop.model()
    evaluation = workshop.bless(model, baseline=Baseline(str(link)))

    assert workshop.push(model, [evaluation, workshop.bless(model, "infra")]).outcome == "pushed"


def test_a_hold_refuses_and_says_why(workshop):
    workshop.publish(2)
    pusher.hold(base_directory=str(workshop.base), reason="Black Friday", by="ada")

    refused = workshop.push(workshop.model("graph 3", 3))

    assert refused.check == "hold"
    assert "Black Friday" in refused.findings[0].message
    assert "ada" in refused.findings[0].message


def test_a_model_record_that_is_none_is_an_error(workshop):
    with pytest.raises(RecordError, match=r"Model\.type"):
        workshop.push({"type": "Refusal", "schema_version": 1}, [])


def test_records_may_be_given_as_the_dicts_that_travel(workshop):
    model = workshop.model()
    blessings = [blessing.to_json() for blessing in workshop.blessings(model)]

    assert workshop.push(model.to_json(), blessings).outcome == "pushed"


def test_a_refusal_says_what_is_live_and_which_model(workshop):
    workshop.publish(3)
    model = workshop.model("older", 2)

    refused = workshop.push(model)

    assert (refused.model_digest, refused.live_version) == (model.digest, "20130301000000")
    assert from_json(json.loads(json.dumps(refused.to_json()))) == refused


@pytest.mark.parametrize(
    ("destination", "given"),
    [({}, "{}"), ({"filesystem": {}}, "filesystem"), ({"filesystem": {"base_directory": ""}}, "")],
)
def test_another_destination_is_a_configuration_error(workshop, destination, given):
    with pytest.raises(ConfigurationError, match="push_destination"):
        pusher.push(model=None, blessings=[], push_destination=destination)


def test_a_bucket_is_no_serving_folder(workshop):
    with pytest.raises(ConfigurationError, match="pusher mirror"):
        workshop.push(workshop.model(), base="s3://bucket/flight_delays")


def test_a_damaged_record_stops_every_push(workshop):
    workshop.publish(2)
    workshop.folder.record_path(20130201000000).write_text("{")

    with pytest.raises(RecordError, match="restore it"):
        workshop.push(workshop.model("graph 3", 3))


def test_a_number_taken_by_somebody_else_while_copying_is_a_fault(workshop, monkeypatch):
    from components.pusher import disk

    def intrude(step, path):
        if step == "sync" and path.name == "variables":
            workshop.write_model(workshop.base / "20130201000000", "intruder")

    monkeypatch.setattr(disk, "_observers", [intrude])
    with pytest.raises(PushError, match="somebody else"):
        workshop.push(workshop.model())

    monkeypatch.undo()
    assert (workshop.base / "20130201000000" / "saved_model.pb").read_text() == "intruder"
    assert workshop.folder.record(20130201000000) is None


def snapshot(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in directory.rglob("*")
        if path.is_file()
    }
