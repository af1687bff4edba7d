"""Copying a model into a serving folder so that it appears whole or not at all.

staging copy → digests compared → record → rename → parent synced. Whatever is killed whenever, a
reader sees no version or a whole one; `recovery` sweeps the rest.
"""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from components import artifacts, parent_death
from components.artifacts import Manifest
from components.errors import PushError
from components.pusher import disk
from components.pusher.locked_folder import LockedFolder
from components.serving_records import VersionRecord

_log = logging.getLogger(__name__)


@contextmanager
def staging(folder: LockedFolder, number: int) -> Iterator[Path]:
    """Make ``staging-…/NUMBER``; what is left of it at the end is removed.

    A record whose version didn't appear is dropped with it: without its staging the next writer
    would take the version for one that was removed by hand.
    """
    path = folder.state_directory / f"staging-{uuid.uuid4().hex[:8]}"
    staged = path / str(number)
    try:
        disk.make_directory(path, folder.modes)
        disk.make_directory(staged, folder.modes)
        yield staged
    finally:
        if path.exists():
            with suppress(OSError):
                if staged.exists() and folder.record_path(number).exists():
                    folder.drop_record(number)
                disk.remove_tree(path)


def staging_name(staged: Path) -> str:
    """Return what a record keeps of where its version was staged."""
    return f"{staged.parent.name}/{staged.name}"


def copy_model(source: Path, target: Path, modes: disk.Modes) -> Manifest:
    """Copy a model's files into an empty directory, reading each byte once, and sync everything.

    Raises:
        ArtifactError: something inside has no place in a model, or changes while it is read.
    """
    paths = artifacts.list_files(source)
    directories = sorted({str(parent) for path in paths for parent in _parents(path)})
    for directory in directories:
        disk.make_directory(target / directory, modes)
    manifest = Manifest(tuple(disk.copy_files(source, target, paths, modes)))
    for directory in [*reversed(directories), ""]:
        disk.sync(target / directory)
    return manifest


def commit(folder: LockedFolder, staged: Path, record: VersionRecord) -> Path:
    """Write the record, then let the staged copy appear under its number.

    Returns:
        The path of the version.

    Raises:
        PushError: the number is taken by somebody who doesn't know our lock, or this process's
            parent is gone: nobody waits for the result.
    """
    target = folder.path(record.number)
    folder.write_record(record)
    _check_that_somebody_waits()
    disk.rename(staged, target)
    _log.info("published %s", target)
    return target


def _check_that_somebody_waits() -> None:
    if parent_death.parent_is_gone():
        raise PushError("the process that asked for this push is gone; nothing was published")


def _parents(path: str) -> list[PurePosixPath]:
    return list(PurePosixPath(path).parents)[:-1]
