"""What hands do in a serving folder, and what the next writer makes of it."""

import shutil
from pathlib import Path

import pytest

from components import artifacts, pusher
from components.errors import InvalidModelError
from components.pusher.lock import locked
from components.pusher.quarantine import recipe_digest
from components.records import Override, Refusal


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
    assert leftovers[0].message.startswith("20130301000000.")


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
