"""DAGs are loaded as Airflow loads them, and run by `dag.test()` against faked components."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow_home import HOME, REPOSITORY
from tests.operators.fixtures import fake_components
from tests.operators.inbox import inbox
from tests.operators.statsd_server import statsd

# isort: split
from airflow.dag_processing.dagbag import DagBag

__all__ = ["fake_components", "inbox", "statsd"]


@pytest.fixture(scope="session")
def dag_bag() -> DagBag:
    return DagBag(str(REPOSITORY / "dags"))


@pytest.fixture
def installation() -> Iterator[Path]:
    """The same place each time, because the serving folder's path is part of the DAG."""
    yield HOME
    for name in ("artifacts", "serving"):
        shutil.rmtree(HOME / name, ignore_errors=True)
