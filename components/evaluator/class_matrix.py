"""How often each class was predicted where another was true, by slice."""

from dataclasses import dataclass

import numpy as np

from components.evaluator.batch import Batch
from components.evaluator.exact_sum import Array
from components.evaluator.keyed_sum import KeyedSums
from components.evaluator.statistic import gather

NO_CLASS = -1
"""Predicted where no class is above the threshold."""
_MAX_CLASSES = 1 << 20


@dataclass(frozen=True)
class ClassMatrix:
    """Counts by true and predicted class, the one with the highest prediction.

    The result is a list of `(num_occurring, 3)` by slice, float64: true class, predicted class,
    number; sorted.

    Attributes:
        threshold: a highest prediction that isn't above it counts as `NO_CLASS`.
        weighted: by the examples' weights.
    """

    threshold: float
    weighted: bool = False

    def accumulator(self) -> "_MatrixAccumulator":
        """Return an empty accumulator."""
        return _MatrixAccumulator(self)


class _MatrixAccumulator:
    def __init__(self, statistic: ClassMatrix) -> None:
        self._statistic = statistic
        self._sums = KeyedSums(_MAX_CLASSES**2, counts=not statistic.weighted)

    def add(self, batch: Batch) -> None:
        seen = batch.seen(None, weighted=self._statistic.weighted)
        predicted = np.argmax(seen.predictions, axis=1)
        highest = np.take_along_axis(seen.predictions, predicted[:, None], axis=1)[:, 0]
        predicted = np.where(highest > self._statistic.threshold, predicted, NO_CLASS)
        cells = seen.class_ids * _MAX_CLASSES + predicted + 1
        self._sums.add(seen.slices, cells[seen.rows], gather(None, seen))

    def merge(self, other: "_MatrixAccumulator", slices: Array, num_slices: int) -> None:
        self._sums.merge(other._sums, slices)

    def result(self, num_slices: int) -> list[Array]:
        return [
            np.stack([cells // _MAX_CLASSES, cells % _MAX_CLASSES - 1, sums], axis=1)
            for cells, sums in self._sums.by_slice(num_slices)
        ]
