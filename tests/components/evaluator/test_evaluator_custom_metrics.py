"""Metrics of one's own, and Keras', against NumPy."""

import math
import re

import numpy as np
import pytest

from components.errors import ConfigurationError, UserCodeError
from components.evaluator.metric import Variant, make_metrics
from components.evaluator.slice_key import OVERALL
from components.evaluator.tally import Membership, Tally, Truth

GENERATOR = np.random.default_rng(8)
SIZE = 500
WEIGHTS = GENERATOR.integers(0, 9, SIZE) / 4.0
LABELS = GENERATOR.integers(0, 2, SIZE).astype(float)
SCORES = GENERATOR.uniform(0.01, 0.99, SIZE)
KINDS = GENERATOR.integers(0, 4, SIZE).astype(float)
SHARES = GENERATOR.dirichlet(np.ones(4), SIZE)
WEIGHTINGS = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])


@pytest.fixture
def own_metrics(tmp_path, monkeypatch):
    (tmp_path / "keras_own_metrics.py").write_text(
        "import keras\n"
        "def broken(labels, predictions):\n"
        "    raise ZeroDivisionError('by nothing')\n"
        "class Distance(keras.metrics.Mean):\n"
        "    def update_state(self, labels, predictions, sample_weight=None):\n"
        "        super().update_state(abs(labels - predictions), sample_weight)\n"
        "class Broken(Distance):\n"
        "    def update_state(self, labels, predictions, sample_weight=None):\n"
        "        raise KeyError('what')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "keras_own_metrics"


def measure(class_name, labels, predictions, weights=None, *, module="keras.metrics", **config):
    """Return what a metric is overall, from several batches."""
    variant = Variant(weighted=weights is not None)
    (metric,) = make_metrics(class_name, config, variant, module=module)
    tally = Tally([metric], ["model"])
    for rows in np.array_split(np.arange(len(labels)), 3):
        everyone = Membership([OVERALL], np.arange(len(rows)), np.zeros(len(rows), np.int64))
        truth = Truth({"": labels[rows]}, {"": None if weights is None else weights[rows]}, {})
        tally.add(truth, {"model": {"": predictions[rows]}}, everyone)
    return float(tally.measure().models["model"].values[metric.name][0])


EPSILON = 1e-7
CLIPPED = np.clip(LABELS, EPSILON, 1)
FORMULAS = {
    "Poisson": SCORES - LABELS * np.log(SCORES + EPSILON),
    "KLDivergence": CLIPPED * np.log(CLIPPED / SCORES),
    "CosineSimilarity": np.sign(LABELS) * np.sign(SCORES),
    "Hinge": np.maximum(1 - np.where(LABELS > 0, 1, -1) * SCORES, 0),
    "LogCoshError": np.log(np.cosh(LABELS - SCORES)),
}
"""Of one label and one prediction."""


@WEIGHTINGS
@pytest.mark.parametrize("class_name", FORMULAS)
def test_metrics_of_keras_are_means_over_examples(class_name, weights):
    measured = measure(class_name, LABELS, SCORES, weights)
    assert measured == pytest.approx(np.average(FORMULAS[class_name], weights=weights), rel=2e-6)


@WEIGHTINGS
def test_a_keras_class_of_ones_own(own_metrics, weights):
    measured = measure("Distance", LABELS, SCORES, weights, module=own_metrics)
    assert measured == pytest.approx(np.average(abs(LABELS - SCORES), weights=weights), rel=1e-6)


@WEIGHTINGS
def test_classes_by_number_in_keras(weights):
    measured = measure(
        "SparseCategoricalCrossentropy", KINDS, SHARES, weights, module="keras.src.metrics"
    )
    losses = -np.log(SHARES[np.arange(SIZE), KINDS.astype(int)])
    assert measured == pytest.approx(np.average(losses, weights=weights), rel=1e-5)


def test_lists_stay_lists():
    """Keras takes a tuple of thresholds for something else than a list of them."""
    measured = measure(
        "TruePositives", LABELS, SCORES, module="keras.src.metrics", thresholds=[0.3]
    )
    assert measured == np.sum((LABELS > 0) & (SCORES > 0.3))


@pytest.mark.parametrize("class_name", ["Distance", "Hinge"])
def test_examples_without_weight_give_no_value(own_metrics, class_name):
    module = own_metrics if class_name == "Distance" else "keras.metrics"
    assert math.isnan(measure(class_name, LABELS, SCORES, np.zeros(SIZE), module=module))
    one = np.zeros(SIZE)
    one[7] = 2.0
    measured = measure(class_name, LABELS, SCORES, one, module=module)
    values = abs(LABELS - SCORES) if class_name == "Distance" else FORMULAS["Hinge"]
    assert measured == pytest.approx(values[7], rel=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", r"keras_own_metrics.broken raised ZeroDivisionError: by nothing"),
        ("Broken", r"keras_own_metrics.Broken raised KeyError: 'what'"),
    ],
)
def test_names_the_metric_that_raised(own_metrics, name, message):
    with pytest.raises(UserCodeError, match=message) as caught:
        measure(name, LABELS, SCORES, module=own_metrics)
    assert isinstance(caught.value.__cause__, (ZeroDivisionError, KeyError))


@pytest.mark.parametrize(
    ("class_name", "config", "message"),
    [
        ("Hinge", {"nothing": {"a": [1]}}, "can't be made with {'nothing': {'a': [1]}}"),
        ("TruePositives", {"thresholds": [0.3, 0.5]}, "expected one number"),
    ],
)
def test_refuses_keras_metrics_that_are_no_number(class_name, config, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        measure(class_name, np.eye(4)[KINDS.astype(int)], SHARES, module="keras.src.metrics",
                **config)  # fmt: skip
