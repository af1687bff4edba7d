"""What a reader sees in a serving folder."""

import json
from pathlib import Path

import pytest

from components import artifacts
from components.errors import PushError, RecordError
from components.records import Window
from components.serving_folder import ServingFolder
from components.serving_records import VersionRecord
from components.version_files import version_number


def make_model(directory: Path, content: bytes = b"graph", shards: int = 1) -> Path:
    variables = directory / "variables"
    variables.mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(content)
    (variables / "variables.index").write_bytes(b"index")
    for shard in range(shards):
        (variables / f"variables.data-{shard:05d}-of-{shards:05d}").write_bytes(b"x" * 10)
    return directory


def record_version(base: Path, number: int, **changes: object) -> VersionRecord:
    manifest = artifacts.read_manifest(base / str(number))
    fields: dict[str, object] = {
        "version": str(number),
        "state": "committed",
        "digest": manifest.digest,
        "trained_digest": manifest.digest,
        "manifest": manifest.text,
        "staging": "staging-x",
        "pushed_at": "2026-01-01T00:00:00Z",
        "window": Window("2013-01-01", "2013-02-01"),
    }
    record = VersionRecord(**{**fields, **changes})  # type: ignore[arg-type]
    path = ServingFolder(base).record_path(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record.to_json()))
    return record


def test_nothing_is_live_in_a_folder_that_does_not_exist(tmp_path):
    folder = ServingFolder(tmp_path / "absent")

    assert folder.live() is None
    assert folder.versions() == []
    assert folder.highest_number() == 0


def test_the_highest_number_is_live_whatever_its_name_sorts_like(tmp_path):
    for number in (9, 10, 1_700_000_000):
        make_model(tmp_path / str(number))

    assert [version.number for version in ServingFolder(tmp_path).versions()] == [
        9,
        10,
        1_700_000_000,
    ]
    assert ServingFolder(tmp_path).live().path == tmp_path / "1700000000"


def test_a_recorded_version_says_what_it_is(tmp_path):
    make_model(tmp_path / "20130201000000")
    record = record_version(tmp_path, 20130201000000, trained_digest="sha256:" + "0" * 64)

    live = ServingFolder(tmp_path).live()

    assert live.record == record
    assert live.digest == artifacts.digest(tmp_path / "20130201000000") == live.read_digest()
    assert live.trained_digest == "sha256:" + "0" * 64
    assert live.window == Window("2013-01-01", "2013-02-01")


def test_a_foreign_version_has_a_digest_only_when_it_is_read(tmp_path):
    make_model(tmp_path / "1700000000")

    live = ServingFolder(tmp_path).live()

    assert (live.digest, live.trained_digest, live.window, live.record) == (None,) * 4
    assert live.read_digest() == artifacts.digest(tmp_path / "1700000000")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda version: (version / "saved_model.pb").unlink(),
        lambda version: (version / "saved_model.pb").write_bytes(b""),
        lambda version: (version / "variables" / "variables.index").unlink(),
        lambda version: (version / "variables" / "variables.data-00001-of-00002").unlink(),
    ],
)
def test_a_half_copied_foreign_version_is_not_live(tmp_path, spoil):
    make_model(tmp_path / "1")
    make_model(tmp_path / "2", shards=2)

    spoil(tmp_path / "2")

    assert ServingFolder(tmp_path).live().number == 1


def test_a_recorded_version_that_lost_a_file_is_not_live(tmp_path):
    for number in (1, 2):
        make_model(tmp_path / str(number))
        record_version(tmp_path, number)

    (tmp_path / "2" / "variables" / "variables.data-00000-of-00001").write_bytes(b"short")

    assert ServingFolder(tmp_path).live().number == 1


def test_files_and_other_names_are_no_versions(tmp_path):
    make_model(tmp_path / "5.withdrawn")
    make_model(tmp_path / ".imprimatur" / "staging-1")
    make_model(tmp_path / "candidate")
    (tmp_path / "7").write_text("a plain file that TensorFlow Serving would try to load")

    folder = ServingFolder(tmp_path)

    assert folder.live() is None
    assert folder.withdrawn() == [5]
    assert folder.highest_number() == 7


def test_the_highest_number_counts_what_is_gone(tmp_path):
    make_model(tmp_path / "3")
    record_version(tmp_path, 3)
    record = ServingFolder(tmp_path).record_path(3)
    record.rename(record.with_name("8.json"))

    assert ServingFolder(tmp_path).highest_number() == 8


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("1", 1),
        ("00000123", 123),
        ("+7", 7),
        ("-7", -7),
        (" 8 ", 8),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("1.withdrawn", None),
        ("1e3", None),
        ("1_000", None),
        ("٣", None),
        ("", None),
        (".imprimatur", None),
    ],
)
def test_names_are_read_as_tensorflow_serving_reads_them(name, number):
    assert version_number(name) == number


def test_a_base_directory_that_is_a_file_is_a_fault(tmp_path):
    path = tmp_path / "serving"
    path.write_text("")

    with pytest.raises(PushError, match="expected a directory"):
        ServingFolder(path).live()


def test_a_damaged_record_names_its_file(tmp_path):
    make_model(tmp_path / "1")
    record_version(tmp_path, 1)
    path = ServingFolder(tmp_path).record_path(1)
    path.write_text(path.read_text()[:-20])

    with pytest.raises(RecordError, match=r"versions/1\.json' is damaged"):
        ServingFolder(tmp_path).live()
