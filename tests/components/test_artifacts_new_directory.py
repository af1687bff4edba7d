"""A directory appears whole or not at all."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components import artifacts, records
from components.errors import ConfigurationError
from tests.components.record_samples import MODEL

REPOSITORY = Path(__file__).resolve().parents[2]


def write_artifact(target: Path, content: bytes = b"new") -> None:
    with artifacts.new_directory(target) as directory:
        (directory / "data").mkdir()
        (directory / "data" / "file").write_bytes(content)
        artifacts.write_record(MODEL, directory)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_appears_with_all_that_was_written_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "out"

    write_artifact(target)

    assert names_in(target.parent) == ["out"]
    assert names_in(target) == ["data", "record.json"]
    assert (target / "data" / "file").read_bytes() == b"new"
    assert records.load(target / "record.json") == MODEL


def test_is_not_there_while_it_is_written(tmp_path: Path) -> None:
    with artifacts.new_directory(tmp_path / "out") as directory:
        assert not (tmp_path / "out").exists()
        assert directory.parent == tmp_path
        assert directory.name.startswith(".out.")
        assert directory.name.endswith(".partial")


def test_takes_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    write_artifact(Path("out"))

    assert (tmp_path / "out" / "record.json").is_file()


def raise_within(target: Path, error: BaseException) -> None:
    with artifacts.new_directory(target) as directory:
        (directory / "half").write_bytes(b"1")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_leaves_nothing_if_the_block_raises(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error, match="within"):
        raise_within(tmp_path / "out", error("within"))

    assert names_in(tmp_path) == []


def test_keeps_what_was_there_if_the_block_raises(tmp_path: Path) -> None:
    write_artifact(tmp_path / "out", b"old")

    with pytest.raises(ValueError, match="within"):
        raise_within(tmp_path / "out", ValueError("within"))

    assert names_in(tmp_path) == ["out"]
    assert (tmp_path / "out" / "data" / "file").read_bytes() == b"old"


def test_replaces_an_artifact_whole(tmp_path: Path) -> None:
    write_artifact(tmp_path / "out", b"old")
    (tmp_path / "out" / "extra").write_bytes(b"1")

    write_artifact(tmp_path / "out")

    assert names_in(tmp_path) == ["out"]
    assert names_in(tmp_path / "out") == ["data", "record.json"]
    assert (tmp_path / "out" / "data" / "file").read_bytes() == b"new"


def test_puts_back_what_was_there_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_artifact(tmp_path / "out", b"old")
    rename = Path.rename

    def failing_rename(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError("no more space")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing_rename)
    with pytest.raises(OSError, match="no more space"):
        write_artifact(tmp_path / "out")

    assert names_in(tmp_path) == ["out"]
    assert (tmp_path / "out" / "data" / "file").read_bytes() == b"old"


def test_replaces_a_link_to_an_artifact_and_not_the_artifact(tmp_path: Path) -> None:
    write_artifact(tmp_path / "real", b"old")
    (tmp_path / "out").symlink_to("real")

    write_artifact(tmp_path / "out")

    assert names_in(tmp_path) == ["out", "real"]
    assert not (tmp_path / "out").is_symlink()
    assert (tmp_path / "real" / "data" / "file").read_bytes() == b"old"


def test_refuses_what_is_not_ours_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("missing")
    before = names_in(tmp_path)

    for name in before:
        with (
            pytest.raises(ConfigurationError, match=rf"{name}' exists and holds no record\.json"),
            artifacts.new_directory(tmp_path / name),
        ):
            pytest.fail("must not come here")

    assert names_in(tmp_path) == before
    assert (tmp_path / "full" / "thesis.txt").read_bytes() == b"precious"


def be_late(target: Path) -> None:
    with artifacts.new_directory(target):
        target.mkdir()
        (target / "thesis.txt").write_bytes(b"precious")


def test_refuses_what_came_while_it_was_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"exists and holds no record\.json"):
        be_late(tmp_path / "out")

    assert names_in(tmp_path / "out") == ["thesis.txt"]
    assert names_in(tmp_path) == ["out"]


def test_everything_is_on_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    rename = Path.rename
    fsync = os.fsync

    def recording_fsync(descriptor: int) -> None:
        fsync(descriptor)
        synced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    def checking_rename(self: Path, target: Path) -> Path:
        written = {str(path) for path in (self, *self.rglob("*"))}
        assert written <= synced
        assert str(tmp_path) not in synced
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(Path, "rename", checking_rename)

    write_artifact(tmp_path / "out")

    assert str(tmp_path) in synced


def test_a_pipe_does_not_hang_the_sync(tmp_path: Path) -> None:
    """Whoever digests the tree refuses it; to open it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("missing")

    artifacts.sync_tree(tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
from components import artifacts
from tests.components.record_samples import MODEL

target, step = Path(sys.argv[1]), sys.argv[2]
rename, fsync = Path.rename, os.fsync

def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

def dying_rename(self, other):
    if step == "before the rename": die()
    result = rename(self, other)
    if step == "after the rename": die()
    return result

def dying_fsync(descriptor):
    if step == "before the sync": die()
    fsync(descriptor)

Path.rename, os.fsync = dying_rename, dying_fsync
with artifacts.new_directory(target) as directory:
    (directory / "half").write_bytes(b"1")
    if step == "while writing": die()
    (directory / "other half").write_bytes(b"2")
    artifacts.write_record(MODEL, directory)
"""


@pytest.mark.parametrize(
    ("step", "is_there"),
    [
        ("while writing", False),
        ("before the sync", False),
        ("before the rename", False),
        ("after the rename", True),
    ],
)
def test_a_killed_process_leaves_all_or_nothing(tmp_path: Path, step: str, is_there: bool) -> None:
    target = tmp_path / "out"

    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(target), step], cwd=REPOSITORY, check=False
    )

    assert child.returncode == -signal.SIGKILL
    assert target.exists() == is_there
    if is_there:
        assert names_in(target) == ["half", "other half", "record.json"]
    else:
        leftovers = names_in(tmp_path)
        assert len(leftovers) == 1
        assert leftovers[0].startswith(".out.")
        assert leftovers[0].endswith(".partial")
    write_artifact(target)  # the next one isn't in the way of the leftover
    assert names_in(target) == ["data", "record.json"]


def test_somebody_elses_record_json_is_no_leave_to_replace(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"my": "own data"}')
    (tmp_path / "precious").write_text("kept")

    with pytest.raises(ConfigurationError, match=r"holds no record\.json of ours"):
        write_artifact(tmp_path)
    assert names_in(tmp_path) == ["precious", "record.json"]


def test_a_record_is_a_readable_line(tmp_path: Path) -> None:
    artifacts.write_record(MODEL, tmp_path)

    text = (tmp_path / "record.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert json.loads(text)["hyperparameters"]["name"] == "übermäßig"
    assert "übermäßig" in text
