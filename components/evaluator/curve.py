"""Points on the ROC and the precision-recall curve, and areas under them, for many slices at once.

Definitions are TFMA's: thresholds -1e-7, 1/(n-1), 2/(n-1), …, 1 + 1e-7; a bucket counts as above
a threshold if its left edge is at or above the threshold + 1e-7. Nothing is above the last one.
Sources: `binary_confusion_matrices.py`, `confusion_matrix_metrics.py`, `keras.metrics.AUC`.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from components.evaluator.exact_sum import Array
from components.evaluator.histogram import NUM_BUCKETS, Scores
from components.evaluator.keyed_sum import runs

DEFAULT_NUM_THRESHOLDS = 10_000
_EPSILON = 1e-7


@dataclass(frozen=True)
class Curve:
    """The thresholds of each slice at which something drops out, ascending.

    Attributes:
        slices: `(num_points,)`, sorted: of which slice a point is.
        thresholds: `(num_points,)`, float64.
        negatives: `(num_points,)`: what drops out between this threshold and the next.
        positives: likewise.
        num_slices: also those without points.
    """

    slices: Array
    thresholds: Array
    negatives: Array
    positives: Array
    num_slices: int

    def total(self, values: Array) -> Array:
        """Add up by slice, `(num_slices,)`."""
        return np.bincount(self.slices, weights=values, minlength=self.num_slices)

    @cached_property
    def num_negatives(self) -> Array:
        """Of each slice, `(num_slices,)`."""
        return self.total(self.negatives)

    @cached_property
    def num_positives(self) -> Array:
        """Of each slice, `(num_slices,)`."""
        return self.total(self.positives)

    @cached_property
    def has_both(self) -> Array:
        """Whether a slice has positives and negatives: else it has no curve."""
        return np.logical_and(self.num_negatives > 0, self.num_positives > 0)

    @cached_property
    def false_positives(self) -> Array:
        """Above each threshold, `(num_points,)`."""
        return self.negatives + self.above(self.negatives)

    @cached_property
    def true_positives(self) -> Array:
        """Above each threshold, `(num_points,)`."""
        return self.positives + self.above(self.positives)

    def above(self, values: Array) -> Array:
        """Return for each point the sum of what lies after it in its slice."""
        if not len(values):
            return values
        ends = np.searchsorted(self.slices, self.slices, side="right")
        if (values == np.rint(values)).all():
            running = np.concatenate([[0.0], np.cumsum(values)])
            later: Array = running[ends] - running[1:]
            return later
        # One by one, so that what other slices hold, and their order, rounds nothing here.
        starts = np.flatnonzero(np.diff(self.slices, prepend=-1)).tolist()
        later = np.zeros(len(values))
        for start, end in itertools.pairwise([*starts, len(values)]):
            later[start : end - 1] = np.cumsum(values[start + 1 : end][::-1])[::-1]
        return later

    def of(self, by_slice: Array) -> Array:
        """Return each point's value of an array by slice."""
        return np.take(by_slice, self.slices)


def make_curve(scores: Scores, num_thresholds: int) -> Curve:
    """Return the curves of all slices."""
    index = _threshold_of_bucket(num_thresholds)[scores.buckets]
    keys, starts = runs(scores.slices * num_thresholds + index)
    slices, kept = np.divmod(keys, num_thresholds)
    negatives, positives = (
        np.add.reduceat(values, starts) if len(keys) else values
        for values in (scores.negatives, scores.positives)
    )
    return Curve(slices, _thresholds(num_thresholds)[kept], negatives, positives, scores.num_slices)


def roc_area(curve: Curve) -> Array:
    """Return the areas by trapezoids; NaN unless there are both positives and negatives."""
    heights = curve.above(curve.positives) + curve.positives / 2
    area = curve.total(curve.negatives * heights)
    return _divided(area, curve.num_negatives * curve.num_positives, curve.has_both)


def precision_recall_area(curve: Curve) -> Array:
    """Return the areas by Davis and Goadrich's interpolation; NaN unless there are both classes.

    Source: Davis & Goadrich, "The relationship between precision-recall and ROC curves", 2006.
    """
    predicted = curve.positives + curve.negatives
    predicted_above = curve.above(predicted)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = curve.positives / np.maximum(predicted, 0)
        intercept = curve.above(curve.positives) - slope * predicted_above
        at_or_above = predicted_above + predicted
        growth = np.where(predicted_above != 0, at_or_above / predicted_above, 1.0)
        areas = slope * (curve.positives + intercept * np.log(growth))
    total = curve.total(np.nan_to_num(areas, nan=0.0))
    return _divided(total, curve.num_positives, curve.has_both)


AREAS = {"ROC": roc_area, "PR": precision_recall_area}


def _divided(numerator: Array, denominator: Array, where: Array) -> Array:
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=where)
    return quotient


def _thresholds(num_thresholds: int) -> Array:
    inner = np.arange(1, num_thresholds - 1) / (num_thresholds - 1)
    return np.concatenate([[-_EPSILON], inner, [1 + _EPSILON]])


@lru_cache(maxsize=8)
def _threshold_of_bucket(num_thresholds: int) -> Array:
    """Return for each bucket the last threshold that it is above, `(NUM_BUCKETS + 2,)`."""
    edges = (np.arange(NUM_BUCKETS + 2) - 1) / NUM_BUCKETS
    edges[0], edges[-1] = -np.inf, np.inf
    index = np.searchsorted(_thresholds(num_thresholds) + _EPSILON, edges, side="right") - 1
    return np.clip(index, 0, num_thresholds - 2)
