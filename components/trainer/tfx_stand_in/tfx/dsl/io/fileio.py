"""Functions on files: plain Python on local paths, TensorFlow's on those with a scheme.

TensorFlow is imported by the first path such as ``gs://bucket/file`` and not before.
"""

import builtins
import glob as local_glob
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PathType = bytes | str
_SCHEME = re.compile(r"[a-z0-9]+://")


class NotFoundError(IOError):
    """A file or directory that should be there isn't."""


def open(path: PathType, mode: str = "r") -> Any:
    """Return an open file."""
    if _is_remote(path):
        return _gfile().GFile(path, mode)
    with _not_found():
        return builtins.open(path, mode)


def copy(src: PathType, dst: PathType, overwrite: bool = False) -> None:
    """Copy one file.

    Raises:
        OSError: the destination exists, and `overwrite` wasn't asked for.
    """
    with _not_found():
        if _is_remote(src) or _is_remote(dst):
            _gfile().copy(src, dst, overwrite=overwrite)
            return
        _check_free(dst, overwrite)
        shutil.copyfile(src, dst)


def exists(path: PathType) -> bool:
    """Return whether there is something at a path."""
    return bool(_pick(path, os.path.exists, "exists"))


def glob(pattern: PathType) -> list[PathType]:
    """Return the paths that match."""
    return list(_pick(pattern, local_glob.glob, "glob"))


def isdir(path: PathType) -> bool:
    """Return whether a path is a directory."""
    return bool(_pick(path, os.path.isdir, "isdir"))


def listdir(path: PathType) -> list[PathType]:
    """Return the names in a directory."""
    return list(_pick(path, os.listdir, "listdir"))


def makedirs(path: PathType) -> None:
    """Make a directory and those above it, where they aren't there yet."""
    _pick(path, lambda local: os.makedirs(local, exist_ok=True), "makedirs")


def mkdir(path: PathType) -> None:
    """Make a directory in one that exists."""
    _pick(path, os.mkdir, "mkdir")


def remove(path: PathType) -> None:
    """Remove a file."""
    _pick(path, os.remove, "remove")


def rename(src: PathType, dst: PathType, overwrite: bool = False) -> None:
    """Rename a file or directory.

    Raises:
        OSError: the destination exists, and `overwrite` wasn't asked for.
    """
    with _not_found():
        if _is_remote(src) or _is_remote(dst):
            _gfile().rename(src, dst, overwrite=overwrite)
            return
        _check_free(dst, overwrite)
        os.replace(src, dst)


def rmtree(path: PathType) -> None:
    """Remove a directory with all that is in it."""
    _pick(path, shutil.rmtree, "rmtree")


def stat(path: PathType) -> Any:
    """Return what is known of a file."""
    return _pick(path, os.stat, "stat")


def walk(
    top: PathType, topdown: bool = True, onerror: Callable[..., None] | None = None
) -> Iterator[tuple[PathType, list[PathType], list[PathType]]]:
    """Yield directories, their subdirectories and files."""
    if _is_remote(top):
        yield from _gfile().walk(top, topdown=topdown, onerror=onerror)
    else:
        yield from os.walk(os.fsdecode(top), topdown=topdown, onerror=onerror)  # type: ignore[misc]


def _pick(path: PathType, local: Callable[[Any], Any], remote: str) -> Any:
    with _not_found():
        return getattr(_gfile(), remote)(path) if _is_remote(path) else local(path)


def _is_remote(path: PathType) -> bool:
    return bool(_SCHEME.match(os.fsdecode(path)))


def _check_free(path: PathType, overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise OSError(f"{path!r} exists already; give overwrite=True to replace it")


def _gfile() -> Any:
    import tensorflow as tf

    return tf.io.gfile


@contextmanager
def _not_found() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(*error.args) from error
    except Exception as error:
        if type(error).__module__.startswith("tensorflow") and "NotFound" in type(error).__name__:
            raise NotFoundError(str(error)) from error
        raise
