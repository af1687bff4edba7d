"""What a baseline argument means, and that it is kept while it is looked at."""

import os

import pytest

from components import artifacts
from components.errors import ArtifactError, ConfigurationError, InvalidModelError, RecordError
from components.evaluator.baseline import read_baseline, take_snapshot
from components.records import Examples, Model, dump
from components.serving_folder import ServingFolder, Version


@pytest.fixture
def saved_model(tmp_path):
    """Return a function that writes what looks like a SavedModel."""

    def write(path=tmp_path / "model", content=b"abc"):
        (path / "variables").mkdir(parents=True)
        (path / "saved_model.pb").write_bytes(content)
        (path / "variables" / "variables.index").write_bytes(b"i")
        (path / "variables" / "variables.data-00000-of-00001").write_bytes(b"d")
        return path

    return write


def record_of(path):
    manifest = artifacts.read_manifest(path)
    return Model(uri=str(path), digest=manifest.digest, num_bytes=manifest.num_bytes)


def test_nothing_is_no_baseline(tmp_path):
    assert read_baseline(None) is None
    comparison = take_snapshot(None, tmp_path / "scratch")
    assert (comparison.record, comparison.directory) == (None, None)


def test_a_saved_model_directory_is_a_model(saved_model, tmp_path):
    path = saved_model()
    assert read_baseline(str(path)) == record_of(path)
    comparison = take_snapshot(read_baseline(path), tmp_path / "scratch")
    assert comparison.directory == path
    assert comparison.record.to_json() == {
        "base_directory": None,
        "version": None,
        "digest": record_of(path).digest,
    }


def test_a_record_is_a_model_as_json_file_or_directory(saved_model, tmp_path):
    record = record_of(saved_model())
    artifacts.write_record(record, tmp_path)
    for source in (record, dump(record), tmp_path / "record.json", str(tmp_path)):
        assert read_baseline(source) == record


def test_any_other_directory_is_a_serving_folder_even_if_it_is_not_there(tmp_path):
    for path in (tmp_path, tmp_path / "not" / "there"):
        folder = read_baseline(path)
        assert isinstance(folder, ServingFolder)
        comparison = take_snapshot(folder, tmp_path / "scratch")
        assert comparison.record.to_json() == {
            "base_directory": str(path),
            "version": None,
            "digest": None,
        }
        assert comparison.directory is None


@pytest.mark.parametrize("source", ["missing/record.json", "{}", ""])
def test_a_mistyped_record_is_no_empty_serving_folder(source):
    with pytest.raises((RecordError, ConfigurationError)):
        read_baseline(source)


def test_refuses_the_record_of_something_else():
    examples = Examples(uri="/somewhere", splits={}, digest="sha256:0")
    with pytest.raises(ConfigurationError, match="is the record of Examples; expected Model"):
        read_baseline(dump(examples))


def test_the_live_version_is_the_highest(saved_model, tmp_path):
    base = tmp_path / "serving"
    for number in (9, 10):
        saved_model(base / str(number), content=b"%d" % number)
    comparison = take_snapshot(read_baseline(base), tmp_path / "scratch")
    assert comparison.title == "live version 10"
    assert comparison.record.version == "10"
    assert comparison.record.digest == artifacts.digest(base / "10")
    assert comparison.record.base_directory == os.path.realpath(base)


def test_a_symlinked_folder_is_named_by_its_real_path(saved_model, tmp_path):
    saved_model(tmp_path / "serving" / "1")
    (tmp_path / "link").symlink_to(tmp_path / "serving")
    comparison = take_snapshot(read_baseline(tmp_path / "link"), tmp_path / "scratch")
    assert comparison.record.base_directory == os.path.realpath(tmp_path / "serving")


def test_survives_retention_in_mid_evaluation(saved_model, tmp_path):
    import shutil

    version = saved_model(tmp_path / "serving" / "7")
    digest = artifacts.digest(version)
    comparison = take_snapshot(read_baseline(tmp_path / "serving"), tmp_path / "scratch")
    shutil.rmtree(version)
    assert artifacts.digest(comparison.directory) == comparison.record.digest == digest


def test_copies_where_it_may_not_link(saved_model, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(18, "Invalid cross-device link")

    version = saved_model(tmp_path / "serving" / "7")
    monkeypatch.setattr(os, "link", refuse)
    comparison = take_snapshot(read_baseline(tmp_path / "serving"), tmp_path / "scratch")
    copied = comparison.directory / "saved_model.pb"
    assert copied.stat().st_ino != (version / "saved_model.pb").stat().st_ino
    assert comparison.record.digest == artifacts.digest(version)


class ChangingFolder(ServingFolder):
    """Withdraws a version between saying that it is live and being read."""

    def __init__(self, base_directory, times):
        super().__init__(base_directory)
        self.times = times

    def live(self):
        if self.times:
            self.times -= 1
            return Version(99, self.base_directory / "99", digest="sha256:gone")
        return super().live()


def test_looks_again_where_the_live_version_goes_away(saved_model, tmp_path):
    saved_model(tmp_path / "serving" / "7")
    folder = ChangingFolder(tmp_path / "serving", times=3)
    assert take_snapshot(folder, tmp_path / "scratch").record.version == "7"


def test_gives_up_where_it_keeps_changing(tmp_path):
    with pytest.raises(ArtifactError, match="it changed 5 times"):
        take_snapshot(ChangingFolder(tmp_path, times=100), tmp_path / "scratch")


def test_refuses_a_live_version_that_is_not_what_was_pushed(saved_model, tmp_path, monkeypatch):
    path = saved_model(tmp_path / "serving" / "7")
    version = Version(7, path, digest="sha256:" + "0" * 64)
    monkeypatch.setattr(ServingFolder, "live", lambda self: version)
    with pytest.raises(InvalidModelError, match="something changed it after it was pushed"):
        take_snapshot(read_baseline(tmp_path / "serving"), tmp_path / "scratch")


def test_refuses_a_baseline_model_with_other_bytes(saved_model, tmp_path):
    path = saved_model()
    record = record_of(path)
    (path / "saved_model.pb").write_bytes(b"other")
    with pytest.raises(InvalidModelError, match=r"the baseline in .* its record says"):
        take_snapshot(record, tmp_path / "scratch")
