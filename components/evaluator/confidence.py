"""How sure measurements are: intervals of metrics, and of their change against a baseline.

An interval is value ± t · standard error, Student's t with 19 degrees of freedom. It lies around
the value that is shown. TFMA puts it around the mean of the samples, which of a count is 5 % too
low in the jackknife, and adds noise in the bootstrap. That of a change is made of the differences
of the two models in the same samples: examples that are hard for both make it no wider.

Where all samples agree the standard error is 0, which says nothing. Of a share of the examples it
is still known what so many can't have missed (`largest_unseen_share`); other metrics have no
interval then, nor where a sample is empty or the metric isn't defined in one. Against itself a
model surely doesn't change.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from components.evaluator.exact_sum import Array
from components.evaluator.interval import (
    DEFAULT_CONFIDENCE,
    Interval,
    largest_unseen_share,
    t_quantile,
)
from components.evaluator.metric import Metric
from components.evaluator.resampling import DEGREES_OF_FREEDOM, Resampling
from components.evaluator.tally import Measurements


@dataclass(frozen=True)
class Estimates:
    """Numbers of all slices, and how sure they are; `(num_slices,)`, float64, each.

    Attributes:
        values: NaN where one isn't defined.
        errors: standard errors; NaN where samples can't tell.
        num_examples: of the slices.
        steps: how much one example may change the sum of which a value is the mean; NaN of what is
            no such mean.
        lowest: what a value can be.
        highest: what a value can be.
    """

    values: Array
    errors: Array
    num_examples: Array
    steps: Array
    lowest: float = -math.inf
    highest: float = math.inf
    _ends: dict[float, tuple[Array, Array]] = field(default_factory=dict, repr=False, compare=False)

    def ends(self, confidence: float = DEFAULT_CONFIDENCE) -> tuple[Array, Array]:
        """Return where the intervals begin and end, NaN where there is none."""
        if confidence not in self._ends:
            reach = self.errors * t_quantile(confidence, DEGREES_OF_FREEDOM)
            unseen = self.steps * largest_unseen_share(confidence, self.num_examples)
            reach = np.where(self.errors == 0, unseen, reach)
            self._ends[confidence] = (
                np.maximum(self.values - reach, self.lowest),
                np.minimum(self.values + reach, self.highest),
            )
        return self._ends[confidence]

    def interval(self, position: int, confidence: float = DEFAULT_CONFIDENCE) -> Interval | None:
        """Return the interval of a slice."""
        lower, upper = (float(ends[position]) for ends in self.ends(confidence))
        if not (math.isfinite(lower) and math.isfinite(upper)):
            return None
        return Interval(lower, upper, confidence)


class Intervals:
    """Estimates of measurements.

    Args:
        measurements: with samples.
        resampling: how they were drawn.
        is_same_model: whether both models are one, so that a change is surely 0.
    """

    def __init__(
        self,
        measurements: Measurements,
        resampling: Resampling,
        *,
        is_same_model: bool = False,
    ) -> None:
        self._measurements = measurements
        self._resampling = resampling
        self._is_same_model = is_same_model
        self._made: dict[tuple[str, ...], Estimates] = {}

    def of_metric(self, metric: Metric, model: str) -> Estimates | None:
        """Return a model's metric; None of a metric that has no intervals."""
        if not metric.has_interval:
            return None
        key = (metric.name, model)
        if key not in self._made:
            values, samples = self._values(metric, model)
            self._made[key] = self._estimates(
                metric, values, samples, lowest=metric.lowest, highest=metric.highest
            )
        return self._made[key]

    def of_change(
        self, metric: Metric, candidate: str, baseline: str, *, relative: bool = False
    ) -> Estimates | None:
        """Return by how much a metric of one model differs from another's.

        Args:
            metric: None is returned of one that has no intervals.
            candidate: model.
            baseline: model.
            relative: divided by the amount of the baseline's.
        """
        if not metric.has_interval:
            return None
        key = (metric.name, candidate, baseline, str(relative))
        if key not in self._made:
            values, samples = self._values(metric, candidate)
            others, other_samples = self._values(metric, baseline)
            scales = np.abs(others) if relative else np.ones_like(others)
            changes = _divided(samples - other_samples, np.abs(other_samples) if relative else 1.0)
            self._made[key] = self._estimates(
                metric,
                _divided(values - others, scales),
                np.zeros_like(changes) if self._is_same_model else changes,
                scales,
                step=0.0 if self._is_same_model else None,
            )
        return self._made[key]

    def _values(self, metric: Metric, model: str) -> tuple[Array, Array]:
        measured = self._measurements.models[model]
        return measured.values[metric.name], measured.samples[metric.name]

    def _estimates(
        self,
        metric: Metric,
        values: Array,
        samples: Array,
        scales: Array | float = 1.0,
        *,
        step: float | None = None,
        lowest: float = -math.inf,
        highest: float = math.inf,
    ) -> Estimates:
        if step is None:
            step = metric.highest - metric.lowest if metric.is_rate else math.nan
        return Estimates(
            values,
            self._resampling.standard_error(samples),
            self._measurements.num_examples,
            _divided(np.full_like(values, step), scales),
            lowest,
            highest,
        )


def _divided(values: Array, scales: Array | float) -> Array:
    """Divide, by 0 to what isn't finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(values / scales)
