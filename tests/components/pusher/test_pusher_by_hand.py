"""What hands do in a serving folder, and what the next writer makes of it."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from components import artifacts, pusher
from components.errors import ConfigurationError, InvalidModelError, PushError, RecordError
from components.pusher import disk
from components.pusher.lock import locked
from components.pusher.quarantine import recipe_digest
from components.pusher.status import table
from components.records import Finding, Override, Refusal


def copy_to_number(workshop, number, content="foreign"):
    return workshop.write_model(workshop.base / number, content)


def test_two_spellings_of_one_number_do_not_wedge_the_folder(workshop):
    workshop.publish(2, 3)
    copy_to_number(workshop, "020130301000000")

    result = workshop.rollback(hold=False)

    assert result.version == "20130201000000"
    assert workshop.folder.live().number == 20130201000000
    assert workshop.push(workshop.model("graph 4", 4)).outcome == "pushed"
    assert workshop.folder.withdrawn_path(20130301000000).is_dir()


def test_a_withdrawn_version_copied_back_is_withdrawn_again(workshop):
    workshop.publish(2, 3)
    workshop.rollback(hold=False)
    withdrawn = workshop.folder.withdrawn_path(20130301000000)
    shutil.copytree(withdrawn, workshop.base / "20130301000000")

    assert workshop.push(workshop.model("graph 4", 4)).outcome == "pushed"
    assert "20130301000000" not in workshop.visible()
    assert artifacts.digest(withdrawn) == workshop.folder.record(20130301000000).digest
    leftovers = [f for f in lint(workshop) if f.check == "leftover"]
    assert len(leftovers) == 1
    assert leftovers[0].message.startswith("'20130301000000.")


def lint(workshop):
    return pusher.lint(base_directory=str(workshop.base)).findings


def take_away(workshop, version):
    """Move a version out of the folder, and let a writer notice."""
    elsewhere = workshop.directory / "elsewhere"
    (workshop.base / version).rename(elsewhere)
    with locked(workshop.base):
        pass
    assert workshop.folder.record(int(version)).state == "removed"
    return elsewhere


def test_a_version_taken_away_and_brought_back_is_still_known_by_its_files(workshop):
    first, second = workshop.publish(2, 3)
    take_away(workshop, second.version).rename(workshop.base / second.version)

    with locked(workshop.base) as folder:
        assert folder.record(int(second.version)).state == "committed"

    assert workshop.folder.live().number == int(second.version)
    (Path(second.uri) / "saved_model.pb").unlink()
    assert workshop.folder.live().number == int(first.version)


def test_a_version_that_retention_removed_comes_back_with_its_files(workshop):
    first = workshop.publish(2, 3, 4)[0]
    kept = workshop.directory / "backup"
    shutil.copytree(first.uri, kept)
    workshop.push(workshop.model("graph 5", 5), keep_versions=2)
    assert workshop.folder.record(int(first.version)).manifest == ""
    kept.rename(first.uri)

    with locked(workshop.base) as folder:
        manifest = folder.record(int(first.version)).manifest

    assert manifest == artifacts.read_manifest(first.uri).text


def test_a_version_brought_back_with_other_bytes_is_not_served(workshop):
    _, second = workshop.publish(2, 3)
    elsewhere = take_away(workshop, second.version)
    (elsewhere / "saved_model.pb").write_text("other")
    elsewhere.rename(second.uri)

    with locked(workshop.base):
        pass

    assert workshop.visible() == ["20130201000000", "20130301000000.withdrawn"]


def link_inside(directory: Path, elsewhere: Path) -> None:
    """Replace the model file by a symlink, and add one that leads in a circle."""
    elsewhere.mkdir()
    (directory / "saved_model.pb").rename(elsewhere / "saved_model.pb")
    (directory / "saved_model.pb").symlink_to(elsewhere / "saved_model.pb")
    (directory / "loop").symlink_to(directory)


def test_a_foreign_version_with_symlinks_may_be_left_and_returned_to(workshop):
    foreign = copy_to_number(workshop, "1700000000")
    digest = artifacts.digest(foreign)
    link_inside(foreign, workshop.directory / "elsewhere")

    pushed = workshop.push(workshop.model("graph 3", 3))
    back = workshop.rollback(hold=False)
    copy_to_number(workshop, "1600000000")
    further = workshop.rollback(hold=False)

    assert pushed.outcome == "pushed"
    assert (back.version, back.digest) == ("1700000000", digest)
    assert further.version == "1600000000"


def test_a_foreign_version_is_compared_by_what_its_symlinks_lead_to(workshop):
    foreign = copy_to_number(workshop, "1700000000", "graph 3")
    link_inside(foreign, workshop.directory / "elsewhere")

    assert workshop.push(workshop.model("graph 3", 3)).outcome == "already_live"


def test_a_rollback_tried_again_tells_what_it_did_and_not_what_came_after(workshop):
    workshop.publish(2, 3)
    run = workshop.run("rollback")
    first = workshop.rollback(run=run, hold=False)
    workshop.publish(4)

    again = workshop.rollback(run=run, hold=False)

    assert again.replayed
    assert (again.version, again.digest, again.previous_version) == (
        first.version,
        first.digest,
        first.previous_version,
    )
    assert workshop.folder.live().number == 20130401000000


def test_a_push_tried_again_does_not_vouch_for_a_version_that_was_damaged(workshop):
    model, run = workshop.model(), workshop.run()
    pushed = workshop.push(model, run=run)
    (Path(pushed.uri) / "saved_model.pb").unlink()

    with pytest.raises(InvalidModelError, match="damaged since"):
        workshop.push(model, run=run)


def test_a_signature_that_no_version_came_of_is_swept(workshop):
    workshop.publish(2)
    signatures = workshop.folder.state_directory / "signatures"
    signatures.mkdir()
    (signatures / "20130301000000.sig").write_text("of a push that was killed")

    pushed = workshop.publish(3)[0]

    status = pusher.status(base_directory=str(workshop.base))
    assert (pushed.version, status.versions[0].signature) == ("20130301000000", None)


def test_the_recipe_of_a_model_with_large_numbers_is_known(workshop):
    known = {"module_digest": "sha256:m", "examples_digest": "sha256:e"}
    one = workshop.model(hyperparameters={"seed": 2**60}, **known)
    other = workshop.model(hyperparameters={"seed": 2**60 + 1}, **known)

    assert recipe_digest(one) is not None
    assert recipe_digest(one) != recipe_digest(other)


def test_a_refused_push_makes_no_folder(workshop):
    model = workshop.model()
    negative = workshop.bless(model, blessed=False, findings=(workshop.failure(),))

    result = workshop.push(model, [negative, workshop.bless(model, "infra")])

    assert isinstance(result, Refusal)
    assert not workshop.base.exists()


def test_an_evaluation_may_not_carry_overrides_of_its_own(workshop):
    model = workshop.model()
    failure = workshop.failure(metric="auc", observed=0.6)
    override = Override(failure.check, "auc", {}, "fine", "ada", observed=0.6)
    evaluation = workshop.bless(model, overrides=(override,))

    result = workshop.push(model, [evaluation, workshop.bless(model, "infra")])

    assert "only an approval may" in result.findings[0].message


@pytest.mark.parametrize("damage", ["{", '{"version": "abc"}', "[" * 100_000, "FIFO"])
def test_a_damaged_record_of_long_ago_keeps_nobody_from_rolling_back(workshop, damage):
    first, _ = workshop.publish(2, 3)
    path = workshop.folder.record_path(20100101000000)
    if damage == "FIFO":
        os.mkfifo(path)
    else:
        path.write_text(damage)

    assert workshop.rollback().version == first.version
    assert pusher.hold(base_directory=str(workshop.base), reason="night").hold is not None
    if damage != '{"version": "abc"}':  # of other bytes, so that a push needn't know it
        with pytest.raises(RecordError, match=r"20100101000000\.json"):
            workshop.push(workshop.model("graph 4", 4))


@pytest.mark.parametrize("damage", ["{", '{"version": "abc"}', "[" * 100_000])
@pytest.mark.parametrize("month", [3, 4, 5])
def test_a_damaged_record_of_a_version_that_is_there_keeps_nobody_from_rolling_back(
    workshop, month, damage
):
    pushed = workshop.publish(2, 3, 4, 5)
    live = workshop.folder.live()
    damaged = f"2013{month:02}01000000"
    workshop.folder.record_path(int(damaged)).write_text(damage)

    result = workshop.rollback(from_version=live.number)

    target = pushed[1] if damaged == pushed[2].version else pushed[2]
    assert (result.version, result.previous_version) == (target.version, str(live.number))
    served = [name for name in workshop.visible() if name.isdecimal()]
    assert max(served) == target.version
    assert artifacts.digest(workshop.base / target.version) == target.digest
    (entry,) = workshop.folder.quarantine().active
    assert (entry.version, entry.digest) == (str(live.number), live.digest)
    passed_over = [one.message for one in result.findings if one.check == "damaged"]
    assert len(passed_over) == (damaged == pushed[2].version)
    assert workshop.folder.hold() is not None


@pytest.mark.parametrize("month", [2, 3, 4])
def test_a_damaged_record_keeps_nobody_from_holding_and_is_shown(workshop, month):
    workshop.publish(2, 3, 4)
    workshop.rollback(hold=False)  # of April, which is withdrawn now
    number = f"2013{month:02}01000000"
    workshop.folder.record_path(int(number)).write_text("{")
    directory = str(workshop.base)

    assert pusher.hold(base_directory=directory, reason="night").hold.reason == "night"
    shown = pusher.status(base_directory=directory)
    assert shown.live_version == "20130301000000"
    problems = {
        version.version: version.problem
        for version in (*shown.versions, *shown.withdrawn)
        if version.problem is not None
    }
    assert list(problems) == [number]
    assert f"versions/{number}.json' is damaged" in problems[number]
    said = table(pusher.status(base_directory=directory))
    assert f"damaged, and so nothing can be pushed:\n  {problems[number]}" in said
    assert "ON HOLD since" in said
    assert pusher.resume(base_directory=directory).hold is None


@pytest.mark.parametrize("name", ["quarantine.json", "hold.json", "pins.json"])
def test_a_damaged_file_of_the_folder_is_shown_and_hides_no_version(workshop, name):
    workshop.publish(2, 3)
    (workshop.folder.state_directory / name).write_text("{")
    shown = pusher.status(base_directory=str(workshop.base))
    assert [version.version for version in shown.versions] == ["20130301000000", "20130201000000"]
    (problem,) = shown.problems
    assert f"{name}' is damaged" in problem


@pytest.mark.parametrize("name", ["quarantine.json", "hold.json"])
def test_what_blocks_pushes_because_it_is_damaged_blocks_no_rollback(workshop, name):
    first, _ = workshop.publish(2, 3)
    (workshop.folder.state_directory / name).write_text("{")

    assert workshop.rollback().version == first.version
    assert workshop.visible() == ["20130201000000", "20130301000000.withdrawn"]
    with pytest.raises(RecordError, match=name):
        workshop.push(workshop.model("graph 4", 4))


def test_the_only_version_with_a_record_is_not_left_for_one_without(workshop):
    workshop.publish(2, 3)
    workshop.folder.record_path(20130201000000).write_text("{")

    result = workshop.rollback()

    assert [one.check for one in result.findings] == ["policy", "damaged"]
    assert workshop.visible() == ["20130201000000", "20130301000000"]


def test_a_record_that_is_of_another_version_is_damaged(workshop):
    workshop.publish(2, 3)
    record = workshop.folder.record_path(20130201000000)
    record.write_text(workshop.folder.record_path(20130301000000).read_text())

    assert any("it is of version 20130301000000" in f.message for f in lint(workshop))


@pytest.mark.parametrize("name", ["pins.json", "versions/20130201000000.json"])
def test_what_fails_after_the_rename_does_not_undo_a_push(workshop, name):
    workshop.publish(2)
    model = workshop.model("graph 3", 3)
    rename = disk.rename

    def damage(source, target):
        rename(source, target)
        (workshop.folder.state_directory / name).write_text("{bad")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "rename", damage)
        assert workshop.push(model).outcome == "pushed"


@pytest.mark.parametrize("base", ["a\0b", "\udcff", "file://localhost/x", "file://x"])
def test_a_base_directory_that_can_not_be_is_refused_before_anything_is_done(workshop, base):
    with pytest.raises(ConfigurationError):
        workshop.push(workshop.model(), base=base)


def test_a_loop_of_symlinks_is_no_serving_folder(workshop):
    workshop.base.symlink_to(workshop.base)

    with pytest.raises(PushError):
        workshop.push(workshop.model())


@pytest.mark.parametrize("timeout", [-1, float("inf"), float("nan"), 10**400])
def test_a_wait_without_end_is_refused(workshop, timeout):
    with pytest.raises(ConfigurationError, match="lock_timeout_seconds"):
        workshop.push(workshop.model(), lock_timeout_seconds=timeout)
    with pytest.raises(ConfigurationError, match="timeout_seconds"):
        workshop.push(workshop.model(), confirm={"urls": ["http://h"], "timeout_seconds": timeout})


@pytest.mark.parametrize("check", ["nan", "infra", "digest", "slice_missing"])
def test_only_thresholds_may_be_overridden(workshop, check):
    model = workshop.model()
    failure = Finding(check, False, "bad", metric="auc", observed=0.6)
    override = Override(check, "auc", {}, "fine", "ada", observed=0.6)
    blessings = [
        workshop.bless(model, blessed=False, findings=(failure,)),
        workshop.bless(model, "infra"),
        workshop.bless(model, "approval", overrides=(override,)),
    ]

    assert workshop.push(model, blessings).check == "not_blessed"


@pytest.mark.parametrize("field", ["reason", "by"])
def test_an_override_needs_a_name_and_a_reason(workshop, field):
    model = workshop.model()
    failure = workshop.failure(metric="auc", observed=0.6)
    override = Override(failure.check, "auc", {}, "fine", "ada", observed=0.6)

    def push(given):
        return workshop.push(
            model,
            [
                workshop.bless(model, blessed=False, findings=(failure,)),
                workshop.bless(model, "infra"),
                workshop.bless(model, "approval", overrides=(given,)),
            ],
        )

    assert push(dataclasses.replace(override, **{field: " "})).check == "not_blessed"
    assert push(override).outcome == "pushed"


def test_changed_bytes_are_an_error_before_the_folder_is_there_too(workshop):
    model = workshop.model()
    negative = workshop.bless(model, blessed=False, findings=(workshop.failure(),))
    (Path(model.uri) / "saved_model.pb").write_text("changed")

    with pytest.raises(InvalidModelError):
        workshop.push(model, [negative, workshop.bless(model, "infra")])


def test_a_foreign_version_with_odd_names_leaves_the_status_readable(workshop):
    foreign = copy_to_number(workshop, "1700000000")
    (foreign / "a\nb").write_text("x")
    copy_to_number(workshop, "1600000000")

    workshop.rollback(hold=False)

    assert len(pusher.status(base_directory=str(workshop.base)).withdrawn) == 1


def test_the_signature_of_a_version_that_retention_removed_goes_with_it(workshop):
    first = workshop.publish(2, 3, 4)[0]
    signature = workshop.folder.signature_path(int(first.version))
    signature.parent.mkdir()
    signature.write_text("signed")

    workshop.push(workshop.model("graph 5", 5), keep_versions=2)
    assert not signature.exists()

    signature.write_text("as a crash would leave it")
    workshop.publish(6)
    assert not signature.exists()
