"""What the catalog says of folders that the pusher, a hand or a bad disk have made."""

import json
from datetime import UTC, datetime

import pytest

from components import pusher
from components.model_catalog import find_model, list_models, read_versions
from tests.components.pusher.pusher_workshop import Workshop

NOW = datetime(2013, 5, 1, tzinfo=UTC)
DAY = 24 * 3600


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


def fates(workshop, **page):
    return [(entry.version, entry.fate) for entry in read_versions(workshop.base, **page).versions]


def test_a_root_that_is_not_there_has_no_models(tmp_path):
    assert list_models(tmp_path / "absent") == []
    assert find_model(tmp_path / "absent", "flights") is None


def test_only_folders_that_a_server_could_poll_are_models(tmp_path, workshop):
    workshop.publish(2)
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / ".hidden" / "1").mkdir(parents=True)
    (tmp_path / "foreign" / "17").mkdir(parents=True)
    assert [model.name for model in list_models(tmp_path)] == ["foreign", "serving"]


@pytest.mark.parametrize("name", ["..", ".", "", "/", "serving/..", "../serving", "serving\0"])
def test_no_name_leads_out_of_the_root(tmp_path, workshop, name):
    workshop.publish(2)
    assert find_model(tmp_path / "serving", name) is None
    assert find_model(tmp_path, name) is None


def test_a_model_says_what_is_live_and_how_old_its_data_is(tmp_path, workshop):
    workshop.push(workshop.model("a", 2), run=workshop.run(dag_id="flights"))
    second = workshop.push(workshop.model("b", 3), run=workshop.run(dag_id="flights"))
    model = find_model(tmp_path, "serving", now=NOW)
    assert (model.live_version, model.digest) == (second.version, second.digest)
    assert model.window == second.window
    assert model.data_age_seconds == (31 + 30) * DAY  # from the first of March to that of May
    assert (model.num_versions, model.num_withdrawn) == (2, 0)
    assert model.dag_ids == {"serving", "flights"}
    assert model.problems == ()


def test_a_rollback_shows_in_every_place(tmp_path, workshop):
    first, second = workshop.publish(2, 3)
    workshop.rollback("error rate doubled", by="ada")
    model = find_model(tmp_path, "serving", now=NOW)
    assert (model.live_version, model.num_withdrawn) == (first.version, 1)
    assert model.hold is not None
    assert [entry.version for entry in model.quarantine] == [second.version]
    newest = read_versions(workshop.base).versions[0]
    assert (newest.version, newest.fate) == (second.version, "withdrawn")
    assert (newest.withdrawal.reason, newest.withdrawal.by) == ("error rate doubled", "ada")


def test_each_fate(workshop):
    published = workshop.publish(2, 3, 4, 5)
    workshop.rollback()
    pusher.resume(base_directory=str(workshop.base))
    numbers = [pushed.version for pushed in published]
    record = workshop.folder.record(int(numbers[0]))
    aborted = workshop.folder.record_path(20130101000000)
    aborted.write_text(json.dumps({**record.to_json(), "version": "20130101000000"}))
    (workshop.base / numbers[0] / "saved_model.pb").write_text("cut")
    assert fates(workshop) == [
        (numbers[3], "withdrawn"),
        (numbers[2], "live"),
        (numbers[1], "kept"),
        (numbers[0], "damaged"),
        ("20130101000000", "aborted"),
    ]
    workshop.push(workshop.model("new", 6), keep_versions=2)
    assert dict(fates(workshop))[numbers[1]] == "removed"


def test_a_foreign_version_is_named_so(workshop):
    workshop.write_model(workshop.base / "7")
    entry = read_versions(workshop.base).versions[0]
    assert (entry.version, entry.fate, entry.foreign) == ("7", "live", True)
    assert find_model(workshop.directory, "serving").window is None


def test_a_damaged_record_hides_no_other(tmp_path, workshop):
    first, second = workshop.publish(2, 3)
    workshop.folder.record_path(int(second.version)).write_text("{")
    page = read_versions(workshop.base)
    assert [entry.fate for entry in page.versions] == ["damaged", "kept"]
    assert "is damaged" in page.versions[0].problem
    model = find_model(tmp_path, "serving")
    assert model.live_version is None
    assert len(model.problems) == 1
    assert second.version in model.problems[0]
    assert page.versions[1].version == first.version


def test_pages_follow_each_other(workshop):
    numbers = [pushed.version for pushed in workshop.publish(2, 3, 4, 5, 6)][::-1]
    pages = [read_versions(workshop.base, offset=offset, limit=2) for offset in (0, 2, 4, 6)]
    assert [entry.version for page in pages for entry in page.versions] == numbers
    assert {page.total for page in pages} == {5}


@pytest.mark.parametrize(("offset", "limit"), [(-1, 1), (0, 0), (0, 201)])
def test_a_page_out_of_range_is_an_error(workshop, offset, limit):
    with pytest.raises(ValueError, match=f"offset is {offset} and limit is {limit}"):
        read_versions(workshop.base, offset=offset, limit=limit)


def test_looking_changes_nothing(workshop):
    workshop.publish(2, 3)
    before = {path: path.stat().st_mtime_ns for path in workshop.directory.rglob("*")}
    list_models(workshop.directory)
    read_versions(workshop.base)
    assert {path: path.stat().st_mtime_ns for path in workshop.directory.rglob("*")} == before
