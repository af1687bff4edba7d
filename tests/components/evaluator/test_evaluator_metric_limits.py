"""What metrics refuse, and where they have no value."""

import math
import re

import numpy as np
import pytest

from components.errors import ConfigurationError, InvalidModelError
from components.evaluator import check_can_bless
from components.evaluator.batch import PLAIN, View
from components.evaluator.fit import Fit
from components.evaluator.metric import MacroAverage, Variant, make_metrics
from components.evaluator.slice_key import OVERALL
from components.evaluator.tally import Membership, Tally, Truth

GENERATOR = np.random.default_rng(5)
SIZE = 300
LABELS = GENERATOR.integers(0, 2, SIZE).astype(float)
SCORES = GENERATOR.random(SIZE)


def measure(class_name, labels, predictions, weights=None, **config):
    (metric,) = make_metrics(class_name, config, Variant(weighted=weights is not None))
    tally = Tally([metric], ["model"])
    size = len(labels)
    everyone = Membership([OVERALL], np.arange(size), np.zeros(size, np.int64))
    truth = Truth({"": np.array(labels, float)}, {"": weights}, {})
    tally.add(truth, {"model": {"": np.array(predictions, float)}}, everyone)
    return float(tally.measure().models["model"].values[metric.name][0])


@pytest.mark.parametrize("class_name", ["TP", "TrueNegatives", "FalsePositives", "FN"])
def test_counts_of_examples_without_weight_have_no_value(class_name):
    """All weights zero would be 0 false positives: perfect."""
    assert math.isnan(measure(class_name, LABELS, SCORES, np.zeros(SIZE)))
    assert measure(class_name, [1, 0], [0.2, 0.3], np.array([0.0, 2.0])) == (
        2.0 if class_name == "TrueNegatives" else 0.0
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("center", [0.0, 1.7e9, 1e12])
def test_labels_far_from_zero_vary_as_others_do(center, weighted):
    """Times in seconds: the squares of 1.7e9 ± 1000 differ in their last digits only."""
    labels = np.round(GENERATOR.normal(0, 1000, SIZE))
    predictions = np.round(labels + GENERATOR.normal(0, 300, SIZE))
    weights = GENERATOR.integers(1, 9, SIZE) / 7.0 if weighted else None
    spread = np.sum((labels - np.average(labels, weights=weights)) ** 2 * (
        1 if weights is None else weights))  # fmt: skip
    error = np.sum((labels - predictions) ** 2 * (1 if weights is None else weights))
    measured = measure("R2Score", labels + center, predictions + center, weights)
    assert measured == pytest.approx(1 - error / spread, rel=1e-12)
    covariance = np.cov(labels, predictions, aweights=weights)
    expected = covariance[0, 1] ** 2 / (covariance[0, 0] * covariance[1, 1])
    measured = measure("SquaredPearsonCorrelation", labels + center, predictions + center, weights)
    assert measured == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("scale", [1e-13, 1e12])
def test_errors_of_small_and_large_labels(scale):
    measured = measure("MeanSquaredError", SCORES * scale, np.zeros(SIZE))
    assert measured == pytest.approx(np.mean(np.square(SCORES * scale)), rel=1e-8, abs=0)


@pytest.mark.parametrize(
    ("class_name", "config", "message"),
    [
        ("Recall", {"thresholds": -1}, "thresholds is -1; expected numbers from 0 to 1"),
        ("Precision", {"thresholds": [0.2, 1.5]}, "thresholds is [0.2, 1.5]; expected numbers"),
        ("BinaryAccuracy", {"threshold": math.nan}, "threshold is nan; expected numbers from"),
        ("FairnessIndicators", {"thresholds": [2.0]}, "thresholds is [2.0]; expected numbers"),
        ("CalibrationPlot", {"left": "a"}, "left is 'a'; expected a number"),
        ("CalibrationPlot", {"right": math.inf}, "right is inf; expected a number"),
    ],
)
def test_refuses_settings_that_mean_nothing(class_name, config, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        list(make_metrics(class_name, config, Variant()))


@pytest.mark.parametrize(
    ("view", "macro"),
    [
        (View(is_aggregated=True, class_weights=((0, 2.0), (1, -1.0))), None),
        (PLAIN, MacroAverage((View(class_id=0), View(class_id=1)), (2.0, -1.0))),
    ],
)
def test_refuses_negative_class_weights(view, macro):
    with pytest.raises(ConfigurationError, match=r"class_weights \[2\.0, -1\.0\]; expected each"):
        list(make_metrics("AUC", {}, Variant(view=view, macro=macro)))


@pytest.mark.parametrize("class_name", ["ExampleCount", "TruePositives", "FP"])
def test_a_count_is_never_below_zero(class_name):
    metric = {
        "class_name": class_name,
        "threshold": {"value_threshold": {"upper_bound": -1}},
    }
    specs = {"model_specs": [{"label_key": "y"}], "metrics_specs": [{"metrics": [metric]}]}
    with pytest.raises(ConfigurationError, match="is 0 at least: no model could ever be blessed"):
        check_can_bless(specs)


def fit(class_name, labels, *answers, view=PLAIN, **config):
    """Check the answers of the model and of the live one."""
    checked = Fit(list(make_metrics(class_name, config, Variant(view=view))), "y")
    names = ("the model", "the live version 7")
    checked.check(np.array(labels), dict(zip(names, map(np.array, answers), strict=False)), 0)


FIVE, THREE = np.full((2, 5), 0.2), np.full((2, 3), 1 / 3)


@pytest.mark.parametrize("class_name", ["TopKCategoricalAccuracy", "SparseTopKCategoricalAccuracy"])
def test_refuses_the_highest_of_no_more_classes(class_name):
    with pytest.raises(ConfigurationError, match=r"the 5 highest of 5 classes that the model has"):
        fit(class_name, [0, 4], FIVE)
    fit(class_name, [0, 4], FIVE, k=4)
    fit(class_name, [0, 4], FIVE, THREE, k=4)


def test_a_class_that_a_model_does_not_have_is_a_miss():
    predictions = [[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]]
    assert measure("SparseTopKCategoricalAccuracy", [1, 4], predictions, k=2) == 0.5
    assert measure("SparseCategoricalAccuracy", [0, 4], predictions) == 0.5
    fit("SparseCategoricalAccuracy", [1, 4], FIVE, THREE)
    fit("AUC", [1, 4], FIVE, THREE, view=View(class_id=1))


@pytest.mark.parametrize(
    ("class_name", "view"),
    [
        ("SparseCategoricalCrossentropy", PLAIN),
        ("CategoricalCrossentropy", PLAIN),
        ("AUC", View(is_aggregated=True)),
        ("Recall", View(top_k=2)),
    ],
)
def test_names_the_model_that_lacks_a_class(class_name, view):
    with pytest.raises(InvalidModelError, match=r"live version 7 has 3 classes.* of class 4"):
        fit(class_name, [1, 4], FIVE, THREE, view=view)
    fit(class_name, [1, 2], FIVE, THREE, view=view)
