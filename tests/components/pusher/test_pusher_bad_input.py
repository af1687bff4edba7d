"""Bad models and bad disks: an error with a reason, and nothing visible has changed."""

import errno
import os
import threading
from pathlib import Path

import pytest

from components import artifacts
from components.errors import ArtifactError, ConfigurationError, InvalidModelError, PushError
from components.pusher import disk
from components.records import Model


@pytest.fixture
def served(workshop):
    """A folder in which something is live; at the end that is still all that is visible."""
    workshop.publish(2)
    yield workshop
    assert workshop.visible() == ["20130201000000"]
    assert workshop.folder.recorded() == [20130201000000]
    assert not list(workshop.folder.state_directory.glob("staging-*"))


@pytest.mark.parametrize("change", ["changed", "missing", "extra", "renamed"])
def test_files_other_than_those_blessed(served, change):
    model = served.model("graph 3", 3)
    graph = Path(model.uri) / "saved_model.pb"
    if change == "changed":
        graph.write_text("GRAPH 3")
    elif change == "missing":
        (Path(model.uri) / "variables" / "variables.index").unlink()
    elif change == "extra":
        (Path(model.uri) / "assets.extra").mkdir()
        (Path(model.uri) / "assets.extra" / "saved_model_config.pb").write_text("")
    else:
        graph.rename(graph.with_name("Saved_model.pb"))

    with pytest.raises(InvalidModelError, match="digest"):
        served.push(model)


def test_a_symlink(served):
    model = served.model("graph 3", 3)
    (Path(model.uri) / "link").symlink_to("/etc/passwd")

    with pytest.raises(ArtifactError, match="symbolic link"):
        served.push(model)


def test_a_pipe(served):
    model = served.model("graph 3", 3)
    os.mkfifo(Path(model.uri) / "pipe")

    with pytest.raises(ArtifactError, match="neither a file nor a directory"):
        served.push(model)


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_file_replaced_between_listing_and_copying(served, monkeypatch, kind):
    model = served.model("graph 3", 3)
    graph = Path(model.uri) / "saved_model.pb"

    def replace(step, path):
        if step == "create" and path.name == "saved_model.pb":
            graph.unlink()
            os.mkfifo(graph) if kind == "pipe" else graph.symlink_to("/etc/passwd")

    monkeypatch.setattr(disk, "_observers", [replace])
    with pytest.raises((ArtifactError, PushError), match=r"saved_model\.pb"):
        served.push(model)


def test_a_file_that_grows_while_it_is_copied(served, monkeypatch):
    model = served.model("graph 3", 3)
    graph = Path(model.uri) / "saved_model.pb"
    stop = threading.Event()

    def grow():
        with graph.open("ab") as file:
            while not stop.is_set():
                file.write(b"x" * 65536)

    writer = threading.Thread(target=grow)

    def start(step, path):
        if step == "write" and path.name == "saved_model.pb":
            writer.start()
            while graph.stat().st_size < 200_000:
                pass

    monkeypatch.setattr(disk, "_observers", [start])
    try:
        with pytest.raises(ArtifactError, match="something writes to it"):
            served.push(model)
    finally:
        stop.set()
        writer.join()


def test_a_file_that_shrinks_while_it_is_copied(served, monkeypatch):
    model = served.model("graph 3", 3)

    def truncate(step, path):
        if step == "write" and path.name == "saved_model.pb":
            os.truncate(Path(model.uri) / "saved_model.pb", 1)

    monkeypatch.setattr(disk, "_observers", [truncate])
    with pytest.raises(ArtifactError, match="had 7 bytes and then 1"):
        served.push(model)


@pytest.mark.parametrize("step", ["mkdir", "create", "write", "sync", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_fails(served, monkeypatch, step, number):
    failed = []

    def fail(name, path):
        if name == step and not failed:
            failed.append(path)
            raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(disk, "_observers", [fail])
    with pytest.raises(PushError, match=os.strerror(number)):
        served.push(served.model("graph 3", 3))

    assert failed


def test_no_space_left_on_a_real_small_disk(served, tmp_path):
    """A file size limit is the nearest to a full disk that needs no privilege."""
    import resource
    import signal

    model = served.model("graph 3", 3)
    big = Path(model.uri) / "assets"
    big.mkdir()
    (big / "big").write_bytes(b"x" * 3_000_000)
    model = Model(uri=model.uri, digest=artifacts.digest(model.uri), num_bytes=3_000_000,
                  window=model.window)  # fmt: skip
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(PushError, match="File too large"):
            served.push(model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_source_that_does_not_exist(served):
    model = Model(uri=str(served.directory / "gone"), digest="sha256:" + "0" * 64, num_bytes=1)

    with pytest.raises(ArtifactError, match="doesn't exist"):
        served.push(model, allow_older=True)


def test_a_source_that_vanishes_while_it_is_copied(served, monkeypatch):
    model = served.model("graph 3", 3)

    def vanish(step, path):
        if step == "create" and path.name == "saved_model.pb":
            (Path(model.uri) / "saved_model.pb").unlink()

    monkeypatch.setattr(disk, "_observers", [vanish])
    with pytest.raises(PushError, match=r"models/.*saved_model\.pb"):
        served.push(model)


def test_a_source_that_is_a_file(served):
    path = served.directory / "model.h5"
    path.write_text("")
    model = Model(uri=str(path), digest="sha256:" + "0" * 64, num_bytes=1)

    with pytest.raises(ArtifactError, match="isn't a directory"):
        served.push(model, allow_older=True)


def test_a_source_in_a_bucket(served):
    model = Model(uri="s3://bucket/model", digest="sha256:" + "0" * 64, num_bytes=1)

    with pytest.raises(ConfigurationError, match=r"Model\.uri"):
        served.push(model)


def test_a_destination_that_vanishes_while_it_is_written(workshop, monkeypatch):
    def vanish(step, path):
        if step == "create" and path.name == "saved_model.pb":
            workshop.base.rename(workshop.directory / "unmounted")

    monkeypatch.setattr(disk, "_observers", [vanish])
    with pytest.raises(PushError, match="vanished"):
        workshop.push(workshop.model())

    assert not workshop.base.exists()


def test_a_destination_that_is_a_file(workshop):
    workshop.base.write_text("not a directory")

    with pytest.raises(PushError, match="is a file"):
        workshop.push(workshop.model())

    assert workshop.base.read_text() == "not a directory"


def test_a_destination_below_a_file(workshop):
    workshop.base.write_text("not a directory")

    with pytest.raises(PushError, match="can't be used"):
        workshop.push(workshop.model(), base=workshop.base / "flight_delays")


def test_names_in_unicode(workshop):
    model = workshop.model()
    assets = Path(model.uri) / "assets"
    assets.mkdir()
    for name in ("Straße", "日本語.txt", "🛫 delays", "é", "e\u0301", "a b"):
        (assets / name).write_text(name)
    model = Model(uri=model.uri, digest=artifacts.digest(model.uri), num_bytes=1)

    pushed = workshop.push(model)

    assert artifacts.digest(pushed.uri) == model.digest
    assert sorted(os.listdir(Path(pushed.uri) / "assets")) == sorted(os.listdir(assets))
    assert workshop.rollback().findings[0].check == "policy"


def test_a_name_that_is_not_utf8(served):
    model = served.model("graph 3", 3)
    with open(os.fsencode(model.uri) + b"/\xff", "wb"):
        pass

    with pytest.raises(ArtifactError, match="isn't UTF-8"):
        served.push(model)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_very_many_files(workshop, count):
    model = workshop.model()
    for number in range(count):
        directory = Path(model.uri) / "assets" / f"{number % 10}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number}.txt").write_text(str(number))
    model = Model(uri=model.uri, digest=artifacts.digest(model.uri), num_bytes=1)

    pushed = workshop.push(model)

    assert artifacts.digest(pushed.uri) == model.digest
    assert len(workshop.folder.live().record.files()) == count + 3


@pytest.mark.slow
def test_a_file_of_two_gigabytes(workshop):
    model = workshop.model()
    with (Path(model.uri) / "variables" / "variables.data-00000-of-00001").open("wb") as file:
        file.truncate(2**31 + 5)
    model = Model(uri=model.uri, digest=artifacts.digest(model.uri), num_bytes=2**31)

    pushed = workshop.push(model)

    copy = Path(pushed.uri) / "variables" / "variables.data-00000-of-00001"
    assert copy.stat().st_size == 2**31 + 5
    assert artifacts.digest(pushed.uri) == model.digest
