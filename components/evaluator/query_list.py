"""Keeps what ranking metrics need: all examples of a query, which belong together.

Unlike other statistics its memory grows with the examples, times the slices that each is in.
"""

from dataclasses import dataclass

import numpy as np

from components.evaluator.batch import Batch
from components.evaluator.exact_sum import Array


@dataclass(frozen=True)
class Ranked:
    """Examples sorted by slice, query and falling prediction, `(num_examples,)` each.

    Attributes:
        slices: of which slice.
        queries: of which query, numbered from 0 within all slices.
        gains: how relevant it is.
        weights: of the example.
        num_slices: also those without examples.
    """

    slices: Array
    queries: Array
    gains: Array
    weights: Array
    num_slices: int


@dataclass(frozen=True)
class QueryLists:
    """The examples of each query; the result is `Ranked`.

    Attributes:
        query_key: the feature that names the query.
        gain_key: the feature that says how relevant an example is.
        weighted: by the examples' weights.
    """

    query_key: str
    gain_key: str
    weighted: bool = False

    def accumulator(self) -> "_QueryAccumulator":
        """Return an empty accumulator."""
        return _QueryAccumulator(self)


class _QueryAccumulator:
    def __init__(self, statistic: QueryLists) -> None:
        self._statistic = statistic
        self._names: list[Array] = []
        self._columns: list[Array] = []

    def add(self, batch: Batch) -> None:
        statistic = self._statistic
        seen = batch.seen(None, weighted=statistic.weighted)
        weights = np.ones(len(seen.labels)) if seen.weights is None else seen.weights
        values = (seen.predictions, seen.features[statistic.gain_key], weights)
        columns = [seen.slices.astype(np.float64), *(value[seen.rows] for value in values)]
        self._names.append(seen.features[statistic.query_key][seen.rows])
        self._columns.append(np.stack(columns, axis=1))

    def merge(self, other: "_QueryAccumulator", slices: Array, num_slices: int) -> None:
        for columns in other._columns:
            renamed = columns.copy()
            renamed[:, 0] = slices[columns[:, 0].astype(np.int64)]
            self._columns.append(renamed)
        self._names += other._names

    def result(self, num_slices: int) -> Ranked:
        if not self._names:
            empty = np.zeros(0)
            return Ranked(empty.astype(np.int64), empty.astype(np.int64), empty, empty, num_slices)
        columns = np.concatenate(self._columns)
        distinct, names = np.unique(np.concatenate(self._names), return_inverse=True)
        slices, predictions, gains, weights = columns.T
        # Of equal predictions the least relevant first, so that the order of reading is nothing.
        order = np.lexsort((weights, gains, -predictions, names, slices))
        keys = (slices * len(distinct) + names)[order]
        _, queries = np.unique(keys, return_inverse=True)
        return Ranked(
            slices[order].astype(np.int64), queries, gains[order], weights[order], num_slices
        )
