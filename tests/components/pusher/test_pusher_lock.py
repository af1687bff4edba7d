"""One writer at a time, where a lock means something."""

import multiprocessing
import os
from pathlib import Path

import filelock
import pytest

from components import parent_death
from components.errors import ConfigurationError, PushError
from components.pusher import lock
from components.pusher.lock import Mount, check_file_system, locked, read_mounts


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_second_writer_waits_and_then_gives_up(workshop):
    with locked(workshop.base, create=True):
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=try_to_lock, args=(workshop.base, queue))
        child.start()
        message = queue.get(timeout=30)
        child.join()

    assert "has held the lock" in message
    assert "0.2 s" in message


def try_to_lock(base: Path, queue) -> None:
    try:
        with locked(base, timeout_seconds=0.2):
            queue.put("got it")
    except PushError as error:
        queue.put(str(error))


def test_the_lock_is_free_again_after_an_error(workshop):
    def fail():
        with locked(workshop.base, create=True):
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()

    with locked(workshop.base, timeout_seconds=0):
        pass


def test_an_error_of_the_disk_becomes_a_fault_with_a_remedy(workshop):
    def fill_up():
        with locked(workshop.base, create=True):
            raise OSError(28, "No space left on device")

    with pytest.raises(PushError, match="free some space"):
        fill_up()


@pytest.mark.parametrize(
    "store", ["s3fs", "gcsfuse", "goofys", "mountpoint-s3", "blobfuse2", "rclone"]
)
@pytest.mark.parametrize("by", ["kind", "source"])
def test_an_object_store_behind_fuse_is_refused_by_name(tmp_path, store, by):
    mount = (
        Mount("bucket", str(tmp_path), f"fuse.{store}", ("rw",))
        if by == "kind"
        else Mount(store, str(tmp_path), "fuse", ("rw",))
    )

    with pytest.raises(PushError, match=f"FUSE mount of {store}.*pusher pull"):
        check_file_system(tmp_path / "serving", [Mount("/dev/vda", "/", "ext4", ()), mount])


@pytest.mark.parametrize(
    ("kind", "options", "refused"),
    [
        ("nfs4", ("rw", "vers=4.2"), False),
        ("nfs4", ("rw", "local_lock=all"), True),
        ("nfs4", ("rw", "local_lock=none"), False),
        ("nfs", ("rw", "vers=3"), True),
        ("nfs", ("rw", "vers=3", "nolock"), True),
        ("ext4", ("rw",), False),
        ("xfs", ("rw",), False),
        ("overlay", ("rw",), False),
        ("fuse.fuse-overlayfs", ("rw",), False),
    ],
)
def test_only_file_systems_whose_locks_hold_are_taken(tmp_path, kind, options, refused):
    mounts = [Mount("source", str(tmp_path), kind, options)]

    if refused:
        with pytest.raises(PushError, match="NFSv4"):
            check_file_system(tmp_path, mounts)
    else:
        check_file_system(tmp_path, mounts)


def test_the_innermost_mount_counts(tmp_path):
    inner = tmp_path / "serving"
    mounts = [
        Mount("bucket", str(tmp_path), "fuse.s3fs", ()),
        Mount("/dev/vda", str(inner), "ext4", ()),
    ]

    check_file_system(inner / "flight_delays", mounts)


def test_a_mount_over_another_counts(tmp_path):
    mounts = [
        Mount("/dev/vda", str(tmp_path), "ext4", ()),
        Mount("bucket", str(tmp_path), "fuse.s3fs", ()),
    ]

    with pytest.raises(PushError, match="s3fs"):
        check_file_system(tmp_path, mounts)


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="needs /proc/mounts")
def test_mounts_are_read_from_the_kernel():
    assert "/" in {mount.point for mount in read_mounts()}


def test_a_mount_point_with_a_blank_is_read():
    assert lock._unescape("/mnt/my\\040disk") == "/mnt/my disk"


def test_a_system_without_file_locks_is_refused(workshop, monkeypatch):
    monkeypatch.setattr(filelock, "FileLock", filelock.SoftFileLock)

    with pytest.raises(PushError, match="soft locks"), locked(workshop.base, create=True):
        pass


def test_a_file_system_without_flock_is_refused(workshop, monkeypatch):
    import filelock._unix as implementation

    def no_flock(descriptor):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(implementation, "lock_fd_nonblocking", no_flock)

    with pytest.raises(PushError, match="not implemented"), locked(workshop.base, create=True):
        pass


def test_a_folder_that_is_a_file_is_a_fault(workshop):
    workshop.base.write_text("")

    with pytest.raises(PushError, match="is a file"), locked(workshop.base, create=True):
        pass


def test_a_folder_is_only_made_for_a_push(workshop):
    with pytest.raises(ConfigurationError, match="no serving folder"), locked(workshop.base):
        pass


def test_a_push_whose_parent_is_gone_publishes_nothing(workshop, monkeypatch):
    monkeypatch.setattr(parent_death, "_announced", [os.getppid() + 1])

    with pytest.raises(PushError, match="is gone"):
        workshop.push(workshop.model())

    assert workshop.visible() == []
    assert workshop.folder.recorded() == []
