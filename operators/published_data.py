"""Finds the statistics of the data that the published model was trained on."""

import logging
from pathlib import Path

from components import records
from components.errors import RecordError
from components.records import Statistics
from components.serving_folder import ServingFolder
from operators import settings
from operators.artifact_path import encode

_log = logging.getLogger(__name__)


def published_statistics(base_directory: str | Path) -> Statistics | None:
    """Return the statistics of the live version's examples, from the run that pushed it.

    Returns:
        None if nothing is live, or its run made no statistics, or they were cleaned up.
    """
    live = ServingFolder(base_directory).live()
    record = live.record if live is not None else None
    if record is None or record.model is None or record.run is None:
        return None
    wanted = record.model.examples_digest
    run = settings.artifacts_root() / encode(record.run.dag_id) / encode(record.run.run_id)
    for path in sorted(run.glob("*/*/record.json"), reverse=True):
        try:
            found = records.load(path)
        except RecordError as error:
            _log.warning("%s", error)
            continue
        if isinstance(found, Statistics) and found.examples_digest == wanted:
            return found
    _log.warning("no statistics of the data of the live version %s are kept", record.version)
    return None
