"""Removes the artifacts of old runs that nothing refers to any more.

::

    python -m components.artifact_cleanup --artifacts DIR --serving-root DIR --keep-days 30

A run's artifacts stay as a whole. They are kept if they are younger than `--keep-days`; if a record
of a serving folder names the run, or a path in it, of a version that is live, kept or withdrawn, or
of a model in quarantine; or if what is kept names it, as a warm start names its base model. If one
serving folder's record can't be read, nothing is removed: it might name anything.
"""

import argparse
import dataclasses
import json
import logging
import math
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from components import command_line
from components.artifact_path import encode
from components.errors import ConfigurationError
from components.record_parts import Run
from components.serving_folder import STATE_DIRECTORY, ServingFolder
from components.serving_records import FolderRecord, VersionRecord

TRASH = ".trash-"
_DAY_SECONDS = 86400.0
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Cleanup(FolderRecord):
    """What was removed, and what is kept because something names it."""

    artifacts: str
    removed: tuple[str, ...]
    """Runs, as ``<dag>/<run>``."""
    referenced: tuple[str, ...]
    num_young: int
    num_bytes: int
    """Of what was removed."""
    dry_run: bool = False
    num_active: int = 0
    """Runs that are old, but aren't over."""


def clean_up(
    *,
    artifacts: str | Path,
    serving_root: str | Path,
    keep_days: float = 30.0,
    dry_run: bool = False,
    now: float | None = None,
    is_active: Callable[[str, str], bool] = lambda dag_id, run_id: False,
) -> Cleanup:
    """Remove the artifacts of runs that are old and that nothing refers to.

    Args:
        artifacts: the directory of all artifacts.
        serving_root: holds the serving folders whose records count.
        keep_days: runs in which something was written since stay; at least 1, so that no run that
            goes on is touched.
        dry_run: only say what would be removed.
        now: seconds since the epoch; default: the clock.
        is_active: says by DAG id and run id whether a run isn't over: it may be waiting for a
            person's answer, or was cleared; asked right before it would be removed.

    Raises:
        ConfigurationError: `keep_days` is less than 1, or there is no serving root.
        RecordError: a record of a serving folder is damaged; nothing was removed.
        PushError: a serving folder can't be read; nothing was removed.
    """
    if math.isnan(keep_days) or keep_days < 1:
        raise ConfigurationError(f"keep_days is {keep_days!r}; expected at least 1")
    root, serving = Path(artifacts).absolute(), Path(serving_root).absolute()
    if not serving.is_dir():
        raise ConfigurationError(
            f"there is no {str(serving)!r}, so it isn't known what is live; give the directory "
            "that holds the serving folders"
        )
    sweep(root)
    horizon = (time.time() if now is None else now) - keep_days * _DAY_SECONDS
    runs = _runs(root)
    young = {run for run in runs if _newest(run) > horizon}
    referenced = _closure(_named(root, serving), young, set(runs), root)
    unneeded = [run for run in runs if run not in young and run not in referenced]
    removed: dict[Path, int] = {}
    for run in unneeded:
        if _newest(run) <= horizon and not is_active(*_ids(run)):
            removed[run] = _remove(run, dry_run=dry_run)
    return Cleanup(
        artifacts=str(root),
        removed=tuple(_name(run, root) for run in removed),
        referenced=tuple(_name(run, root) for run in runs if run in referenced),
        num_young=len(young),
        num_bytes=sum(removed.values()),
        dry_run=dry_run,
        num_active=len(unneeded) - len(removed),
    )


def sweep(root: Path) -> None:
    """Remove what a clean-up that was killed left half removed."""
    for path in root.glob(f"*/{TRASH}*"):
        shutil.rmtree(path, ignore_errors=True)


def _runs(root: Path) -> list[Path]:
    return sorted(
        run for run in root.glob("*/*") if run.is_dir() and not run.name.startswith(TRASH)
    )


def _newest(run: Path) -> float:
    """Return when something in a run was written last, in seconds since the epoch."""
    newest = run.stat().st_mtime
    for folder, _, files in os.walk(run):
        for name in ("", *files):
            try:
                newest = max(newest, (Path(folder) / name).lstat().st_mtime)
            except FileNotFoundError:  # renamed meanwhile: somebody is at work here
                return float("inf")
    return newest


def _named(root: Path, serving_root: Path) -> set[Path]:
    """Return the runs that serving folders' records name."""
    named: set[Path] = set()
    for path in sorted(serving_root.iterdir()):
        if (path / STATE_DIRECTORY).is_dir():
            folder = ServingFolder(path)
            for record in folder.records():
                if record.state != "removed":
                    named |= _of_version(record, root)
            for entry in folder.quarantine().active:
                named |= _of_run(entry.run, root)
    return named


def _of_version(record: VersionRecord, root: Path) -> set[Path]:
    blessed_by = (blessing.run for blessing in record.blessings)
    runs = {run for origin in (record.run, *blessed_by) for run in _of_run(origin, root)}
    return runs | set(_of_paths(record.to_json(), root))


def _of_run(run: Run | None, root: Path) -> set[Path]:
    return set() if run is None else {root / encode(run.dag_id) / encode(run.run_id)}


def _of_paths(value: Any, root: Path) -> Iterator[Path]:
    """Yield the runs whose directories the text of a JSON value names."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _of_paths(item, root)
    elif isinstance(value, str) and value.removeprefix("file://").startswith(f"{root}{os.sep}"):
        parts = Path(value.removeprefix("file://")).relative_to(root).parts
        if len(parts) > 1:
            yield root.joinpath(*parts[:2])


def _closure(named: set[Path], young: set[Path], runs: set[Path], root: Path) -> set[Path]:
    """Return the named runs, and those that these and the young ones name in turn."""
    found: set[Path] = set()
    waiting = [*(named & runs), *young]
    while waiting:
        run = waiting.pop()
        for other in _of_records(run, root) & runs - found - young:
            waiting.append(other)
            found.add(other)
        if run not in young:
            found.add(run)
    return found


def _of_records(run: Path, root: Path) -> set[Path]:
    return {
        found for value in _read(run.glob("**/record.json")) for found in _of_paths(value, root)
    }


def _read(paths: Iterable[Path]) -> Iterator[Any]:
    for path in paths:
        try:
            yield json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            _log.warning("%s can't be read: %s", path, error)


def _remove(run: Path, *, dry_run: bool) -> int:
    num_bytes = sum(
        (Path(folder) / name).lstat().st_size for folder, _, files in os.walk(run) for name in files
    )
    if not dry_run:
        trash = run.with_name(f"{TRASH}{uuid.uuid4().hex[:12]}")
        run.rename(trash)  # so that nobody finds half a run
        shutil.rmtree(trash)
    _log.info("%s %s", "would remove" if dry_run else "removed", run)
    return num_bytes


def _ids(run: Path) -> tuple[str, str]:
    return unquote(run.parent.name), unquote(run.name)


def _name(run: Path, root: Path) -> str:
    return str(run.relative_to(root))


def build_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m components.artifact_cleanup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--artifacts", required=True, metavar="DIR")
    parser.add_argument("--serving-root", required=True, metavar="DIR")
    parser.add_argument("--keep-days", type=float, default=30.0)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    return command_line.run(build_parser(), lambda given: clean_up(**vars(given)), argv)


if __name__ == "__main__":
    sys.exit(main())
