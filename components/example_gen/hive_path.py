"""What the folders of a hive-partitioned table say: ``year=2013/month=01/part-0.parquet``.

Of the time of their rows speak the keys ``year``, ``month``, ``day`` and ``hour``, one after the
other; ``month=2013-01``; and ``date``, ``dt``, ``ds`` or ``day`` with a whole date, as does a key
that is called as the time column. Such a date begins at midnight of the time zone that was asked
for.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pyarrow as pa

from components.errors import DataError
from components.records import Window

_KEY = re.compile(r"(?P<key>[^=/]+)=(?P<value>[^/]*)")
_NOTHING = "__HIVE_DEFAULT_PARTITION__"
_PARTS = ("year", "month", "day", "hour")
_DATE_KEYS = ("date", "dt", "ds", "day")
_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_WHOLE = re.compile(r"-?\d{1,18}")


def read_keys(folders: Sequence[str]) -> dict[str, str | None]:
    """Return the keys and values among the names of a file's folders."""
    found: dict[str, str | None] = {}
    for folder in folders:
        match = _KEY.fullmatch(folder)
        if match is not None:
            value = unquote(match["value"])
            found[unquote(match["key"])] = None if value == _NOTHING else value
    return found


def read_interval(
    keys: Mapping[str, str | None], time_column: str | None, zone: ZoneInfo, name: str
) -> Window | None:
    """Return the span of time that keys name; None if they name none.

    Raises:
        DataError: a month, day or hour that doesn't exist; the message has the file's `name`.
    """
    values = {key.lower(): value for key, value in keys.items() if value is not None}
    try:
        span = _whole_date(values, time_column) or _month(values) or _numbered(values)
    except ValueError as error:
        raise DataError(
            f"the folders of {name!r} name a time that doesn't exist: {error}; rename them, or "
            "leave the file out"
        ) from error
    if span is None:
        return None
    start, end = (moment.replace(tzinfo=zone).isoformat() for moment in span)
    return Window(start, end)


def column_types(files: Sequence[Mapping[str, str | None]]) -> dict[str, pa.DataType]:
    """Return what columns the keys make: int64 where all values are whole numbers, else text.

    Raises:
        DataError: some files have keys that others haven't.
    """
    if not files:
        return {}
    names = list(files[0])
    for keys in files:
        if set(keys) != set(names):
            raise DataError(
                f"some folders are partitioned by {sorted(names)}, some by {sorted(keys)}; "
                "expected the same keys for all files of a source"
            )
    return {
        name: pa.int64()
        if all(keys[name] is None or _WHOLE.fullmatch(keys[name] or "") for keys in files)
        else pa.string()
        for name in names
    }


def _whole_date(
    values: Mapping[str, str], time_column: str | None
) -> tuple[datetime, datetime] | None:
    for key in (*_DATE_KEYS, *([time_column.lower()] if time_column is not None else [])):
        match = _DATE.fullmatch(values.get(key, ""))
        if match is not None:
            day = datetime(int(match[1]), int(match[2]), int(match[3]))
            hour = values.get("hour", "")
            if hour.isdigit():
                return _from(day.replace(hour=int(hour)), timedelta(hours=1))
            return _from(day, timedelta(days=1))
    return None


def _month(values: Mapping[str, str]) -> tuple[datetime, datetime] | None:
    match = _MONTH.fullmatch(values.get("month", ""))
    return None if match is None else _next_month(int(match[1]), int(match[2]))


def _numbered(values: Mapping[str, str]) -> tuple[datetime, datetime] | None:
    numbers = []
    for part in _PARTS:
        if not values.get(part, "").isdigit():
            break
        numbers.append(int(values[part]))
    if not numbers:
        return None
    if len(numbers) == 1:
        return datetime(numbers[0], 1, 1), datetime(numbers[0] + 1, 1, 1)
    if len(numbers) == 2:
        return _next_month(*numbers)
    day = date(*numbers[:3])
    if len(numbers) == 3:
        return _from(datetime(day.year, day.month, day.day), timedelta(days=1))
    return _from(datetime(day.year, day.month, day.day, numbers[3]), timedelta(hours=1))


def _next_month(year: int, month: int) -> tuple[datetime, datetime]:
    start = datetime(year, month, 1)
    return start, datetime(year + month // 12, month % 12 + 1, 1)


def _from(start: datetime, length: timedelta) -> tuple[datetime, datetime]:
    return start, start + length
