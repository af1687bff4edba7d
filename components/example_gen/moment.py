"""Reads moments of whatever form a column has them in."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc

from components.errors import ConfigurationError, DataError
from components.example_gen.feature_type import is_text, is_time

_OFFSET = r"[T :].*[+-]\d\d(:?\d\d)?$|Z$"
_BEYOND_MICROSECONDS = r"(\.\d{6})\d+"


@dataclass(frozen=True)
class Span:
    """The least and the greatest time that a table holds."""

    first: datetime
    last: datetime

    @classmethod
    def of_seconds(cls, first: int, last: int) -> "Span":
        """Make one of seconds since 1970 UTC.

        Raises:
            DataError: not within the years 1 to 9999.
        """
        try:
            return cls(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC))
        except (ValueError, OverflowError, OSError) as error:
            raise DataError(
                f"the times lie between {first:,} and {last:,} seconds since 1970, beyond the "
                "years 1 to 9999; expected seconds: are they milliseconds, or text of another form?"
            ) from error

    def __str__(self) -> str:
        return f"{self.first:%Y-%m-%dT%H:%M:%SZ} to {self.last:%Y-%m-%dT%H:%M:%SZ}"


def time_zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ConfigurationError: not known.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"the time zone {name!r} isn't known; expected an IANA name, for instance 'UTC' or "
            "'America/New_York'"
        ) from error


def may_hold_moments(kind: pa.DataType) -> bool:
    """Whether `epoch_seconds` takes a column of this type; one without any value has no type."""
    return is_time(kind) or is_text(kind) or bool(pa.types.is_null(kind))


def epoch_seconds(column: pa.Array, name: str) -> pa.Array:
    """Return times as whole seconds since 1970 UTC, int64, rounded down; naive ones read as UTC.

    Raises:
        DataError: text that is no time; the message names the column by `name`.
    """
    if is_text(column.type):
        column = _read_text(column, name)
    if pa.types.is_null(column.type) or pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    if column.type.unit != "s":
        column = pc.floor_temporal(column, unit="second")
    return column.cast(pa.timestamp("s", tz=column.type.tz)).cast(pa.int64())


def _read_text(column: pa.Array, name: str) -> pa.Array:
    """Read ISO 8601 text, with and without offsets, also where a column mixes them."""
    text = column.cast(pa.string())
    try:
        return text.cast(pa.timestamp("us"))  # the usual case, and the fast one
    except pa.ArrowInvalid:
        pass
    text = pc.replace_substring_regex(text, _BEYOND_MICROSECONDS, r"\1")
    text = pc.replace_substring_regex(text, "z$", "Z")
    zoned = pc.match_substring_regex(text, _OFFSET)
    nothing = pa.scalar(None, pa.string())
    try:
        aware = pc.if_else(zoned, text, nothing).cast(pa.timestamp("us", tz="UTC"))
        naive = pc.if_else(zoned, nothing, text).cast(pa.timestamp("us"))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"the time column {name!r} holds text that isn't a time: {error}; expected ISO 8601, "
            "for instance 2013-01-31T23:59:59Z"
        ) from error
    return pc.coalesce(aware.cast(pa.timestamp("us")), naive)
