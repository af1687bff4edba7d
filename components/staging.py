"""The temporary directories that artifacts are written in; those of dead processes are swept.

::

    out/.examples.5d1a77c04f1c.partial/    the first 6 digits say on which machine, since it started

Whoever writes in one holds a lock on it (flock), which the kernel lets go when the process ends,
however it ends. One that can be locked belongs to nobody. Where directories can't be locked, as on
some network file systems, nothing is swept.
"""

import fcntl
import functools
import hashlib
import logging
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAME = re.compile(r"\..+\.(?P<machine>[0-9a-f]{6})[0-9a-f]{6}\.partial")
_log = logging.getLogger(__name__)


@contextmanager
def staging_directory(target: Path) -> Iterator[Path]:
    """Make a directory beside another one, to be renamed to it; ours while the block runs.

    Args:
        target: what it shall become. In the same folder, what processes of this machine that are
            gone left behind is removed.
    """
    sweep(target.parent)
    staging, descriptor = _make(target)
    try:
        yield staging
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove the temporary directories in a folder that no process of this machine holds."""
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match and match["machine"] == _machine() and path.is_dir() and not path.is_symlink():
            _remove_unless_held(path)


def _remove_unless_held(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # just renamed, or removed by another sweep
        return
    try:
        if _lock(descriptor, fcntl.LOCK_NB) and _is_still(path, descriptor):
            _log.info("removing %s, which a process that is gone left behind", path)
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)


def _make(target: Path) -> tuple[Path, int]:
    while True:
        name = f".{target.name}.{_machine()}{uuid.uuid4().hex[:6]}.partial"
        staging = target.parent / name
        staging.mkdir()
        descriptor = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
        _lock(descriptor, 0)
        if _is_still(staging, descriptor):  # a sweep may have come before the lock
            return staging, descriptor
        os.close(descriptor)


def _lock(descriptor: int, flags: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except OSError:  # held by another, or not to be had on this file system
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@functools.cache
def _machine() -> str:
    """Return what tells this machine, since its start, from others that share the folder."""
    try:
        name = _BOOT_ID.read_text(encoding="ascii")
    except OSError:
        name = socket.gethostname()
    return hashlib.sha256(name.encode()).hexdigest()[:6]
