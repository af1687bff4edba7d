"""What metrics are computed from: sums over examples that can be merged in any order.

A `Statistic` says what to add up; its `Accumulator` holds the sums, by slice. Several metrics share
one: AUC's histogram serves both curves, a confusion matrix serves accuracy, precision and recall.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from components.evaluator import term as terms
from components.evaluator.batch import PLAIN, Batch, View
from components.evaluator.exact_sum import Array, Counts, ExactSums, Totals

Term = Callable[[Batch], Array | None]


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


@dataclass(frozen=True)
class Sum:
    """The sum of a term over a slice's examples; its result is `(num_slices,)`, float64.

    Attributes:
        term: one of `components.evaluator.term`.
        weighted: times the example's weight.
        view: which pairs of label and prediction; None gives the term the examples as they are.
    """

    term: Term
    weighted: bool = False
    view: View | None = None

    def accumulator(self) -> "_SumAccumulator":
        """Return an empty accumulator."""
        return _SumAccumulator(self)


class _SumAccumulator:
    def __init__(self, statistic: Sum) -> None:
        self._statistic = statistic
        counts = statistic.term is terms.count and is_count(
            weighted=statistic.weighted, view=statistic.view
        )
        self._totals: Totals = Counts() if counts else ExactSums()

    def add(self, batch: Batch) -> None:
        seen = batch.seen(self._statistic.view, weighted=self._statistic.weighted)
        values = weigh(self._statistic.term(seen), seen)
        self._totals.add(seen.slices, values, seen.num_slices, seen.rows)

    def merge(self, other: "_SumAccumulator", slices: Array, num_slices: int) -> None:
        self._totals.add_totals(other._totals, slices, num_slices)

    def result(self, num_slices: int) -> Array:
        return self._totals.result(num_slices)


@dataclass(frozen=True)
class Confusion:
    """True and false positives and negatives; positive is a prediction *above* the threshold.

    The result is `(num_slices, num_thresholds, 4)`, float64: TN, FP, FN, TP.

    Attributes:
        thresholds: ascending.
        weighted: by the examples' weights.
        view: which pairs of label and prediction.
    """

    thresholds: tuple[float, ...] = (0.5,)
    weighted: bool = False
    view: View = PLAIN

    def accumulator(self) -> "_ConfusionAccumulator":
        """Return an empty accumulator."""
        return _ConfusionAccumulator(self)


class _ConfusionAccumulator:
    """Counts by slice, number of thresholds that a prediction is above, and label.

    Batches with labels between 0 and 1 are added up apart: they aren't counted, but weighed.
    """

    def __init__(self, statistic: Confusion) -> None:
        self._statistic = statistic
        self._thresholds = np.array(statistic.thresholds)
        self._width = 2 * (len(statistic.thresholds) + 1)
        self._totals: Totals = (
            Counts() if is_count(weighted=statistic.weighted, view=statistic.view) else ExactSums()
        )
        self._fractions = ExactSums()

    def add(self, batch: Batch) -> None:
        seen = batch.seen(self._statistic.view, weighted=self._statistic.weighted)
        if seen.has_fractions:
            self._add(seen.split_fractions(), self._fractions)
        else:
            self._add(seen, self._totals)

    def _add(self, seen: Batch, totals: Totals) -> None:
        if len(self._thresholds) == 1:
            above = (seen.predictions > self._thresholds[0]).astype(np.int64)
        else:
            numbers = np.where(np.isnan(seen.predictions), -np.inf, seen.predictions)
            above = np.searchsorted(self._thresholds, numbers, side="left")
        cells = 2 * above + (seen.labels > 0.5)
        totals.add(
            seen.slices * self._width + cells[seen.rows],
            weigh(None, seen),
            seen.num_slices * self._width,
            seen.rows,
        )

    def merge(self, other: "_ConfusionAccumulator", slices: Array, num_slices: int) -> None:
        positions = (slices[:, None] * self._width + np.arange(self._width)).ravel()
        self._totals.add_totals(other._totals, positions, num_slices * self._width)
        self._fractions.add_totals(other._fractions, positions, num_slices * self._width)

    def result(self, num_slices: int) -> Array:
        size = num_slices * self._width
        sums = self._totals.result(size) + self._fractions.result(size)
        cells = sums.reshape(num_slices, self._width // 2, 2)
        positive = np.cumsum(cells[:, ::-1], axis=1)[:, -2::-1]
        negative = np.cumsum(cells, axis=1)[:, :-1]
        return np.stack(
            [negative[..., 0], positive[..., 0], negative[..., 1], positive[..., 1]], axis=-1
        )


def is_count(*, weighted: bool, view: View | None) -> bool:
    """Return whether a statistic without a term adds up ones."""
    return not weighted and not (view is not None and view.class_weights)


def weigh(values: Array | None, batch: Batch) -> Array | None:
    """Return the examples' values times their weights; None stands for ones."""
    if batch.weights is None:
        return values
    return batch.weights if values is None else values * batch.weights


def gather(values: Array | None, batch: Batch) -> Array | None:
    """Return values by pair of example and slice, weighed; None stands for ones."""
    weighed = weigh(values, batch)
    return None if weighed is None else weighed[batch.rows]
