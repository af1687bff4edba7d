"""Finds the newest interval of a schedule that the data covers; what a run without dates trains on.

Rule (4) of a run's window: the newest whole interval of the data that ends by the run's own
interval end if there is one, else the newest.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from components.errors import ConfigurationError
from components.example_gen.moment import Span, time_zone
from components.records import Window

_HOUR_FIELD = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IntervalRequest:
    """A schedule, and until when.

    Attributes:
        cron: five fields, as Airflow's `CronDataIntervalTimetable` takes them (the same library
            reads both); also ``@monthly`` and the like.
        timezone: an IANA name; the schedule's wall clock.
        ends_by: ISO 8601, naive read as UTC; prefer an interval that ends by then.
    """

    cron: str
    timezone: str = "UTC"
    ends_by: str | None = None

    def __post_init__(self) -> None:
        try:
            croniter(self.cron).get_next()
        except (CroniterError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"the schedule {self.cron!r} isn't a cron expression that ever fires: {error}; "
                "expected for instance '0 0 1 * *' or '@monthly'"
            ) from error
        time_zone(self.timezone)
        self.limit  # noqa: B018 - reads ends_by, to refuse it here

    @property
    def limit(self) -> datetime | None:
        """The moment of `ends_by`. A run's may hold microseconds, where a person pressed a button.

        Raises:
            ConfigurationError: not a time.
        """
        if self.ends_by is None:
            return None
        try:
            moment = datetime.fromisoformat(self.ends_by)
        except ValueError as error:
            raise ConfigurationError(
                f"ends_by is {self.ends_by!r}; expected an ISO 8601 time, for instance "
                "2013-06-01T00:00:00Z"
            ) from error
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC)


def newest_window(request: IntervalRequest, span: Span) -> Window:
    """Return the newest whole interval of the data.

    An interval is whole if a row lies at its end or after it. The one in which the data begins
    counts too: data rarely begins on the tick. If none is whole, because the data doesn't reach
    the first tick, the interval that holds its last row is taken, and the log says so.
    """
    limit = request.limit
    end = _last_tick(request, span.last if limit is None else min(span.last, limit))
    rule = "" if limit is None else f" that ends by {request.ends_by}"
    if limit is not None and end <= span.first:
        end = _last_tick(request, span.last)
        rule = f"; none ends by {request.ends_by}"
    if end <= span.first:
        end = _next_tick(request, span.last)
        window = _window(_previous_tick(request, end), end)
        _log.warning(
            "window %s: no whole interval of %r in the data (%s), so the one with its last row",
            window,
            request.cron,
            span,
        )
        return window
    window = _window(_previous_tick(request, end), end)
    _log.info(
        "window %s: newest whole interval of %r in the data (%s)%s",
        window,
        request.cron,
        span,
        rule,
    )
    return window


def _last_tick(request: IntervalRequest, moment: datetime) -> datetime:
    tick = _next_tick(request, moment)
    while tick > moment:
        tick = _previous_tick(request, tick)
    return tick


def _next_tick(request: IntervalRequest, moment: datetime) -> datetime:
    return _step(request, moment, forward=True)


def _previous_tick(request: IntervalRequest, moment: datetime) -> datetime:
    return _step(request, moment, forward=False)


def _step(request: IntervalRequest, moment: datetime, *, forward: bool) -> datetime:
    """Return the tick after or before a moment, as `airflow.timetables._cron.CronMixin` finds it.

    The schedule runs on the wall clock without offsets. One that fires every hour keeps its
    distance across a change of the clocks; another fires at the wall clock's time, where that
    stands twice at the second, where it is left out as much later as the clocks were put forward.
    """
    zone = ZoneInfo(request.timezone)
    wall = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    schedule = croniter(request.cron, wall)
    while True:
        tick: datetime = schedule.get_next(datetime) if forward else schedule.get_prev(datetime)
        if schedule.expanded[_HOUR_FIELD] == ["*"]:
            return moment.astimezone(UTC) + (tick - wall)
        found = max(tick.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if found != moment and (found > moment) == forward:
            return found


def _window(start: datetime, end: datetime) -> Window:
    return Window(start.isoformat(), end.isoformat())
