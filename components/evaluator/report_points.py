"""The numbers that a report's pictures show: points of curves, bins, from sums in one slice."""

from dataclasses import dataclass

import numpy as np

from components.evaluator.exact_sum import Array
from components.evaluator.histogram import NUM_BUCKETS, Scores

NUM_CALIBRATION_BINS = 10
NUM_DISTRIBUTION_BINS = 50


@dataclass(frozen=True)
class Points:
    """A line.

    Attributes:
        x: `(num_points,)`, float64.
        y: likewise.
    """

    x: Array
    y: Array


@dataclass(frozen=True)
class Distribution:
    """How the predictions of one class are spread.

    Attributes:
        edges: of the bins, `(num_bins + 1,)`, from 0 to 1.
        negatives: each bin's share of all examples whose label is 0, `(num_bins,)`.
        positives: likewise where it is 1. All zero if there are none.
    """

    edges: Array
    negatives: Array
    positives: Array


def roc_points(scores: Scores) -> Points | None:
    """Return false positive rates and true positive rates; None unless there are both classes."""
    false, true = _above(scores)
    if not len(false) or false[-1] <= 0 or true[-1] <= 0:
        return None
    start = np.zeros(1)
    return Points(
        np.concatenate([start, false / false[-1]]), np.concatenate([start, true / true[-1]])
    )


def precision_recall_points(scores: Scores) -> Points | None:
    """Return recalls and precisions; None unless there are both classes.

    There is no precision where nothing is predicted positive, so the line begins at the highest
    prediction.
    """
    false, true = _above(scores)
    if not len(false) or false[-1] <= 0 or true[-1] <= 0:
        return None
    predicted = false + true
    some = predicted > 0
    return Points(true[some] / true[-1], true[some] / predicted[some])


def calibration_points(scores: Scores) -> Points | None:
    """Return mean predictions and shares of positives in bins of equal width; None if empty.

    A prediction counts as the middle of its bucket, at most 0.00005 off.
    """
    weights = scores.negatives + scores.positives
    middles = np.clip((scores.buckets - 0.5) / NUM_BUCKETS, 0, 1)
    bins = _bin_of(scores.buckets, NUM_CALIBRATION_BINS)
    total, positives, predicted = (
        np.bincount(bins, weights=values, minlength=NUM_CALIBRATION_BINS)
        for values in (weights, scores.positives, weights * middles)
    )
    some = total > 0
    if not some.any():
        return None
    return Points(predicted[some] / total[some], positives[some] / total[some])


def number_calibration_points(sums: Array) -> Points | None:
    """Return mean predictions and mean labels in bins of equal width; None if empty.

    What lies outside of the buckets' range has a bin on either side.

    Args:
        sums: `(num_occupied, 4)`: bucket, number, Σ label, Σ prediction.
    """
    buckets = sums[:, 0].astype(np.int64)
    bins = _bin_of(buckets, NUM_CALIBRATION_BINS) + 1
    bins[buckets == 0] = 0
    bins[buckets > NUM_BUCKETS] = NUM_CALIBRATION_BINS + 1
    total, labels, predictions = (
        np.bincount(bins, weights=sums[:, column], minlength=NUM_CALIBRATION_BINS + 2)
        for column in (1, 2, 3)
    )
    some = total > 0
    if not some.any():
        return None
    return Points(predictions[some] / total[some], labels[some] / total[some])


def distribution(scores: Scores) -> Distribution:
    """Return how the predictions of either class are spread."""
    bins = _bin_of(scores.buckets, NUM_DISTRIBUTION_BINS)
    shares = []
    for values in (scores.negatives, scores.positives):
        by_bin = np.bincount(bins, weights=values, minlength=NUM_DISTRIBUTION_BINS)
        shares.append(by_bin / by_bin.sum() if by_bin.sum() > 0 else np.zeros_like(by_bin))
    return Distribution(np.linspace(0, 1, NUM_DISTRIBUTION_BINS + 1), shares[0], shares[1])


def confusion_at_half(scores: Scores) -> Array:
    """Return TN, FP, FN, TP, `(4,)`; positive is a prediction of 0.5 or more."""
    above = scores.buckets > NUM_BUCKETS // 2
    return np.array(
        [
            scores.negatives[~above].sum(),
            scores.negatives[above].sum(),
            scores.positives[~above].sum(),
            scores.positives[above].sum(),
        ]
    )


def _above(scores: Scores) -> tuple[Array, Array]:
    """Return false and true positives from each bucket on, the highest first."""
    return np.cumsum(scores.negatives[::-1]), np.cumsum(scores.positives[::-1])


def _bin_of(buckets: Array, num_bins: int) -> Array:
    """Return which bin of equal width; what is below 0 or from 1 on is in the first or the last."""
    bins: Array = np.clip((buckets - 1) * num_bins // NUM_BUCKETS, 0, num_bins - 1)
    return bins
