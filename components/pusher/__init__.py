"""The door to a serving folder: blessings + model → a version; rollback; retention.

Nothing becomes visible to a model server without blessings for exactly its bytes, and whatever is
killed whenever, what is visible is whole. Imports no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

from components.pusher.control import hold, pin, release, resume
from components.pusher.lint import LintReport, lint
from components.pusher.push import push
from components.pusher.rollback import rollback
from components.pusher.status import FolderStatus, VersionStatus, status

if TYPE_CHECKING:
    from components.pusher.bucket_mirror import Mirrored, mirror
    from components.pusher.bucket_pull import pull

__all__ = [
    "FolderStatus",
    "LintReport",
    "Mirrored",
    "VersionStatus",
    "hold",
    "lint",
    "mirror",
    "pin",
    "pull",
    "push",
    "release",
    "resume",
    "rollback",
    "status",
]

_LAZY = {"Mirrored": "bucket_mirror", "mirror": "bucket_mirror", "pull": "bucket_pull"}


def __getattr__(name: str) -> Any:
    """Import what needs fsspec only when it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"components.pusher.{_LAZY[name]}")
    return getattr(module, name)
