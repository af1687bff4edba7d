"""The same numbers as TensorFlow Model Analysis, which is run on the same model and examples."""

import json
import math
from pathlib import Path

import pytest

from components.evaluator import evaluate
from components.evaluator.metric import confusion

# TFMA takes its time: 2 minutes of one core.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

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
            # Without AUC: TFMA gives it the one threshold -∞, so that it is always 0.
            {
                **aggregated("micro_average", top_k_list={"values": [2]}),
                "metrics": ONE_CLASS[1:4],
                **BOTH,
            },
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


def slices_of(name):
    """Of a ranking by what all examples of a query share: TFMA slices whole queries."""
    if name == "ranking":
        return [{}, {"feature_keys": ["of_query"]}]
    return SLICES if name.startswith("binary") else SLICES[:3]


AVERAGES = {"one-hot labels": "weighted_macro"}
CASES = {
    name: {
        "model_specs": [{"signature_name": "serving_default", **model_spec}],
        "slicing_specs": slices_of(name),
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
    """Return slice → metric or plot by our name → value; with both weightings names say which."""
    both = len({item["weighted"] for _, metrics in result["slices"] for item in metrics}) > 1
    found = {}
    for key, items in result["slices"] + result["plots"]:
        of_slice = found.setdefault(tuple(sorted(map(tuple, key))), {})
        for item in items:
            plain = both and not item["weighted"]
            of_slice[metric_name(item) + " (unweighted)" * plain] = read_value(item["value"])
    return {key: joined(values) for key, values in found.items()}


def joined(values):
    return {name.replace(") (", ", "): value for name, value in values.items()}


def metric_name(item):
    """Return what we call a metric; TFMA calls an average weighted by labels a macro average."""
    names = {"micro_average": "microAverage", "macro_average": "macroAverage"}
    qualifiers = [name for name, theirs in names.items() if item.get("aggregation", {}).get(theirs)]
    for name, theirs in (("class_id", "classId"), ("k", "k"), ("top_k", "topK")):
        if theirs in item.get("sub_key", {}):
            qualifiers.append(f"{name} {item['sub_key'][theirs]}")
    name = item["name"] or "calibration_plot"
    return name + (f" ({', '.join(qualifiers)})" if qualifiers else "")


def read_value(value):
    """Return a number, or what is in a plot as tuples, without empty cells."""
    match value:
        case {"confusion_matrix_at_thresholds": {"matrices": matrices}}:
            names = ("trueNegatives", "falsePositives", "falseNegatives", "truePositives")
            return [(m["threshold"], *(m.get(name, 0) for name in names)) for m in matrices]
        case {"multi_class_confusion_matrix_at_thresholds": {"matrices": matrices}}:
            return [
                (m["threshold"], cell.get("actualClassId", 0), cell.get("predictedClassId", 0),
                 cell["numWeightedExamples"])
                for m in matrices for cell in m["entries"] if "numWeightedExamples" in cell
            ]  # fmt: skip
        case {"calibrationHistogramBuckets": {"buckets": buckets}}:
            names = ("numWeightedExamples", "totalWeightedLabel", "totalWeightedRefinedPrediction")
            return [
                (b.get("lowerThresholdInclusive", 0.0), *(b[name] for name in names))
                for b in buckets if b["numWeightedExamples"]
            ]  # fmt: skip
    return value


def read_ours(item):
    """Return the same of our metrics and plots of a slice."""
    found = {name: values["candidate"] for name, values in item["metrics"].items()}
    for name, values in item["plots"].items():
        plot = values["candidate"]
        if name.startswith("multi_class"):
            plot = [(m["threshold"], *c.values()) for m in plot for c in m["cells"] if c["count"]]
        elif name.startswith("calibration"):
            kept = ("lower", "count", "label", "prediction")
            plot = [tuple(bucket[key] for key in kept) for bucket in plot if bucket["count"]]
        else:
            plot = [tuple(matrix.values()) for matrix in plot]
        found[name] = plot
    return found


@pytest.fixture
def ours(many_headed_model, examples, tmp_path):
    """Return a function that says the same of ours."""

    def run(config):
        blessing = evaluate(
            model=many_headed_model,
            examples=examples,
            eval_config=config,
            without_thresholds=True,
            output_dir=tmp_path / "evaluation",
        )
        value = json.loads((Path(blessing.report_uri).parent / "metrics.json").read_text())
        return {tuple(sorted(item["slice"].items())): read_ours(item) for item in value["slices"]}

    return run


@pytest.mark.parametrize("case", CASES)
def test_equals_tfma_in_every_slice(case, ours, theirs):
    expected, measured = read_theirs(theirs[case]), ours(CASES[case])
    assert len(expected) > 5
    assert measured.keys() == expected.keys()
    for key, metrics in expected.items():
        compared = 0
        for name, value in metrics.items():
            if name.startswith("__"):
                continue
            mine = measured[key][name.replace("macro", AVERAGES.get(case, "macro"))]
            assert same(mine, value), f"{name} of {key}: {mine}, but TFMA says {value}"
            compared += 1
        assert compared == len(measured[key])


def same(mine, value):
    if mine is None:
        return value is None or not math.isfinite(value)
    if isinstance(mine, list):
        flat = [[number for cell in plot for number in cell] for plot in (mine, value)]
        return flat[0] == pytest.approx(flat[1], abs=1e-5, rel=TOLERANCE)
    return mine == pytest.approx(value, abs=TOLERANCE, rel=TOLERANCE)
