"""Histograms of predictions, by slice: 10,000 buckets, of which the occupied ones are kept."""

from dataclasses import dataclass

import numpy as np

from components.evaluator.batch import PLAIN, Batch, View
from components.evaluator.exact_sum import Array
from components.evaluator.keyed_sum import KeyedSums, runs
from components.evaluator.statistic import gather, is_count

NUM_BUCKETS = 10_000


@dataclass(frozen=True)
class Scores:
    """The occupied buckets of all slices, sorted by slice and bucket: `(num_occupied,)` each."""

    slices: Array
    buckets: Array
    negatives: Array
    positives: Array
    num_slices: int


@dataclass(frozen=True)
class ScoreHistogram:
    """How many positives and negatives have a prediction in each bucket; the result is `Scores`.

    Bucket int(p · 10,000 + 1), so 0 below zero and 10,001 from 1 on, as TFMA's
    `calibration_histogram`.
    """

    weighted: bool = False
    view: View = PLAIN

    def accumulator(self) -> "_ScoreAccumulator":
        """Return an empty accumulator."""
        return _ScoreAccumulator(self)


class _ScoreAccumulator:
    """A cell is twice the bucket plus the label."""

    def __init__(self, statistic: ScoreHistogram) -> None:
        self._statistic = statistic
        counts = is_count(weighted=statistic.weighted, view=statistic.view)
        self._sums = KeyedSums(2 * (NUM_BUCKETS + 2), counts=counts)
        # Of labels between 0 and 1, which aren't counted, but weighed.
        self._fractions = KeyedSums(2 * (NUM_BUCKETS + 2), counts=False)

    def add(self, batch: Batch) -> None:
        seen = batch.seen(self._statistic.view, weighted=self._statistic.weighted)
        sums = self._sums
        if seen.has_fractions:
            seen, sums = seen.split_fractions(), self._fractions
        cells = bucket_of(seen.predictions) * 2 + (seen.labels > 0.5)
        sums.add(seen.slices, cells[seen.rows], gather(None, seen))

    def merge(self, other: "_ScoreAccumulator", slices: Array, num_slices: int) -> None:
        self._sums.merge(other._sums, slices)
        self._fractions.merge(other._fractions, slices)

    def result(self, num_slices: int) -> Scores:
        slices, cells, sums = self._sums.result()
        fractions = self._fractions.result()
        if len(fractions[0]):
            slices, cells, sums = map(
                np.concatenate, zip((slices, cells, sums), fractions, strict=True)
            )
            order = np.lexsort((cells, slices))
            slices, cells, sums = slices[order], cells[order], sums[order]
        keys, starts = runs(slices * (NUM_BUCKETS + 2) + cells // 2)
        of_slice, buckets = np.divmod(keys, NUM_BUCKETS + 2)
        negatives, positives = (
            np.add.reduceat(np.where(cells % 2 == label, sums, 0.0), starts) if len(keys) else sums
            for label in (0, 1)
        )
        return Scores(of_slice, buckets, negatives, positives, num_slices)


@dataclass(frozen=True)
class BucketSums:
    """The number, the labels and the predictions of the examples in each bucket, added up.

    The result is a list of `(num_occupied, 4)` by slice, float64: bucket, number, Σ label,
    Σ prediction; all weighted if so asked.

    Attributes:
        left: where the buckets begin; all that is lower is in bucket 0.
        right: where they end; what is equal or higher is in the last one.
        weighted: by the examples' weights.
        view: which pairs of label and prediction.
    """

    left: float = 0.0
    right: float = 1.0
    weighted: bool = False
    view: View = PLAIN

    def accumulator(self) -> "_BucketAccumulator":
        """Return an empty accumulator."""
        return _BucketAccumulator(self)


class _BucketAccumulator:
    def __init__(self, statistic: BucketSums) -> None:
        self._statistic = statistic
        self._parts = [KeyedSums(NUM_BUCKETS + 2, counts=False) for _ in range(3)]

    def add(self, batch: Batch) -> None:
        statistic = self._statistic
        seen = batch.seen(statistic.view, weighted=statistic.weighted)
        cells = bucket_of(seen.predictions, statistic.left, statistic.right)[seen.rows]
        for part, values in zip(self._parts, (None, seen.labels, seen.predictions), strict=True):
            part.add(seen.slices, cells, gather(values, seen))

    def merge(self, other: "_BucketAccumulator", slices: Array, num_slices: int) -> None:
        for mine, theirs in zip(self._parts, other._parts, strict=True):
            mine.merge(theirs, slices)

    def result(self, num_slices: int) -> list[Array]:
        return [
            np.stack([parts[0][0], *(sums for _, sums in parts)], axis=1)
            for parts in zip(*(part.by_slice(num_slices) for part in self._parts), strict=True)
        ]


def bucket_of(predictions: Array, left: float = 0.0, right: float = 1.0) -> Array:
    """Return the buckets, int64; NaN has the one of 0: it spoils the metric elsewhere."""
    shares = (np.nan_to_num(predictions, nan=0.0) - left) / (right - left)
    # Out of the buckets' range all is one.
    return np.clip(np.clip(shares, -1, 2) * NUM_BUCKETS + 1, 0, NUM_BUCKETS + 1).astype(np.int64)
