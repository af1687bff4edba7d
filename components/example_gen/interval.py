"""Finds the newest interval of a schedule that the data covers; what a run without dates trains on.

Rule (4) of a run's window: the newest whole interval of the data that ends by the run's own
interval end if there is one, else the newest.
"""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterError, croniter

from components.errors import ConfigurationError, DataError
from components.example_gen.source import Span
from components.records import Window

_log = logging.getLogger(__name__)
_MAX_STEPS = 100_000


@dataclass(frozen=True)
class IntervalRequest:
    """A schedule, and until when.

    Attributes:
        cron: five fields, as Airflow's `CronDataIntervalTimetable` takes them (the same library
            reads both); also ``@monthly`` and the like.
        timezone: an IANA name; the schedule's wall clock.
        ends_by: ISO 8601; prefer an interval that ends by then.
    """

    cron: str
    timezone: str = "UTC"
    ends_by: str | None = None

    def __post_init__(self) -> None:
        try:
            croniter(self.cron)
        except (CroniterError, ValueError) as error:
            raise ConfigurationError(
                f"the schedule {self.cron!r} isn't a cron expression: {error}; expected for "
                "instance '0 0 1 * *' or '@monthly'"
            ) from error
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigurationError(
                f"the time zone {self.timezone!r} isn't known; expected an IANA name, for "
                "instance 'UTC' or 'America/New_York'"
            ) from error


def newest_window(request: IntervalRequest, span: Span) -> Window:
    """Return the newest whole interval of the data.

    An interval is whole if the data reaches from its start or before (to the second schedule tick
    before, for the first one: data rarely begins on the tick) to its end. The data reaches to a
    tick if a row lies at it or after it. If no interval is whole, the data is younger than its
    first interval is long: then the interval that holds the data is taken, and the log says so.

    Raises:
        DataError: the schedule has no ticks around the data.
    """
    ends = list(_whole_ends(request, span))
    if not ends:
        end = next(_ticks(request, span.last))
        _log.warning("no whole interval of %r in the data (%s)", request.cron, span)
        return _window(_tick_before(request, end), end)
    limit = None if request.ends_by is None else Window(request.ends_by, "9999-01-01").start_time
    before = [end for end in ends if limit is None or end <= limit]
    end = before[-1] if before else ends[-1]
    window = _window(_tick_before(request, end), end)
    _log.info(
        "window %s: the newest whole interval of %r in the data (%s)%s",
        window,
        request.cron,
        span,
        _reason(request.ends_by, found=bool(before)),
    )
    return window


def _reason(ends_by: str | None, *, found: bool) -> str:
    if ends_by is None:
        return ""
    return f" that ends by {ends_by}" if found else f"; none ends by {ends_by}"


def _whole_ends(request: IntervalRequest, span: Span) -> Iterator[datetime]:
    ticks = itertools.islice(_ticks(request, span.first), _MAX_STEPS)
    return itertools.takewhile(lambda tick: tick <= span.last, ticks)


def _ticks(request: IntervalRequest, after: datetime) -> Iterator[datetime]:
    iterator = croniter(request.cron, after.astimezone(ZoneInfo(request.timezone)))
    while True:
        try:
            yield iterator.get_next(datetime).astimezone(UTC)
        except CroniterError as error:
            raise DataError(f"the schedule {request.cron!r} has no tick after {after}") from error


def _tick_before(request: IntervalRequest, moment: datetime) -> datetime:
    iterator = croniter(request.cron, moment.astimezone(ZoneInfo(request.timezone)))
    previous: datetime = iterator.get_prev(datetime)
    return previous.astimezone(UTC)


def _window(start: datetime, end: datetime) -> Window:
    return Window(start.isoformat(), end.isoformat())
