"""What a schema wants and nothing can check is told, and never passes for fulfilled."""

import json
import math

import numpy as np
import pytest
import scipy.spatial.distance

from components.data_validation import generate_statistics, validate
from components.data_validation.statistics_generation import STATISTICS_FILE
from components.errors import ConfigurationError, DataError

ROWS = [
    {"carrier": ["AA", "UA"][i % 2], "miles": i % 7, "fare": i / 10, "code": str(i % 9)}
    for i in range(400)
]
PLAIN = {
    "carrier": "type: BYTES",
    "miles": "type: INT",
    "fare": "type: FLOAT",
    "code": "type: BYTES",
}


@pytest.fixture
def look(make_examples, tmp_path):
    def run(name="judged", only=(), **splits):
        examples = make_examples(name, **splits)
        statistics = generate_statistics(
            examples=examples, splits=only, output_dir=tmp_path / f"{name}-statistics"
        )
        return examples, statistics

    return run


@pytest.fixture
def judge(look, tmp_path):
    """Judge rows by a schema in text: `fields` of some features, and the rest of it."""

    def run(fields=None, extra="", rows=ROWS, before=None):
        examples, statistics = look(train=rows)
        baseline = None if before is None else look("before", train=before)[1]
        schema = tmp_path / "schema.pbtxt"
        features = {**PLAIN, **(fields or {})}
        texts = (f'feature {{ name: "{name}" {text} }}' for name, text in features.items())
        schema.write_text("\n".join([*texts, extra]))
        return validate(
            examples=examples,
            statistics=statistics,
            schema=schema,
            baseline=baseline,
            output_dir=tmp_path / "out",
        )

    return run


def failures(blessing):
    return [(finding.check, finding.metric) for finding in blessing.failures]


@pytest.mark.parametrize(
    ("name", "field", "reason"),
    [
        ("carrier", 'type: BYTES domain: "carier"', "invalid_domain_specification"),
        ("fare", "type: FLOAT int_domain { min: 0 max: 1 }", "domain_invalid_for_type"),
        ("miles", "type: INT float_domain { max: 1 }", "domain_invalid_for_type"),
        ("miles", 'type: INT string_domain { value: "1" }', "domain_invalid_for_type"),
        ("miles", 'string_domain { value: "1" }', "domain_invalid_for_type"),
        ("fare", "int_domain { max: 1 }", "domain_invalid_for_type"),
        ("miles", "type: INT presence { min_fraction: 100 }", "invalid_schema_specification"),
        ("miles", "type: INT presence { min_fraction: -1 }", "invalid_schema_specification"),
        ("miles", "type: INT value_count { min: 2 max: 1 }", "invalid_schema_specification"),
        ("miles", "type: INT shape { dim { size: 0 } }", "invalid_schema_specification"),
        (
            "miles",
            "type: INT int_domain { max: 9 } distribution_constraints { min_domain_mass: 0.9 }",
            "invalid_schema_specification",
        ),
    ],
)
def test_a_schema_that_checks_nothing_is_refused(judge, name, field, reason):
    blessing = judge({name: field})

    assert not blessing.blessed
    assert (reason, name) in failures(blessing)


def test_a_feature_that_is_disabled_may_be_wrong(judge):
    assert judge({"carrier": 'type: BYTES lifecycle_stage: ALPHA domain: "carier"'}).blessed


def test_what_is_not_checked_of_the_schema_itself_is_said(judge):
    blessing = judge(
        extra='weighted_feature { name: "w" } dataset_constraints { '
        "num_examples_version_comparator { min_fraction_threshold: 2 } }"
    )
    (finding,) = (one for one in blessing.findings if one.check == "schema_unchecked")
    assert "weighted_feature, num_examples_version_comparator aren't checked" in finding.message


@pytest.mark.parametrize(
    ("field", "last", "expected"),
    [
        ("int_domain { min: 0 max: 8 }", "8", []),
        ("int_domain { max: 7 }", "8", ["int_type_big_int"]),
        ("float_domain { min: 1 }", "8", ["float_type_small_float"]),
        ("int_domain { }", "1_0", ["int_type_not_int_string"]),
        ("int_domain { }", "1.5", ["int_type_not_int_string"]),
        ("float_domain { }", "x", ["float_type_string_not_float"]),
        ("float_domain { disallow_nan: true max: 8 }", "nan", ["float_type_has_nan"]),
    ],
)
def test_texts_may_be_numbers_written_out(judge, field, last, expected):
    rows = [*ROWS[:-1], {**ROWS[-1], "code": last}]
    blessing = judge({"code": f"type: BYTES {field}"}, rows=rows)
    assert [check for check, _ in failures(blessing)] == expected


@pytest.mark.parametrize("sign", [1, -1])
def test_infinity_out_of_range_is_a_verdict(judge, sign):
    """Records hold no infinity; a number that couldn't be written would be a fault."""
    rows = [*ROWS[1:], {**ROWS[0], "fare": sign * math.inf}]
    blessing = judge({"fare": "type: FLOAT float_domain { min: 0 max: 40 }"}, rows=rows)

    (finding,) = blessing.failures
    assert finding.observed is None
    assert finding.check == f"float_type_{'big' if sign > 0 else 'small'}_float"
    assert f"{sign * math.inf:g};" in finding.message
    json.dumps(blessing.to_json(), allow_nan=False)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_more_values_that_are_no_numbers_are_a_drift(judge, value):
    rows = [{**row, "fare": value if i % 4 == 0 else row["fare"]} for i, row in enumerate(ROWS)]
    drift = "type: FLOAT drift_comparator { jensen_shannon_divergence { threshold: 0.1 } }"
    blessing = judge({"fare": drift}, rows=rows, before=ROWS)

    (finding,) = blessing.failures
    kept, before = (np.array([r["fare"] for r in those]) for those in (rows, ROWS))
    edges = np.linspace(0, 39.9, 11)
    shares = [np.histogram(one[np.isfinite(one)], edges)[0] / 400 for one in (kept, before)]
    expected = scipy.spatial.distance.jensenshannon([*shares[0], 0.25], [*shares[1], 0], base=2)
    assert finding.observed == pytest.approx(expected**2, abs=0.01)


def test_as_many_values_that_are_no_numbers_are_none(judge):
    rows = [{**row, "fare": math.nan if i % 4 == 0 else row["fare"]} for i, row in enumerate(ROWS)]
    drift = "type: FLOAT drift_comparator { jensen_shannon_divergence { threshold: 0.001 } }"
    assert judge({"fare": drift}, rows=rows, before=rows).blessed


def test_the_difference_of_counts_sees_that_there_is_half_of_it(judge):
    """Counts of AA: 200 before, 100 now; of all values together 600."""
    drift = "type: BYTES drift_comparator {{ normalized_abs_difference {{ threshold: {} }} }}"
    rows, threshold = ROWS[:200], 100 / 600
    assert judge({"carrier": drift.format(threshold + 1e-6)}, rows=rows, before=ROWS).blessed


def test_a_greater_difference_of_counts_is_refused(judge):
    drift = "type: BYTES drift_comparator { normalized_abs_difference { threshold: 0.166 } }"
    blessing = judge({"carrier": drift}, rows=ROWS[:200], before=ROWS)

    (finding,) = blessing.failures
    assert finding.check == "comparator_normalized_absolute_difference_high"
    assert finding.observed == pytest.approx(100 / 600)
    assert "from 200 to 100" in finding.message


def test_skew_that_is_not_checked_is_said(judge):
    blessing = judge({"carrier": "type: BYTES skew_comparator { infinity_norm { threshold: 0 } }"})

    assert blessing.blessed
    assert blessing.findings[-1].check == "skew_unchecked"


def test_a_blessing_is_not_for_splits_that_nobody_looked_at(look, tmp_path):
    schema = tmp_path / "schema.pbtxt"
    schema.write_text(
        "\n".join(f'feature {{ name: "{name}" {text} }}' for name, text in PLAIN.items())
    )
    broken = [{**row, "miles": "far"} for row in ROWS]
    examples, statistics = look(only=["train"], train=ROWS, eval=broken)
    with pytest.raises(ConfigurationError, match="no statistics of the split 'eval'"):
        validate(
            examples=examples, statistics=statistics, schema=schema, output_dir=tmp_path / "out"
        )

    blessing = validate(
        examples=examples,
        statistics=statistics,
        schema=schema,
        exclude_splits=["eval"],
        output_dir=tmp_path / "out",
    )
    assert blessing.blessed


@pytest.mark.parametrize("changed", ["judged", "before"])
def test_statistics_that_were_changed_are_refused(look, tmp_path, changed):
    schema = tmp_path / "schema.pbtxt"
    schema.write_text('feature { name: "carrier" type: BYTES }')
    examples, statistics = look(train=ROWS)
    _, before = look("before", train=[{"carrier": "AA"}])
    file = tmp_path / f"{changed}-statistics" / "Split-train" / STATISTICS_FILE
    file.write_bytes(file.read_bytes() + file.read_bytes())
    with pytest.raises(DataError, match="they were changed; compute them again"):
        validate(
            examples=examples,
            statistics=statistics,
            schema=schema,
            baseline=before,
            output_dir=tmp_path / "out",
        )
