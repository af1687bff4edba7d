"""Rows that a database answers a query with, streamed.

The URL is SQLAlchemy's, or of an ADBC driver with ``adbc+`` before it, which hands over Arrow's
columns and is quicker: ``adbc+postgresql://…`` is read by the package ``adbc_driver_postgresql``.
``:window_start`` and ``:window_end`` in the query are bound parameters: moments in UTC, the second
exclusive. The session's time zone is UTC, and nothing is committed; but some databases commit a
DROP by themselves, so what doesn't begin as a question is refused.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy
from sqlalchemy.dialects import sqlite

from components.errors import ConfigurationError
from components.example_gen import database
from components.example_gen.moment import Span, epoch_seconds
from components.example_gen.source import check_time_column, regroup, warn_without_time, within
from components.example_gen.table_file import Roles
from components.records import Window

WINDOW_PARAMETERS = ("window_start", "window_end")
_ASKS = ("select", "with", "values", "table", "from")
_FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w*)", re.DOTALL)
_ALL_TIME = Window("1900-01-01", "9999-12-31")
_SQLITE_MOMENT: Any = sqlite.DATETIME
_MOMENT = sqlalchemy.DateTime().with_variant(_SQLITE_MOMENT(truncate_microseconds=True), "sqlite")


@dataclass(frozen=True)
class Query:
    """A query, and the database that answers it.

    Attributes:
        sql: one SELECT. Its rows come in the order of its ORDER BY; without one the database may
            change it, and with it the examples' digest.
        url: with the password, so it is never shown.
    """

    sql: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        return f"the query on {database.shown(self.url)}"


class QueryTable:
    """The rows of a query.

    Args:
        query: what is asked.
        roles: which columns mean something.
        window: what the query's parameters say; None if it has none.

    Raises:
        ConfigurationError: a URL or a query that can't be right, or a driver that isn't installed.
        DataError: rows that can't be read.
        SourceUnavailableError: the database can't be reached.
    """

    def __init__(self, query: Query, roles: Roles, window: Window | None) -> None:
        self.source = str(query)
        self.roles = roles
        self._query = query
        self._answer = database.ask(query.url, _statement(query.sql, window))
        check_time_column(self)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the answer."""
        return self._answer.schema

    @cached_property
    def span(self) -> Span | None:
        """The times of all rows, of whatever window; None if no row has one."""
        return query_span(self._query, self.roles)

    def batches(self, columns: Sequence[str], window: Window | None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a window, once, in the order of the answer."""
        return regroup(self._rows(columns, window))

    def _rows(self, columns: Sequence[str], window: Window | None) -> Iterator[pa.RecordBatch]:
        time_column = self.roles.time_column
        without_time = 0
        for batch in self._answer.batches:
            if window is not None and time_column is not None:
                without_time += batch.column(time_column).null_count
                seconds = epoch_seconds(batch.column(time_column), time_column)
                batch = within(batch, seconds, window)
            yield batch.select(list(columns))
        if without_time:
            warn_without_time(without_time, time_column)


def query_span(query: Query, roles: Roles) -> Span | None:
    """Return the least and the greatest time of a query's rows, as the database finds them.

    Raises:
        ConfigurationError: no time column.
        DataError: what isn't a time.
    """
    if roles.time_column is None:
        return None
    rows = _statement(query.sql, _ALL_TIME).columns(sqlalchemy.column(roles.time_column))
    times = rows.subquery("examples").c[roles.time_column]
    extremes = sqlalchemy.select(
        sqlalchemy.func.min(times).label("first"), sqlalchemy.func.max(times).label("last")
    )
    answer = database.ask(query.url, extremes)
    table = pa.Table.from_batches(answer.batches, answer.schema).combine_chunks()
    moments = pa.concat_arrays(
        [epoch_seconds(_chunk(table.column(name)), roles.time_column) for name in ("first", "last")]
    )
    found = pc.min_max(moments)
    if not found["min"].is_valid:
        return None
    return Span.of_seconds(found["min"].as_py(), found["max"].as_py())


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def _statement(sql: str, window: Window | None) -> sqlalchemy.TextClause:
    """Return the query with the window's ends as bound parameters.

    Raises:
        ConfigurationError: no question; another parameter, or no window where the query needs one.
    """
    first = _FIRST_WORD.match(sql)
    word = "" if first is None else first[1]
    if word.lower() not in _ASKS:
        raise ConfigurationError(
            f"the query begins with {word!r}; expected one SELECT, or WITH, VALUES, TABLE or FROM"
        )
    statement = sqlalchemy.text(sql.strip().rstrip(";"))
    names = list(statement.compile().params)
    for name in names:
        if name not in WINDOW_PARAMETERS:
            raise ConfigurationError(
                f"the query has the parameter :{name}; expected none but :window_start and "
                ":window_end. A colon that is meant is written \\:"
            )
    if names and window is None:
        raise ConfigurationError(
            f"the query has the parameter :{names[0]}, but there is no window; give --window or "
            "--newest-interval"
        )
    values = {} if window is None else _moments(window)
    return statement.bindparams(
        *(sqlalchemy.bindparam(name, values[name], type_=_MOMENT) for name in names)
    )


def _moments(window: Window) -> dict[str, datetime]:
    ends = (window.start_time, window.end_time)
    return dict(zip(WINDOW_PARAMETERS, (end.replace(tzinfo=None) for end in ends), strict=True))
