"""The same numbers as TensorFlow Model Analysis, which is run on the same model and examples."""

import json
import math
from pathlib import Path

import pytest

from components.evaluator import evaluate

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
JOBS = {
    "binary": ({"label_key": "late"}, [{"metrics": BINARY}]),
}


def eval_config(model_spec, metrics_specs, *, weighted):
    weight = {"example_weight_key": "w"} if weighted else {}
    return {
        "model_specs": [{"signature_name": "serving_default", **model_spec, **weight}],
        "slicing_specs": SLICES,
        "metrics_specs": metrics_specs,
    }


CASES = {
    f"{name}, {'weighted' if weighted else 'unweighted'}": eval_config(*job, weighted=weighted)
    for name, job in JOBS.items()
    for weighted in (False, True)
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
    return {
        tuple(sorted(map(tuple, key))): {metric_name(item): item["value"] for item in metrics}
        for key, metrics in result["slices"]
    }


def metric_name(item):
    """Return what we call a metric."""
    return item["name"]


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
    assert len(expected) > 40
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
