"""A server under another user reads all that is published, and a reader needs no lock."""

import multiprocessing
import os
import stat
import threading
from pathlib import Path

import pytest

from components import artifacts
from components.serving_folder import ServingFolder

NOBODY = 65534


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_reader_under_another_uid_reads_every_file(fast_disk, workshop, umask):
    fast_disk.chmod(0o755)
    before = os.umask(umask)
    try:
        model = workshop.with_warm_up(workshop.model(), **{"assets/deep/er/file": "x"})
        pushed = workshop.push(model, base=fast_disk / "serving" / "flight_delays")
    finally:
        os.umask(before)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=read_as_nobody, args=(pushed.uri, queue))
    child.start()
    found = queue.get(timeout=30)
    child.join()

    assert found == {"digest": pushed.digest, "live": pushed.version, "uid": NOBODY}


def read_as_nobody(uri, queue):
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        live = ServingFolder(Path(uri).parent).live()
        found = {"digest": artifacts.digest(uri), "live": str(live.number), "uid": os.getuid()}
        queue.put(found)
    except Exception as error:
        queue.put(repr(error))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_shared_group_is_inherited(workshop):
    workshop.base.mkdir()
    os.chown(workshop.base, -1, NOBODY)
    workshop.base.chmod(0o2750)

    pushed = workshop.push(workshop.model())

    for path in (Path(pushed.uri), *Path(pushed.uri).rglob("*")):
        found = path.stat()
        assert found.st_gid == NOBODY
        assert stat.S_IMODE(found.st_mode) == (0o2750 if path.is_dir() else 0o640)


def test_a_reader_beside_a_writer_always_finds_something_whole(workshop):
    """Versions come, are rolled back and removed; whoever looks finds a live one, and whole."""
    workshop.publish(2, 3)
    stop, problems, looks = threading.Event(), [], []

    def look():
        while not stop.is_set():
            live = ServingFolder(workshop.base).live()
            looks.append(live)
            if live is None:
                problems.append("nothing is live")

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for month in range(4, 11):
            workshop.push(workshop.model(f"graph {month}", month), keep_versions=2)
            if month % 3 == 0:
                workshop.rollback(hold=False)
    finally:
        stop.set()
        reader.join()

    assert problems == []
    assert len({live.number for live in looks}) > 1
