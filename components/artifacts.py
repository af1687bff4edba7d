"""Directories that appear whole or not at all, and the digest that names their bytes.

::

    out/
      .examples.5d1a77c04f1c.partial/    being written; see `components.staging`
      examples/                          whole: renamed from the above after everything was synced
        record.json
        Split-train/ Split-eval/
"""

import hashlib
import logging
import os
import shutil
import stat
import unicodedata
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from components.errors import ArtifactError, ConfigurationError, RecordError
from components.records import dump, load
from components.staging import staging_directory

RECORD_FILE = "record.json"
_BUFFER_BYTES = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileEntry:
    """One regular file: its path below the root with ``/``, its size in bytes, its hex SHA-256."""

    path: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The files of a directory; what its digest is computed from."""

    files: tuple[FileEntry, ...]

    @cached_property
    def text(self) -> str:
        """One line per file, ``<sha256> <size> <path>``, sorted by the bytes of the line's path."""
        ordered = sorted(self.files, key=lambda file: file.path.encode())
        return "".join(f"{file.sha256} {file.num_bytes} {file.path}\n" for file in ordered)

    @cached_property
    def digest(self) -> str:
        """``sha256:`` and the hex SHA-256 of `text`."""
        return "sha256:" + hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def num_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.num_bytes for file in self.files)

    def without(self, *paths: str) -> "Manifest":
        """Return the manifest that the directory would have without these files."""
        return Manifest(tuple(file for file in self.files if file.path not in paths))


def read_manifest(directory: str | Path, *, exclude: Collection[str] = ()) -> Manifest:
    """Hash every file of a directory, on all cores.

    Args:
        directory: may itself be a symlink; nothing inside may be one.
        exclude: paths relative to the directory that don't count, for instance ``record.json``.

    Raises:
        ArtifactError: not a directory; a symlink, special file or unfit name inside; a file that
            changed while it was read.
    """
    root = Path(directory)
    paths = [path for path in list_files(root) if path not in exclude]
    by_size = sorted(paths, key=lambda path: -(root / path).stat().st_size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return Manifest(tuple(pool.map(lambda path: _read_entry(root, path), by_size)))


def digest(directory: str | Path, *, exclude: Collection[str] = ()) -> str:
    """Return the digest of a directory's `read_manifest`."""
    return read_manifest(directory, exclude=exclude).digest


def read_foreign_manifest(directory: str | Path) -> Manifest:
    """Hash what a server can read in a directory that somebody else made.

    Symlinks are followed, as the server does; what is no readable file is left out. Where
    `read_manifest` accepts the directory, both give the same.
    """
    root = Path(directory)
    entries = []
    for path in list_foreign_files(root):
        try:
            entries.append(_read_entry(root, path))
        except OSError as error:
            _log.warning("%r in %r can't be read: %s", path, str(root), error)
    named = (replace(entry, path=_printable(entry.path)) for entry in entries)
    return Manifest(tuple(named))


def list_foreign_files(root: Path) -> list[str]:
    """Return the relative paths of all regular files below, those behind symlinks too."""
    found: list[str] = []
    for folder, directories, names in os.walk(root, followlinks=True):
        if _leads_back(Path(folder), root):
            directories.clear()
            continue
        files = (Path(folder) / name for name in names)
        found += [str(path.relative_to(root)) for path in files if path.is_file()]
    return sorted(found)


def _leads_back(folder: Path, root: Path) -> bool:
    """Whether a symlink led from a directory to one that it lies in."""
    levels = len(folder.relative_to(root).parts)
    return any(folder.samefile(above) for above in folder.parents[:levels])


def _printable(path: str) -> str:
    try:
        for part in path.split("/"):
            check_name(part, path)
    except ArtifactError:
        return path.encode("unicode_escape", "surrogatepass").decode()
    return path


def list_files(root: Path) -> list[str]:
    """Return the relative paths of all files below a directory.

    Raises:
        ArtifactError: not a directory, or something inside has no place in a manifest.
    """
    if not root.is_dir():
        what = "isn't a directory" if root.exists() else "doesn't exist"
        raise ArtifactError(f"{str(root)!r} {what}; expected the directory of an artifact")
    return sorted(_walk(root, ""))


def _walk(directory: Path, prefix: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            path = prefix + entry.name
            check_name(entry.name, path)
            if entry.is_symlink():
                raise ArtifactError(
                    f"{path!r} in {str(directory)!r} is a symbolic link; "
                    "an artifact holds its own bytes: copy the file there instead"
                )
            if entry.is_dir():
                yield from _walk(Path(entry.path), path + "/")
            elif entry.is_file():
                yield path
            else:
                raise ArtifactError(
                    f"{path!r} in {str(directory)!r} is neither a file nor a directory "
                    "(a pipe, socket or device); remove it"
                )


def check_name(name: str, path: str) -> None:
    """Refuse a file name that a manifest line can't hold unambiguously.

    Raises:
        ArtifactError: not UTF-8; a control character, a backslash or ``..``.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ArtifactError(f"the name {path!r} isn't UTF-8; rename it") from error
    if "\\" in name or ".." in name or any(unicodedata.category(c) == "Cc" for c in name):
        raise ArtifactError(
            f"the name {path!r} holds a control character, a backslash or '..'; rename it"
        )


def _read_entry(root: Path, path: str) -> FileEntry:
    sha256 = hashlib.sha256()
    num_bytes = 0
    with (root / path).open("rb", buffering=0) as file:
        expected = os.fstat(file.fileno()).st_size
        buffer = bytearray(min(_BUFFER_BYTES, expected + 1))
        view = memoryview(buffer)
        while count := file.readinto(buffer):
            sha256.update(view[:count])
            num_bytes += count
    if num_bytes != expected:
        raise ArtifactError(
            f"{path!r} in {str(root)!r} had {expected} bytes and then {num_bytes}: "
            "something writes to it; wait until it is finished"
        )
    return FileEntry(path, num_bytes, sha256.hexdigest())


@contextmanager
def new_directory(final: str | Path) -> Iterator[Path]:
    """Write a directory under a temporary sibling name; sync and rename it when the block ends.

    If the block raises, nothing is left and what stood there before stays. What a process that was
    killed left behind is removed by the next one that writes into the same folder.

    Args:
        final: where it shall be. What exists there is replaced only if it holds ``record.json``,
            so is an artifact that can be made again.

    Raises:
        ConfigurationError: something else is there already.
    """
    target = Path(final).absolute()
    check_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with staging_directory(target) as staging:
        try:
            yield staging
            sync_tree(staging)
            _put_in_place(staging, target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


def write_record(record: Any, directory: Path) -> None:
    """Write a record as ``record.json`` into a directory."""
    (directory / RECORD_FILE).write_text(dump(record) + "\n", encoding="utf-8")


def sync_tree(root: Path) -> None:
    """Force the files and folders below, and the directory itself, to disk.

    What is neither is left alone: to open a pipe would wait for its other end.
    """
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            path = Path(folder) / name
            if stat.S_ISREG(path.lstat().st_mode):
                sync(path)
        sync(Path(folder))


def sync(path: Path) -> None:
    """Force one file's bytes, or one directory's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_replaceable(directory: str | Path) -> None:
    """Refuse a directory that holds something else than an artifact of ours.

    Raises:
        ConfigurationError: it exists, and its ``record.json`` is none, or isn't there.
    """
    target = Path(directory).absolute()
    if not (target.exists() or target.is_symlink()):
        return
    try:
        load(target / RECORD_FILE)
    except RecordError as error:
        raise ConfigurationError(
            f"the output directory {str(target)!r} exists and holds no {RECORD_FILE} of ours, "
            "so it isn't ours to replace; give another --output-dir, or remove it"
        ) from error


def _put_in_place(staging: Path, target: Path) -> None:
    check_replaceable(target)
    old = staging.with_suffix(".old")
    is_replacement = target.exists()
    if is_replacement:
        _log.info("replacing %s", target)
        target.rename(old)
    try:
        staging.rename(target)
    except BaseException:
        if is_replacement:
            old.rename(target)
        raise
    sync(target.parent)
    if old.is_symlink():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)
