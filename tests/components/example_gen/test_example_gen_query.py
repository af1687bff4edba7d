"""`example_gen` reads what a database answers, by SQLAlchemy and by ADBC."""

import sqlite3

import pytest

from components import command_line
from components.errors import ConfigurationError, DataError, RecordError, SourceUnavailableError
from components.example_gen import (
    DATABASE_URL_VARIABLE,
    IntervalRequest,
    Query,
    __main__,
    database,
    generate,
    query,
)
from components.records import Refusal, Window

ONE = {"train": 1}
JANUARY = Window.parse("2013-01-01/2013-02-01")
SQL = "SELECT at, n, x FROM t WHERE at >= :window_start AND at < :window_end ORDER BY n"


@pytest.fixture(params=["sqlite", "adbc+sqlite"])
def url(request, tmp_path):
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("CREATE TABLE t (at TEXT, n INTEGER, x REAL, note TEXT)")
        rows = [
            ("2012-12-31 23:59:59", 0, 0.0, None),
            ("2013-01-01 00:00:00", 1, 0.5, None),
            ("2013-01-31 23:59:59", 2, 1.0, None),
            ("2013-02-01 00:00:00", 3, 1.5, "x"),
        ]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return f"{request.param}:///{tmp_path}/t.db"


def make(sql, url, output_dir, **arguments):
    chosen = {"splits": ONE, "window": JANUARY, "time_column": "at", **arguments}
    return generate(source=Query(sql, url), output_dir=output_dir, **chosen)


def test_reads_the_rows_of_the_window(url, tmp_path, rows_of):
    rows = rows_of(make(SQL, url, tmp_path / "out"))
    assert [row["n"] + row["x"] for row in rows] == [[1, 0.5], [2, 1.0]]
    assert rows[0]["at"] == [b"2013-01-01 00:00:00"]


def test_the_window_is_bound_and_only_its_rows_leave_the_database(url, tmp_path, rows_of):
    """Without a time column nothing but the query itself chooses rows."""
    rows = rows_of(make(SQL, url, tmp_path / "out", time_column=None))
    assert [row["n"] for row in rows] == [[1], [2]]


def test_a_query_without_parameters_is_filtered_by_the_time_column(url, tmp_path, rows_of):
    rows = rows_of(make("SELECT * FROM t ORDER BY n;", url, tmp_path / "out", features=["n"]))
    assert rows == [{"n": [1]}, {"n": [2]}]


def test_finds_the_newest_interval_and_the_empty_window(url, tmp_path):
    examples = make(SQL, url, tmp_path / "out", window=IntervalRequest("@monthly"))
    assert examples.window == JANUARY
    refusal = make(SQL, url, tmp_path / "no", window=Window.parse("2020-01-01/2020-02-01"))
    assert isinstance(refusal, Refusal)
    assert "the data spans 2012-12-31T23:59:59Z to 2013-02-01" in refusal.findings[0].message


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("SELECT nothing FROM t", ConfigurationError, "refuses the query: .*nothing"),
        ("SELECT 1 FORM t", ConfigurationError, "refuses the query"),
        ("SELEKT 1", ConfigurationError, "begins with 'SELEKT'; expected one SELECT"),
        ("DROP TABLE t", ConfigurationError, "begins with 'DROP'"),
        (" /* SELECT */ -- SELECT\n delete FROM t", ConfigurationError, "begins with 'delete'"),
        ("", ConfigurationError, "begins with ''"),
        ("SELECT n, n FROM t", DataError, "more than one column named 'n'"),
        ("SELECT n FROM t WHERE n > :least", ConfigurationError, "the parameter :least; expected"),
        ("SELECT n FROM t", DataError, "the time column 'at' isn't in 'the query on .*sqlite"),
    ],
)
def test_says_what_is_wrong_with_a_query(url, tmp_path, sql, error, message):
    with pytest.raises(error, match=message):
        make(sql, url, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_but_a_question_reaches_the_database(url, tmp_path):
    """SQLite commits a DROP by itself, as MySQL and Oracle do."""
    for sql in ("DROP TABLE t", "DELETE FROM t", "-- SELECT\nDROP TABLE t"):
        with pytest.raises(ConfigurationError, match="begins with"):
            make(sql, url, tmp_path / "out")
    asked = "-- how many\n/* there are; */ SELECT n, at FROM t"
    found = make(asked, url, tmp_path / "out", window=None)
    assert found.splits["train"].num_examples == 4


def test_what_answers_without_rows_is_named(tmp_path, monkeypatch):
    """As SELECT … INTO does; SQLite has nothing like it."""
    sqlite3.connect(tmp_path / "t.db").execute("CREATE TABLE t (n INTEGER)")
    monkeypatch.setattr(query, "_ASKS", ("delete",))
    with pytest.raises(ConfigurationError, match=r"refuses the query: .*not return rows"):
        make("DELETE FROM t", f"sqlite:///{tmp_path}/t.db", tmp_path / "out", time_column=None)


def test_a_window_is_a_value_and_never_a_part_of_the_query(url, tmp_path, monkeypatch):
    evil = "2013-01-01/2013-02-01'; DROP TABLE t; --"
    with pytest.raises(RecordError, match=r"Window\.end is .*DROP TABLE"):
        Window.parse(evil)
    monkeypatch.setenv(DATABASE_URL_VARIABLE, url)
    arguments = ["--sql", SQL, "--window", evil, "--output-dir", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="2"):
        command_line.run(__main__._build_parser(), __main__._execute, arguments)
    # what a window holds reaches the database as a bound value, whatever it is
    object.__setattr__(window := Window.parse("2013-01-01/2013-02-01"), "start", "x' OR 1=1 --")
    with pytest.raises(ValueError, match="OR 1=1"):
        make(SQL, url, tmp_path / "out", window=window)
    assert make(SQL, url, tmp_path / "out").splits["train"].num_examples == 2


def test_reads_types_of_the_first_values_and_names_another(tmp_path, rows_of):
    """SQLite's columns hold values of any type."""
    path = tmp_path / "t.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (n, late, blob)")
        rows = [(i, "x" if i == 1500 else None, b"\xff") for i in range(3000)]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.execute("INSERT INTO t VALUES (1.5, NULL, NULL)")
    connection.close()
    url = f"sqlite:///{path}"
    chosen = {"time_column": None, "window": None}
    read = rows_of(make("SELECT * FROM t LIMIT 3000", url, tmp_path / "out", **chosen))
    assert [read[0]["late"], read[1500]["late"], read[2]["blob"]] == [[], [b"x"], [b"\xff"]]
    with pytest.raises(DataError, match=r"column 'n' holds what doesn't fit: .*CAST it"):
        make("SELECT * FROM t", url, tmp_path / "out", **chosen)


@pytest.mark.parametrize(
    ("first", "then"), [(1, 1.5), (1, "1"), ("a", 1), (True, 2), (1, True), (1.5, "x"), (None, 1)]
)
def test_a_value_of_another_type_is_never_made_to_fit(first, then):
    rows = [[(first,)] * 2] * 64 + [[(then,)]]
    with pytest.raises(DataError, match="column 'n' holds what doesn't fit"):
        list(database._as_batches(["n"], iter(rows)))


@pytest.mark.parametrize(("first", "then"), [(1, 2.0), (0.5, 2), ("a", None), (None, None)])
def test_a_value_that_fits_is_kept(first, then):
    batches = database._as_batches(["n"], iter([[(first,)], [(then,)]]))
    read = [value for batch in batches for value in batch.column(0).to_pylist()]
    assert read == [first, then]


def test_rows_are_fetched_as_they_are_needed(tmp_path, monkeypatch):
    """A million rows are asked for, and few are read."""
    counted = []
    original = database._typed

    def spied(waiting, *arguments):
        counted.append(len(waiting))
        return original(waiting, *arguments)

    monkeypatch.setattr(database, "_typed", spied)
    endless = (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 1000000) "
        "SELECT n FROM r"
    )
    import sqlalchemy

    answer = database.ask("sqlite:///", sqlalchemy.text(endless))
    assert next(answer.batches).num_rows == 1024
    assert len(counted) == 1


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("sqlite:////no/such/folder/x.db", SourceUnavailableError, "doesn't answer"),
        ("adbc+sqlite:////no/such/folder/x.db", SourceUnavailableError, "doesn't answer"),
        ("postgresql+psycopg://u:pw@127.0.0.1:1/d", SourceUnavailableError, "doesn't answer"),
        ("nosuch://u:pw@h/d", ConfigurationError, "can't be used"),
        ("adbc+nosuch://u:pw@h/d", ConfigurationError, "needs the package adbc-driver-nosuch"),
        ("postgresql://u:pw@x@:/h/d", ConfigurationError, "URL can't be"),
        ("", ConfigurationError, "URL can't be"),
    ],
)
def test_tells_a_database_that_is_away_from_a_url_that_is_wrong(tmp_path, url, error, message):
    with pytest.raises(error, match=message) as raised:
        make("SELECT 1 AS n", url, tmp_path / "out", time_column=None)
    assert "pw" not in str(raised.value)
    assert raised.value.__suppress_context__ or "pw" not in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sql", "SELECT 1"], "give its URL in the variable IMPRIMATUR_DATABASE_URL"),
        (["--sql", "SELECT 1", "--allowed-lateness", "P1D"], "--allowed-lateness is of files"),
        (["--sql", "SELECT :window_start"], "no window; give --window"),
    ],
)
def test_command_line_says_what_a_query_needs(tmp_path, monkeypatch, caplog, flags, message):
    url = "" if "variable" in message else "sqlite://"
    monkeypatch.setenv(DATABASE_URL_VARIABLE, url)
    arguments = [*flags, "--output-dir", str(tmp_path / "out")]
    assert command_line.run(__main__._build_parser(), __main__._execute, arguments) == 2
    assert message in caplog.text
