"""File functions, by their public name."""

from tfx.dsl.io.fileio import (
    NotFoundError,
    PathType,
    copy,
    exists,
    glob,
    isdir,
    listdir,
    makedirs,
    mkdir,
    open,
    remove,
    rename,
    rmtree,
    stat,
    walk,
)

__all__ = [
    "NotFoundError", "PathType", "copy", "exists", "glob", "isdir", "listdir", "makedirs", "mkdir",
    "open", "remove", "rename", "rmtree", "stat", "walk",
]  # fmt: skip
