"""What one run decided: its model, its blessings, and the version that came of it."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components import records
from components.artifact_path import encode
from components.errors import RecordError
from components.looking import Look
from components.record_parts import Part
from components.records import Blessing, Model, Record
from components.serving_folder import ServingFolder, read_json

RECORD_FILE = "record.json"
_ORDER = ("data", "evaluation", "infra", "approval")
_NEWEST_VERSIONS = 500


@dataclass(frozen=True)
class PublishedAs(Part):
    """The version that a run pushed."""

    model_name: str
    version: str


@dataclass(frozen=True)
class RunVerdicts(Part):
    """One run; of a task that was tried more than once, the newest try counts."""

    dag_id: str
    run_id: str
    models: tuple[Model, ...] = ()
    blessings: tuple[Blessing, ...] = ()
    """Data first, then evaluation, infra validation and approval."""
    published: tuple[PublishedAs, ...] = ()
    problems: tuple[str, ...] = ()


def read_run(artifacts_root: Path, serving_root: Path, dag_id: str, run_id: str) -> RunVerdicts:
    """Return what a run's artifacts and the serving folders say of it.

    A run without artifacts, or whose artifacts were removed, has no models and no blessings.

    Args:
        artifacts_root: holds ``<dag>/<run>/<task>[/<map index>]/<try>-<8 hex>/record.json``.
        serving_root: holds one serving folder per model.
        dag_id: the DAG, as Airflow names it.
        run_id: the run, as Airflow names it.

    Raises:
        OSError: a directory can't be read.
    """
    look = Look()
    found = list(_records(artifacts_root / encode(dag_id) / encode(run_id), look))
    blessings = [record for record in found if isinstance(record, Blessing)]
    return RunVerdicts(
        dag_id=dag_id,
        run_id=run_id,
        models=tuple(record for record in found if isinstance(record, Model)),
        blessings=tuple(sorted(blessings, key=lambda blessing: _ORDER.index(blessing.kind))),
        published=tuple(_published(serving_root, dag_id, run_id, look)),
        problems=look.problems,
    )


def newest_attempts(directory: Path) -> Iterator[Path]:
    """Yield the newest whole try of each task and map index below a run's directory."""
    for task in _directories(directory):
        below = _directories(task)
        mapped = [path for path in below if path.name.isdecimal()]
        for group in ([path for path in below if "-" in path.name], *map(_directories, mapped)):
            whole = [path for path in group if (path / RECORD_FILE).is_file()]
            if whole:
                yield max(whole, key=_age_order)


def _records(directory: Path, look: Look) -> Iterator[Record]:
    nothing: Record | None = None
    for attempt in newest_attempts(directory):
        path = attempt / RECORD_FILE
        record = look.attempt(partial(_load, path), nothing)
        if record is not None:
            yield record


def _load(path: Path) -> Record:
    try:
        return records.from_json(json.loads(path.read_bytes()))
    except ValueError as error:  # RecordError is one
        raise RecordError(f"the record {str(path)!r} can't be read: {error}") from error


def _directories(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []


def _age_order(attempt: Path) -> tuple[int, float]:
    number = attempt.name.partition("-")[0]
    return (int(number) if number.isdecimal() else 0, attempt.stat().st_mtime)


def _published(serving_root: Path, dag_id: str, run_id: str, look: Look) -> Iterable[PublishedAs]:
    for path in _directories(serving_root):
        folder = ServingFolder(path)
        for number in folder.recorded()[: -_NEWEST_VERSIONS - 1 : -1]:
            value = look.attempt(partial(read_json, folder.record_path(number)), None)
            run = (value or {}).get("run") or {}
            if (run.get("dag_id"), run.get("run_id")) == (dag_id, run_id):
                yield PublishedAs(path.name, str(number))
                break
