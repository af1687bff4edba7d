"""A run without dates trains on the newest whole interval that the data covers."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from components.errors import ConfigurationError
from components.example_gen import IntervalRequest, generate, newest_window
from components.example_gen.moment import Span

YEAR_2013 = Span(
    datetime(2013, 1, 1, 10, tzinfo=UTC),
    datetime(2014, 1, 1, 4, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("cron", "ends_by", "expected"),
    [
        ("@monthly", None, "2013-12-01T00:00:00Z/2014-01-01T00:00:00Z"),
        ("0 0 1 * *", "2026-10-01", "2013-12-01T00:00:00Z/2014-01-01T00:00:00Z"),
        ("0 0 1 * *", "2013-06-15", "2013-05-01T00:00:00Z/2013-06-01T00:00:00Z"),
        ("0 0 1 * *", "2013-06-01", "2013-05-01T00:00:00Z/2013-06-01T00:00:00Z"),
        ("0 0 1 * *", "2012-01-01", "2013-12-01T00:00:00Z/2014-01-01T00:00:00Z"),
        ("@daily", None, "2013-12-31T00:00:00Z/2014-01-01T00:00:00Z"),
        ("@hourly", None, "2014-01-01T03:00:00Z/2014-01-01T04:00:00Z"),
    ],
)
def test_takes_the_newest_whole_interval(cron, ends_by, expected):
    assert str(newest_window(IntervalRequest(cron, ends_by=ends_by), YEAR_2013)) == expected


def test_follows_the_wall_clock_of_the_time_zone():
    request = IntervalRequest("@monthly", "America/New_York", ends_by="2013-04-15")
    window = newest_window(request, YEAR_2013)
    assert str(window) == "2013-03-01T05:00:00Z/2013-04-01T04:00:00Z"


def test_takes_the_interval_that_holds_the_data_if_none_is_whole(caplog):
    days = Span(datetime(2013, 5, 3, tzinfo=UTC), datetime(2013, 5, 9, tzinfo=UTC))
    window = newest_window(IntervalRequest("@monthly"), days)
    assert str(window) == "2013-05-01T00:00:00Z/2013-06-01T00:00:00Z"
    assert "no whole interval" in caplog.text


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_finds_the_span_of_the_data(tmp_path, suffix):
    frame = pd.DataFrame({"when": pd.date_range("2013-01-01", "2013-03-05", freq="D"), "x": 1})
    path = tmp_path / f"data.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    examples = generate(
        source=path,
        window=IntervalRequest("@monthly"),
        time_column="when",
        output_dir=tmp_path / "out",
    )
    assert str(examples.window) == "2013-02-01T00:00:00Z/2013-03-01T00:00:00Z"
    assert sum(split.num_examples for split in examples.splits.values()) == 28


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("every month",), "'every month' isn't a cron expression"),
        (("@daily", "Mars/Olympus"), "the time zone 'Mars/Olympus' isn't known"),
        (("@daily", "UTC", "soon"), "ends_by is 'soon'; expected an ISO 8601 time"),
        (("0 0 30 2 *",), "isn't a cron expression that ever fires"),
    ],
)
def test_refuses_a_schedule_that_is_none(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        IntervalRequest(*arguments)


def test_needs_a_time_column(tmp_path):
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(ConfigurationError, match="--time-column"):
        generate(
            source=tmp_path / "data.csv",
            window=IntervalRequest("@daily"),
            output_dir=tmp_path / "out",
        )


@pytest.mark.parametrize("cron", ["@hourly", "* * * * *"])
def test_finds_the_newest_of_very_many_intervals(cron):
    years = Span(datetime(1990, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC))
    assert newest_window(IntervalRequest(cron), years).end == "2013-01-01T00:00:00Z"


def test_takes_a_moment_with_microseconds_as_a_button_gives_it():
    request = IntervalRequest("@monthly", ends_by="2013-06-01T00:00:00.000001+00:00")
    assert newest_window(request, YEAR_2013).end == "2013-06-01T00:00:00Z"
    request = IntervalRequest("@monthly", ends_by="2013-05-31T23:59:59.999999+00:00")
    assert newest_window(request, YEAR_2013).end == "2013-05-01T00:00:00Z"


@pytest.mark.parametrize(
    ("ends_by", "expected"),
    [
        # 2:30 doesn't exist on 10 March 2013; on 3 November the offset changes before it
        ("2013-03-10T12:00:00Z", "2013-03-09T07:30:00Z/2013-03-10T07:30:00Z"),
        ("2013-03-10T07:29:00Z", "2013-03-08T07:30:00Z/2013-03-09T07:30:00Z"),
        ("2013-11-03T12:00:00Z", "2013-11-02T06:30:00Z/2013-11-03T07:30:00Z"),
    ],
)
def test_follows_the_clocks_when_they_change(ends_by, expected):
    request = IntervalRequest("30 2 * * *", "America/New_York", ends_by)
    assert str(newest_window(request, YEAR_2013)) == expected


def test_says_which_rule_applied(caplog):
    caplog.set_level("INFO")
    newest_window(IntervalRequest("@monthly", ends_by="2013-06-15"), YEAR_2013)
    assert "that ends by 2013-06-15" in caplog.text
    newest_window(IntervalRequest("@monthly", ends_by="2012-06-15"), YEAR_2013)
    assert "none ends by 2012-06-15" in caplog.text
