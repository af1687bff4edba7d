"""Anomalies under TFDV's names, on data that are wrong in one way each."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import scipy.spatial.distance
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components.data_validation import generate_statistics, infer_schema, validate
from components.data_validation.distribution import (
    Distribution,
    jensen_shannon_divergence,
    l_infinity,
)
from components.errors import ConfigurationError

GOOD = [{"carrier": ["AA", "UA"][i % 2], "miles": 100 + i % 7, "fare": i / 10} for i in range(400)]


@pytest.fixture
def judge(make_examples, tmp_path):
    """Judge rows by the schema of good ones, changed by `curate`."""

    def run(rows, curate=lambda schema: None, baseline=None, eval_rows=None, **options):
        good = make_examples("good", train=GOOD)
        statistics = generate_statistics(examples=good, output_dir=tmp_path / "good-statistics")
        inferred = infer_schema(statistics=statistics, output_dir=tmp_path / "schema")
        schema = text_format.Parse(
            (Path(inferred.uri) / "schema.pbtxt").read_text(), schema_pb2.Schema()
        )
        curate(schema)
        (tmp_path / "curated.pbtxt").write_text(text_format.MessageToString(schema))
        splits = {"train": rows, **({"eval": eval_rows} if eval_rows else {})}
        examples = make_examples("judged", **splits)
        return validate(
            examples=examples,
            statistics=generate_statistics(examples=examples, output_dir=tmp_path / "statistics"),
            schema=tmp_path / "curated.pbtxt",
            baseline=statistics if baseline is None else baseline,
            output_dir=tmp_path / "out",
            **options,
        )

    return run


def feature(schema, name):
    return next(f for f in schema.feature if f.name == name)


def changed(**fields):
    return [{**row, **fields} for row in GOOD]


def reasons(blessing):
    return [finding.check for finding in blessing.findings if not finding.passed]


def test_the_same_data_are_blessed(judge):
    blessing = judge(GOOD)

    assert blessing.blessed
    assert blessing.kind == "data"
    assert blessing.subject.type == "examples"


@pytest.mark.parametrize(
    ("rows", "reason", "words"),
    [
        ([{k: v for k, v in r.items() if k != "fare"} for r in GOOD], "schema_missing_column",
         "'fare' has no value in any example"),
        (changed(fare=None), "schema_missing_column", "'fare'"),
        (changed(weather="rain"), "schema_new_column", "'weather'"),
        (changed(miles="far"), "unexpected_data_type", "holds BYTES; the schema says INT"),
        (changed(fare=3), "unexpected_data_type", "holds INT; the schema says FLOAT"),
        ([*GOOD[1:], {**GOOD[0], "fare": None}], "feature_type_low_fraction_present", "99.75"),
        (changed(miles=[1, 2]), "feature_type_high_number_values", "as many as 2 values"),
        ([*GOOD[1:], {**GOOD[0], "carrier": "ZZ"}], "enum_type_unexpected_string_values",
         "'ZZ', in 0.250%"),
    ],
)  # fmt: skip
def test_each_difference_from_the_schema_has_its_reason(judge, rows, reason, words):
    blessing = judge(rows)

    assert not blessing.blessed
    assert reason in reasons(blessing)
    assert any(words in finding.message for finding in blessing.findings)


def test_what_the_schema_tolerates_is_no_anomaly(judge):
    def tolerate(schema):
        feature(schema, "carrier").distribution_constraints.min_domain_mass = 0.99

    assert judge([*GOOD[1:], {**GOOD[0], "carrier": "ZZ"}], tolerate).blessed


@pytest.mark.parametrize(
    ("name", "domain", "reason"),
    [
        ("miles", {"int_domain": {"max": 105}}, "int_type_big_int"),
        ("miles", {"int_domain": {"min": 101}}, "int_type_small_int"),
        ("fare", {"float_domain": {"max": 30}}, "float_type_big_float"),
        ("fare", {"float_domain": {"min": 1}}, "float_type_small_float"),
    ],
)
def test_numbers_out_of_range(judge, name, domain, reason):
    def restrict(schema):
        feature(schema, name).MergeFrom(schema_pb2.Feature(**domain))

    assert reasons(judge(GOOD, restrict)) == [reason]


@pytest.mark.parametrize(
    ("value", "reason"),
    [(float("nan"), "float_type_has_nan"), (float("inf"), "float_type_has_inf")],
)
def test_values_that_are_no_numbers(judge, value, reason):
    def forbid(schema):
        feature(schema, "fare").float_domain.disallow_nan = True
        feature(schema, "fare").float_domain.disallow_inf = True

    assert reasons(judge([*GOOD[1:], {**GOOD[0], "fare": value}], forbid)) == [reason]


def test_too_few_examples(judge):
    def want(schema):
        schema.dataset_constraints.min_examples_count = 401

    blessing = judge(GOOD, want)
    assert reasons(blessing) == ["dataset_low_num_examples"]
    assert blessing.findings[0].observed == 400


def test_an_environment_may_lack_features(judge):
    def label(schema):
        schema.default_environment.extend(["TRAINING", "SERVING"])
        feature(schema, "fare").not_in_environment.append("SERVING")

    rows = [{k: v for k, v in r.items() if k != "fare"} for r in GOOD]
    assert judge(rows, label, environment="SERVING").blessed


@pytest.mark.parametrize("environment", ["SERVING", "SERVNG"])
def test_what_is_there_is_judged_whatever_the_environment(judge, environment):
    """TFDV: a column that isn't in the environment is a new one; its values are checked too."""

    def label(schema):
        schema.default_environment.extend(["TRAINING", "SERVING"])
        feature(schema, "fare").not_in_environment.append("SERVING")
        feature(schema, "fare").float_domain.max = 30

    found = reasons(judge(GOOD, label, environment=environment))
    if environment == "SERVING":
        assert found == ["schema_new_column", "float_type_big_float"]
    else:
        assert found.count("schema_new_column") == len(GOOD[0])


def test_drift_of_texts_names_the_value(judge):
    def compare(schema):
        feature(schema, "carrier").drift_comparator.infinity_norm.threshold = 0.1

    rows = [{**row, "carrier": "UA" if i % 4 else "AA"} for i, row in enumerate(GOOD)]
    blessing = judge(rows, compare)

    (finding,) = [f for f in blessing.findings if not f.passed]
    assert finding.check == "comparator_l_infty_high"
    assert (finding.observed, finding.bound.upper) == (pytest.approx(0.25), pytest.approx(0.1))
    assert "from 50.000% to 75.000%" in finding.message


def test_drift_of_numbers(judge):
    def compare(schema):
        feature(schema, "miles").drift_comparator.jensen_shannon_divergence.threshold = 0.3

    rows = [{**row, "miles": round(row["miles"] * 1.609)} for row in GOOD]
    blessing = judge(rows, compare)

    assert reasons(blessing) == ["comparator_jensen_shannon_divergence_high"]
    assert "median 103 there" in next(f.message for f in blessing.findings if not f.passed)


def test_skew_between_the_splits(judge):
    def compare(schema):
        feature(schema, "carrier").skew_comparator.infinity_norm.threshold = 0.1

    blessing = judge(GOOD, compare, eval_rows=changed(carrier="AA"))
    assert reasons(blessing) == ["comparator_l_infty_high"]


def test_without_anything_published_drift_is_not_checked_and_that_is_said(make_examples, tmp_path):
    examples = make_examples(train=GOOD)
    statistics = generate_statistics(examples=examples, output_dir=tmp_path / "statistics")
    schema = infer_schema(statistics=statistics, output_dir=tmp_path / "schema")
    file = Path(schema.uri) / "schema.pbtxt"
    text = file.read_text().replace(
        'name: "carrier"',
        'name: "carrier" drift_comparator { infinity_norm { threshold: 0.1 } }',
        1,
    )
    file.write_text(text)

    blessing = validate(
        examples=examples, statistics=statistics, schema=schema, output_dir=tmp_path / "out"
    )
    assert blessing.blessed
    assert blessing.findings[-1].check == "drift_unchecked"


def test_anomalies_are_written_as_tfx_writes_them(judge, tmp_path):
    judge(changed(weather="rain"))

    data = (tmp_path / "out" / "Split-train" / "SchemaDiff.pb").read_bytes()
    anomalies = anomalies_pb2.Anomalies.FromString(data)
    reason = anomalies.anomaly_info["weather"].reason[0]
    assert anomalies_pb2.AnomalyInfo.Type.Name(reason.type) == "SCHEMA_NEW_COLUMN"


def test_statistics_of_other_examples_are_refused(make_examples, tmp_path):
    examples = make_examples(train=GOOD)
    statistics = generate_statistics(examples=examples, output_dir=tmp_path / "statistics")
    schema = infer_schema(statistics=statistics, output_dir=tmp_path / "schema")

    with pytest.raises(ConfigurationError, match="compute statistics of these"):
        validate(
            examples=dataclasses.replace(examples, digest="sha256:" + "0" * 64),
            statistics=statistics,
            schema=schema,
            output_dir=tmp_path / "out",
        )


def test_a_schema_that_is_none_is_an_error(make_examples, tmp_path):
    examples = make_examples(train=GOOD)
    statistics = generate_statistics(examples=examples, output_dir=tmp_path / "statistics")
    (tmp_path / "schema.pbtxt").write_text("feature { nam: 'x' }")

    with pytest.raises(ConfigurationError, match="no schema can be read"):
        validate(
            examples=examples,
            statistics=statistics,
            schema=tmp_path / "schema.pbtxt",
            output_dir=tmp_path / "out",
        )


def test_tf_transform_takes_the_schema(make_examples, tmp_path):
    from tfx_bsl.tfxio import tensor_representation_util

    examples = make_examples(train=GOOD)
    statistics = generate_statistics(examples=examples, output_dir=tmp_path / "statistics")
    record = infer_schema(statistics=statistics, output_dir=tmp_path / "schema")
    schema = text_format.Parse((Path(record.uri) / "schema.pbtxt").read_text(), schema_pb2.Schema())

    representations = tensor_representation_util.InferTensorRepresentationsFromMixedSchema(schema)
    assert {name: r.WhichOneof("kind") for name, r in representations.items()} == {
        "carrier": "dense_tensor",
        "fare": "dense_tensor",
        "miles": "dense_tensor",
    }


@pytest.mark.parametrize("seed", range(5))
def test_divergence_of_texts_is_that_of_scipy(seed):
    random = np.random.default_rng(seed)
    one, other = random.integers(0, 50, (2, 8)).astype(float)
    labels = [str(i) for i in range(8)]

    def of(counts):
        return Distribution(dict(zip(labels, counts, strict=True)), counts.sum())

    expected = scipy.spatial.distance.jensenshannon(one, other, base=2) ** 2
    assert jensen_shannon_divergence(of(one), of(other)) == pytest.approx(expected)
    expected = np.abs(one / one.sum() - other / other.sum()).max()
    assert l_infinity(of(one), of(other))[0] == pytest.approx(expected)


def test_divergence_of_numbers_compares_on_the_edges_of_both():
    one = Distribution({"a": 1.0, "b": 1.0}, 2.0, (0.0, 1.0, 2.0))
    other = Distribution({"a": 1.0, "b": 1.0}, 2.0, (1.0, 2.0, 3.0))

    expected = scipy.spatial.distance.jensenshannon([0.5, 0.5, 0], [0, 0.5, 0.5], base=2) ** 2
    assert jensen_shannon_divergence(one, other) == pytest.approx(expected)


def test_one_value_against_another_has_nothing_in_common():
    one = Distribution({"a": 5.0}, 5.0, (3.0, 3.0))
    other = Distribution({"a": 5.0}, 5.0, (4.0, 4.0))

    assert jensen_shannon_divergence(one, other) == pytest.approx(1.0)
    assert jensen_shannon_divergence(one, one) == 0.0
