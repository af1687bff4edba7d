"""Measures several models on the same examples, slice by slice, in parts that can be merged.

A `Tally` takes batches, another tally takes other batches, anywhere; merged in whatever order, they
give exactly the same numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from components.errors import DataError
from components.evaluator.exact_sum import Array
from components.evaluator.metric import Metric
from components.evaluator.slice_key import SliceKey, sort_key
from components.evaluator.statistic import Accumulator, Batch, Statistic, Sum

MAX_SLICES = 100_000
_NUM_EXAMPLES = Sum("count")
_NUM_NOT_FINITE = Sum("not_finite")


@dataclass(frozen=True)
class Membership:
    """Which examples of a batch belong to which slices: pairs of a row and a position in `keys`."""

    keys: Sequence[SliceKey]
    rows: Array
    positions: Array


@dataclass(frozen=True)
class Measured:
    """One model's metrics.

    Attributes:
        values: metric name → `(num_slices,)`, float64, NaN where it isn't defined.
        num_not_finite: `(num_slices,)`, int64: predictions that are NaN or infinite.
    """

    values: Mapping[str, Array]
    num_not_finite: Array


@dataclass(frozen=True)
class Measurements:
    """What came out, for slices in the order of `slices`: overall first.

    Attributes:
        slices: what the arrays' positions mean.
        num_examples: `(num_slices,)`, int64, unweighted.
        models: name → its metrics.
    """

    slices: tuple[SliceKey, ...]
    num_examples: Array
    models: Mapping[str, Measured]


class Tally:
    """Sums over the examples seen so far.

    Args:
        metrics: what shall be computed.
        models: names of the models that are measured.
        min_slice_size: smaller slices get NaN, all examples excepted.
    """

    def __init__(
        self, metrics: Sequence[Metric], models: Sequence[str], *, min_slice_size: int = 0
    ) -> None:
        self._metrics = tuple(metrics)
        self._min_slice_size = min_slice_size
        self._slices: dict[SliceKey, int] = {}
        statistics: set[Statistic] = {_NUM_EXAMPLES, _NUM_NOT_FINITE}
        statistics.update(statistic for metric in metrics for statistic in metric.statistics)
        self._accumulators: dict[str, dict[Statistic, Accumulator]] = {
            model: {statistic: statistic.accumulator() for statistic in statistics}
            for model in models
        }

    def add(
        self,
        labels: Array,
        predictions: Mapping[str, Array],
        weights: Array | None,
        membership: Membership,
    ) -> None:
        """Add a batch.

        Args:
            labels: `(num_examples,)`, float64; 0 or 1.
            predictions: model → `(num_examples,)`, float64.
            weights: `(num_examples,)`, float64, or None.
            membership: slices of the examples.

        Raises:
            DataError: more slices than can be held.
        """
        slices = self._positions(membership.keys)[membership.positions]
        for model, accumulators in self._accumulators.items():
            batch = Batch(
                labels, predictions[model], weights, membership.rows, slices, len(self._slices)
            )
            for accumulator in accumulators.values():
                accumulator.add(batch)

    def merge(self, other: Self) -> None:
        """Add what another tally of the same metrics and models has seen."""
        positions = self._positions(list(other._slices))
        for model, accumulators in self._accumulators.items():
            for statistic, accumulator in accumulators.items():
                theirs = other._accumulators[model][statistic]
                accumulator.merge(theirs, positions, len(self._slices))

    def measure(self) -> Measurements:
        """Compute the metrics."""
        keys = sorted(self._slices, key=sort_key)
        order = np.array([self._slices[key] for key in keys], dtype=np.int64)
        first = next(iter(self._accumulators.values()))
        num_examples = first[_NUM_EXAMPLES].result(len(order))[order].astype(np.int64)
        too_small = (num_examples < self._min_slice_size) & np.array(
            [bool(key) for key in keys], bool
        )
        models = {
            model: self._measure(accumulators, order, too_small)
            for model, accumulators in self._accumulators.items()
        }
        return Measurements(tuple(keys), num_examples, models)

    def _measure(
        self, accumulators: Mapping[Statistic, Accumulator], order: Array, too_small: Array
    ) -> Measured:
        results = {
            statistic: accumulator.result(len(order))
            for statistic, accumulator in accumulators.items()
        }
        not_finite = results[_NUM_NOT_FINITE][order].astype(np.int64)
        values = {}
        for metric in self._metrics:
            inputs = (results[statistic] for statistic in metric.statistics)
            computed = metric.compute(*inputs)[order]
            undefined = too_small | ((not_finite > 0) & metric.needs_predictions)
            values[metric.name] = np.where(undefined, np.nan, computed)
        return Measured(values, not_finite)

    def _positions(self, keys: Sequence[SliceKey]) -> Array:
        positions = [self._slices.setdefault(key, len(self._slices)) for key in keys]
        if len(self._slices) > MAX_SLICES:
            longest: SliceKey = max(keys, key=len)
            raise DataError(
                f"the examples make more than {MAX_SLICES:,} slices, for instance "
                f"{dict(longest)!r}; take the feature with so many values out of slicing_specs"
            )
        return np.array(positions, dtype=np.int64)
