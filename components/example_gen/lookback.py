"""How far before its window a run looks back, and how late data may come: ISO 8601 durations."""

from datetime import datetime

import pendulum
from pendulum.parsing.exceptions import ParserError

from components.errors import ConfigurationError
from components.records import Window


def looking_back(window: Window, lookback: str | None, timezone: str) -> Window:
    """Return the window with its start moved back.

    Args:
        window: of the run.
        lookback: for instance ``P90D`` or ``P3M``; None leaves the window as it is.
        timezone: whose days and months these are.

    Raises:
        ConfigurationError: no duration, or one that begins before the calendar.
    """
    if lookback is None:
        return window
    duration = _read("lookback", lookback)
    start = pendulum.instance(window.start_time).in_timezone(timezone)
    try:
        return Window(_moved(start, duration, -1).isoformat(), window.end)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"lookback is {lookback!r}, which leads from {window.start} to before the year 1"
        ) from error


def later(moment: datetime, lateness: str | None) -> datetime:
    """Return a moment moved on by how late data may come.

    Raises:
        ConfigurationError: no duration, or one that ends after the calendar.
    """
    if lateness is None:
        return moment
    duration = _read("allowed_lateness", lateness)
    try:
        return _moved(pendulum.instance(moment), duration, 1)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"allowed_lateness is {lateness!r}, which leads to after the year 9999"
        ) from error


def _moved(moment: pendulum.DateTime, by: pendulum.Duration, sign: int) -> pendulum.DateTime:
    """Return a moment moved by days of the wall clock; pendulum's own sum counts 24 hours each."""
    return moment.add(
        years=sign * by.years,
        months=sign * by.months,
        weeks=sign * by.weeks,
        days=sign * by.remaining_days,
        hours=sign * by.hours,
        minutes=sign * by.minutes,
        seconds=sign * by.remaining_seconds,
    )


def _read(name: str, text: str) -> pendulum.Duration:
    try:
        duration = pendulum.parse(text) if text.startswith("P") and "/" not in text else None
    except (ParserError, ValueError, OverflowError):
        duration = None
    if not isinstance(duration, pendulum.Duration):
        raise ConfigurationError(
            f"{name} is {text!r}; expected an ISO 8601 duration, for instance P90D, P3M or PT6H"
        )
    return duration
