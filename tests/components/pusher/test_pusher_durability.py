"""What must be on disk before what: each byte and name is synced before the version appears."""

import hashlib
import io
import os
import random
from pathlib import Path

import pytest

from components import pusher
from components.pusher import disk, stream, writeback


@pytest.fixture
def steps(monkeypatch):
    seen: list[tuple[str, Path]] = []
    monkeypatch.setattr(disk, "_observers", [lambda step, path: seen.append((step, path))])
    return seen


@pytest.fixture
def fsynced(monkeypatch):
    """The names of what the kernel was asked to sync."""
    names, fsync = set(), os.fsync

    def note(descriptor):
        names.add(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return names


def test_everything_is_synced_before_the_rename_and_the_parent_after(workshop, steps):
    workshop.base.mkdir()
    workshop.push(workshop.with_warm_up(workshop.model()))

    renamed = steps.index(("rename", workshop.base / "20130201000000"))
    before, after = steps[:renamed], steps[renamed + 1 :]
    created = [path for step, path in before if step == "create"]
    staged = {path.parent for path in created if "staging-" in str(path)}
    assert len(created) == 5
    assert {path.name for path in staged} == {"20130201000000", "variables", "assets.extra"}
    for path in created:
        assert before.index(("create", path)) < before.index(("sync", path))
    for folder in staged:
        contents = [before.index(("sync", path)) for path in created if path.parent == folder]
        assert before.index(("sync", folder)) > max(contents)
    versions = workshop.folder.state_directory / "versions"
    recorded = before.index(("rename", versions / "20130201000000.json"))
    assert ("sync", versions) in before[recorded:]
    assert after[0] == ("sync", workshop.base)


def test_a_small_file_is_synced_before_it_takes_its_name_and_its_folder_after(workshop, steps):
    workshop.base.mkdir()
    path = workshop.base / "small.json"

    disk.write_text(path, "{}", disk.Modes())

    names = [step for step, _ in steps]
    assert names == ["create", "write", "sync", "rename", "sync"]
    assert steps[2][1].name.startswith(".small.json.")
    assert steps[3:] == [("rename", path), ("sync", workshop.base)]


def test_each_file_is_really_synced(workshop, fsynced):
    """By asking the kernel's call, not our own steps."""
    workshop.push(workshop.model())

    assert {"saved_model.pb", "variables.index", "variables.data-00000-of-00001"} <= fsynced
    assert {"variables", "20130201000000", "versions", "serving"} <= fsynced
    assert any(name.startswith(".20130201000000.json.") for name in fsynced)


def test_each_file_that_is_pulled_is_really_synced(workshop, fsynced):
    workshop.push(workshop.model())
    url = f"file://{workshop.directory}/bucket"
    pusher.mirror(base_directory=str(workshop.base), to=url)
    fsynced.clear()

    pusher.pull(source=url, base_directory=str(workshop.directory / "new" / "replica"))

    assert {"saved_model.pb", "variables.index", "variables.data-00000-of-00001"} <= fsynced
    assert {"variables", "20130201000000", "versions", "replica"} <= fsynced
    assert {"new", workshop.directory.name} <= fsynced


def test_very_many_files_are_synced_at_once(workshop, monkeypatch):
    called = []
    monkeypatch.setattr(disk, "_MANY_FILES", 2)
    monkeypatch.setattr(
        disk.writeback, "sync_file_system", lambda path: called.append(path) or True
    )

    workshop.push(workshop.model())

    assert [path.parent.name[:8] for path in called] == ["staging-"]


def test_where_that_is_not_possible_each_file_is_synced(workshop, monkeypatch, fsynced):
    monkeypatch.setattr(disk, "_MANY_FILES", 2)
    monkeypatch.setattr(writeback, "_function", lambda name: None)

    workshop.push(workshop.model())

    assert {"saved_model.pb", "variables.index", "variables.data-00000-of-00001"} <= fsynced


def test_the_file_system_is_synced_for_real(tmp_path):
    assert writeback.sync_file_system(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        writeback.sync_file_system(tmp_path / "absent")


def test_a_big_file_begins_to_be_written_early(workshop, monkeypatch):
    begun = []
    monkeypatch.setattr(stream, "_WRITEBACK_BYTES", 1000)
    monkeypatch.setattr(stream, "_BUFFER_BYTES", 400)
    monkeypatch.setattr(writeback, "begin", lambda *arguments: begun.append(arguments[1:]))
    source, target = workshop.directory / "from", workshop.directory / "to"
    source.mkdir()
    target.mkdir()
    (source / "big").write_bytes(b"x" * 3000)

    disk.copy_files(source, target, ["big"], disk.Modes())

    assert begun == [(0, 1200), (1200, 1200)]
    assert (target / "big").read_bytes() == b"x" * 3000


def test_memory_stays_flat(workshop):
    """64 MiB are copied with a few buffers."""
    import tracemalloc

    source, target = workshop.directory / "from", workshop.directory / "to"
    source.mkdir()
    target.mkdir()
    with (source / "big").open("wb") as file:
        file.truncate(1 << 26)
    tracemalloc.start()
    try:
        disk.copy_files(source, target, ["big"], disk.Modes())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 3 << 20


@pytest.mark.parametrize("num_bytes", [0, 1, 399, 400, 401, 1600, 10_007])
@pytest.mark.parametrize("pipelined", [False, True])
def test_what_is_copied_is_what_is_hashed(tmp_path, monkeypatch, num_bytes, pipelined):
    monkeypatch.setattr(stream, "_BUFFER_BYTES", 400)
    data = random.Random(num_bytes).randbytes(num_bytes)

    with (tmp_path / "copy").open("wb", buffering=0) as writer:
        result = stream.copy(
            io.BytesIO(data).readinto, writer.fileno(), num_bytes, pipelined=pipelined
        )

    assert result == (num_bytes, hashlib.sha256(data).hexdigest())
    assert (tmp_path / "copy").read_bytes() == data


@pytest.mark.parametrize("pipelined", [False, True])
def test_a_stream_without_end_ends(tmp_path, monkeypatch, pipelined):
    monkeypatch.setattr(stream, "_BUFFER_BYTES", 400)

    with (tmp_path / "copy").open("wb", buffering=0) as writer:
        num_bytes, _ = stream.copy(len, writer.fileno(), 1000, pipelined=pipelined)

    assert num_bytes == 1001
