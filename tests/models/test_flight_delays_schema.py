"""The schema lets every good month pass, and stops a poisoned one with its reason."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components.data_validation import generate_statistics, validate
from components.example_gen import generate
from components.records import Window
from models.flight_delays import data

SCHEMA = Path(data.__file__).with_name("schema.pbtxt")
FEBRUARY = Window("2013-02-01", "2013-03-01")


@pytest.fixture(scope="module")
def flights(tmp_path_factory):
    path = tmp_path_factory.mktemp("flights") / "flights.parquet"
    data.main(["--output", str(path)])
    return pq.read_table(path)


@pytest.fixture
def judge(tmp_path):
    def run(table, window, name="judged", baseline=None):
        source = tmp_path / f"{name}.parquet"
        pq.write_table(table, source)
        examples = generate(
            source=str(source),
            time_column="time_hour",
            window=window,
            output_dir=tmp_path / name / "examples",
        )
        statistics = generate_statistics(
            examples=examples, output_dir=tmp_path / name / "statistics"
        )
        blessing = validate(
            examples=examples,
            statistics=statistics,
            schema=SCHEMA,
            baseline=baseline,
            output_dir=tmp_path / name / "out",
        )
        return statistics, blessing

    return run


def change(table, name, values):
    return table.set_column(table.schema.get_field_index(name), name, values)


def test_a_good_month_after_another(flights, judge):
    january, blessing = judge(flights, Window("2013-01-01", "2013-02-01"), "january")
    assert blessing.blessed

    _, blessing = judge(flights, FEBRUARY, baseline=january)
    assert blessing.blessed


def test_kilometres_instead_of_miles_are_stopped(flights, judge):
    kilometres = pc.cast(pc.round(pc.multiply(flights["distance"], 1.609)), pa.int64())
    _, blessing = judge(change(flights, "distance", kilometres), FEBRUARY)

    assert not blessing.blessed
    messages = [finding.message for finding in blessing.failures]
    assert any("'distance' is as great as 8018" in message for message in messages)


def test_carriers_under_other_names_are_stopped(flights, judge):
    renamed = pc.binary_join_element_wise("X", flights["carrier"], "")
    _, blessing = judge(change(flights, "carrier", renamed), FEBRUARY)

    failures = {finding.check for finding in blessing.failures}
    assert failures == {"enum_type_unexpected_string_values"}
    assert "'XB6'" in blessing.failures[0].message or "'XEV'" in blessing.failures[0].message


def test_hours_of_another_time_zone_are_stopped(flights, judge):
    """No flight leaves New York between midnight and 5; in UTC some seem to."""
    utc = pa.array((flights["hour"].to_numpy() + 5) % 24)
    _, blessing = judge(change(flights, "hour", utc), FEBRUARY)

    assert {finding.check for finding in blessing.failures} == {"int_type_small_int"}
    assert "'hour' is as small as 0; its domain begins at 5" in blessing.failures[0].message


def test_a_column_without_values_is_stopped(flights, judge):
    nothing = pa.nulls(len(flights), pa.int64())
    january, _ = judge(flights, Window("2013-01-01", "2013-02-01"), "january")
    _, blessing = judge(change(flights, "distance", nothing), FEBRUARY, baseline=january)

    failures = {finding.check for finding in blessing.failures}
    assert failures == {"schema_missing_column", "comparator_treatment_data_missing"}
