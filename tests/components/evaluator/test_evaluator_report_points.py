"""What the report's pictures show, against scikit-learn and NumPy on the same predictions."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from components.evaluator import report_points as points
from components.evaluator.class_matrix import ClassMatrix
from components.evaluator.histogram import BucketSums, ScoreHistogram
from components.evaluator.metric import Variant, make_metrics
from components.evaluator.statistic import Confusion
from components.evaluator.tally import Membership, Tally, Truth

GENERATOR = np.random.default_rng(3)
SIZE = 3_000
LABELS = (GENERATOR.random(SIZE) < 0.3).astype(float)
# In the middle of buckets, so that nothing is lost by them, and many are equal.
SCORES = np.floor(np.clip(0.2 * LABELS + GENERATOR.normal(0.4, 0.2, SIZE), 0, 0.999) * 500) / 500
SCORES = SCORES + 0.5e-4
WEIGHTS = GENERATOR.integers(0, 5, SIZE).astype(float)
# Some just below the bins' edges.
SCORES[:10] = np.arange(1, 11) / 10 - 0.5e-4
WEIGHTS[:10] = 3
ODD = np.arange(SIZE) % 2 == 1


def detail_of(class_name, labels, predictions, *, overall=True, weighted=True, **config):
    """Return what a tally keeps of all examples; the odd and the first ones are other slices."""
    (metric,) = make_metrics(class_name, config, Variant(weighted=weighted))
    tally = Tally([metric], ["candidate"])
    keys = [(("a", "odd"),), () if overall else (("b", "whole"),), (("c", "first"),)]
    rows = np.concatenate([np.flatnonzero(ODD), np.arange(SIZE), np.arange(100)])
    positions = np.repeat([0, 1, 2], [ODD.sum(), SIZE, 100])
    truth = Truth({"": labels}, {"": WEIGHTS})
    tally.add(truth, {"candidate": {"": predictions}}, Membership(keys, rows, positions))
    return tally.measure().models["candidate"].detail


def sums_of(kind, *arguments, **options):
    detail = detail_of(*arguments, **options)
    (found,) = [sums for (_, statistic), sums in detail.items() if isinstance(statistic, kind)]
    return found


@pytest.fixture(params=[False, True], ids=["unweighted", "weighted"])
def weighted(request):
    return request.param


@pytest.fixture
def scores(weighted):
    return sums_of(ScoreHistogram, "AUC", LABELS, SCORES, weighted=weighted)


@pytest.fixture
def weights(weighted):
    return WEIGHTS if weighted else None


def test_the_roc_curve_is_scikit_learns(scores, weights):
    false, true, _ = roc_curve(LABELS, SCORES, sample_weight=weights, drop_intermediate=False)
    line = points.roc_points(scores)
    # scikit-learn has a point for predictions that weigh nothing too: the same one twice.
    distinct = lambda x, y: np.unique(np.stack([x, y], axis=1).round(12), axis=0)  # noqa: E731
    np.testing.assert_allclose(distinct(line.x, line.y), distinct(false, true), atol=1e-9)


def test_the_precision_recall_curve_is_scikit_learns(scores, weights):
    precision, recall, _ = precision_recall_curve(LABELS, SCORES, sample_weight=weights)
    line = points.precision_recall_points(scores)
    # The last point of scikit-learn's is no threshold's.
    expected = np.stack([recall[:-1], precision[:-1]], axis=1)
    some = recall[:-1] + precision[:-1] > 0
    found = np.stack([line.x, line.y], axis=1)
    np.testing.assert_allclose(
        np.unique(found.round(12), axis=0), np.unique(expected[some].round(12), axis=0), atol=1e-9
    )


def test_calibration_is_scikit_learns():
    scores = sums_of(ScoreHistogram, "AUC", LABELS, SCORES, weighted=False)
    line = points.calibration_points(scores)
    labels, predictions = calibration_curve(LABELS, SCORES, n_bins=10, strategy="uniform")
    np.testing.assert_allclose(line.y, labels, atol=1e-12)
    np.testing.assert_allclose(line.x, predictions, atol=1e-9)


def test_calibration_is_that_of_weighted_examples():
    line = points.calibration_points(sums_of(ScoreHistogram, "AUC", LABELS, SCORES))
    bins = np.floor(SCORES * 10)
    for position, number in enumerate(np.unique(bins)):
        here = bins == number
        expected = np.average(LABELS[here], weights=WEIGHTS[here])
        assert line.y[position] == pytest.approx(expected, rel=1e-12)


def test_calibration_of_numbers_has_a_bin_on_either_side():
    labels = np.linspace(-5, 25, SIZE)
    predictions = labels + 1
    options = {"left": 0.0, "right": 20.0, "weighted": False}
    line = points.number_calibration_points(
        sums_of(BucketSums, "CalibrationPlot", labels, predictions, **options)
    )
    bins = np.clip(np.floor(predictions / 2), -1, 10)
    assert len(line.x) == len(np.unique(bins)) == 12
    for position, number in enumerate(np.unique(bins)):
        here = bins == number
        assert line.x[position] == pytest.approx(predictions[here].mean(), rel=1e-9)
        assert line.y[position] == pytest.approx(labels[here].mean(), rel=1e-9)


def test_the_distribution_is_numpys(scores, weights):
    spread = points.distribution(scores)
    for label, shares in ((0, spread.negatives), (1, spread.positives)):
        here = label == LABELS
        expected, _ = np.histogram(
            SCORES[here], bins=spread.edges, weights=None if weights is None else weights[here]
        )
        np.testing.assert_allclose(shares, expected / expected.sum(), atol=1e-12)


def test_the_confusion_at_half_is_scikit_learns(scores, weights):
    expected = confusion_matrix(LABELS, SCORES >= 0.5, sample_weight=weights)
    np.testing.assert_allclose(points.confusion_at_half(scores), expected.ravel())


def test_confusions_of_the_slice_are_kept(weighted, weights):
    at_threshold = sums_of(Confusion, "BinaryAccuracy", LABELS, SCORES, weighted=weighted)
    expected = confusion_matrix(LABELS, SCORES > 0.5, sample_weight=weights)
    np.testing.assert_allclose(at_threshold[0], expected.ravel())
    classes = GENERATOR.integers(0, 3, SIZE).astype(float)
    answers = GENERATOR.dirichlet(np.ones(3), SIZE)
    cells = sums_of(
        ClassMatrix, "MultiClassConfusionMatrixAtThresholds", classes, answers,
        weighted=weighted, thresholds=[0.0],
    )  # fmt: skip
    expected = confusion_matrix(classes, answers.argmax(axis=1), sample_weight=weights)
    found = np.zeros((3, 3))
    found[cells[:, 0].astype(int), cells[:, 1].astype(int)] = cells[:, 2]
    np.testing.assert_allclose(found, expected)


def test_without_an_overall_slice_the_greatest_is_shown():
    scores = sums_of(ScoreHistogram, "AUC", LABELS, SCORES, overall=False, weighted=False)
    assert scores.negatives.sum() + scores.positives.sum() == SIZE


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_has_no_curve(label):
    labels = np.full(SIZE, label)
    scores = sums_of(ScoreHistogram, "AUC", labels, SCORES, weighted=False)
    assert points.roc_points(scores) is None
    assert points.precision_recall_points(scores) is None
    assert points.calibration_points(scores).y.tolist() == [label] * 10


def test_nothing_is_drawn_of_predictions_that_are_not_numbers():
    assert detail_of("AUC", LABELS, np.where(ODD, SCORES, np.nan)) == {}
