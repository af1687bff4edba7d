"""A model's directory that appears whole or not at all.

::

    .digits.5d1a77c04f1c.old/    the model that stood at digits, while its successor takes its place

Whoever replaces a model holds a lock (flock) on it. An ``.old`` one without is of a process that
was killed just then: the next one that writes there moves it back, or removes it where its
successor had arrived.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import ConfigurationError
from components.staging import staging_directory
from components.version_files import MODEL_FILES


@contextmanager
def replaced_model(target: Path) -> Iterator[Path]:
    """Write in an empty directory beside it, which takes its place after the block.

    If the block raises, nothing is left of it and what stood there before stays. What a process
    that was killed left behind is removed by the next one that writes into the same folder.

    Args:
        target: a link stays one, and what it leads to is replaced.

    Raises:
        ConfigurationError: something else than a model is there.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    _recover(target)
    _check_replaceable(target)
    with staging_directory(target) as staging:
        try:
            yield staging
            _put_in_place(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _put_in_place(staging: Path, target: Path) -> None:
    """Rename it; if that fails, what was there before is back."""
    if not target.exists():
        staging.rename(target)
        return
    old = staging.with_suffix(".old")
    with _lock(target):
        target.rename(old)
        try:
            staging.rename(target)
        except BaseException:
            if not target.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _recover(target: Path) -> None:
    """Put right what processes left that were killed between two renames."""
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}\.old")
    for old in [path for path in target.parent.iterdir() if name.fullmatch(path.name)]:
        with _lock(old) as is_ours:
            if is_ours and target.exists():
                shutil.rmtree(old, ignore_errors=True)
            elif is_ours:
                old.rename(target)


@contextmanager
def _lock(directory: Path) -> Iterator[bool]:
    """Yield whether the directory could be locked, wherever it is moved."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = True
    except OSError:  # held by another, or not to be had on this file system
        is_ours = False
    try:
        yield is_ours
    finally:
        os.close(descriptor)


def _check_replaceable(target: Path) -> None:
    if not target.exists():
        return
    is_model = any((target / name).is_file() for name in MODEL_FILES)
    if not target.is_dir() or (any(target.iterdir()) and not is_model):
        raise ConfigurationError(
            f"{str(target)!r} exists and isn't a model, so it won't be replaced; give another "
            "directory"
        )
