"""Finds where a published model comes from: its run, and the statistics of its data."""

import logging
from pathlib import Path

from components import records
from components.artifact_path import encode
from components.errors import RecordError
from components.records import Run, Statistics
from operators import settings

_log = logging.getLogger(__name__)


def publishing_run(base_directory: str | Path, version: str | None) -> Run | None:
    """Return the task instance that published a version; None if that isn't known."""
    from components.serving_folder import ServingFolder

    record = None if version is None else ServingFolder(base_directory).record(int(version))
    return None if record is None else record.run


def published_statistics(base_directory: str | Path) -> Statistics | None:
    """Return the statistics of the live version's examples, from the run that pushed it.

    Returns:
        None if nothing is live, or its run made no statistics, or they were cleaned up.
    """
    from components.serving_folder import ServingFolder  # not when Airflow reads the DAG file

    live = ServingFolder(base_directory).live()
    record = live.record if live is not None else None
    if record is None or record.model is None or record.run is None:
        return None
    wanted = record.model.examples_digest
    run = settings.artifacts_root() / encode(record.run.dag_id) / encode(record.run.run_id)
    tries = (path for depth in ("*/*", "*/*/*") for path in run.glob(f"{depth}/record.json"))
    for path in sorted(tries, reverse=True):  # a mapped task's lie one folder deeper
        try:
            found = records.load(path)
        except RecordError as error:
            _log.warning("%s", error)
            continue
        if isinstance(found, Statistics) and found.examples_digest == wanted:
            return found
    _log.warning("no statistics of the data of the live version %s are kept", record.version)
    return None
