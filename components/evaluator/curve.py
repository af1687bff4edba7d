"""Areas under the ROC and the precision-recall curve, from a histogram of predictions.

Definitions are TFMA's: thresholds -1e-7, 1/(n-1), 2/(n-1), …, 1 + 1e-7; a bucket counts as above
a threshold if its left edge is at or above the threshold + 1e-7. Nothing is above the last one.
Sources: `binary_confusion_matrices.py`, `confusion_matrix_metrics.py`, `keras.metrics.AUC`.
"""

import math
from functools import lru_cache

import numpy as np

from components.evaluator.exact_sum import Array
from components.evaluator.statistic import NUM_BUCKETS, Scores

DEFAULT_NUM_THRESHOLDS = 10_000
_EPSILON = 1e-7


def roc_area(scores: Scores, num_thresholds: int) -> float:
    """Return the area by trapezoids; NaN unless there are both positives and negatives."""
    negatives, positives = _by_threshold(scores, num_thresholds)
    num_negatives, num_positives = negatives.sum(), positives.sum()
    if not (num_negatives > 0 and num_positives > 0):
        return math.nan
    above = _sum_above(positives)
    heights = (above + positives / 2) / num_positives
    return float((negatives / num_negatives * heights).sum())


def precision_recall_area(scores: Scores, num_thresholds: int) -> float:
    """Return the area by Davis and Goadrich's interpolation; NaN unless there are both classes.

    Source: Davis & Goadrich, "The relationship between precision-recall and ROC curves", 2006.
    """
    negatives, positives = _by_threshold(scores, num_thresholds)
    num_positives = positives.sum()
    if not (negatives.sum() > 0 and num_positives > 0):
        return math.nan
    predicted = positives + negatives
    positives_above, predicted_above = _sum_above(positives), _sum_above(predicted)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = positives / np.maximum(predicted, 0)
        intercept = positives_above - slope * predicted_above
        at_or_above = predicted_above + predicted
        growth = np.where(predicted_above != 0, at_or_above / predicted_above, 1.0)
        areas = slope * (positives + intercept * np.log(growth)) / num_positives
    return float(np.nansum(areas))


AREAS = {"ROC": roc_area, "PR": precision_recall_area}


def _by_threshold(scores: Scores, num_thresholds: int) -> tuple[Array, Array]:
    """Return what drops out between each threshold and the next, ascending."""
    index = _threshold_of_bucket(num_thresholds)[scores.buckets]
    occupied, positions = np.unique(index, return_inverse=True)
    size = len(occupied)
    return (
        np.bincount(positions, weights=scores.negatives, minlength=size),
        np.bincount(positions, weights=scores.positives, minlength=size),
    )


@lru_cache(maxsize=8)
def _threshold_of_bucket(num_thresholds: int) -> Array:
    """Return for each bucket the last threshold that it is above, `(NUM_BUCKETS + 2,)`."""
    inner = np.arange(1, num_thresholds - 1) / (num_thresholds - 1)
    thresholds = np.concatenate([[-_EPSILON], inner, [1 + _EPSILON]]) + _EPSILON
    edges = (np.arange(NUM_BUCKETS + 2) - 1) / NUM_BUCKETS
    edges[0], edges[-1] = -np.inf, np.inf
    index = np.searchsorted(thresholds, edges, side="right") - 1
    return np.clip(index, 0, num_thresholds - 2)


def _sum_above(values: Array) -> Array:
    """Return for each position the sum of what lies after it."""
    return np.concatenate([np.cumsum(values[:0:-1])[::-1], [0.0]])
