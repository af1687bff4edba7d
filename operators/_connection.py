"""The URL of a database, from Airflow's connection to it."""

import json
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from sqlalchemy import URL

from components.errors import ConfigurationError

_DIALECTS = {
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mssql": "mssql+pymssql",
    "redshift": "redshift+psycopg2",
    "generic": "",
}
_SCHEME = "sqlalchemy_scheme"


def database_url(conn_id: str) -> str:
    """Return SQLAlchemy's URL of a connection, with the password: it belongs in no log.

    The dialect is the connection's ``extra.sqlalchemy_scheme``, else the usual one of its type;
    ``adbc+postgresql`` asks for ADBC. All else in ``extra`` that is text or a number becomes an
    option of the URL.

    Raises:
        ConfigurationError: there is no such connection, or it can't be a database's.
    """
    try:
        connection: Any = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"there is no connection {conn_id!r}; add it in Airflow"
        ) from error
    extra = _extra(connection.extra, conn_id)
    kind = (connection.conn_type or "").replace("-", "_")
    dialect = extra.pop(_SCHEME, None) or _DIALECTS.get(kind, kind)
    if not dialect:
        raise ConfigurationError(
            f"the connection {conn_id!r} is of type {connection.conn_type!r}, which names no "
            'database; set its type, or {"sqlalchemy_scheme": "postgresql+psycopg"} in its extra'
        )
    is_file = dialect.removeprefix("adbc+").startswith("sqlite")  # which may stand as the host
    url = URL.create(
        dialect,
        username=connection.login or None,
        password=connection.password or None,
        host=None if is_file else connection.host or None,
        port=connection.port,
        database=connection.schema or (connection.host if is_file else None) or None,
        query={name: str(value) for name, value in extra.items() if _is_option(value)},
    )
    return url.render_as_string(hide_password=False)


def _extra(text: str | None, conn_id: str) -> dict[str, Any]:
    try:
        extra = json.loads(text) if text else {}
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError(f"the extra of the connection {conn_id!r} isn't a JSON object")
    return extra


def _is_option(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
