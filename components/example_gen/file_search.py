"""Finds files by a path, a folder or a glob, on this machine or wherever fsspec reaches."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from components.errors import ConfigurationError
from components.example_gen import hive_path
from components.example_gen.source_file import SourceFile, is_outage, translated

_MAGIC = "*?["


def find_files(path: str) -> list[SourceFile]:
    """Return the files of a path, with the keys of the folders below it; none if nothing is there.

    Args:
        path: a file, a folder (searched through, but for names that begin with ``.`` or ``_``), or
            a glob of files and folders.

    Raises:
        ConfigurationError: a URL that fsspec doesn't know.
        SourceUnavailableError: a store can't be reached.
    """
    return list(_local_files(path)) if _is_local(path) else list(_remote_files(path))


def find_paths(pattern: str) -> list[str]:
    """Return what fits a glob, spelled as the glob is; raises as `find_files`."""
    if _is_local(pattern):
        return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    file_system, path = _open(pattern)
    with translated(pattern):
        return [file_system.unstrip_protocol(found) for found in sorted(file_system.glob(path))]


def _is_local(path: str) -> bool:
    return "://" not in path and "::" not in path


def _local_files(path: str) -> Iterator[SourceFile]:
    root = Path(path)
    roots = [root] if root.exists() else sorted(map(Path, find_paths(path)))
    for one in roots:
        yield from (_local_file(file, one, path) for file in _walk(one))


def _walk(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        yield from (Path(folder, name) for name in names if not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _local_file(file: Path, root: Path, source: str) -> SourceFile:
    fixed = _fixed_parts(source) if any(sign in source for sign in _MAGIC) else root
    folders = file.relative_to(fixed).parts[:-1] if file != fixed else ()
    return SourceFile(str(file), str(file), keys=hive_path.read_keys(folders))


def _fixed_parts(source: str) -> Path:
    """Return the part of a glob that stands before its first pattern."""
    parts = Path(source).parts
    count = next(i for i, part in enumerate(parts) if any(sign in part for sign in _MAGIC))
    return Path(*parts[:count])


def _remote_files(url: str) -> Iterator[SourceFile]:
    file_system, path = _open(url)
    if isinstance(file_system, LocalFileSystem):
        yield from _local_files(path)
        return
    with translated(url):
        infos = dict(_matches(file_system, path))
    fixed = next((i for i, part in enumerate(path.split("/")) if set(_MAGIC) & set(part)), None)
    for name in infos:
        below = name.split("/")[len(path.split("/")) if fixed is None else fixed : -1]
        shown = file_system.unstrip_protocol(name)
        yield SourceFile(name, shown, file_system, keys=hive_path.read_keys(below))


def _matches(file_system: Any, path: str) -> Iterator[tuple[str, Any]]:
    is_glob = set(_MAGIC) & set(path) and not _exists(file_system, path)
    for root in file_system.glob(path) if is_glob else [path]:
        if not _exists(file_system, root):
            continue
        info = file_system.info(root)
        if info["type"] == "file":
            yield root, info
            continue
        for name, entry in file_system.find(root, detail=True).items():
            below = name[len(root) :].strip("/").split("/")
            if entry["type"] == "file" and not any(map(_is_hidden, below)):
                yield name, entry


def _exists(file_system: Any, path: str) -> bool:
    """Whether something is there; a server that can't be reached doesn't say that it isn't."""
    try:
        file_system.info(path)
    except FileNotFoundError as error:
        if error.__cause__ is not None and is_outage(error.__cause__):
            raise error.__cause__ from error
        return False
    return True


def _open(url: str) -> tuple[Any, str]:
    try:
        file_system, path = fsspec.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"the source {url!r} can't be opened: {error}; expected a path, or a URL that fsspec "
            "knows: install the package it names"
        ) from error
    return file_system, path.rstrip("/")
