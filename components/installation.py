"""Where an installation keeps what its tasks make and serve, from the environment.

- ``IMPRIMATUR_ARTIFACTS``: where tasks keep what they make, on a disk that all workers and the
  api-server share; default ``$AIRFLOW_HOME/artifacts``
- ``IMPRIMATUR_SERVING_ROOT``: holds one serving folder per model; default
  ``$AIRFLOW_HOME/serving``
- ``IMPRIMATUR_DATA``: holds the data of the example DAGs; default ``$AIRFLOW_HOME/data``

Each is read when it is asked for, so that a process's own environment counts.
"""

import os
from pathlib import Path


def artifacts_root() -> Path:
    """Return the directory of all artifacts."""
    return _directory("IMPRIMATUR_ARTIFACTS", "artifacts")


def serving_root() -> Path:
    """Return the directory of all serving folders."""
    return _directory("IMPRIMATUR_SERVING_ROOT", "serving")


def data_root() -> Path:
    """Return the directory of the example DAGs' data."""
    return _directory("IMPRIMATUR_DATA", "data")


def _directory(variable: str, default: str) -> Path:
    given = os.environ.get(variable)
    if given:
        return Path(given).expanduser().absolute()
    home = os.environ.get("AIRFLOW_HOME", "~/airflow")
    return Path(home).expanduser().absolute() / default
