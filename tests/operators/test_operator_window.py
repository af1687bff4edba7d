"""The four rules of the window, by the shape of the run."""

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from components.errors import ConfigurationError
from operators.run_shape import run_shape
from operators.window import RunShape, resolve

JANUARY = datetime(2013, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2013, 2, 1, tzinfo=UTC)
BY_HAND = {"window_start": "2013-05-01T00:00:00+00:00", "window_end": "2013-06-01"}


def event(start: str, end: str) -> dict[str, object]:
    return {"window": {"start": start, "end": end}}


@pytest.mark.parametrize("run_type", ["manual", "asset_triggered", "operator_triggered"])
def test_a_window_given_by_hand_wins(run_type):
    shape = RunShape(run_type, BY_HAND, JANUARY, FEBRUARY, [event("2013-01-01", "2013-02-01")])
    resolution = resolve(shape)
    assert str(resolution.window) == "2013-05-01T00:00:00Z/2013-06-01T00:00:00Z"
    assert "by hand" in resolution.rule


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_scheduled_or_backfilled_run_keeps_to_its_interval_whatever_the_params_say(run_type):
    """A reprocessed run is a backfill with other params, and keeps its run id."""
    resolution = resolve(RunShape(run_type, BY_HAND, JANUARY, FEBRUARY))
    assert str(resolution.window) == "2013-01-01T00:00:00Z/2013-02-01T00:00:00Z"
    assert run_type in resolution.rule


def test_an_interval_in_another_zone_is_the_same_in_utc():
    new_york = timezone(timedelta(hours=-5))
    shape = RunShape("scheduled", {}, JANUARY.astimezone(new_york), FEBRUARY.astimezone(new_york))
    assert str(resolve(shape).window) == "2013-01-01T00:00:00Z/2013-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (JANUARY, JANUARY, "empty.*CronDataIntervalTimetable"),
        (None, None, "no data interval"),
    ],
)
def test_a_scheduled_run_without_a_real_interval_is_an_error(start, end, message):
    with pytest.raises(ConfigurationError, match=message):
        resolve(RunShape("scheduled", {}, start, end))


@pytest.mark.parametrize(
    "params",
    [{"window_start": "2013-01-01"}, {"window_end": "2013-01-01", "window_start": None}],
)
def test_half_a_window_is_an_error(params):
    with pytest.raises(ConfigurationError, match="give both, or neither"):
        resolve(RunShape("manual", params))


@pytest.mark.parametrize(
    ("start", "end"), [("2013-02-01", "2013-01-01"), ("January", "2013-02-01"), (1, 2)]
)
def test_a_window_by_hand_that_is_none_is_an_error(start, end):
    with pytest.raises(ConfigurationError, match="window_start and window_end make no window"):
        resolve(RunShape("manual", {"window_start": start, "window_end": end}))


@pytest.mark.parametrize(
    ("extras", "window"),
    [
        ([event("2013-01-01", "2013-02-01")], "2013-01-01T00:00:00Z/2013-02-01T00:00:00Z"),
        (
            [event("2013-02-01", "2013-03-01"), event("2013-01-01", "2013-02-01")],
            "2013-01-01T00:00:00Z/2013-03-01T00:00:00Z",
        ),
        (
            [event("2013-01-01", "2013-04-01"), event("2013-02-01", "2013-03-01")],
            "2013-01-01T00:00:00Z/2013-04-01T00:00:00Z",
        ),
        (
            [{}, {"window": None}, {"window": "2013-01-01/2013-01-02"}],
            "2013-01-01T00:00:00Z/2013-01-02T00:00:00Z",
        ),
        (
            [
                {
                    "window": {
                        "type": "Window",
                        "schema_version": 1,
                        "start": "2013-01-01Z",
                        "end": "",
                    }
                }
            ],
            None,
        ),
    ],
)
def test_asset_events_span_from_the_least_start_to_the_greatest_end(extras, window):
    shape = RunShape("asset_triggered", {"window_start": None}, event_extras=extras)
    if window is None:
        with pytest.raises(ConfigurationError, match=r"extra\.window can't be read"):
            resolve(shape)
    else:
        assert str(resolve(shape).window) == window


def test_a_gap_between_asset_events_is_an_error():
    extras = [event("2013-01-01", "2013-02-01"), event("2013-03-01", "2013-04-01")]
    with pytest.raises(ConfigurationError, match="gap between 2013-02-01T00:00:00Z and 2013-03"):
        resolve(RunShape("asset_triggered", event_extras=extras))


@pytest.mark.parametrize("extras", [(), [{}], [{"window": None}]])
def test_asset_events_without_a_window_are_an_error(extras):
    with pytest.raises(ConfigurationError, match="none of the"):
        resolve(RunShape("asset_triggered", event_extras=extras))


@pytest.mark.parametrize("run_type", ["manual", "asset_materialization"])
def test_a_run_without_more_takes_the_newest_interval_of_the_data(run_type):
    """The command line and REST give no logical date, and so no interval."""
    resolution = resolve(RunShape(run_type, {"window_start": None, "window_end": None}))
    assert (resolution.window, resolution.ends_by) == (None, None)
    assert "newest whole interval" in resolution.rule


def test_the_forms_prefilled_date_bounds_the_newest_interval():
    resolution = resolve(RunShape("manual", {}, JANUARY, FEBRUARY))
    assert (resolution.window, resolution.ends_by) == (None, FEBRUARY)
    assert "ends by 2013-02-01T00:00:00Z" in resolution.rule


def test_the_shape_is_read_from_a_context_without_a_logical_date():
    extra = {"window": "2013-01-01/2013-01-02"}
    context = {
        "dag_run": SimpleNamespace(
            run_type=SimpleNamespace(value="asset_triggered"),
            data_interval_start=None,
            data_interval_end=None,
        ),
        "params": {"a": 1},
        "triggering_asset_events": {
            "one": [SimpleNamespace(extra=extra)],
            "two": [SimpleNamespace(extra=None)],
        },
    }
    assert run_shape(context) == RunShape("asset_triggered", {"a": 1}, None, None, (extra, {}))
