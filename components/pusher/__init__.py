"""The door to a serving folder: blessings + model → a version; rollback; retention.

Nothing becomes visible to a model server without blessings for exactly its bytes, and whatever is
killed whenever, what is visible is whole. Imports no TensorFlow.
"""

from components.pusher.control import hold, pin, release, resume
from components.pusher.lint import LintReport, lint
from components.pusher.push import push
from components.pusher.rollback import rollback
from components.pusher.status import FolderStatus, VersionStatus, status

__all__ = [
    "FolderStatus",
    "LintReport",
    "VersionStatus",
    "hold",
    "lint",
    "pin",
    "push",
    "release",
    "resume",
    "rollback",
    "status",
]
