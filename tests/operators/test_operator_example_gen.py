"""ExampleGenOperator with the real component: a connection's password is nowhere to be read."""

import json
import logging
import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from operators import ExampleGenOperator, _component_task
from operators._connection import database_url
from tests.operators.contexts import make_context

SQL = "SELECT * FROM flights WHERE at >= :window_start AND at < :window_end ORDER BY at"
SCHEDULED = {
    "run_type": "scheduled",
    "interval_start": datetime(2013, 1, 1, tzinfo=UTC),
    "interval_end": datetime(2013, 2, 1, tzinfo=UTC),
}


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was started, in full."""
    started: list[list[str]] = []
    make = _component_task.component_command

    def spied(name: str, arguments: list[str]) -> list[str]:
        started.append(make(name, arguments))
        return started[-1]

    monkeypatch.setattr(_component_task, "component_command", spied)
    return started


def execute(**arguments: Any) -> dict[str, Any]:
    operator = ExampleGenOperator(task_id="example_gen", time_column="at", **arguments)
    return operator.execute(make_context("example_gen", **SCHEDULED))


def test_reads_the_rows_of_the_window_from_a_connection(installation, monkeypatch, commands):
    with sqlite3.connect(installation / "flights.db") as database:
        database.execute("CREATE TABLE flights (at TEXT, n INTEGER)")
        days = [(f"2013-{month:02d}-01 00:00:00", month) for month in range(1, 13)]
        database.executemany("INSERT INTO flights VALUES (?, ?)", days)
    monkeypatch.setenv("AIRFLOW_CONN_FLIGHTS", f"sqlite:///{installation}/flights.db")
    record = execute(sql=SQL, conn_id="flights", lookback="P1M", splits={"train": 1})
    assert record["splits"]["train"]["num_examples"] == 1
    assert record["window"] == {"start": "2012-12-01T00:00:00Z", "end": "2013-02-01T00:00:00Z"}
    assert "flights.db" not in " ".join(commands[0])


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "adbc+postgresql"])
def test_a_password_stands_in_no_command_log_or_error(
    installation, monkeypatch, commands, caplog, capfd, scheme
):
    password = "s3cr3t/@: x"
    connection = {
        "conn_type": "postgres",
        "login": "me",
        "password": password,
        "host": "127.0.0.1",
        "port": 1,
        "schema": "flights",
        "extra": {"sqlalchemy_scheme": scheme},
    }
    monkeypatch.setenv("AIRFLOW_CONN_FLIGHTS", json.dumps(connection))
    monkeypatch.setenv("IMPRIMATUR_LOG_LEVEL", "DEBUG")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AirflowException, match=r"flights doesn't answer") as raised:
        execute(sql=SQL, conn_id="flights")
    assert not isinstance(raised.value, AirflowFailException)  # a retry may help
    seen = "".join([*commands[0], caplog.text, *capfd.readouterr(), str(raised.value)])
    assert "s3cr3t" not in seen
    assert SQL in commands[0]


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ({"conn_type": "postgres", "host": "h", "login": "u", "password": "a@b/c", "port": 5},
         "postgresql+psycopg://u:a%40b%2Fc@h:5"),
        ({"conn_type": "mysql", "host": "h", "schema": "d", "extra": {"charset": "utf8"}},
         "mysql+pymysql://h/d?charset=utf8"),
        ({"conn_type": "generic", "host": "h", "extra": {"sqlalchemy_scheme": "trino"}},
         "trino://h"),
        ({"conn_type": "sqlite", "host": "/data/x.db"}, "sqlite:////data/x.db"),
    ],
)  # fmt: skip
def test_a_connection_becomes_the_url_of_its_database(monkeypatch, connection, expected):
    monkeypatch.setenv("AIRFLOW_CONN_FLIGHTS", json.dumps(connection))
    url = database_url("flights")
    assert url == expected
    assert sqlalchemy.make_url(url).password == connection.get("password")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give one of them"),
        ({"source": "a", "sql": "b", "conn_id": "c"}, "give one of them"),
        ({"sql": SQL}, "conn_id is None; give it with sql"),
        ({"source": "a", "conn_id": "c"}, "conn_id is 'c'; give it with sql, and only then"),
        ({"sql": SQL, "conn_id": "nowhere"}, "there is no connection 'nowhere'"),
    ],
)
def test_refuses_sources_that_do_not_go_together(installation, arguments, message):
    with pytest.raises(AirflowFailException, match=message):
        execute(**arguments)


def test_hands_all_it_is_given_to_the_component(fake_components):
    record = execute(
        source=["a/{YYYY}-{MM}-{DD}/*"],
        timezone="America/New_York",
        allowed_lateness="P2D",
        range_config={"rolling_range": {"num_spans": 2}},
        max_duplicates=0.5,
        num_shards=3,
        compression="none",
    )
    directory = record["uri"]
    with open(f"{directory}/arguments.json") as file:
        flags = json.load(file)
    assert flags["source"] == "a/{YYYY}-{MM}-{DD}/*"
    assert json.loads(flags["range_config"]) == {"rolling_range": {"num_spans": 2}}
    assert (flags["timezone"], flags["allowed_lateness"]) == ("America/New_York", "P2D")
    assert (flags["max_duplicates"], flags["num_shards"]) == ("0.5", "3")
    assert flags["compression"] == "none"
