"""Nulls, truth values and long texts, as ExampleGen writes them, and what is said of them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_validation import generate_statistics, infer_schema, validate
from components.data_validation.statistics_generation import read_statistics
from components.example_gen import generate

ROWS = 400
TABLE = pa.table(
    {
        "miles": range(ROWS),
        "fare": [None if i % 4 == 0 else i / 10 for i in range(ROWS)],
        "tail": [None if i % 4 == 1 else f"N{i % 5}" for i in range(ROWS)],
        "is_late": [i % 2 for i in range(ROWS)],
        "answer": [("yes", "no")[i % 2] for i in range(ROWS)],
    }
)


@pytest.fixture
def look(tmp_path):
    """Make examples and statistics of a table, as the tasks of a run do."""

    def run(table, name):
        source = tmp_path / f"{name}.parquet"
        pq.write_table(table, source)
        examples = generate(source=str(source), output_dir=tmp_path / f"{name}-examples")
        statistics = generate_statistics(
            examples=examples, output_dir=tmp_path / f"{name}-statistics", num_processes=1
        )
        return examples, statistics

    return run


@pytest.fixture
def judge(look, tmp_path):
    """Judge a table by a schema in text, or by the one inferred from `TABLE`."""

    def run(table, extra="", drift_from=None):
        _, good = look(TABLE, "good")
        inferred = infer_schema(statistics=good, output_dir=tmp_path / "inferred")
        schema = text_format.Parse(
            (tmp_path / "inferred" / "schema.pbtxt").read_text(), schema_pb2.Schema()
        )
        for change in text_format.Parse(extra, schema_pb2.Schema()).feature:
            (feature,) = (one for one in schema.feature if one.name == change.name)
            feature.MergeFrom(change)
        (tmp_path / "curated.pbtxt").write_text(text_format.MessageToString(schema))
        assert inferred.examples_digest == good.examples_digest
        examples, statistics = look(table, "judged")
        return validate(
            examples=examples,
            statistics=statistics,
            schema=tmp_path / "curated.pbtxt",
            baseline=good if drift_from is None else drift_from,
            output_dir=tmp_path / "out",
        )

    return run


def change(name, values):
    return TABLE.set_column(TABLE.schema.get_field_index(name), name, values)


def failures(blessing):
    return {(finding.check, finding.metric) for finding in blessing.failures}


def test_a_null_is_missing(look):
    examples, statistics = look(TABLE, "table")
    for split, proto in read_statistics(statistics).items():
        (dataset,) = proto.datasets
        (fare,) = (one for one in dataset.features if one.path.step == ["fare"])
        common = fare.num_stats.common_stats
        assert common.num_missing + common.num_non_missing == examples.splits[split].num_examples
        assert common.num_missing > 0
        assert (common.min_num_values, common.max_num_values) == (1, 1)


def test_the_data_that_a_schema_was_inferred_from_are_blessed_by_it(judge):
    blessing = judge(TABLE)
    assert blessing.blessed, blessing.failures


def test_a_null_where_there_was_none_is_stopped(judge):
    some = pa.array([None if i % 50 == 0 else i for i in range(ROWS)], pa.int64())
    assert failures(judge(change("miles", some))) == {
        ("feature_type_low_fraction_present", "miles")
    }


@pytest.mark.parametrize("type_", [pa.int64(), pa.string(), pa.null()])
def test_a_column_of_nulls_is_a_missing_column(judge, type_):
    """Whatever type its file gives it."""
    drift = """feature {
      name: "miles" drift_comparator { jensen_shannon_divergence { threshold: 0.1 } }
    }"""
    assert failures(judge(change("miles", pa.nulls(ROWS, type_)), drift)) == {
        ("schema_missing_column", "miles"),
        ("comparator_treatment_data_missing", "miles"),
    }


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("is_late", [i % 2 for i in range(ROWS)], set()),
        ("is_late", [i % 3 for i in range(ROWS)], {("bool_type_big_int", "is_late")}),
        ("is_late", [i % 2 - 1 for i in range(ROWS)], {("bool_type_small_int", "is_late")}),
        ("answer", ["yes", "si"] * (ROWS // 2), {("bool_type_unexpected_string", "answer")}),
    ],
)
def test_truth_values_are_two(judge, name, values, expected):
    domain = 'true_value: "yes" false_value: "no"' if name == "answer" else ""
    found = judge(
        change(name, pa.array(values)),
        f'feature {{ name: "{name}" bool_domain {{ {domain} }} }}',
    )
    assert failures(found) == expected


def test_what_is_not_checked_is_said(judge):
    blessing = judge(TABLE, 'feature { name: "tail" unique_constraints { min: 1 max: 2 } }')
    (finding,) = (one for one in blessing.findings if one.check == "schema_unchecked")
    assert finding.passed
    assert "unique_constraints isn't checked" in finding.message


def test_a_long_text_is_counted_and_not_kept(look, tmp_path):
    _, statistics = look(change("tail", pa.array(["x" * 1_000_000] * ROWS)), "long")
    for proto in read_statistics(statistics).values():
        (tail,) = (one for one in proto.datasets[0].features if one.path.step == ["tail"])
        assert [value.value for value in tail.string_stats.top_values] == ["__LARGE_BYTES__"]
        assert tail.string_stats.avg_length == 1_000_000
    assert (tmp_path / "long-statistics" / "statistics.html").stat().st_size < 100_000
