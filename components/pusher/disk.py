"""Everything that changes a serving folder, one step at a time.

No other module of the pusher writes, renames or deletes below a base directory. Each step is
announced to an observer just before it happens; a crash harness kills the process there.
"""

import os
import stat
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from components import artifacts
from components.artifacts import FileEntry
from components.errors import ArtifactError, PushError
from components.pusher import stream, writeback

_MANY_FILES = 500
_BIG_BYTES = 1 << 23
_LEFTOVER_SECONDS = 3600.0
Observer = Callable[[str, Path], None]


def _ignore(step: str, path: Path) -> None:
    pass


_observers: list[Observer] = [_ignore]


def observe(observer: Observer) -> None:
    """Announce each step, by name and path, from now on. For crash tests."""
    _observers[0] = observer


def _step(name: str, path: Path) -> None:
    _observers[0](name, path)


@dataclass(frozen=True)
class Modes:
    """Permissions of what is made: those of the base directory, its setgid group included."""

    directory: int = 0o755
    file: int = 0o644
    group: int | None = None

    @classmethod
    def of(cls, base_directory: Path) -> "Modes":
        """Read them from a base directory."""
        found = base_directory.stat()
        setgid = found.st_mode & stat.S_ISGID
        directory = found.st_mode & (0o777 | stat.S_ISGID)
        return cls(directory, directory & 0o666, found.st_gid if setgid else None)


def make_directory(path: Path, modes: Modes) -> None:
    """Make one directory, whatever the umask is.

    Raises:
        FileExistsError: it is there.
    """
    _step("mkdir", path)
    path.mkdir()
    if modes.group is not None and path.stat().st_gid != modes.group:
        os.chown(path, -1, modes.group)
    _step("chmod", path)
    path.chmod(modes.directory)


def make_whole_directory(path: Path, modes: Modes) -> None:
    """Make one directory that appears with its mode, and sync its parent; fine if it is there.

    What a crash left of an earlier one is removed.
    """
    for leftover in path.parent.glob(f".{path.name}.*.new"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_SECONDS:
                leftover.rmdir()
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.new")
    make_directory(temporary, modes)
    _step("rename", path)
    try:
        temporary.rename(path)
    except OSError:
        with suppress(OSError):
            temporary.rmdir()
        if not path.is_dir():
            raise
    sync(path.parent)


def copy_files(source: Path, target: Path, paths: Sequence[str], modes: Modes) -> list[FileEntry]:
    """Copy files, hash what was read, and force the copies to disk.

    Args:
        source: a directory.
        target: a directory that has all subdirectories already.
        paths: of the files, below both.
        modes: what the copies get.

    Raises:
        ArtifactError: one isn't a regular file any more, or it changed while it was read.
    """
    many = len(paths) > _MANY_FILES
    sizes = {path: (source / path).stat().st_size for path in paths}
    by_size = sorted(paths, key=lambda path: -sizes[path])
    big = {path for path in paths if sizes[path] >= _BIG_BYTES}
    pipelined = big if len(big) < (os.cpu_count() or 1) else set()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        copies = pool.map(
            lambda path: _copy_file(
                source, target, path, modes, durable=not many, pipelined=path in pipelined
            ),
            by_size,
        )
        files = list(copies)
    if many:
        _step("sync", target)
        if not writeback.sync_file_system(target):
            artifacts.sync_tree(target)
    return files


def _copy_file(
    source: Path, target: Path, path: str, modes: Modes, *, durable: bool, pipelined: bool
) -> FileEntry:
    _step("create", target / path)
    with (
        open(source / path, "rb", buffering=0, opener=_open_regular) as reader,
        open(target / path, "xb", buffering=0) as writer,
    ):
        expected = os.fstat(reader.fileno()).st_size
        _step("write", target / path)
        num_bytes, sha256 = stream.copy(
            reader.readinto, writer.fileno(), expected, pipelined=pipelined
        )
        os.fchmod(writer.fileno(), modes.file)
        if durable:
            _step("sync", target / path)
            os.fsync(writer.fileno())
    if num_bytes != expected:
        raise ArtifactError(
            f"{path!r} in {str(source)!r} had {expected} bytes and then {num_bytes}: "
            "something writes to it; push a model that is finished"
        )
    return FileEntry(path, num_bytes, sha256)


def copy_stream(reader: BinaryIO, target: Path, file: FileEntry, modes: Modes) -> FileEntry:
    """Write what a stream gives to a file, hash it, and force it to disk.

    Args:
        reader: where the bytes come from; not more than one beyond the size expected are taken.
        target: a directory that has all subdirectories already.
        file: what is expected.
        modes: what the file gets.

    Returns:
        What was written.
    """
    path = target / file.path
    _step("create", path)
    with open(path, "xb", buffering=0) as writer:
        _step("write", path)
        read_into: Callable[[memoryview], int] = reader.readinto  # type: ignore[attr-defined]
        num_bytes, sha256 = stream.copy(read_into, writer.fileno(), file.num_bytes)
        os.fchmod(writer.fileno(), modes.file)
        _step("sync", path)
        os.fsync(writer.fileno())
    return FileEntry(file.path, num_bytes, sha256)


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArtifactError(f"{path!r} is no regular file any more; push a model that is finished")
    return descriptor


def write_text(path: Path, text: str, modes: Modes) -> None:
    """Replace one small file so that a reader sees the old or the new text, whole."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    _step("create", temporary)
    with open(temporary, "x", encoding="utf-8") as file:
        _step("write", temporary)
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), modes.file)
        _step("sync", temporary)
        os.fsync(file.fileno())
    _step("rename", path)
    temporary.replace(path)
    sync(path.parent)


def rename(source: Path, target: Path) -> None:
    """Rename within a serving folder and force the entries of both parents to disk.

    Raises:
        PushError: something has the target's name.
    """
    if os.path.lexists(target):
        raise PushError(
            f"{str(target)!r} is there already; somebody else writes to this serving folder"
        )
    _step("rename", target)
    source.rename(target)
    sync(target.parent)
    if source.parent != target.parent:
        sync(source.parent)


def sync(directory: Path) -> None:
    """Force a directory's entries to disk."""
    _step("sync", directory)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete one file, if it is there, and force that to disk."""
    _step("unlink", path)
    path.unlink(missing_ok=True)
    sync(path.parent)


def remove_tree(path: Path) -> None:
    """Delete a directory, or whatever has its name."""
    if path.is_symlink() or not path.is_dir():
        _step("unlink", path)
        path.unlink(missing_ok=True)
        return
    for folder, directories, names in os.walk(path, topdown=False):
        for name in names:
            _step("unlink", Path(folder) / name)
            (Path(folder) / name).unlink()
        for name in directories:
            _remove_directory(Path(folder) / name)
    _remove_directory(path)


def _remove_directory(path: Path) -> None:
    _step("rmdir", path)
    if path.is_symlink():
        path.unlink()
    else:
        path.rmdir()
