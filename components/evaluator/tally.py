"""Measures several models on the same examples, slice by slice, in parts that can be merged.

A `Tally` takes batches, another tally takes other batches, anywhere; merged in whatever order, they
give exactly the same numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from components.errors import DataError
from components.evaluator import term
from components.evaluator.batch import Batch
from components.evaluator.exact_sum import Array
from components.evaluator.metric import Metric
from components.evaluator.resample_tally import ResampleTally
from components.evaluator.resampling import Resampling
from components.evaluator.slice_detail import Detail, choose_slice, select
from components.evaluator.slice_key import SliceKey, sort_key
from components.evaluator.statistic import Accumulator, Statistic, Sum

MAX_SLICES = 100_000
_Key = tuple[str, Statistic]
"""A statistic of an output."""
_NUM_EXAMPLES = Sum(term.count)
_NUM_NOT_FINITE = Sum(term.not_finite)


@dataclass(frozen=True)
class Membership:
    """Which examples of a batch belong to which slices: pairs of a row and a position in `keys`.

    The keys may be one list for all batches, to which new ones are appended.
    """

    keys: Sequence[SliceKey]
    rows: Array
    positions: Array


@dataclass(frozen=True)
class Truth:
    """What is known of a batch besides predictions; by the outputs of a model, "" being the only.

    Attributes:
        labels: output → `(num_examples,)` or `(num_examples, num_classes)`, float64.
        weights: output → `(num_examples,)`, float64, or None.
        features: feature → `(num_examples,)`.
        start: how many examples come before the batch, in all files.
    """

    labels: Mapping[str, Array]
    weights: Mapping[str, Array | None]
    features: Mapping[str, Array] = field(default_factory=dict)
    start: int = 0


@dataclass(frozen=True)
class Measured:
    """One model's metrics.

    Attributes:
        values: metric name → `(num_slices,)`, float64, NaN where it isn't defined.
        num_not_finite: `(num_slices,)`, int64: examples whose prediction is NaN or infinite.
        plots: metric name → JSON value for each slice, None where it isn't defined.
        detail: of the slice that `slice_detail.choose_slice` chooses, what pictures are drawn from;
            empty where it has too few examples or a prediction is NaN or infinite.
        samples: metric name → `(num_slices, 20)`, float64: the metric in samples of the examples,
            the same for all models; NaN where it isn't defined. Of metrics that have intervals, if
            there was a resampling.
    """

    values: Mapping[str, Array]
    num_not_finite: Array
    plots: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    detail: Detail = field(default_factory=dict)
    samples: Mapping[str, Array] = field(default_factory=dict)


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
        resampling: how samples are drawn, for intervals; None draws none.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        models: Sequence[str],
        *,
        min_slice_size: int = 0,
        resampling: Resampling | None = None,
    ) -> None:
        self._metrics = tuple(metrics)
        self._min_slice_size = min_slice_size
        self._slices: dict[SliceKey, int] = {}
        self._last_keys: Sequence[SliceKey] = []
        self._last_positions = np.zeros(0, np.int64)
        wanted: dict[_Key, None] = {}
        for output in dict.fromkeys(metric.output for metric in metrics):
            wanted |= dict.fromkeys(((output, _NUM_EXAMPLES), (output, _NUM_NOT_FINITE)))
        for metric in metrics:
            wanted |= dict.fromkeys((metric.output, each) for each in metric.statistics)
        self._outputs = tuple(dict.fromkeys(output for output, _ in wanted))
        self._accumulators: dict[str, dict[_Key, Accumulator]] = {
            model: {key: key[1].accumulator() for key in wanted} for model in models
        }
        self._resampled = None if resampling is None else ResampleTally(resampling, metrics, models)

    def add(
        self,
        truth: Truth,
        predictions: Mapping[str, Mapping[str, Array]],
        membership: Membership,
    ) -> None:
        """Add a batch.

        Args:
            truth: labels and weights.
            predictions: model → output → `(num_examples,)` or `(num_examples, num_classes)`,
                float64.
            membership: slices of the examples.

        Raises:
            DataError: more slices than can be held.
        """
        slices = self._positions(membership.keys)[membership.positions]
        batches = {
            model: {
                output: Batch(
                    truth.labels[output],
                    predictions[model][output],
                    truth.weights[output],
                    membership.rows,
                    slices,
                    len(self._slices),
                    truth.features,
                )
                for output in self._outputs
            }
            for model in self._accumulators
        }
        for model, accumulators in self._accumulators.items():
            for (output, _), accumulator in accumulators.items():
                accumulator.add(batches[model][output])
        if self._resampled is not None:
            self._resampled.add(batches, truth.start)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the metrics behind: what is unpickled can be merged, and only that measures."""
        return {
            **self.__dict__,
            "_metrics": (),
            "_last_keys": [],
            "_last_positions": np.zeros(0, np.int64),
        }

    def merge(self, other: Self) -> None:
        """Add what another tally of the same metrics and models has seen."""
        positions = self._positions(list(other._slices))
        for model, accumulators in self._accumulators.items():
            for key, accumulator in accumulators.items():
                accumulator.merge(other._accumulators[model][key], positions, len(self._slices))
        if self._resampled is not None and other._resampled is not None:
            self._resampled.merge(other._resampled, positions, len(self._slices))

    def measure(self) -> Measurements:
        """Compute the metrics."""
        keys = sorted(self._slices, key=sort_key)
        order = np.array([self._slices[key] for key in keys], dtype=np.int64)
        first = next(iter(self._accumulators.values()))
        num_examples = (
            first[self._outputs[0], _NUM_EXAMPLES].result(len(order))[order].astype(np.int64)
        )
        too_small = (num_examples < self._min_slice_size) & np.array(
            [bool(key) for key in keys], bool
        )
        shown = choose_slice(keys, num_examples)
        models = {
            model: self._measure(model, order, too_small, shown) for model in self._accumulators
        }
        return Measurements(tuple(keys), num_examples, models)

    def _measure(self, model: str, order: Array, too_small: Array, shown: int | None) -> Measured:
        results = {key: sums.result(len(order)) for key, sums in self._accumulators[model].items()}
        not_finite = {
            output: results[output, _NUM_NOT_FINITE][order].astype(np.int64)
            for output in self._outputs
        }
        values: dict[str, Array] = {}
        plots: dict[str, Sequence[Any]] = {}
        samples = self._samples(model, results)
        for metric in self._metrics:
            inputs = (results[metric.output, each] for each in metric.statistics)
            computed = metric.compute(*inputs)
            broken = not_finite[metric.output] > 0
            undefined = too_small | (broken & metric.needs_predictions)
            if metric.name in samples:
                known = samples[metric.name][order]
                samples[metric.name] = np.where(undefined[:, None], np.nan, known)
            if metric.is_plot:
                plots[metric.name] = [
                    None if nothing else computed[position]
                    for position, nothing in zip(order.tolist(), undefined.tolist(), strict=True)
                ]
            else:
                values[metric.name] = np.where(undefined, np.nan, computed[order])
        spoilt = sum(not_finite.values(), np.zeros(len(order), np.int64))
        detail: Detail = {}
        if not (shown is None or too_small[shown] or spoilt[shown]):
            detail = select(results, int(order[shown]))
        return Measured(values, spoilt, plots, detail, samples)

    def _samples(self, model: str, results: Mapping[_Key, Any]) -> dict[str, Array]:
        if self._resampled is None:
            return {}
        return self._resampled.measure(self._metrics, model, results, len(self._slices))

    def _positions(self, keys: Sequence[SliceKey]) -> Array:
        """Return the slices' numbers here; of a list that was seen before only what is new."""
        if keys is not self._last_keys:
            self._last_keys, self._last_positions = keys, np.zeros(0, np.int64)
        new = keys[len(self._last_positions) :]
        if new:
            positions = [self._slices.setdefault(key, len(self._slices)) for key in new]
            self._last_positions = np.concatenate([self._last_positions, positions])
        if len(self._slices) > MAX_SLICES:
            longest: SliceKey = max(keys, key=len)
            raise DataError(
                f"the examples make more than {MAX_SLICES:,} slices, for instance "
                f"{dict(longest)!r}; take the feature with so many values out of slicing_specs"
            )
        return self._last_positions
