"""A poisoned month of flights costs no training: the data are really read, judged and compared.

What comes after the data is faked, as in `test_dag_runs`.
"""

import itertools
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from components.model_catalog.run_verdicts import read_run
from components.serving_folder import ServingFolder
from models.flight_delays import data
from operators import _component_task, _process
from tests.dags.test_dag_runs import database, states, xcom
from tests.operators.fixtures import FAKE

__all__ = ["database"]
REAL = ("example_gen", "data_validation", "pusher")
JANUARY = {"window_start": "2013-01-01T00:00:00Z", "window_end": "2013-02-01T00:00:00Z"}
FEBRUARY = {"window_start": "2013-02-01T00:00:00Z", "window_end": "2013-03-01T00:00:00Z"}
SKIPPED = {"transform", "tuner", "trainer", "evaluator", "infra_validator", "approval", "pusher"}


@pytest.fixture
def flights(installation):
    """The flights that the DAG reads; call it to write others in their place."""
    file = installation / "data" / "flights.parquet"
    good = data.read_flights(data.find_flights())

    def write(name: str | None = None, values: Any = None) -> None:
        index = good.schema.get_field_index(name or "")
        table = good if name is None else good.set_column(index, name, values(good[name]))
        data.write_atomically(table, file)

    yield write
    file.unlink()


@pytest.fixture
def run_dag(database, dag_bag, fake_components, monkeypatch):
    def command(name: str, arguments: list[str]) -> list[str]:
        if name in REAL:
            return _process.component_command(name, arguments)
        return [sys.executable, str(FAKE), name, *arguments]

    fake_components()
    monkeypatch.setattr(_component_task, "component_command", command)
    dates = (datetime(2014, 1, day, tzinfo=UTC) for day in itertools.count(1))
    dag = dag_bag.dags["flight_delays"]
    # without a date of its own a run would replace the one before
    return lambda conf: dag.test(logical_date=next(dates), run_conf=conf)


def kilometres(miles: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.round(pc.multiply(miles, 1.609344)), pa.int64())


def renamed(carriers: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise("US", carriers, "-")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_poisoned_month_trains_nothing_and_the_page_says_why(run_dag, flights, installation):
    folder = ServingFolder(str(installation / "serving" / "flight_delays"))
    flights()
    assert set(states(run_dag(JANUARY)).values()) == {"success"}
    assert folder.live().number == 20130201000000

    flights("distance", kilometres)
    expect_stopped(
        run_dag(FEBRUARY),
        installation,
        "feature 'distance' is as great as 8019; its domain ends at 5000",
        "feature 'distance' moved from the data of the published model",
    )
    flights("carrier", renamed)
    expect_stopped(
        run_dag(FEBRUARY),
        installation,
        "feature 'carrier' has values that its domain hasn't: 'US-UA', 'US-B6', 'US-EV'",
        "feature 'carrier' moved from the data of the published model: the share of 'US-UA' went "
        "from 0.000% to",
    )
    assert folder.live().number == 20130201000000


def expect_stopped(run: Any, installation: Path, first: str, moved: str) -> None:
    found = states(run)
    assert {task for task, state in found.items() if state == "skipped"} == SKIPPED
    assert str(run.state) == "success"
    report = xcom(run, "report")
    assert report["headline"].startswith("REFUSED by transform: data_not_blessed")
    assert first in report["headline"]
    refusal = xcom(run, "transform", "refusal")
    assert any(moved in finding["message"] for finding in refusal["findings"])
    verdicts = read_run(
        installation / "artifacts", installation / "serving", run.dag_id, run.run_id
    )
    (blessing,) = verdicts.blessings  # what the page of the run shows
    assert (blessing.kind, blessing.blessed) == ("data", False)
    assert any(first in finding.message for finding in blessing.failures)
    assert verdicts.models == ()
