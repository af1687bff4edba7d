"""The same numbers as TensorFlow Model Analysis, which is run on the same model and examples."""

import json
import math
from pathlib import Path

import pytest

from components.evaluator import evaluate
from components.evaluator.metric import confusion

pytestmark = pytest.mark.slow

TOLERANCE = 1e-6
SLICES = [
    {},
    {"feature_keys": ["origin"]},
    {"feature_keys": ["hour"]},
    {"feature_keys": ["half"]},
    {"feature_keys": ["tags"]},
    {"feature_keys": ["hour", "origin"]},
    {"feature_keys": ["tags"], "feature_values": {"origin": "JFK"}},
]
BINARY = [
    {"class_name": name}
    for name in (
        "ExampleCount",
        "AUC",
        "AUCPrecisionRecall",
        "BinaryAccuracy",
        "Precision",
        "Recall",
        "BinaryCrossentropy",
        "Calibration",
        "MeanLabel",
        "MeanPrediction",
    )
]
AT_THRESHOLDS = [
    {"class_name": name, "config": json.dumps(settings)}
    for name, settings in (
        *((name, {"thresholds": 0.3}) for name in confusion.FORMULAS),
        ("BinaryAccuracy", {"threshold": 0.7, "name": "accuracy_at"}),
        ("AUC", {"num_thresholds": 200, "name": "coarse"}),
        ("SensitivityAtSpecificity", {"specificity": 0.8}),
        ("SpecificityAtSensitivity", {"sensitivity": 0.8}),
        ("PrecisionAtRecall", {"recall": 0.6}),
        ("RecallAtPrecision", {"precision": 0.6}),
        ("RecallAtFalsePositiveRate", {"false_positive_rate": 0.2}),
        ("ThresholdAtRecall", {"recall": 0.6}),
        ("CoefficientOfDiscrimination", {}),
        ("RelativeCoefficientOfDiscrimination", {}),
        ("MeanSquaredError", {}),
        ("ConfusionMatrixAtThresholds", {"thresholds": [0.1, 0.5, 0.9]}),
        ("CalibrationPlot", {"num_buckets": 20}),
    )
]
REGRESSION = [
    {"class_name": name}
    for name in (
        "MeanSquaredError",
        "RootMeanSquaredError",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "SquaredPearsonCorrelation",
        "MeanLabel",
        "MeanPrediction",
        "Calibration",
    )
]
SPARSE = [
    {"class_name": "SparseCategoricalAccuracy"},
    {"class_name": "SparseCategoricalCrossentropy"},
    {"class_name": "SparseTopKCategoricalAccuracy", "config": '{"k": 2}'},
    {
        "class_name": "MultiClassConfusionMatrixAtThresholds",
        "config": '{"thresholds": [0.5]}',
    },
]
ONE_CLASS = [
    {"class_name": name}
    for name in ("AUC", "Precision", "Recall", "BinaryAccuracy", "Calibration", "MeanLabel")
]
BINARIZED = {
    "metrics": ONE_CLASS,
    "binarize": {"class_ids": {"values": [0, 3]}, "k_list": {"values": [1, 2]}},
}
TOP_K = {
    "metrics": [{"class_name": "Precision"}, {"class_name": "Recall"}],
    "binarize": {"top_k_list": {"values": [1, 3]}},
}
ONE_HOT = [
    {"class_name": "CategoricalAccuracy"},
    {"class_name": "CategoricalCrossentropy"},
    {"class_name": "TopKCategoricalAccuracy", "config": '{"k": 2}'},
]
RANKING = [{"class_name": "NDCG", "config": '{"gain_key": "gain", "top_k_list": [1, 5]}'}]
WEIGHTS = {"0": 1.0, "2": 0.5, "4": 2.0}


def aggregated(kind, **options):
    return {"metrics": ONE_CLASS[:4], "aggregate": {kind: True, **options}}


BOTH = {"example_weights": {"weighted": True, "unweighted": True}}
JOBS = {
    "binary": ({"label_key": "late"}, [{"metrics": BINARY}]),
    "binary, weighted": ({"label_key": "late", "example_weight_key": "w"}, [{"metrics": BINARY}]),
    "at thresholds": (
        {"label_key": "late", "example_weight_key": "w"},
        [{"metrics": AT_THRESHOLDS, **BOTH}],
    ),
    "numbers": (
        {"label_key": "delay", "signature_name": "delay", "example_weight_key": "w"},
        [{"metrics": REGRESSION, **BOTH}],
    ),
    "classes": (
        {"label_key": "kind", "signature_name": "classes", "example_weight_key": "w"},
        [
            {"metrics": SPARSE, **BOTH},
            {**BINARIZED, **BOTH},
            {**TOP_K, **BOTH},
            {**aggregated("micro_average"), **BOTH},
            {**aggregated("micro_average", top_k_list={"values": [2]}), **BOTH},
            {**aggregated("macro_average", class_weights=WEIGHTS), **BOTH},
        ],
    ),
    "one-hot labels": (
        {"label_key": "one_hot", "signature_name": "classes", "example_weight_key": "w"},
        [
            {"metrics": ONE_HOT, **BOTH},
            {**aggregated("micro_average", class_weights=WEIGHTS), **BOTH},
            {**aggregated("weighted_macro_average", class_weights=WEIGHTS), **BOTH},
        ],
    ),
    "several labels": (
        {"label_key": "traits", "signature_name": "traits", "example_weight_key": "w"},
        [{"metrics": [BINARY[1], BINARY[3], BINARY[4], BINARY[6]], **BOTH}],
    ),
    "ranking": (
        {"label_key": "gain", "signature_name": "delay", "example_weight_key": "of_query"},
        [{"metrics": RANKING, "query_key": "query", **BOTH}],
    ),
}


CASES = {
    name: {
        "model_specs": [{"signature_name": "serving_default", **model_spec}],
        "slicing_specs": SLICES if name.startswith("binary") else SLICES[:3],
        "metrics_specs": metrics_specs,
    }
    for name, (model_spec, metrics_specs) in JOBS.items()
}


@pytest.fixture(scope="module")
def theirs(run_tfma, many_headed_model, examples):
    """What TFMA says, by case: slice → metric → value."""
    jobs = [
        {
            "model": many_headed_model.uri,
            "examples": f"{examples.uri}/Split-eval/*",
            "config": config,
        }
        for config in CASES.values()
    ]
    return dict(zip(CASES, run_tfma(jobs), strict=True))


def read_theirs(result):
    """Return slice → metric by our name → value; with both weightings our names say which."""
    weightings = {item["weighted"] for _, metrics in result["slices"] for item in metrics}
    for _, metrics in result["slices"]:
        for item in metrics:
            item["both"] = len(weightings) > 1
    return {
        tuple(sorted(map(tuple, key))): {metric_name(item): item["value"] for item in metrics}
        for key, metrics in result["slices"]
    }


def _camel(name):
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def metric_name(item):
    """Return what we call a metric."""
    qualifiers = [
        name
        for name in ("micro_average", "macro_average", "weighted_macro_average")
        if item["aggregation"].get(_camel(name))
    ]
    for ours, key in (("class_id", "classId"), ("k", "k"), ("top_k", "topK")):
        if key in item["sub_key"]:
            qualifiers.append(f"{ours} {item['sub_key'][key].get('value', 0)}")
    if item["both"] and not item["weighted"]:
        qualifiers.append("unweighted")
    return item["name"] + (f" ({', '.join(qualifiers)})" if qualifiers else "")


@pytest.fixture
def ours(many_headed_model, examples, tmp_path):
    """Return a function that says the same of ours."""

    def run(config):
        config = json.loads(json.dumps(config))
        config["metrics_specs"].append(
            {
                "metrics": [{"class_name": "ExampleCount", "config": {"name": "judged"}}],
                "thresholds": {"judged": {"value_threshold": {"lower_bound": 1}}},
            }
        )
        blessing = evaluate(
            model=many_headed_model,
            examples=examples,
            eval_config=config,
            output_dir=tmp_path / "o",
        )
        assert blessing.blessed
        value = json.loads((Path(blessing.report_uri).parent / "metrics.json").read_text())
        return {
            tuple(sorted(item["slice"].items())): {
                name: values["candidate"] for name, values in item["metrics"].items()
            }
            for item in value["slices"]
        }

    return run


@pytest.mark.parametrize("case", CASES)
def test_equals_tfma_in_every_slice(case, ours, theirs):
    expected, measured = read_theirs(theirs[case]), ours(CASES[case])
    assert len(expected) > 8
    assert measured.keys() == expected.keys()
    for key, metrics in expected.items():
        for name, value in metrics.items():
            if name.startswith("__"):
                continue
            mine = measured[key][name]
            assert same(mine, value), f"{name} of {key}: {mine}, but TFMA says {value}"


def same(mine, value):
    if mine is None:
        return not isinstance(value, float) or not math.isfinite(value)
    return mine == pytest.approx(value, abs=TOLERANCE, rel=TOLERANCE)
