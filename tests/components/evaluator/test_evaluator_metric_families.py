"""Metrics of classes, numbers, rankings and thresholds against scikit-learn; custom ones."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from components.errors import ConfigurationError, DataError, InvalidModelError
from components.evaluator.batch import View
from components.evaluator.fit import Fit
from components.evaluator.metric import MacroAverage, Variant, make_metrics
from components.evaluator.slice_key import OVERALL
from components.evaluator.tally import Membership, Tally, Truth

GENERATOR = np.random.default_rng(3)
SIZE, NUM_CLASSES = 3_000, 6
WEIGHTS = GENERATOR.integers(0, 9, SIZE) / 4.0
KINDS = GENERATOR.integers(0, NUM_CLASSES, SIZE)
ONE_HOT = np.eye(NUM_CLASSES)[KINDS]
SHARES = GENERATOR.dirichlet(np.ones(NUM_CLASSES), SIZE) + 0.2 * ONE_HOT
SHARES /= SHARES.sum(axis=1, keepdims=True)
LABELS = (KINDS > 3).astype(float)
SCORES = np.clip(0.2 * LABELS + GENERATOR.normal(0.4, 0.2, SIZE), 0, 1)
NUMBERS = GENERATOR.normal(100, 20, SIZE)
GUESSES = NUMBERS + GENERATOR.normal(3, 10, SIZE)
WEIGHTINGS = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])


def measure(class_name, labels, predictions, weights=None, *, features=(), variant=None, **config):
    """Return what a metric is overall, or several by what follows the name."""
    variant = variant or Variant(weighted=weights is not None)
    module = config.pop("module", "")
    metrics = list(make_metrics(class_name, config, variant, module=module))
    tally = Tally(metrics, ["model"])
    size = len(labels)
    everyone = Membership([OVERALL], np.arange(size), np.zeros(size, np.int64))
    truth = Truth({"": np.array(labels, float)}, {"": weights}, dict(features))
    tally.add(truth, {"model": {"": np.array(predictions, float)}}, everyone)
    measured = tally.measure().models["model"]
    values = {
        m.name: measured.plots[m.name][0] if m.is_plot else float(measured.values[m.name][0])
        for m in metrics
    }
    return next(iter(values.values())) if len(values) == 1 else values


POSITIVE = SCORES > 0.4
AT = {"thresholds": 0.4}


def rates(weights):
    """Return what scikit-learn says, by our name and settings."""
    keywords = {"sample_weight": weights}
    tn, fp, fn, tp = sklearn_metrics.confusion_matrix(LABELS, POSITIVE, **keywords).ravel()
    return {
        "TruePositives": tp,
        "FalsePositives": fp,
        "TrueNegatives": tn,
        "FalseNegatives": fn,
        "F1Score": sklearn_metrics.f1_score(LABELS, POSITIVE, **keywords),
        "Specificity": sklearn_metrics.recall_score(1 - LABELS, ~POSITIVE, **keywords),
        "NegativePredictiveValue": sklearn_metrics.precision_score(
            1 - LABELS, ~POSITIVE, **keywords
        ),
        "BalancedAccuracy": sklearn_metrics.balanced_accuracy_score(LABELS, POSITIVE, **keywords),
        "MatthewsCorrelationCoefficient": sklearn_metrics.matthews_corrcoef(
            LABELS, POSITIVE, **keywords
        ),
        "ThreatScore": sklearn_metrics.jaccard_score(LABELS, POSITIVE, **keywords),
        "FallOut": fp / (fp + tn),
        "FPR": fp / (fp + tn),
        "MissRate": fn / (fn + tp),
        "FalseDiscoveryRate": fp / (fp + tp),
        "FalseOmissionRate": fn / (fn + tn),
        "Prevalence": (tp + fn) / (tp + tn + fp + fn),
        "PredictedPositiveRate": (tp + fp) / (tp + tn + fp + fn),
    }


@WEIGHTINGS
@pytest.mark.parametrize("class_name", rates(None))
def test_rates_at_a_threshold(class_name, weights):
    measured = measure(class_name, LABELS, SCORES, weights, **AT)
    assert measured == pytest.approx(rates(weights)[class_name], rel=1e-12)


@WEIGHTINGS
@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_f_beta(beta, weights):
    measured = measure("FBetaScore", LABELS, SCORES, weights, beta=beta, threshold=0.4)
    expected = sklearn_metrics.fbeta_score(LABELS, POSITIVE, beta=beta, sample_weight=weights)
    assert measured == pytest.approx(expected, rel=1e-12)


@WEIGHTINGS
def test_brier(weights):
    expected = sklearn_metrics.brier_score_loss(LABELS, SCORES, sample_weight=weights)
    assert measure("BrierScore", LABELS, SCORES, weights) == pytest.approx(expected, rel=1e-12)


@WEIGHTINGS
@pytest.mark.parametrize(
    ("class_name", "function"),
    [
        ("MeanSquaredError", sklearn_metrics.mean_squared_error),
        ("RootMeanSquaredError", sklearn_metrics.root_mean_squared_error),
        ("MeanAbsoluteError", sklearn_metrics.mean_absolute_error),
        ("R2Score", sklearn_metrics.r2_score),
        ("MeanSquaredLogarithmicError", sklearn_metrics.mean_squared_log_error),
    ],
)
def test_numbers(class_name, function, weights):
    expected = function(NUMBERS, GUESSES, sample_weight=weights)
    assert measure(class_name, NUMBERS, GUESSES, weights) == pytest.approx(expected, rel=1e-10)


def test_percentages_and_correlation():
    expected = 100 * sklearn_metrics.mean_absolute_percentage_error(NUMBERS, GUESSES)
    measured = measure("MeanAbsolutePercentageError", NUMBERS, GUESSES)
    assert measured == pytest.approx(expected, rel=1e-12)
    expected = np.corrcoef(NUMBERS, GUESSES)[0, 1] ** 2
    measured = measure("SquaredPearsonCorrelation", NUMBERS, GUESSES)
    assert measured == pytest.approx(expected, rel=1e-10)


def test_labels_of_zero_have_no_percentage():
    assert measure("MeanAbsolutePercentageError", [0, 4], [7, 5]) == 25.0
    assert math.isnan(measure("MeanAbsolutePercentageError", [0, 0], [7, 5]))


@pytest.mark.parametrize("class_name", ["R2Score", "SquaredPearsonCorrelation"])
def test_equal_labels_explain_nothing(class_name):
    assert math.isnan(measure(class_name, [0.1] * 7, np.arange(7)))


@WEIGHTINGS
@pytest.mark.parametrize("labels", [KINDS, ONE_HOT], ids=["numbers", "one-hot"])
@pytest.mark.parametrize("prefix", ["", "Sparse"])
def test_classes(prefix, labels, weights):
    keywords = {"sample_weight": weights}
    accuracy = sklearn_metrics.accuracy_score(KINDS, SHARES.argmax(1), **keywords)
    assert measure(f"{prefix}CategoricalAccuracy", labels, SHARES, weights) == pytest.approx(
        accuracy
    )
    loss = sklearn_metrics.log_loss(KINDS, SHARES, **keywords)
    measured = measure(f"{prefix}CategoricalCrossentropy", labels, SHARES, weights)
    assert measured == pytest.approx(loss, rel=1e-9)
    top = sklearn_metrics.top_k_accuracy_score(KINDS, SHARES, k=2, **keywords)
    assert measure(f"{prefix}TopKCategoricalAccuracy", labels, SHARES, weights, k=2) == (
        pytest.approx(top)
    )


@WEIGHTINGS
def test_confusion_of_classes(weights):
    (matrix,) = measure(
        "MultiClassConfusionMatrixAtThresholds", KINDS, SHARES, weights, thresholds=[0.0]
    )
    found = np.zeros((NUM_CLASSES, NUM_CLASSES))
    for cell in matrix["cells"]:
        found[cell["actual"], cell["predicted"]] = cell["count"]
    expected = sklearn_metrics.confusion_matrix(KINDS, SHARES.argmax(1), sample_weight=weights)
    np.testing.assert_allclose(found, expected)


def test_no_class_is_predicted_where_none_is_above_the_threshold():
    (matrix,) = measure("MultiClassConfusionMatrixAtThresholds", [1, 0], [[0.5, 0.5], [0.9, 0.1]])
    assert matrix == {
        "threshold": 0.5,
        "cells": [
            {"actual": 0, "predicted": 0, "count": 1.0},
            {"actual": 1, "predicted": -1, "count": 1.0},
        ],
    }


@WEIGHTINGS
def test_one_class_against_all_others(weights):
    variant = Variant(weighted=weights is not None, view=View(class_id=2))
    measured = measure("Precision", KINDS, SHARES, weights, variant=variant, thresholds=0.3)
    expected = sklearn_metrics.precision_score(
        KINDS == 2, SHARES[:, 2] > 0.3, sample_weight=weights
    )
    assert measured == pytest.approx(expected)
    assert measure("Precision", KINDS, SHARES, weights, class_id=2, thresholds=0.3) == measured


@WEIGHTINGS
@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_averages_over_classes(average, weights):
    views = tuple(View(class_id=number) for number in range(NUM_CLASSES))
    macro = MacroAverage(views, (1.0,) * NUM_CLASSES, by_labels=average == "weighted")
    variant = Variant(weighted=weights is not None, macro=macro)
    measured = measure("AUC", KINDS, SHARES, weights, variant=variant)
    expected = sklearn_metrics.roc_auc_score(
        ONE_HOT, SHARES, average=average, sample_weight=weights
    )
    assert measured == pytest.approx(expected, abs=1e-5)


@WEIGHTINGS
def test_all_classes_as_one(weights):
    variant = Variant(weighted=weights is not None, view=View(is_aggregated=True))
    measured = measure("AUC", KINDS, SHARES, weights, variant=variant)
    expected = sklearn_metrics.roc_auc_score(
        ONE_HOT, SHARES, average="micro", sample_weight=weights
    )
    assert measured == pytest.approx(expected, abs=1e-5)


def test_a_class_without_weight_may_be_undefined():
    """No example is of class 1, so it has no AUC; it fails unless nobody asked for it."""
    labels, shares = np.array([0, 2, 2, 0]), SHARES[:4, :3]
    views = tuple(View(class_id=number) for number in range(3))
    for factor, undefined in ((0.0, False), (1.0, True)):
        variant = Variant(macro=MacroAverage(views, (1.0, factor, 1.0)))
        assert math.isnan(measure("AUC", labels, shares, variant=variant)) is undefined


@WEIGHTINGS
def test_recall_of_the_highest_k_is_top_k_accuracy(weights):
    expected = sklearn_metrics.top_k_accuracy_score(KINDS, SHARES, k=3, sample_weight=weights)
    assert measure("Recall", KINDS, SHARES, weights, top_k=3) == pytest.approx(expected)
    assert measure("Precision", KINDS, SHARES, weights, top_k=3) == pytest.approx(expected / 3)


def best(wanted, condition):
    return max((w for w, c in zip(wanted, condition, strict=True) if c), default=0.0)


@WEIGHTINGS
@pytest.mark.parametrize("limit", [0.0, 0.3, 0.55, 0.9, 1.0])
def test_best_points_on_the_curves(limit, weights):
    scores = np.round(SCORES, 2)  # so that scores fall on our 10,000 buckets
    false, true, _ = sklearn_metrics.roc_curve(
        LABELS, scores, sample_weight=weights, drop_intermediate=False
    )
    precision, recall, _ = sklearn_metrics.precision_recall_curve(
        LABELS, scores, sample_weight=weights
    )
    precision, recall = precision[:-1], recall[:-1]  # the last is made up by scikit-learn
    expected = {
        ("SensitivityAtSpecificity", "specificity"): best(true, 1 - false >= limit - 1e-12),
        ("SpecificityAtSensitivity", "sensitivity"): best(1 - false, true >= limit - 1e-12),
        ("PrecisionAtRecall", "recall"): best(precision, recall >= limit - 1e-12),
        ("RecallAtPrecision", "precision"): best(recall, precision >= limit - 1e-12),
        ("RecallAtFalsePositiveRate", "false_positive_rate"): best(true, false <= limit + 1e-12),
    }
    for (class_name, setting), value in expected.items():
        measured = measure(class_name, LABELS, scores, weights, **{setting: limit})
        assert measured == pytest.approx(value, abs=1e-9), class_name


def test_threshold_at_recall_by_hand():
    labels, scores = [0, 1, 1, 1], [0.9, 0.8, 0.5, 0.2]
    threshold = measure("ThresholdAtRecall", labels, scores, recall=2 / 3)
    assert 0.4998 <= threshold < 0.5
    assert measure("ThresholdAtRecall", labels, scores, recall=0) == 1 + 1e-7


def test_one_class_has_no_best_point():
    assert math.isnan(measure("RecallAtPrecision", [1, 1], [0.2, 0.9], precision=0.5))


@WEIGHTINGS
def test_calibration_by_bucket(weights):
    plot = measure("CalibrationPlot", LABELS, SCORES, weights, num_buckets=10)
    given = np.ones(SIZE) if weights is None else weights
    inner = [bucket for bucket in plot if bucket["lower"] is not None and bucket["upper"]]
    for bucket in inner:
        chosen = (bucket["lower"] <= SCORES) & (bucket["upper"] > SCORES)
        assert bucket["count"] == pytest.approx(given[chosen].sum())
        assert bucket["label"] == pytest.approx((given * LABELS)[chosen].sum())
        assert bucket["prediction"] == pytest.approx((given * SCORES)[chosen].sum())
    assert sum(bucket["count"] for bucket in plot) == pytest.approx(given.sum())
    assert len(inner) == 10


def test_confusion_matrices_at_thresholds():
    matrices = measure("ConfusionMatrixAtThresholds", LABELS, SCORES, thresholds=[0.7, 0.2])
    for matrix, threshold in zip(matrices, (0.2, 0.7), strict=True):
        expected = sklearn_metrics.confusion_matrix(LABELS, threshold < SCORES).ravel()
        assert list(matrix.values()) == [threshold, *expected]


def test_fairness_indicators_by_threshold():
    measured = measure("FairnessIndicators", LABELS, SCORES, thresholds=[0.4, 0.9])
    assert len(measured) == 20
    prefix = "fairness_indicators_metrics/"
    _, fp, fn, tp = sklearn_metrics.confusion_matrix(LABELS, POSITIVE).ravel()
    assert measured[f"{prefix}false_negative_rate@0.4"] == pytest.approx(fn / (fn + tp))
    assert measured[f"{prefix}positive_rate@0.4"] == pytest.approx((fp + tp) / SIZE)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_ndcg(k):
    queries = GENERATOR.integers(0, 40, 600)
    gains, scores = GENERATOR.integers(0, 5, 600).astype(float), GENERATOR.random(600)
    gains[queries == 7] = 0.0  # a query without anything relevant is left out
    of_query = GENERATOR.integers(1, 5, 40) / 2.0
    variant = Variant(weighted=True, query_key="query")
    measured = measure(
        "NDCG", gains, scores, of_query[queries], variant=variant, gain_key="gain", top_k_list=[k],
        features={"query": queries.astype("U"), "gain": gains},
    )  # fmt: skip
    counted = [number for number in range(40) if number != 7 and (queries == number).any()]
    values = [
        sklearn_metrics.ndcg_score([gains[queries == q]], [scores[queries == q]], k=k)
        for q in counted
    ]
    assert measured == pytest.approx(np.average(values, weights=of_query[counted]), rel=1e-12)


def test_the_examples_of_a_query_have_one_weight():
    features = {"query": np.array(["a", "a"]), "gain": np.ones(2)}
    variant = Variant(weighted=True, query_key="query")
    with pytest.raises(DataError, match="of one query have different weights"):
        measure("NDCG", [1, 1], [0.1, 0.2], np.array([1.0, 2.0]), features=features,
                variant=variant, gain_key="gain", top_k_list=[1])  # fmt: skip


@pytest.fixture
def own_metrics(tmp_path, monkeypatch):
    (tmp_path / "own_metrics.py").write_text(
        "import numpy as np\n"
        "def off_by_more_than_a_tenth(labels, predictions):\n"
        "    return np.abs(labels - predictions) > 0.1\n"
        "def one_number(labels, predictions):\n"
        "    return 1.0\n"
        "constant = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "own_metrics"


@WEIGHTINGS
def test_a_function_of_ones_own(own_metrics, weights):
    measured = measure("off_by_more_than_a_tenth", LABELS, SCORES, weights, module=own_metrics)
    expected = np.average(np.abs(LABELS - SCORES) > 0.1, weights=weights)
    assert measured == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "module", "error", "message"),
    [
        ("one_number", "own_metrics", DataError, r"returned an array of shape \(\) for 2 examples"),
        ("constant", "own_metrics", ConfigurationError, r"own_metrics\.constant is 3; expected a"),
        (
            "nothing",
            "own_metrics",
            ConfigurationError,
            r"'nothing' of the module 'own_metrics' can",
        ),
        ("f", "no.such.module", ConfigurationError, r"can't be loaded: No module named 'no'"),
    ],
)
def test_refuses_what_is_no_metric(own_metrics, name, module, error, message):
    with pytest.raises(error, match=message):
        measure(name, [0, 1], [0.1, 0.9], module=module)


PLAIN_AUC = Variant()
OF_CLASS = Variant(view=View(class_id=2))


@pytest.mark.parametrize(
    ("class_name", "variant", "labels", "predictions", "error", "message"),
    [
        ("AUC", PLAIN_AUC, [0, 2], [0.1, 0.2], DataError, r"label 'y' of example 12 is 2; AUC"),
        ("AUC", PLAIN_AUC, [0, 1], [0.1, 1.2], InvalidModelError, r"is 1\.2 for some examples"),
        ("AUC", PLAIN_AUC, [0, 1], [[0.1, 0.9]] * 2, InvalidModelError, r"give metrics_specs bina"),
        ("AUC", PLAIN_AUC, [0, math.nan], [0.1, 0.9], DataError, r"example 12 is nan; every label"),
        ("AUC", OF_CLASS, [0, 1], [0.1, 0.9], InvalidModelError, r"takes at least 3 classes, so"),
        ("AUC", OF_CLASS, [0, 1], [[0.1, 0.9]] * 2, InvalidModelError, r"takes at least 3 classes"),
        ("AUC", OF_CLASS, [0, 3], [[0.1, 0.8, 0.1]] * 2, DataError, r"is 3; .* from 0 to 2"),
        ("CategoricalAccuracy", PLAIN_AUC, [0, 0.5], [[1, 2]] * 2, DataError, r"is 0\.5"),
        ("CategoricalAccuracy", PLAIN_AUC, [[1, 1], [1, 0]], [[1, 2]] * 2, DataError,
         r"is \[1, 1\]; CategoricalAccuracy takes exactly one class"),
        ("CategoricalAccuracy", PLAIN_AUC, [0, 1], [0.5, 0.6], InvalidModelError, r"at least 2"),
        ("CategoricalAccuracy", PLAIN_AUC, [[1, 0, 0]] * 2, [[1, 2]] * 2, DataError,
         r"labels have shape \(2, 3\) and the predictions \(2, 2\)"),
        ("MeanSquaredError", PLAIN_AUC, [0, 7], [[1, 2]] * 2, InvalidModelError, r"takes one"),
        ("CategoricalCrossentropy", PLAIN_AUC, [0, 1], [[1, 2]] * 2, InvalidModelError, r"logits"),
    ],
)  # fmt: skip
def test_refuses_labels_and_predictions_that_do_not_fit(
    class_name, variant, labels, predictions, error, message
):
    fit = Fit(list(make_metrics(class_name, {}, variant)), "y")
    with pytest.raises(error, match=message):
        fit.check(np.array(labels), {"the model": np.array(predictions, float)}, 10)
