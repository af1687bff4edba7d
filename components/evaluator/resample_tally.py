"""Sums over samples of the examples, for intervals of confidence; in parts that can be merged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from components.errors import DataError
from components.evaluator import term
from components.evaluator.batch import Batch
from components.evaluator.exact_sum import Array
from components.evaluator.histogram import NUM_BUCKETS, Scores
from components.evaluator.metric import Metric
from components.evaluator.resampling import NUM_SAMPLES, Method, Resampling
from components.evaluator.statistic import Accumulator, Statistic, Sum

MAX_SLICES = 20_000
"""So that memory stays bounded: each slice has 20 times the sums."""
_Key = tuple[str, Statistic]
"""A statistic of an output."""
_NUM_EXAMPLES = Sum(term.count)
_WIDTH = NUM_BUCKETS + 2


class ResampleTally:
    """Sums in cells, of which each slice has 20: its groups or its samples.

    Samples are of examples, so that all models and metrics are measured on the same ones: what two
    models differ by in a sample is a sample of their difference.

    Args:
        resampling: how samples are drawn.
        metrics: of which those that have intervals are measured.
        models: names of the models.
    """

    def __init__(
        self, resampling: Resampling, metrics: Sequence[Metric], models: Iterable[str]
    ) -> None:
        self._resampling = resampling
        keys = dict.fromkeys(
            (metric.output, statistic)
            for metric in metrics
            if metric.has_interval
            for statistic in (_NUM_EXAMPLES, *metric.statistics)
        )
        self._accumulators: dict[str, dict[_Key, Accumulator]] = {
            model: {key: key[1].accumulator() for key in keys} for model in models
        }

    def add(self, batches: Mapping[str, Mapping[str, Batch]], start: int) -> None:
        """Add a batch.

        Args:
            batches: model → output → labels and predictions, of the same examples and slices.
            start: how many examples come before it, in all files.

        Raises:
            DataError: more slices than can be held.
        """
        first = next(iter(next(iter(batches.values())).values()))
        if first.num_slices > MAX_SLICES:
            raise DataError(
                f"the examples make more than {MAX_SLICES:,} slices, and intervals take 20 times "
                "the memory; slice by fewer features, or take confidence and "
                "compute_confidence_intervals out of the eval config"
            )
        numbers = np.arange(start, start + len(first.labels))
        rows, cells = self._resampling.draw(numbers, first.rows, first.slices)
        for model, of_model in batches.items():
            drawn = {
                output: replace(
                    batch,
                    rows=rows,
                    slices=cells,
                    num_slices=batch.num_slices * NUM_SAMPLES,
                    _seen={},
                )
                for output, batch in of_model.items()
            }
            for (output, _), accumulator in self._accumulators[model].items():
                accumulator.add(drawn[output])

    def merge(self, other: Self, slices: Array, num_slices: int) -> None:
        """Add another's sums; its slice i is this one's `slices[i]`."""
        cells = (slices[:, None] * NUM_SAMPLES + np.arange(NUM_SAMPLES)).ravel()
        for model, accumulators in self._accumulators.items():
            for key, accumulator in accumulators.items():
                accumulator.merge(other._accumulators[model][key], cells, num_slices * NUM_SAMPLES)

    def measure(
        self, metrics: Iterable[Metric], model: str, whole: Mapping[_Key, Any], num_slices: int
    ) -> dict[str, Array]:
        """Compute metrics of samples.

        Args:
            metrics: some of those that were given before.
            model: which one.
            whole: the sums over all examples.
            num_slices: so far.

        Returns:
            Metric name → `(num_slices, 20)`, float64; NaN where a metric isn't defined, and in
            slices of which a group or sample is empty.
        """
        chosen = [metric for metric in metrics if metric.has_interval]
        cells = {
            key: sums.result(num_slices * NUM_SAMPLES)
            for key, sums in self._accumulators[model].items()
        }
        values = {metric.name: np.full((num_slices, NUM_SAMPLES), np.nan) for metric in chosen}
        for sample in range(NUM_SAMPLES):
            sums = {key: self._sample(whole[key], of_key, sample) for key, of_key in cells.items()}
            for metric in chosen:
                inputs = (sums[metric.output, each] for each in metric.statistics)
                values[metric.name][:, sample] = metric.compute(*inputs)
        for metric in chosen:
            counts = cells[metric.output, _NUM_EXAMPLES].reshape(num_slices, NUM_SAMPLES)
            values[metric.name][np.any(counts == 0, axis=1)] = np.nan
        return values

    def _sample(self, whole: Any, cells: Any, sample: int) -> Any:
        """Return the sums in one sample, by slice."""
        if isinstance(cells, Scores):
            drawn = _histogram_of(cells, sample)
            return _taken_out(drawn, whole) if self._leaves_out else drawn
        drawn = cells[sample::NUM_SAMPLES]
        with np.errstate(invalid="ignore"):
            return whole - drawn if self._leaves_out else drawn

    @property
    def _leaves_out(self) -> bool:
        return self._resampling.method is Method.JACKKNIFE


def _histogram_of(cells: Scores, sample: int) -> Scores:
    slices, samples = np.divmod(cells.slices, NUM_SAMPLES)
    kept = samples == sample
    return Scores(
        slices[kept],
        cells.buckets[kept],
        cells.negatives[kept],
        cells.positives[kept],
        cells.num_slices // NUM_SAMPLES,
    )


def _taken_out(group: Scores, whole: Scores) -> Scores:
    """Take a group out of all. Of a bucket that is the group's alone exactly nothing is left."""
    places = np.searchsorted(
        whole.slices * _WIDTH + whole.buckets, group.slices * _WIDTH + group.buckets
    )
    negatives, positives = whole.negatives.copy(), whole.positives.copy()
    negatives[places] -= group.negatives
    positives[places] -= group.positives
    left = (negatives != 0) | (positives != 0)
    return Scores(
        whole.slices[left], whole.buckets[left], negatives[left], positives[left], whole.num_slices
    )
