"""What metrics are computed from: sums over examples that can be merged in any order.

A `Statistic` says what to add up; its `Accumulator` holds the sums, by slice. Several metrics share
one: AUC's histogram serves both curves, a confusion matrix serves accuracy, precision and recall.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from components.evaluator.exact_sum import Array, Counts, ExactSums, Totals

NUM_BUCKETS = 10_000
_MAX_PENDING = 1 << 19


@dataclass(frozen=True)
class Batch:
    """Some examples and which slices they belong to.

    Attributes:
        labels: `(num_examples,)`, float64; 0 or 1.
        predictions: `(num_examples,)`, float64.
        weights: `(num_examples,)`, float64; None where each example counts once.
        rows: `(num_pairs,)`, int64: which example; one belongs to several slices.
        slices: `(num_pairs,)`, int64: which slice, below `num_slices`.
        num_slices: so far.
    """

    labels: Array
    predictions: Array
    weights: Array | None
    rows: Array
    slices: Array
    num_slices: int


class Accumulator(Protocol):
    """Sums by slice."""

    def add(self, batch: Batch) -> None:
        """Add a batch."""

    def merge(self, other: Self, slices: Array, num_slices: int) -> None:
        """Add another's sums; its slice i is this one's `slices[i]`."""

    def result(self, num_slices: int) -> Any:
        """Return what the statistic says."""


class Statistic(Protocol):
    """A kind of sum. Hashable, so that metrics which need the same share it."""

    def accumulator(self) -> Accumulator:
        """Return an empty accumulator."""


def _log_loss(batch: Batch) -> Array:
    """Return the binary cross-entropy of each example as TFMA does, in float32.

    That is tf_keras': predictions clipped to `[1e-7, 1 - 1e-7]`, logarithm of them plus 1e-7. Keras
    3 leaves out the latter; it matters only where a model is certain and wrong (15.4 against 16.1).
    """
    epsilon = np.float32(1e-7)
    clipped = np.clip(batch.predictions.astype(np.float32), epsilon, np.float32(1) - epsilon)
    hit = np.where(batch.labels > 0.5, clipped, np.float32(1) - clipped)
    return -np.log(hit + epsilon).astype(np.float64)


def _not_finite(batch: Batch) -> Array:
    return (~np.isfinite(batch.predictions)).astype(np.float64)


_TERMS: Mapping[str, Callable[[Batch], Array | None]] = {
    "count": lambda batch: None,
    "label": lambda batch: batch.labels,
    "prediction": lambda batch: batch.predictions,
    "log_loss": _log_loss,
    "not_finite": _not_finite,
}


@dataclass(frozen=True)
class Sum:
    """The sum of a term over a slice's examples; its result is `(num_slices,)`, float64.

    Attributes:
        term: ``count``, ``label``, ``prediction``, ``log_loss``, or ``not_finite``: 1 for a
            prediction that is NaN or infinite.
        weighted: times the example's weight.
    """

    term: str
    weighted: bool = False

    def accumulator(self) -> "_SumAccumulator":
        """Return an empty accumulator."""
        return _SumAccumulator(self)


class _SumAccumulator:
    def __init__(self, statistic: Sum) -> None:
        self._statistic = statistic
        counts = statistic.term == "count" and not statistic.weighted
        self._totals: Totals = Counts() if counts else ExactSums()

    def add(self, batch: Batch) -> None:
        values = _weighted(_TERMS[self._statistic.term](batch), batch, self._statistic.weighted)
        gathered = None if values is None else values[batch.rows]
        self._totals.add(batch.slices, gathered, batch.num_slices)

    def merge(self, other: "_SumAccumulator", slices: Array, num_slices: int) -> None:
        self._totals.add_totals(other._totals, slices, num_slices)

    def result(self, num_slices: int) -> Array:
        return self._totals.result(num_slices)


@dataclass(frozen=True)
class Confusion:
    """True and false positives and negatives; positive is a prediction *above* the threshold.

    The result is `(num_slices, 4)`, float64: TN, FP, FN, TP.
    """

    threshold: float = 0.5
    weighted: bool = False

    def accumulator(self) -> "_ConfusionAccumulator":
        """Return an empty accumulator."""
        return _ConfusionAccumulator(self)


class _ConfusionAccumulator:
    def __init__(self, statistic: Confusion) -> None:
        self._statistic = statistic
        self._totals: Totals = ExactSums() if statistic.weighted else Counts()

    def add(self, batch: Batch) -> None:
        cells = 2 * (batch.labels > 0.5) + (batch.predictions > self._statistic.threshold)
        weights = _weighted(None, batch, self._statistic.weighted)
        self._totals.add(
            batch.slices * 4 + cells[batch.rows],
            None if weights is None else weights[batch.rows],
            batch.num_slices * 4,
        )

    def merge(self, other: "_ConfusionAccumulator", slices: Array, num_slices: int) -> None:
        positions = (slices[:, None] * 4 + np.arange(4)).ravel()
        self._totals.add_totals(other._totals, positions, num_slices * 4)

    def result(self, num_slices: int) -> Array:
        return self._totals.result(num_slices * 4).reshape(num_slices, 4)


@dataclass(frozen=True)
class ScoreHistogram:
    """How many positives and negatives have a prediction in each of 10,002 buckets.

    Bucket int(p · 10,000 + 1), so 0 below zero and 10,001 from 1 on, as TFMA's
    `calibration_histogram`. The result is a list of `Scores` by slice.
    """

    weighted: bool = False

    def accumulator(self) -> "_HistogramAccumulator":
        """Return an empty accumulator."""
        return _HistogramAccumulator(self)


@dataclass(frozen=True)
class Scores:
    """The occupied buckets of one slice, ascending: `(num_occupied,)` each."""

    buckets: Array
    negatives: Array
    positives: Array


_KEYS_PER_SLICE = 2 * (NUM_BUCKETS + 2)


class _HistogramAccumulator:
    """Keeps the occupied cells only: memory grows with them, not with slices times buckets.

    A cell's key is (slice · 10,002 + bucket) · 2 + label. New keys wait, and are then sorted in.
    """

    def __init__(self, statistic: ScoreHistogram) -> None:
        self._weighted = statistic.weighted
        self._keys = np.zeros(0, np.int64)
        self._totals: Totals = self._new_totals()
        self._pending: list[tuple[Array, Array | None]] = []
        self._num_pending = 0

    def add(self, batch: Batch) -> None:
        # Out of the buckets' range all is one; NaN makes the metric NaN elsewhere.
        scores = np.clip(np.nan_to_num(batch.predictions), -1, 2)
        buckets = np.clip(scores * NUM_BUCKETS + 1, 0, NUM_BUCKETS + 1).astype(np.int64)
        cells = buckets * 2 + (batch.labels > 0.5)
        weights = _weighted(None, batch, self._weighted)
        keys = batch.slices * _KEYS_PER_SLICE + cells[batch.rows]
        self._pending.append((keys, None if weights is None else weights[batch.rows]))
        self._num_pending += len(keys)
        if self._num_pending > _MAX_PENDING:
            self._settle()

    def merge(self, other: "_HistogramAccumulator", slices: Array, num_slices: int) -> None:
        self._settle()
        other._settle()
        of_slice, cells = np.divmod(other._keys, _KEYS_PER_SLICE)
        renamed = slices[of_slice] * _KEYS_PER_SLICE + cells
        self._insert(renamed)
        positions = np.searchsorted(self._keys, renamed)
        self._totals.add_totals(other._totals, positions, len(self._keys))

    def result(self, num_slices: int) -> list[Scores]:
        self._settle()
        sums = self._totals.result(len(self._keys))
        bounds = np.searchsorted(self._keys, np.arange(num_slices + 1) * _KEYS_PER_SLICE)
        cells = self._keys % _KEYS_PER_SLICE
        return [
            _scores(cells[start:end], sums[start:end]) for start, end in itertools.pairwise(bounds)
        ]

    def _settle(self) -> None:
        if not self._pending:
            return
        keys = np.concatenate([keys for keys, _ in self._pending])
        values = [value for _, value in self._pending if value is not None]
        self._pending, self._num_pending = [], 0
        distinct, positions = np.unique(keys, return_inverse=True)
        self._insert(distinct)
        self._totals.add(
            np.searchsorted(self._keys, distinct)[positions],
            np.concatenate(values) if values else None,
            len(self._keys),
        )

    def _insert(self, keys: Array) -> None:
        """Make room for keys: move the sums to where their keys will be."""
        merged = np.union1d(self._keys, keys)
        if len(merged) > len(self._keys):
            moved = self._new_totals()
            moved.add_totals(self._totals, np.searchsorted(merged, self._keys), len(merged))
            self._keys, self._totals = merged, moved

    def _new_totals(self) -> Totals:
        return ExactSums() if self._weighted else Counts()


def _scores(cells: Array, sums: Array) -> Scores:
    buckets, positions = np.unique(cells // 2, return_inverse=True)
    by_label = np.zeros((len(buckets), 2))
    by_label[positions, cells % 2] = sums
    return Scores(buckets, by_label[:, 0], by_label[:, 1])


def _weighted(values: Array | None, batch: Batch, weighted: bool) -> Array | None:
    if not weighted or batch.weights is None:
        return values
    return batch.weights if values is None else values * batch.weights
