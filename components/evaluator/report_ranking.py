"""Ranks slices by harm: those that fail a threshold first, then by how much worse they became."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluator.confidence import Estimates
from components.evaluator.exact_sum import Array
from components.evaluator.judgement import BASELINE, CANDIDATE, Case
from components.evaluator.metric import Metric
from components.evaluator.slice_key import SliceKey
from components.evaluator.threshold import Threshold
from components.records import Finding


@dataclass(frozen=True)
class Ranking:
    """Slices, the most harmed first.

    Attributes:
        positions: of all slices but overall.
        num_failures: findings that failed, of each slice at its position, `(num_slices,)`, int64.
        metric: what else they are ranked by; None where no threshold says which way is worse.
        higher_is_better: which way of it is better.
        change: of it, candidate - baseline, `(num_slices,)`; None without a baseline.
        estimates: the same with intervals; None where none were asked for.
    """

    positions: Sequence[int]
    num_failures: Array
    metric: Metric | None
    higher_is_better: bool
    change: Array | None
    estimates: Estimates | None = None

    def worsening(self, position: int) -> float | None:
        """Return how much worse a slice became, negative if it is better; None if unknown."""
        if self.change is None or not np.isfinite(self.change[position]):
            return None
        change = float(self.change[position])
        return -change if self.higher_is_better else change

    def worsening_interval(self, position: int) -> tuple[float, float] | None:
        """Return between what that lies with 95 % confidence; None where it can't be told."""
        interval = self.estimates.interval(position) if self.estimates is not None else None
        if interval is None:
            return None
        ends = (interval.lower, interval.upper)
        return (-ends[1], -ends[0]) if self.higher_is_better else ends


def rank(case: Case, findings: Sequence[Finding]) -> Ranking:
    """Rank the slices.

    After the number of thresholds that failed comes the change of the first metric with a
    threshold that says which way is worse; without a baseline its value. Slices where that isn't
    defined come last.
    """
    slices = case.measurements.slices
    failures = Counter(_key(finding) for finding in findings if not finding.passed)
    num_failures = np.array([failures[key] for key in slices], np.int64)
    metric, is_better = _metric(case)
    change, estimates, harm = None, None, np.zeros(len(slices))
    if metric is not None:
        values = case.measurements.models[CANDIDATE].values[metric.name]
        if case.has_baseline:
            change = values - case.measurements.models[BASELINE].values[metric.name]
            if case.intervals is not None:
                estimates = case.intervals.of_change(metric, CANDIDATE, BASELINE)
        harm = (values if change is None else change) * (-1.0 if is_better else 1.0)
    harm = np.where(np.isfinite(harm), harm, -np.inf)
    # By failures, then by harm, both descending; equal ones as they were.
    order = np.lexsort((np.arange(len(slices)), -harm, -num_failures)).tolist()
    return Ranking(
        [each for each in order if slices[each]],
        num_failures,
        metric,
        is_better,
        change,
        estimates,
    )


def _metric(case: Case) -> tuple[Metric | None, bool]:
    metrics = {metric.name: metric for metric in case.config.metrics}
    for threshold in case.config.thresholds:
        metric, direction = metrics[threshold.metric], higher_is_better(threshold)
        if direction is not None and metric.needs_predictions:
            return metric, direction
    return None, True


def higher_is_better(threshold: Threshold) -> bool | None:
    """Return what a threshold says of its metric; None where it has a bound on either side."""
    if threshold.change is not None:
        return threshold.change.higher_is_better
    if threshold.value is None or None not in (threshold.value.lower, threshold.value.upper):
        return None
    return threshold.value.upper is None


def _key(finding: Finding) -> SliceKey:
    return tuple(sorted(finding.slice.items()))
