"""What lint finds, each thing on its own."""

import os

import pytest

from components import pusher
from components.serving_records import Quarantine


def lint(workshop):
    return pusher.lint(base_directory=str(workshop.base))


def test_a_folder_in_order_has_no_findings(workshop):
    workshop.publish(2, 3, 4)
    workshop.rollback()
    workshop.write_model(workshop.base / "1700000000", "by TFX")

    report = lint(workshop)

    assert (report.findings, report.exit_code) == ((), 0)


def test_a_folder_that_does_not_exist_has_no_findings(workshop):
    assert lint(workshop).findings == ()


@pytest.mark.parametrize("name", ["00020140101000000", "+7", "-7", " 7", "0"])
def test_a_name_that_the_server_reads_as_a_version_by_accident(workshop, name):
    workshop.publish(2)
    workshop.write_model(workshop.base / name)

    assert checks(workshop) == ["accidental_version"]


def test_a_plain_file_with_a_number_for_a_name(workshop):
    workshop.publish(2)
    (workshop.base / "42").write_text("")

    assert checks(workshop) == ["accidental_version"]


def test_two_names_for_one_number(workshop):
    workshop.write_model(workshop.base / "42")
    workshop.write_model(workshop.base / "042")

    assert checks(workshop) == ["accidental_version", "duplicate_version"]


def test_a_version_without_its_model_file_is_a_bomb_for_the_next_start(workshop):
    workshop.publish(2)
    (workshop.base / "20140101000000").mkdir()

    report = lint(workshop)

    assert [finding.check for finding in report.findings] == ["incomplete_version"]
    assert "a server that starts now would try it first" in report.findings[0].message
    assert report.exit_code == 3


@pytest.mark.parametrize("change", ["bytes", "missing", "extra", "link"])
def test_a_version_whose_bytes_are_not_those_of_its_record(workshop, change):
    workshop.publish(2, 3)
    version = workshop.base / "20130201000000"
    if change == "bytes":
        (version / "saved_model.pb").write_text("GRAPH 2")
    elif change == "missing":
        (version / "variables" / "variables.index").unlink()
    elif change == "extra":
        (version / "extra").write_text("")
    else:
        (version / "link").symlink_to("saved_model.pb")

    report = lint(workshop)

    assert [finding.check for finding in report.findings] == ["incomplete_version"]
    assert "20130201000000" in report.findings[0].message
    assert "would try it first" not in report.findings[0].message


@pytest.mark.parametrize(
    ("path", "mode"), [("", 0o700), ("variables", 0o750), ("variables/variables.index", 0o600)]
)
def test_modes_that_keep_another_user_out(workshop, path, mode):
    workshop.publish(2)
    (workshop.base / "20130201000000" / path).chmod(mode)

    report = lint(workshop)

    assert [finding.check for finding in report.findings] == ["wrong_mode"]
    assert f"{mode:o}" in report.findings[0].message


def test_a_base_directory_that_keeps_another_user_out(workshop):
    workshop.publish(2)
    workshop.base.chmod(0o700)

    assert checks(workshop) == ["wrong_mode"]


def test_what_a_crash_left(workshop):
    workshop.publish(2, 3)
    state = workshop.folder.state_directory
    (state / "staging-1").mkdir()
    (state / "trash-1").mkdir()
    (state / ".hold.json.1.tmp").write_text("")
    (state / "versions" / ".1.json.1.tmp").write_text("")
    (workshop.base / "20130301000000").rename(workshop.directory / "gone")

    assert checks(workshop) == ["leftover"] * 5
    workshop.publish(4)
    assert checks(workshop) == []


@pytest.mark.parametrize("name", ["versions/20130201000000.json", "hold.json", "quarantine.json"])
def test_damaged_records(workshop, name):
    workshop.publish(2, 3)
    (workshop.folder.state_directory / name).write_text('{"type": "Hold", "schema_version": 99}')

    found = checks(workshop)

    assert "damaged_record" in found


def test_a_version_that_is_live_although_in_quarantine(workshop):
    workshop.publish(2, 3)
    workshop.rollback(hold=False)
    withdrawn = workshop.base / "20130301000000.withdrawn"
    withdrawn.rename(workshop.base / "20130301000000")

    assert set(checks(workshop)) == {"incomplete_version", "quarantined_live"}


def test_findings_need_no_quarantine_file(workshop):
    workshop.publish(2)

    assert workshop.folder.quarantine() == Quarantine()
    assert not os.path.lexists(workshop.folder.state_directory / "quarantine.json")


def checks(workshop) -> list[str]:
    return sorted(finding.check for finding in lint(workshop).findings)
