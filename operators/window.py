"""Which span of data time a run is about. Only `ExampleGenOperator` asks.

1. *By hand*: ``params.window_start`` and ``window_end``, both or neither, in every run that isn't
   scheduled or a backfill.
2. *Scheduled, backfilled, reprocessed*: the run's data interval, strictly.
3. *Triggered by assets*: from the least start to the greatest end of all events' ``extra.window``.
4. *Triggered without more*: the newest whole interval of the data that ends by the run's interval
   end if it has one, else the newest. Only who reads the data can tell which that is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from components.errors import ConfigurationError, RecordError
from components.records import Window

SCHEDULED = ("scheduled", "backfill")
ASSET_TRIGGERED = "asset_triggered"


@dataclass(frozen=True)
class RunShape:
    """What of a DAG run decides its window."""

    run_type: str
    """Never guessed from the run id: a reprocessed run keeps its id and becomes a backfill."""
    params: Mapping[str, Any] = field(default_factory=dict)
    interval_start: datetime | None = None
    interval_end: datetime | None = None
    event_extras: Sequence[Mapping[str, Any]] = ()
    """``extra`` of each asset event that triggered the run."""


@dataclass(frozen=True)
class Resolution:
    """The window, or how to find it in the data; and the rule that applied, for people."""

    rule: str
    window: Window | None = None
    """None: the newest whole interval of the data."""
    ends_by: datetime | None = None


def resolve(shape: RunShape) -> Resolution:
    """Apply the first of the rules that fits.

    Raises:
        ConfigurationError: the rule that applies can't name a window.
    """
    if shape.run_type in SCHEDULED:
        return _of_interval(shape)
    given = _given_window(shape.params)
    if given is not None:
        return Resolution(f"window {given} as given by hand (window_start, window_end)", given)
    if shape.run_type == ASSET_TRIGGERED:
        return _of_events(shape.event_extras)
    if shape.interval_end is None:
        return Resolution("newest whole interval of the data (the run has no data interval)")
    return Resolution(
        f"newest whole interval of the data that ends by {_utc(shape.interval_end)}, "
        "the end of the run's data interval",
        ends_by=shape.interval_end.astimezone(UTC),
    )


def _of_interval(shape: RunShape) -> Resolution:
    start, end = shape.interval_start, shape.interval_end
    if start is None or end is None:
        raise ConfigurationError(
            f"this {shape.run_type} run has no data interval (a partitioned timetable?); "
            "give the DAG a CronDataIntervalTimetable, or trigger it with window_start and "
            "window_end"
        )
    if end <= start:
        raise ConfigurationError(
            f"the data interval of this {shape.run_type} run is empty: it starts and ends at "
            f"{_utc(end)}. A cron string makes such intervals; "
            "give the DAG a CronDataIntervalTimetable"
        )
    window = Window(_utc(start), _utc(end))
    return Resolution(f"data interval {window} of this {shape.run_type} run", window)


def _given_window(params: Mapping[str, Any]) -> Window | None:
    start, end = params.get("window_start"), params.get("window_end")
    if not start and not end:
        return None
    if not start or not end:
        raise ConfigurationError(
            f"window_start is {start!r} and window_end is {end!r}; give both, or neither"
        )
    try:
        return Window(str(start), str(end))
    except RecordError as error:
        raise ConfigurationError(f"window_start and window_end make no window: {error}") from error


def _of_events(extras: Sequence[Mapping[str, Any]]) -> Resolution:
    windows = sorted(
        (_event_window(extra["window"]) for extra in extras if extra.get("window")),
        key=lambda window: window.start_time,
    )
    if not windows:
        raise ConfigurationError(
            f"none of the {len(extras)} asset event(s) that triggered this run has a window in "
            "its extra; let the producer set extra['window'] = {'start': …, 'end': …}, "
            "or trigger the run by hand with window_start and window_end"
        )
    end = windows[0]
    for window in windows[1:]:
        if window.start_time > end.end_time:
            raise ConfigurationError(
                f"the asset events that triggered this run leave a gap between {end.end} and "
                f"{window.start}; trigger the run by hand with window_start and window_end"
            )
        end = max(end, window, key=lambda one: one.end_time)
    whole = Window(windows[0].start, end.end)
    return Resolution(f"window {whole} of {len(windows)} asset event(s)", whole)


def _event_window(value: Any) -> Window:
    try:
        return Window.parse(value) if isinstance(value, str) else Window.from_json(value)
    except RecordError as error:
        raise ConfigurationError(f"an asset event's extra.window can't be read: {error}") from error


def _utc(moment: datetime) -> str:
    text = moment.astimezone(UTC).replace(microsecond=0).isoformat()
    return text.replace("+00:00", "Z")
