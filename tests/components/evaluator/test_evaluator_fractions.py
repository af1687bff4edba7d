"""A label between 0 and 1 is a negative and a positive, each with its share of the weight."""

import keras
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from components.errors import DataError
from components.evaluator.fit import Fit
from components.evaluator.metric import Variant, make_metrics
from components.evaluator.slice_key import OVERALL
from components.evaluator.tally import Membership, Tally, Truth

GENERATOR = np.random.default_rng(12)
SIZE = 2_000
LABELS = np.round(GENERATOR.random(SIZE), 2)
LABELS[::5], LABELS[1::5] = 0, 1
PREDICTIONS = np.round(np.clip(0.4 * LABELS + GENERATOR.normal(0.3, 0.2, SIZE), 0.05, 0.95), 3)
WEIGHTS = GENERATOR.integers(0, 9, SIZE) / 4.0
SPLIT = {
    "y_true": np.repeat([0, 1], SIZE),
    "predictions": np.tile(PREDICTIONS, 2),
}
METRICS = [
    ("AUC", {}),
    ("Precision", {"thresholds": [0.3, 0.5]}),
    ("Recall", {"thresholds": [0.3, 0.5]}),
    ("BinaryAccuracy", {}),
    ("BinaryCrossentropy", {}),
    ("MeanLabel", {}),
]


def measured(labels, weights, parts):
    """Return the metrics, of tallies of parts that are merged."""
    metrics = [
        metric
        for name, config in METRICS
        for metric in make_metrics(name, config, Variant(weighted=weights is not None))
    ]
    whole = Tally(metrics, ["model"])
    for rows in parts:
        part = Tally(metrics, ["model"])
        everyone = Membership([OVERALL], np.arange(len(rows)), np.zeros(len(rows), np.int64))
        truth = Truth({"": labels[rows]}, {"": None if weights is None else weights[rows]})
        part.add(truth, {"model": {"": PREDICTIONS[rows]}}, everyone)
        whole.merge(part)
    values = whole.measure().models["model"].values
    return {name: float(value[0]) for name, value in values.items()}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_equals_scikit_learn_on_the_examples_split(weights):
    given = np.ones(SIZE) if weights is None else weights
    shares = np.concatenate([given * (1 - LABELS), given * LABELS])
    # The first part has whole labels alone, so some batches are counted and some are weighed.
    whole = np.flatnonzero((LABELS == 0) | (LABELS == 1))
    others = np.setdiff1d(np.arange(SIZE), whole)

    found = measured(LABELS, weights, [whole, others[:700], others[700:]])

    labels, predictions = SPLIT["y_true"], SPLIT["predictions"]
    score = {"sample_weight": shares}
    expected = {
        "auc": sklearn_metrics.roc_auc_score(labels, predictions, **score),
        "binary_accuracy": sklearn_metrics.accuracy_score(labels, predictions > 0.5, **score),
        "mean_label": np.average(LABELS, weights=given),
        "binary_crossentropy": sklearn_metrics.log_loss(labels, predictions, **score),
    }
    for threshold in (0.3, 0.5):
        above = predictions > threshold
        expected[f"precision@{threshold}"] = sklearn_metrics.precision_score(labels, above, **score)
        expected[f"recall@{threshold}"] = sklearn_metrics.recall_score(labels, above, **score)
    assert found == pytest.approx(expected, abs=1e-6)


def test_several_thresholds_are_those_of_keras():
    whole = np.round(LABELS)
    found = measured(whole, None, [np.arange(SIZE)])
    for name, make in (("precision", keras.metrics.Precision), ("recall", keras.metrics.Recall)):
        metric = make(thresholds=[0.3, 0.5])
        metric.update_state(whole, PREDICTIONS)
        assert [found[f"{name}@0.3"], found[f"{name}@0.5"]] == pytest.approx(
            np.asarray(metric.result()).tolist(), abs=1e-6
        )


@pytest.mark.parametrize("label", [-0.01, 1.01])
def test_a_label_outside_is_refused(label):
    metrics = list(make_metrics("AUC", {}, Variant()))
    labels = np.array([0.5, label])
    with pytest.raises(DataError, match=r"example 12 is .*AUC takes 0, 1 or what is between"):
        Fit(metrics, "late").check(labels, {"the model": np.array([0.1, 0.2])}, 10)
