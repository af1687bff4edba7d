"""Settings of an installation, from the environment.

- ``IMPRIMATUR_ARTIFACTS``: where tasks keep what they make, on a disk that all workers share;
  default ``$AIRFLOW_HOME/artifacts``
- ``IMPRIMATUR_SERVING_ROOT``: holds one serving folder per model; default
  ``$AIRFLOW_HOME/serving``
- ``IMPRIMATUR_DATA``: holds the data of the example DAGs; default ``$AIRFLOW_HOME/data``
- ``IMPRIMATUR_TRAINING_QUEUE``, ``IMPRIMATUR_TRAINING_POOL``: where training runs, and what it
  takes its slots from; default: Airflow's

Each is read when it is asked for, so that a worker's own environment counts.
"""

import os
from pathlib import Path
from typing import Any


def artifacts_root() -> Path:
    """Return the directory of all artifacts."""
    return _directory("IMPRIMATUR_ARTIFACTS", "artifacts")


def serving_root() -> Path:
    """Return the directory of all serving folders."""
    return _directory("IMPRIMATUR_SERVING_ROOT", "serving")


def data_root() -> Path:
    """Return the directory of the example DAGs' data."""
    return _directory("IMPRIMATUR_DATA", "data")


def training_placement() -> dict[str, Any]:
    """Return the operator arguments ``queue`` and ``pool`` of training, those that are set."""
    chosen = {
        "queue": os.environ.get("IMPRIMATUR_TRAINING_QUEUE"),
        "pool": os.environ.get("IMPRIMATUR_TRAINING_POOL"),
    }
    return {name: value for name, value in chosen.items() if value}


def _directory(variable: str, default: str) -> Path:
    given = os.environ.get(variable)
    if given:
        return Path(given).expanduser().absolute()
    home = os.environ.get("AIRFLOW_HOME", "~/airflow")
    return Path(home).expanduser().absolute() / default
