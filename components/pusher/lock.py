"""The lock of a serving folder: one writer at a time, on file systems where a lock means it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from components.errors import ConfigurationError, PushError
from components.pusher import disk, recovery
from components.pusher.locked_folder import LockedFolder

TIMEOUT_SECONDS = 600.0
_MAX_TIMEOUT_SECONDS = 7 * 24 * 3600.0

_OBJECT_STORES = (
    "s3fs", "goofys", "gcsfuse", "mountpoint-s3", "blobfuse", "blobfuse2", "rclone", "ossfs",
    "cosfs", "geesefs", "s3ql", "yas3fs", "riofs", "catfs", "s3backer", "obsfs", "sshfs",
)  # fmt: skip
_REMEDIES = {
    errno.EROFS: "mount it writable",
    errno.ENOSPC: "free some space: nothing was published",
    errno.EDQUOT: "raise the quota: nothing was published",
    errno.EXDEV: "its .imprimatur must lie on the same file system",
    errno.ENOENT: "it vanished, or something in it did, while it was used",
}
_LOCAL_FLOCK = ("nolock", "local_lock=all", "local_lock=flock")


@dataclass(frozen=True)
class Mount:
    """One line of ``/proc/mounts``."""

    source: str
    point: str
    kind: str
    options: tuple[str, ...]


@contextmanager
def locked(
    base_directory: str | Path,
    *,
    create: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Iterator[LockedFolder]:
    """Hold the lock of a serving folder, with what a crash left there put right.

    Args:
        base_directory: the folder that the server polls.
        create: whether to make it if it doesn't exist.
        timeout_seconds: how long to wait for another writer.

    Raises:
        ConfigurationError: no such folder, and it shall not be made.
        PushError: it is a file, can't be written, lies on a file system whose locks don't hold, or
            another writer kept the lock.
    """
    if not 0 <= timeout_seconds <= _MAX_TIMEOUT_SECONDS:
        raise ConfigurationError(
            f"lock_timeout_seconds is {timeout_seconds!r}; expected 0 to {_MAX_TIMEOUT_SECONDS:g}"
        )
    base = Path(base_directory).absolute()
    with _faults_of(base):
        _prepare(base, create=create)
        check_file_system(base, read_mounts())
        folder = LockedFolder(base)
        _make_state_directories(folder)
        lock = _file_lock(folder, timeout_seconds)
        try:
            recovery.recover(folder)
            yield folder
        finally:
            lock.release()


def check_file_system(directory: Path, mounts: list[Mount]) -> None:
    """Refuse a file system on which two machines can hold the same lock, or rename isn't atomic.

    Raises:
        PushError: an object store mounted through FUSE, or NFS without its own locks.
    """
    mount = _mount_of(directory.resolve(), mounts)
    if mount is None:
        return
    name = mount.kind.removeprefix("fuse.")
    store = next((s for s in _OBJECT_STORES if s in (name, mount.source)), None)
    if store is not None and mount.kind.startswith("fuse"):
        raise PushError(
            f"{str(directory)!r} is a FUSE mount of {store}, where neither locks nor renames "
            "hold; use a local disk beside each server, filled by 'pusher pull' from the bucket"
        )
    if mount.kind == "nfs" or (mount.kind == "nfs4" and set(_LOCAL_FLOCK) & set(mount.options)):
        raise PushError(
            f"{str(directory)!r} is on {mount.kind} ({','.join(mount.options)}), where locks don't "
            "hold between machines; mount it as NFSv4 without local_lock"
        )


def read_mounts() -> list[Mount]:
    """Return the mounts of this system; none where there is no ``/proc/mounts``."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    fields = (line.split(" ") for line in lines)
    return [
        Mount(field[0], _unescape(field[1]), field[2], tuple(field[3].split(",")))
        for field in fields
        if len(field) >= 4
    ]


def _mount_of(directory: Path, mounts: list[Mount]) -> Mount | None:
    holding = [mount for mount in mounts if directory.is_relative_to(mount.point)]
    deepest = max((len(Path(mount.point).parts) for mount in holding), default=0)
    last = [mount for mount in holding if len(Path(mount.point).parts) == deepest]
    return last[-1] if last else None


def _unescape(text: str) -> str:
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escaped, plain)
    return text


def _prepare(base: Path, *, create: bool) -> None:
    if base.is_dir():
        return
    if base.exists():
        raise PushError(f"the serving folder {str(base)!r} is a file; expected a directory")
    if not create:
        raise ConfigurationError(
            f"there is no serving folder {str(base)!r}; give the directory that the server polls"
        )
    missing = [path for path in (base, *base.parents) if not path.exists()]
    for path in reversed(missing):
        disk.make_whole_directory(path, disk.Modes())


def _make_state_directories(folder: LockedFolder) -> None:
    for path in (folder.state_directory, folder.state_directory / "versions"):
        if not path.is_dir():
            try:
                disk.make_directory(path, folder.modes)
            except FileExistsError:
                if not path.is_dir():
                    raise
            disk.sync(path.parent)


def _file_lock(folder: LockedFolder, timeout_seconds: float) -> filelock.BaseFileLock:
    if issubclass(filelock.FileLock, filelock.SoftFileLock):
        raise PushError("this system has only soft locks, which a crash leaves behind; use Linux")
    lock = filelock.FileLock(
        folder.state_directory / "lock",
        timeout=timeout_seconds,
        mode=folder.modes.file,
        fallback_to_soft=False,
    )
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise PushError(
            f"another process has held the lock of {str(folder.base_directory)!r} for "
            f"{timeout_seconds:g} s; see who pushes there ('fuser -v {lock.lock_file}'), "
            "or wait longer"
        ) from error
    return lock


@contextmanager
def _faults_of(base: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename is not None and not Path(error.filename).absolute().is_relative_to(base):
            raise PushError(f"{str(error.filename)!r} can't be used: {error.strerror}") from error
        remedy = _REMEDIES.get(error.errno or 0, "check its permissions and its disk")
        raise PushError(
            f"the serving folder {str(base)!r} can't be used: {error}; {remedy}"
        ) from error
