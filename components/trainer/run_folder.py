"""Where a training keeps checkpoints, so that a retry of the same task goes on from there.

::

    <artifacts>/<dag>/<run>/<task>/
      .model_run-4f1c09ab12345678/    of a try that failed; named by the recipe
      2-6e7a0b1c/model_run/           moved here when a later try was done
"""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import canonical_json

if TYPE_CHECKING:
    from filelock import FileLock

PREFIX = ".model_run-"
_KEY_DIGITS = 16
_log = logging.getLogger("components.trainer")


def path_of(root: Path, recipe: Mapping[str, Any], prefix: str) -> Path:
    """Return where the run folder of a recipe is; `recipe` and `root` as in `claim`."""
    digest = hashlib.sha256(canonical_json.dumps(dict(recipe))).hexdigest()
    return root / f"{prefix}{digest[:_KEY_DIGITS]}"


def claim(root: Path, recipe: Mapping[str, Any]) -> Path | None:
    """Return the run folder of this recipe, made if it isn't there; None if another try has it.

    It is this process's until the process ends.

    Args:
        root: of all tries of the task.
        recipe: JSON types; all that a training is made of.
    """
    from filelock import FileLock, Timeout  # imports asyncio

    folder = path_of(root, recipe, PREFIX)
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.warning("another try of this training still runs and has %s; starting afresh", folder)
        return None
    _locks.append(lock)
    folder.mkdir(exist_ok=True)
    return folder


_locks: list["FileLock"] = []


def keep(folder: Path, target: Path) -> None:
    """Move a run folder to where the artifact has it; an empty one if the module removed it.

    Keras' ``BackupAndRestore`` does that to the directory that it is given, once all is done.
    """
    if folder.is_dir():
        if target.is_dir():
            target.rmdir()
        folder.rename(target)
    target.mkdir(exist_ok=True)
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)
