"""Metrics against scikit-learn, Keras and NumPy, with and without weights."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from components.errors import ConfigurationError
from components.evaluator.metric import Variant, make_metrics
from components.evaluator.slice_key import OVERALL
from components.evaluator.tally import Membership, Tally, Truth

GENERATOR = np.random.default_rng(7)
SIZE = 4_000
LABELS = (GENERATOR.random(SIZE) < 0.3).astype(np.float64)
# Scores with ties, on both sides of every threshold, in float32 as models give them.
SCORES = np.clip(0.25 * LABELS + GENERATOR.normal(0.4, 0.15, SIZE), 0, 1)
PREDICTIONS = np.round(SCORES, 3).astype(np.float32).astype(np.float64)
UNCERTAIN = np.clip(PREDICTIONS, 0.05, 0.95).astype(np.float32).astype(np.float64)
WEIGHTS = GENERATOR.integers(0, 9, SIZE) / 4.0


def make_metric(class_name, config, *, weighted=False):
    (metric,) = make_metrics(class_name, config, Variant(weighted=weighted))
    return metric


def measure(class_name, labels, predictions, weights=None, **config):
    metric = make_metric(class_name, config, weighted=weights is not None)
    tally = Tally([metric], ["model"])
    size = len(labels)
    everyone = Membership([OVERALL], np.arange(size), np.zeros(size, np.int64))
    truth = Truth({"": np.array(labels, float)}, {"": weights})
    tally.add(truth, {"model": {"": np.array(predictions, float)}}, everyone)
    return float(tally.measure().models["model"].values[metric.name][0])


def references(weights):
    positive = PREDICTIONS > 0.5
    keywords = {"sample_weight": weights}
    curve = sklearn_metrics.precision_recall_curve(LABELS, PREDICTIONS, **keywords)
    return {
        "AUC": lambda: sklearn_metrics.roc_auc_score(LABELS, PREDICTIONS, **keywords),
        "AUCPrecisionRecall": lambda: sklearn_metrics.auc(curve[1], curve[0]),
        "BinaryAccuracy": lambda: sklearn_metrics.accuracy_score(LABELS, positive, **keywords),
        "Precision": lambda: sklearn_metrics.precision_score(LABELS, positive, **keywords),
        "Recall": lambda: sklearn_metrics.recall_score(LABELS, positive, **keywords),
        "BinaryCrossentropy": lambda: sklearn_metrics.log_loss(LABELS, UNCERTAIN, **keywords),
        "ExampleCount": lambda: SIZE if weights is None else weights.sum(),
        "WeightedExampleCount": lambda: SIZE if weights is None else weights.sum(),
        "MeanLabel": lambda: np.average(LABELS, weights=weights),
        "MeanPrediction": lambda: np.average(PREDICTIONS, weights=weights),
        "Calibration": lambda: (
            np.average(PREDICTIONS, weights=weights) / np.average(LABELS, weights=weights)
        ),
    }


# The two areas interpolate between points; with 1,001 distinct scores the way hardly matters.
TOLERANCES = {"AUC": 1e-12, "AUCPrecisionRecall": 1e-3, "BinaryCrossentropy": 1e-6}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("class_name", references(None))
def test_equals_scikit_learn_and_numpy(class_name, weights):
    predictions = UNCERTAIN if class_name == "BinaryCrossentropy" else PREDICTIONS
    measured = measure(class_name, LABELS, predictions, weights)
    tolerance = TOLERANCES.get(class_name, 1e-12)
    assert measured == pytest.approx(
        references(weights)[class_name](), abs=tolerance, rel=tolerance
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(
    ("class_name", "config", "keras_config", "tolerance"),
    [
        ("AUC", {}, {"num_thresholds": 10_000}, 2e-6),
        ("AUC", {"num_thresholds": 200}, {"num_thresholds": 200}, 1e-4),
        ("AUC", {"curve": "PR"}, {"num_thresholds": 10_000, "curve": "PR"}, 2e-6),
        ("BinaryAccuracy", {}, {}, 1e-6),
        ("BinaryAccuracy", {"threshold": 0.3}, {"threshold": 0.3}, 1e-6),
        ("Precision", {"thresholds": 0.3}, {"thresholds": 0.3}, 1e-6),
        ("Recall", {"thresholds": [0.6]}, {"thresholds": 0.6}, 1e-6),
        ("BinaryCrossentropy", {}, {}, 2e-6),
    ],
)
def test_equals_keras(class_name, config, keras_config, tolerance, weights):
    """At 200 thresholds less closely: TFMA, which is followed, cuts 10,000 buckets at them."""
    import keras

    expected = getattr(keras.metrics, class_name)(**keras_config)
    # Off the buckets' edges, where float32 rounds to one side or the other.
    predictions = np.clip(UNCERTAIN + 3.3e-5, 0, 1).astype(np.float32)
    expected.update_state(LABELS[:, None], predictions[:, None], sample_weight=weights)
    measured = measure(class_name, LABELS, predictions, weights, **config)
    assert measured == pytest.approx(float(expected.result()), abs=tolerance)


def test_areas_of_a_small_example_by_hand():
    labels, predictions = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    assert measure("AUC", labels, predictions) == pytest.approx(0.75)
    # From recall 1/2 to 1 between (1 tp of 2) and (2 tp of 3), Davis and Goadrich: slope 1.
    slope, intercept = 1.0, 1 - 1.0 * 2
    expected = (1 * (1 + 0) + slope * (1 + intercept * math.log(3 / 2))) / 2
    assert measure("AUCPrecisionRecall", labels, predictions) == pytest.approx(expected)


def test_a_prediction_on_the_threshold_counts_as_negative():
    assert measure("Recall", [1, 1], [0.5, 0.500001]) == 0.5


def test_scores_in_one_of_ten_thousand_buckets_are_a_tie():
    assert measure("AUC", [0, 1], [0.50001, 0.50002]) == 0.5
    assert measure("AUC", [0, 1], [0.50001, 0.50012]) == 1.0


@pytest.mark.parametrize("prediction", [0.0, 1.0])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_clips_certainty_as_keras_does(label, prediction):
    epsilon, hit = np.float32(1e-7), prediction if label else 1 - prediction
    clipped = np.clip(np.float32(prediction), epsilon, np.float32(1) - epsilon)
    expected = -np.log((clipped if label else 1 - clipped) + epsilon)
    assert measure("BinaryCrossentropy", [label], [prediction]) == pytest.approx(expected)
    assert (expected > 15) == (hit == 0)


@pytest.mark.parametrize(
    ("class_name", "labels", "predictions", "weights"),
    [
        ("AUC", [1, 1], [0.2, 0.9], None),
        ("AUC", [0, 0], [0.2, 0.9], None),
        ("AUCPrecisionRecall", [1, 1], [0.2, 0.9], None),
        ("AUCPrecisionRecall", [0, 0], [0.2, 0.9], None),
        ("AUC", [0, 1], [0.2, 0.9], np.zeros(2)),
        ("Precision", [0, 1], [0.2, 0.3], None),
        ("Recall", [0, 0], [0.2, 0.9], None),
        ("Calibration", [0, 0], [0.2, 0.9], None),
        ("MeanLabel", [0, 1], [0.2, 0.9], np.zeros(2)),
        ("MeanPrediction", [0, 1], [0.2, 0.9], np.zeros(2)),
        ("BinaryCrossentropy", [0, 1], [0.2, 0.9], np.zeros(2)),
        ("BinaryAccuracy", [0, 1], [0.2, 0.9], np.zeros(2)),
    ],
)
def test_what_is_not_defined_is_nan(class_name, labels, predictions, weights):
    assert math.isnan(measure(class_name, labels, predictions, weights))


@pytest.mark.parametrize("class_name", references(None))
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_one_broken_prediction_spoils_what_looks_at_predictions(class_name, broken):
    measured = measure(class_name, [0, 1, 1], [0.2, broken, 0.9])
    looks = class_name not in ("ExampleCount", "WeightedExampleCount", "MeanLabel")
    assert math.isnan(measured) is looks


@pytest.mark.parametrize(
    ("class_name", "config", "message"),
    [
        (
            "AUROC",
            {},
            r"class_name 'AUROC' isn't known; expected one of AUC, AUCPrecisionRecall, Bal",
        ),
        ("AUC", {"curves": "PR"}, r"AUC has no setting 'curves'"),
        ("AUC", {"curve": "LIFT"}, r"curve is 'LIFT'; expected 'ROC' or 'PR'"),
        ("AUC", {"num_thresholds": 2}, r"num_thresholds is 2; expected 3 or more"),
        ("AUC", {"num_thresholds": "many"}, r"num_thresholds is 'many'; expected an integer"),
        ("AUC", {"summation_method": "minoring"}, r"summation_method='minoring' isn't supported"),
        ("AUC", {"thresholds": [0.5]}, r"thresholds=\[0\.5\] isn't supported"),
        ("Precision", {"top_k": 0}, r"Precision has top_k=0; expected an integer"),
        ("Precision", {"top_k": 3, "class_id": 1}, r"expected one of class_id, top_k, binarize"),
        ("AUC", {"top_k": 3}, r"top_k=3 isn't supported"),
        ("FBetaScore", {"beta": 0}, r"beta is 0; expected a number from 1e-06"),
        ("RecallAtPrecision", {}, r"precision is None; expected a number from 0 to 1"),
        ("CalibrationPlot", {"left": 1.0}, r"left is 1.0 and right is 1.0; expected left < right"),
        ("NDCG", {}, r"NDCG needs a query_key"),
        ("BinaryAccuracy", {"threshold": "high"}, r"threshold is 'high'; expected one number"),
        ("BinaryCrossentropy", {"from_logits": True}, r"from_logits=True isn't supported"),
    ],
)
def test_refuses_what_it_would_have_to_ignore(class_name, config, message):
    with pytest.raises(ConfigurationError, match=message):
        make_metric(class_name, config)


def test_takes_defaults_that_are_spelled_out():
    config = {"name": "mine", "curve": "ROC", "summation_method": "interpolation", "dtype": None}
    metric = make_metric("AUC", config, weighted=False)
    assert (metric.name, metric.title) == ("mine", "mine")
    assert make_metric("AUC", {}, weighted=False).name == "auc"
