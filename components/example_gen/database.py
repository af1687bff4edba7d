"""Asks a database by SQLAlchemy or ADBC, and hands over its answer in Arrow's batches.

No message names the password, and nothing is logged.
"""

import importlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow as pa
import sqlalchemy
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite

from components.errors import ConfigurationError, DataError, SourceUnavailableError
from components.example_gen.feature_type import same_meaning

_ADBC = "adbc+"
_FETCHED_ROWS = 1024
_PEEKED_BATCHES = 64
_SESSION_IN_UTC = {
    "postgresql": "SET TIME ZONE 'UTC'",
    "mysql": "SET time_zone = '+00:00'",
    "mariadb": "SET time_zone = '+00:00'",
}
_RETRIED = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.DBAPIError)
_MISTAKES = (exc.ProgrammingError, exc.DataError, exc.NotSupportedError, exc.IntegrityError)


@dataclass(frozen=True)
class Answer:
    """A query's rows.

    Attributes:
        schema: the columns.
        batches: the rows, read from the database while they are iterated, once.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def ask(url: str, statement: Any) -> Answer:
    """Send a statement; the answer is streamed.

    Args:
        url: SQLAlchemy's, or ``adbc+`` and an ADBC driver's.
        statement: SQLAlchemy's, with its parameters.

    Raises:
        ConfigurationError: the URL, the statement, or a driver that isn't installed.
        DataError: rows that can't be read.
        SourceUnavailableError: the database can't be reached; a retry may help.
    """
    rows = _ask_adbc(url, statement) if url.startswith(_ADBC) else _ask_sqlalchemy(url, statement)
    empty: pa.RecordBatch | None = None
    for batch in rows:
        if batch.num_rows:
            return Answer(batch.schema, itertools.chain([batch], rows))
        empty = batch
    names = [] if empty is None else empty.schema.names
    # without a row a driver's types are a guess
    return Answer(pa.schema([(name, pa.null()) for name in names]), iter(()))


def shown(url: str) -> str:
    """Return a URL for people: without user, password and options."""
    try:
        parsed = sqlalchemy.make_url(url)
    except (exc.ArgumentError, ValueError):
        return "a database"
    return f"{parsed.drivername}://{parsed.host or ''}/{parsed.database or ''}"


def _ask_sqlalchemy(url: str, statement: Any) -> Iterator[pa.RecordBatch]:
    with _errors_translated(url):
        engine = sqlalchemy.create_engine(_parsed(url), poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            in_utc = _SESSION_IN_UTC.get(engine.dialect.name)
            if in_utc is not None:
                connection.exec_driver_sql(in_utc)
            streaming = {"stream_results": True, "max_row_buffer": _FETCHED_ROWS}
            result = connection.execution_options(**streaming).execute(statement)
            names = list(result.keys())
            _check_names(names)
            yield from _as_batches(names, result.partitions(_FETCHED_ROWS))


def _parsed(url: str) -> sqlalchemy.URL:
    try:
        return sqlalchemy.make_url(url)
    except ValueError:  # its message would show what stands where the port should
        raise ConfigurationError(
            "the database's URL can't be read: expected DIALECT+DRIVER://USER:PASSWORD@HOST:PORT/"
            "DATABASE, with what isn't a letter or digit in the password written as %40 and so on"
        ) from None


def _ask_adbc(url: str, statement: Any) -> Iterator[pa.RecordBatch]:
    parsed = _parsed(url.removeprefix(_ADBC))
    name = parsed.drivername
    driver = _adbc_driver(name)
    sql, values = _positional(statement, name)
    uri = parsed.database or "" if name == "sqlite" else _uri(parsed)
    with (
        _adbc_errors_translated(url, driver),
        driver.connect(uri) as connection,
        connection.cursor() as cursor,
    ):
        if name in _SESSION_IN_UTC:
            cursor.execute(_SESSION_IN_UTC[name])
        cursor.execute(sql, values or None)
        with cursor.fetch_record_batch() as reader:
            _check_names(reader.schema.names)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader


def _uri(url: sqlalchemy.URL) -> str:
    """Return a URL as libpq reads it, which takes no spaces as they are."""
    user, password = (quote(part or "", safe="") for part in (url.username, url.password))
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    bare = sqlalchemy.URL.create(
        url.drivername, host=url.host, port=url.port, database=url.database, query=url.query
    )
    return bare.render_as_string().replace("://", f"://{login}", 1)


def _adbc_driver(name: str) -> Any:
    try:
        return importlib.import_module(f"adbc_driver_{name}.dbapi")
    except ImportError as error:
        raise ConfigurationError(
            f"the database's URL begins with {_ADBC}{name}, which needs the package "
            f"adbc-driver-{name}: {error}; install it"
        ) from error


def _positional(statement: Any, name: str) -> tuple[str, list[Any]]:
    """Return a statement as an ADBC driver takes it, and the values of its parameters in order."""
    dialect: Any = postgresql.dialect if name == "postgresql" else sqlite.dialect
    style = "numeric_dollar" if name == "postgresql" else "qmark"
    compiled = statement.compile(dialect=dialect(paramstyle=style))
    values = [compiled.params[key] for key in compiled.positiontup or ()]
    if name == "sqlite":  # has no moments, only text
        values = [value.isoformat(" ") for value in values]
    return str(compiled), values


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise DataError(
            f"the query has more than one column named {twice[0]!r}; give each its own name by AS"
        )


def _as_batches(
    names: list[str], partitions: Iterator[Sequence[Sequence[Any]]]
) -> Iterator[pa.RecordBatch]:
    """Yield rows as columns of the same types throughout: those of the first values."""
    waiting: list[list[list[Any]]] = []
    types: list[pa.DataType] = [pa.null()] * len(names)
    is_known = False
    for rows in partitions:
        columns = [list(column) for column in zip(*rows, strict=True)]
        waiting.append(columns)
        if not is_known:
            for index, kind in enumerate(types):
                if pa.types.is_null(kind):
                    types[index] = _array(columns[index], None, names[index]).type
            is_known = len(waiting) == _PEEKED_BATCHES or not any(map(pa.types.is_null, types))
        if is_known:
            yield from _typed(waiting, names, types)
            waiting = []
    yield from _typed(waiting or [[[] for _ in names]], names, types)


def _typed(
    waiting: list[list[list[Any]]], names: list[str], types: list[pa.DataType]
) -> Iterator[pa.RecordBatch]:
    for columns in waiting:
        arrays = [
            _array(values, kind, name)
            for values, kind, name in zip(columns, types, names, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=names)


def _array(values: list[Any], kind: pa.DataType | None, name: str) -> pa.Array:
    """Return a column; decimals as floats, since a feature holds nothing finer."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, Decimal):
        values = [None if value is None else float(value) for value in values]
    elif isinstance(first, memoryview):
        values = [None if value is None else bytes(value) for value in values]
    try:
        array = pa.array(values)  # never with the type: that would cut 1.5 to 1
        if kind is None or array.type == kind:
            return array
        _check_meaning(array.type, kind)
        return array.cast(kind)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        expected = "values of one type" if kind is None else f"{kind}, as the first rows have it"
        raise DataError(
            f"the query's column {name!r} holds what doesn't fit: {error}; expected {expected}: "
            "CAST it in the query"
        ) from error


def _check_meaning(found: pa.DataType, kind: pa.DataType) -> None:
    """Refuse a type whose values mean something else; that they keep their value, a cast sees."""
    types = pa.types
    if types.is_boolean(found) or types.is_boolean(kind):
        fits = types.is_null(found)
    else:
        numbers = all(types.is_integer(one) or types.is_floating(one) for one in (found, kind))
        fits = numbers or same_meaning(found, kind)
    if not fits:
        raise TypeError(f"{found} isn't {kind}")


@contextmanager
def _errors_translated(url: str) -> Iterator[None]:
    try:
        yield
    except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
        raise ConfigurationError(
            f"the database's URL can't be used: {_said(error, url)}; expected for instance "
            "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, and the driver installed"
        ) from None  # its context may show the URL
    except (*_MISTAKES, exc.ResourceClosedError) as error:  # the latter: it answers without rows
        raise ConfigurationError(_refused(error, url)) from None
    except exc.OperationalError as error:
        if getattr(error.orig, "sqlite_errorname", None) == "SQLITE_ERROR":
            raise ConfigurationError(_refused(error, url)) from None
        raise SourceUnavailableError(_unavailable(error, url)) from None
    except (exc.DBAPIError, exc.TimeoutError) as error:
        raise SourceUnavailableError(_unavailable(error, url)) from None


@contextmanager
def _adbc_errors_translated(url: str, driver: Any) -> Iterator[None]:
    try:
        yield
    except (driver.ProgrammingError, driver.DataError, driver.NotSupportedError) as error:
        raise ConfigurationError(_refused(error, url)) from None
    except (driver.Error, OSError) as error:
        raise SourceUnavailableError(_unavailable(error, url)) from None
    except pa.ArrowException as error:
        raise DataError(
            f"the answer of {shown(url)} can't be read: {_said(error, url)}; CAST its columns in "
            "the query"
        ) from None


def _refused(error: BaseException, url: str) -> str:
    return f"the database {shown(url)} refuses the query: {_said(error, url)}; correct --sql"


def _unavailable(error: BaseException, url: str) -> str:
    return (
        f"the database {shown(url)} doesn't answer: {_said(error, url)}; check that it runs, the "
        "network and the credentials"
    )


def _said(error: BaseException, url: str) -> str:
    """Return what a driver said, without the password."""
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    try:
        password = sqlalchemy.make_url(url).password or ""
    except (exc.ArgumentError, ValueError):
        return type(error).__name__
    written = (quote(password, safe=safe) for safe in ("", "/", " +"))
    for secret in (password, *written, quote_plus(password)):
        if secret:
            text = text.replace(secret, "***")
    return text
