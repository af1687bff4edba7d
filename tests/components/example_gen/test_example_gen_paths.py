"""Paths that name times: only the files that a window needs are opened."""

import logging
from datetime import UTC, datetime, timedelta

import fsspec
import pyarrow as pa
import pytest

from components.errors import ConfigurationError, DataError
from components.example_gen import FileSource, IntervalRequest, SpanRange, generate
from components.records import Refusal, Window

ONE = {"train": 1}
JANUARY = Window.parse("2013-01-01/2013-02-01")
BROKEN = b"whoever opens this file fails"


def day(number, hour=12):
    return datetime(2013, 1, 1, hour, tzinfo=UTC) + timedelta(days=number)


def make(source, output_dir, **arguments):
    chosen = {"splits": ONE, "time_column": "at", **arguments}
    return generate(source=source, output_dir=output_dir, **chosen)


@pytest.fixture
def days(tmp_path, write_parquet):
    """A row of each of 100 days, in folders by year, month and day; only January can be read."""

    def write(pattern="year={:%Y}/month={:%m}/day={:%d}", rows=1, shift_hours=0, until=31):
        for number in range(100):
            folder = tmp_path / "in" / pattern.format(*[day(number)] * pattern.count("{"))
            file = folder / "part-0.parquet"
            if number < until:
                moments = [
                    day(number) + timedelta(hours=shift_hours, seconds=i) for i in range(rows)
                ]
                write_parquet(file, at=moments, n=[number] * rows, i=range(rows))
            else:
                folder.mkdir(parents=True, exist_ok=True)
                file.write_bytes(BROKEN)
        return tmp_path / "in"

    return write


@pytest.mark.parametrize(
    "pattern",
    [
        "year={:%Y}/month={:%m}/day={:%d}",
        "date={:%Y-%m-%d}",
        "ds={:%Y%m%d}",
        "region=eu/dt={:%Y-%m-%d}",
    ],
)
def test_opens_only_the_folders_of_the_window(days, tmp_path, rows_of, pattern):
    source = days(pattern)
    examples = make(source, tmp_path / "out", window=JANUARY)
    assert [row["n"] for row in rows_of(examples)] == [[number] for number in range(31)]
    week = Window.parse("2013-01-08T00:00:00/2013-01-15T00:00:00")
    assert make(source, tmp_path / "out", window=week).splits["train"].num_examples == 7
    with pytest.raises(DataError, match="can't be read"):
        make(source, tmp_path / "out", window=Window.parse("2013-01-31/2013-02-02"))


def test_asks_a_store_for_no_file_but_those_of_the_window(days, tmp_path, monkeypatch):
    memory = fsspec.filesystem("memory")
    memory.put(f"{days(until=100)}/", "memory://partitioned/", recursive=True)
    opened = []
    original = type(memory)._open

    def spied(self, path, *arguments, **options):
        opened.append(path)
        return original(self, path, *arguments, **options)

    monkeypatch.setattr(type(memory), "_open", spied)
    window = Window.parse("2013-01-05/2013-01-07")
    make("memory://partitioned", tmp_path / "out", window=window)
    assert set(opened) == {
        f"/partitioned/year=2013/month=01/day={number:02d}/part-0.parquet" for number in (5, 6)
    }


def test_folders_are_columns_of_the_same_type_in_every_window(days, tmp_path, rows_of):
    source = days("region=01/year={:%Y}/month={:%m}/day={:%d}")
    (row,) = rows_of(make(source, tmp_path / "out", window=Window.parse("2013-01-02/2013-01-03")))
    assert (row["year"], row["month"], row["day"], row["region"]) == ([2013], [1], [2], [1])
    (source / "region=eu" / "year=2014" / "month=1" / "day=1").mkdir(parents=True)
    (source / "region=eu/year=2014/month=1/day=1/a.parquet").write_bytes(BROKEN)
    (row,) = rows_of(make(source, tmp_path / "out", window=Window.parse("2013-01-02/2013-01-03")))
    assert row["region"] == [b"01"]


def test_finds_the_newest_interval_by_the_outermost_folders(days, tmp_path):
    source = days(until=100)
    for number in range(2, 59):
        (
            source / f"year=2013/month={day(number):%m}/day={day(number):%d}/part-0.parquet"
        ).write_bytes(BROKEN)
    examples = make(source, tmp_path / "out", window=IntervalRequest("@monthly"))
    assert str(examples.window) == "2013-03-01T00:00:00Z/2013-04-01T00:00:00Z"


def test_looks_back_into_the_folders_before_the_window(days, tmp_path, rows_of):
    window = Window.parse("2013-01-20/2013-01-21")
    examples = make(days(), tmp_path / "out", window=window, lookback="P7D")
    assert examples.window == Window.parse("2013-01-13/2013-01-21")
    assert [row["n"] for row in rows_of(examples)] == [[number] for number in range(12, 20)]


@pytest.mark.parametrize(
    ("lookback", "zone", "start"),
    [
        ("P1M", "UTC", "2013-03-01T05:00:00Z"),
        ("P1M", "America/New_York", "2013-03-01T05:00:00Z"),
        ("P20D", "America/New_York", "2013-03-12T04:00:00Z"),
        ("P30D", "America/New_York", "2013-03-02T05:00:00Z"),
        ("PT6H", "UTC", "2013-03-31T23:00:00Z"),
        ("P1Y", "UTC", "2012-04-01T05:00:00Z"),
    ],
)
def test_counts_days_and_months_by_the_time_zone(tmp_path, lookback, zone, start):
    (tmp_path / "a.csv").write_text("at,n\n2013-04-01T05:00:00Z,1\n")
    begin = "2013-04-01T04:00:00Z" if zone != "UTC" else "2013-04-01T05:00:00Z"
    window = Window(begin, "2013-05-01T00:00:00Z")
    examples = make(
        tmp_path / "a.csv", tmp_path / "out", window=window, lookback=lookback, timezone=zone
    )
    assert examples.window.start == start


@pytest.mark.parametrize("lookback", ["90d", "P", "2013-01-01", "P1D/P2D", "P9999Y", "-P1D", ""])
def test_refuses_a_lookback_that_is_no_duration(tmp_path, lookback):
    (tmp_path / "a.csv").write_text("at,n\n2013-01-01,1\n")
    with pytest.raises(ConfigurationError, match="lookback is"):
        make(tmp_path / "a.csv", tmp_path / "out", window=JANUARY, lookback=lookback)


def test_names_rows_that_came_late_and_those_that_no_window_saw(
    days, tmp_path, write_parquet, rows_of, caplog
):
    source = days()
    write_parquet(
        source / "year=2013/month=01/day=05/late.parquet",
        at=[day(1), day(-3), day(-4)], n=[100, 101, 102], i=[0, 0, 0],
    )  # fmt: skip
    examples = make(source, tmp_path / "out", window=JANUARY)
    assert [100] in [row["n"] for row in rows_of(examples)]
    assert "3 rows came late" in caplog.text
    assert "late.parquet'); 2 of them before the window 2013-01-01" in caplog.text


def test_opens_later_folders_where_rows_may_come_late(days, tmp_path, write_parquet, rows_of):
    source = days(until=100)
    for number in range(33, 100):
        (source / f"year=2013/month={day(number):%m}/day={day(number):%d}/part-0.parquet").unlink()
    write_parquet(source / "year=2013/month=02/day=02/late.parquet", at=[day(30)], n=[99], i=[0])
    late = FileSource((str(source),), allowed_lateness="P2D")
    assert make(source, tmp_path / "1", window=JANUARY).splits["train"].num_examples == 31
    rows = rows_of(make(late, tmp_path / "2", window=JANUARY))
    assert [row["n"] for row in rows][-1] == [99]


def test_folders_of_another_time_zone_are_refused_until_the_zone_is_named(days, tmp_path):
    source = days(rows=100, shift_hours=14, until=100)  # New York's folders, an evening's rows
    with pytest.raises(
        DataError, match=r"don't lie in the time that their folders name.*--timezone"
    ):
        make(source, tmp_path / "out", window=JANUARY)
    zoned = FileSource((str(source),), timezone="Asia/Tokyo")
    with pytest.raises(DataError, match="don't lie in the time"):
        make(zoned, tmp_path / "out", window=JANUARY)
    zoned = FileSource((str(source),), timezone="America/New_York")
    assert make(zoned, tmp_path / "out", window=JANUARY).splits["train"].num_examples == 3000


def test_without_a_time_column_folders_say_it(days, tmp_path, rows_of):
    source = days()
    examples = make(source, tmp_path / "out", window=JANUARY, time_column=None)
    assert examples.splits["train"].num_examples == 31
    half = Window.parse("2013-01-01T06:00:00/2013-01-02")
    with pytest.raises(ConfigurationError, match="only some are in the window"):
        make(source, tmp_path / "out", window=half, time_column=None)
    newest = make(
        source, tmp_path / "out", window=IntervalRequest("@monthly", ends_by="2013-02-15"),
        time_column=None,
    )  # fmt: skip
    assert newest.window == JANUARY


def test_a_folder_may_be_the_time_column(tmp_path, write_parquet, rows_of):
    for number in range(3):
        write_parquet(tmp_path / "in" / f"at={day(number):%Y-%m-%d}" / "a.parquet", n=[number])
    window = Window.parse("2013-01-02/2013-01-03")
    rows = rows_of(make(tmp_path / "in", tmp_path / "out", window=window))
    assert rows == [{"n": [1], "at": [b"2013-01-02T00:00:00Z"]}]


def test_a_window_without_folders_is_empty(days, tmp_path):
    refusal = make(days(until=100), tmp_path / "out", window=Window.parse("2020-01-01/2020-02-01"))
    assert isinstance(refusal, Refusal)
    assert "the data spans 2013-01-01T12:00:00Z to 2013-04-10" in refusal.findings[0].message


@pytest.mark.parametrize("folder", ["month=13/year=2013", "date=2013-02-30", "year=2013/month=0"])
def test_refuses_folders_of_times_that_do_not_exist(tmp_path, write_parquet, folder):
    write_parquet(tmp_path / "in" / folder / "a.parquet", at=[day(1)], n=[1])
    with pytest.raises(DataError, match="name a time that doesn't exist"):
        make(tmp_path / "in", tmp_path / "out", window=JANUARY)


def test_refuses_folders_by_different_keys(tmp_path, write_parquet):
    write_parquet(tmp_path / "in" / "a=1" / "a.parquet", at=[day(1)], n=[1])
    write_parquet(tmp_path / "in" / "b=1" / "a.parquet", at=[day(1)], n=[1])
    with pytest.raises(DataError, match=r"partitioned by \['a'\], some by \['b'\]"):
        make(tmp_path / "in", tmp_path / "out", window=JANUARY)


@pytest.fixture
def spans(tmp_path, write_parquet):
    """Spans 1, 2 and 10; the second has versions 1, 2 and 11."""
    for span, version in ((1, 1), (2, 1), (2, 2), (2, 11), (10, 1)):
        for split in ("train", "eval"):
            path = tmp_path / "in" / f"span-{span}" / f"v{version}" / split / "data.parquet"
            write_parquet(path, n=[span * 100 + version])
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (None, [1001]),
        ({"static_range": {"start_span_number": 1, "end_span_number": 2}}, [101, 211]),
        ({"rollingRange": {"numSpans": 2}}, [1001, 211]),
        ({"rolling_range": {"num_spans": 1, "skip_num_recent_spans": 1}}, [211]),
    ],
)
def test_takes_spans_as_tfx_does(spans, tmp_path, rows_of, ranges, expected):
    span_range = None if ranges is None else SpanRange.from_json(ranges)
    source = FileSource((f"{spans}/span-{{SPAN}}/v{{VERSION}}/train/*",), span_range)
    rows = rows_of(make(source, tmp_path / "out", time_column=None))
    assert sorted(row["n"][0] for row in rows) == sorted(expected)


def test_takes_splits_that_are_given(spans, tmp_path, rows_of):
    patterns = {name: f"span-{{SPAN}}/v{{VERSION}}/{name}/*" for name in ("train", "eval")}
    splits = {"patterns": patterns}
    examples = make(spans, tmp_path / "out", time_column=None, splits=splits)
    assert rows_of(examples, "train") == rows_of(examples, "eval") == [{"n": [1001]}]
    (spans / "span-10/v1/eval/data.parquet").unlink()
    with pytest.raises(
        DataError, match=r"spans and versions differ: \[\(10, 1\)\] and \[\(2, 11\)"
    ):
        make(spans, tmp_path / "out", time_column=None, splits=splits)


def test_takes_days_as_tfx_writes_them(tmp_path, write_parquet, rows_of):
    for number in range(60):
        path = tmp_path / "in" / f"{day(number):%Y-%m-%d}" / "a.parquet"
        write_parquet(path, at=[day(number)], n=[number])
    source = f"{tmp_path}/in/{{YYYY}}-{{MM}}-{{DD}}/*"
    rows = rows_of(make(source, tmp_path / "1", window=JANUARY))
    assert [row["n"] for row in rows] == [[number] for number in range(31)]
    assert rows_of(make(source, tmp_path / "2", time_column=None)) == [
        {"n": [59], "at": [int(day(59).timestamp())]}
    ]


@pytest.mark.parametrize(
    "pattern", ["{SPAN}/{SPAN}", "{YYYY}/{MM}", "{SPAN}-{YYYY}-{MM}-{DD}", "{VERSION}/*"]
)
def test_refuses_patterns_that_make_no_sense(tmp_path, pattern):
    with pytest.raises(ConfigurationError, match=r"expected \{SPAN\} or \{YYYY\}"):
        make(f"{tmp_path}/{pattern}", tmp_path / "out")


@pytest.mark.parametrize(
    "ranges", [{}, {"static_range": 3}, {"rolling_range": {}}, {"static_range": {"start": 1}}]
)
def test_refuses_ranges_that_make_no_sense(ranges):
    with pytest.raises(ConfigurationError, match="range_config"):
        SpanRange.from_json(ranges)


def test_splits_by_a_column_that_names_them(tmp_path, write_parquet, rows_of):
    source = write_parquet(tmp_path / "a.parquet", n=[1, 2, 3], fold=["eval", "train", "eval"])
    splits = {"by": "column", "key": "fold", "names": ["train", "eval"]}
    chosen = {"splits": splits, "time_column": None, "features": ["n"]}
    examples = make(source, tmp_path / "out", **chosen)
    assert [row["n"] for row in rows_of(examples, "eval")] == [[1], [3]]
    write_parquet(source, n=[1, 2], fold=["train", "test"])
    with pytest.raises(DataError, match=r"'test' in the column 'fold', which isn't a split"):
        make(source, tmp_path / "out", **chosen)


def test_a_file_that_says_its_zone_beside_one_that_does_not_is_refused(tmp_path, write_parquet):
    moments = [datetime(2013, 1, 2)]
    write_parquet(tmp_path / "in" / "a.parquet", at=pa.array(moments, pa.timestamp("us")))
    write_parquet(tmp_path / "in" / "b.parquet", at=pa.array(moments, pa.timestamp("us", "UTC")))
    with pytest.raises(DataError, match="only one says which time zone it means"):
        make(tmp_path / "in", tmp_path / "out", window=JANUARY)


def test_the_log_is_quiet_where_nothing_is_late(days, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        make(days(), tmp_path / "out", window=JANUARY)
    assert not [record for record in caplog.records if record.name.startswith("components")]
