"""Hold, resume, release, pin; retention; status."""

import pytest

from components import pusher
from components.errors import ConfigurationError
from components.pusher.status import table
from components.serving_records import VersionRecord


def test_hold_and_resume(workshop):
    workshop.publish(2)
    base = str(workshop.base)

    held = pusher.hold(base_directory=base, reason="Black Friday", by="ada", run=workshop.run())

    assert (held.hold.reason, held.hold.by, held.hold.run) == (
        "Black Friday",
        "ada",
        workshop.run(),
    )
    assert pusher.resume(base_directory=base).hold is None
    assert pusher.resume(base_directory=base).hold is None


def test_there_must_be_a_folder(workshop):
    base = str(workshop.base)
    for call in (
        lambda: pusher.hold(base_directory=base, reason="x"),
        lambda: pusher.resume(base_directory=base),
        lambda: pusher.release(base_directory=base, version=1),
        lambda: pusher.pin(base_directory=base, version=1),
    ):
        with pytest.raises(ConfigurationError, match="no serving folder"):
            call()
    assert not workshop.base.exists()


def test_release_keeps_the_history(workshop):
    workshop.publish(2, 3)
    workshop.rollback(by="ada", hold=False)

    released = pusher.release(base_directory=str(workshop.base), version="20130301000000", by="bob")

    assert released.quarantine == ()
    entry = workshop.folder.quarantine().entries[0]
    assert (entry.by, entry.released_by, entry.reason) == ("ada", "bob", "it is bad")
    assert workshop.folder.record(20130301000000).withdrawal.released


def test_release_of_what_is_not_in_quarantine_names_what_is(workshop):
    workshop.publish(2, 3)
    workshop.rollback()

    with pytest.raises(ConfigurationError, match="in quarantine: 20130301000000"):
        pusher.release(base_directory=str(workshop.base), version=20130201000000)


def test_a_model_may_be_rolled_back_released_and_rolled_back_again(workshop):
    workshop.publish(2)
    model = workshop.model("graph 3", 3)
    for expected in ("20130301000000", "20130301000001", "20130301000002"):
        assert workshop.push(model).version == expected
        assert workshop.rollback(hold=False).version == "20130201000000"
        assert workshop.push(model).check == "quarantined"
        pusher.release(base_directory=str(workshop.base), version=expected)


def test_old_versions_are_removed_and_their_records_kept(workshop):
    for month in range(1, 10):
        workshop.push(workshop.model(f"graph {month}", month + 1), keep_versions=3)

    assert workshop.visible() == ["20130801000000", "20130901000000", "20131001000000"]
    record = workshop.folder.record(20130201000000)
    assert (record.state, record.manifest) == ("removed", "")
    assert [path.name for path in workshop.folder.state_directory.iterdir() if path.is_dir()] == [
        "versions"
    ]


def test_five_versions_are_kept_by_default(workshop):
    workshop.publish(*range(2, 9))

    assert len(workshop.visible()) == 5


@pytest.mark.parametrize("keep", [1, 0, -1, True, None, "5"])
def test_fewer_than_two_versions_is_a_configuration_error(workshop, keep):
    with pytest.raises(ConfigurationError, match="keep_versions is"):
        workshop.push(workshop.model(), keep_versions=keep)


def test_a_pinned_version_is_kept(workshop):
    workshop.publish(2)
    pinned = pusher.pin(base_directory=str(workshop.base), version=20130201000000, reason="audit")
    for month in (3, 4, 5):
        workshop.push(workshop.model(f"graph {month}", month), keep_versions=2)

    assert pinned.versions[0].pinned
    assert workshop.visible() == ["20130201000000", "20130401000000", "20130501000000"]

    pusher.pin(base_directory=str(workshop.base), version=20130201000000, remove=True)
    workshop.push(workshop.model("graph 6", 6), keep_versions=2)
    assert workshop.visible() == ["20130501000000", "20130601000000"]


def test_a_pinned_version_is_kept_after_it_was_withdrawn(workshop):
    workshop.publish(2, 3, 4, 5, 6)
    pusher.pin(base_directory=str(workshop.base), version=20130601000000, reason="audit")

    for _ in range(4):
        workshop.rollback(hold=False)

    withdrawn = [name for name in workshop.visible() if name.endswith(".withdrawn")]
    assert withdrawn == [f"2013{month}01000000.withdrawn" for month in ("03", "04", "06")]


def test_pins_that_can_not_be_read_stop_no_rollback_and_nothing_is_removed(workshop):
    workshop.publish(2, 3, 4, 5)
    (workshop.folder.state_directory / "pins.json").write_text("{bad")

    for _ in range(3):
        workshop.rollback(hold=False)

    assert workshop.folder.live().number == 20130201000000
    assert workshop.folder.withdrawn() == [20130301000000, 20130401000000, 20130501000000]


def test_only_a_version_that_is_there_can_be_pinned(workshop):
    workshop.publish(2)

    with pytest.raises(ConfigurationError, match="there is no version 7"):
        pusher.pin(base_directory=str(workshop.base), version=7)


def test_foreign_versions_are_never_removed(workshop):
    for number in (1600000000, 1700000000):
        workshop.write_model(workshop.base / str(number), f"by TFX {number}")
    for month in (2, 3, 4):
        workshop.push(workshop.model(f"graph {month}", month), keep_versions=2)

    assert workshop.visible() == ["1600000000", "1700000000", "20130301000000", "20130401000000"]


def test_foreign_versions_do_not_count(workshop):
    workshop.publish(2, 3, 4)
    workshop.write_model(workshop.base / "20130401000001", "by hand")

    workshop.push(workshop.model("graph 5", 5), keep_versions=2)

    assert workshop.visible() == ["20130401000000", "20130401000001", "20130501000000"]


def test_after_a_rollback_the_live_version_is_never_removed(workshop):
    workshop.publish(2, 3, 4, 5)
    workshop.rollback(hold=False)
    workshop.rollback(hold=False)
    workshop.push(workshop.model("better", 5), keep_versions=2)

    assert [version.number for version in workshop.folder.versions()] == [
        20130301000000,
        20130501000001,
    ]


def test_status_of_a_folder_that_does_not_exist(workshop):
    shown = pusher.status(base_directory=str(workshop.base))

    assert (shown.live_version, shown.versions, shown.hold) == (None, (), None)
    assert "nothing is live here" in table(shown)
    assert not workshop.base.exists()


def test_status_says_what_is_live_withdrawn_and_in_quarantine(workshop):
    workshop.write_model(workshop.base / "1700000000", "by TFX")
    workshop.publish(2)
    workshop.push(workshop.model("graph 3", 3), run=workshop.run())
    workshop.rollback(by="ada")

    shown = pusher.status(base_directory=str(workshop.base))

    assert shown.live_version == "20130201000000"
    assert [(version.version, version.state) for version in shown.versions] == [
        ("20130201000000", "live"),
        ("1700000000", "kept"),
    ]
    withdrawn = shown.withdrawn[0]
    assert (withdrawn.version, withdrawn.run) == ("20130301000000", workshop.run())
    assert [entry.version for entry in shown.quarantine] == ["20130301000000"]
    assert type(shown).from_json(shown.to_json()) == shown


def test_the_table_says_it_to_people(workshop):
    workshop.write_model(workshop.base / "1700000000", "by TFX")
    workshop.publish(2, 3)
    workshop.rollback(by="ada")
    pusher.pin(base_directory=str(workshop.base), version=20130201000000)

    lines = table(pusher.status(base_directory=str(workshop.base))).splitlines()

    def line(start: str) -> str:
        return next(line for line in lines if line.startswith(start))

    assert "live, pinned" in line("20130201000000")
    assert "2013-02-01T00:00:00Z" in line("20130201000000")
    assert "foreign" in line("1700000000")
    assert "withdrawn" in line("20130301000000")
    assert "by ada" in line("ON HOLD")
    assert "it is bad" in line("  20130301000000")


def test_status_and_lint_neither_lock_nor_write(workshop):
    workshop.publish(2, 3)
    before = {path: path.stat().st_mtime_ns for path in workshop.base.rglob("*")}
    (workshop.folder.state_directory / "lock").unlink()
    del before[workshop.folder.state_directory / "lock"]
    before[workshop.folder.state_directory] = workshop.folder.state_directory.stat().st_mtime_ns

    pusher.status(base_directory=str(workshop.base))
    pusher.lint(base_directory=str(workshop.base))

    after = {path: path.stat().st_mtime_ns for path in workshop.base.rglob("*")}
    assert after == before


def test_a_version_record_survives_json(workshop):
    workshop.publish(2, 3)
    workshop.rollback(by="ada", run=workshop.run())
    record = workshop.folder.record(20130301000000)

    assert VersionRecord.from_json(record.to_json()) == record
