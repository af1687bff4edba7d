"""Whether a threshold holds in one slice, and what is said of it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from components.evaluator import wording
from components.evaluator.case import BASELINE, CANDIDATE, Case, finite_or_none
from components.evaluator.confidence import Estimates
from components.evaluator.interval import DEFAULT_CONFIDENCE, Interval
from components.evaluator.metric import Metric
from components.evaluator.slice_key import SliceKey, describe
from components.evaluator.threshold import ChangeThreshold, Threshold, ValueThreshold
from components.records import Bound, Finding


@dataclass(frozen=True)
class Verdict:
    """Whether a threshold holds in a slice; the finding takes more time than that.

    Attributes:
        passed: whether it holds.
        num_examples: of the slice.
        tell: makes the finding.
    """

    passed: bool
    num_examples: int
    tell: Callable[[], Finding]


@dataclass(frozen=True)
class _Place:
    """One metric in one slice."""

    case: Case
    metric: Metric
    position: int

    @property
    def key(self) -> SliceKey:
        return self.case.measurements.slices[self.position]

    def value(self, model: str) -> float:
        values = self.case.measurements.models[model].values[self.metric.name]
        return float(values[self.position])

    def value_estimates(self) -> Estimates | None:
        intervals = self.case.intervals
        return None if intervals is None else intervals.of_metric(self.metric, CANDIDATE)

    def change_estimates(self, *, relative: bool) -> Estimates | None:
        intervals = self.case.intervals
        if intervals is None:
            return None
        return intervals.of_change(self.metric, CANDIDATE, BASELINE, relative=relative)

    def interval(self, estimates: Estimates | None, confidence: float | None) -> Interval | None:
        if estimates is None:
            return None
        return estimates.interval(self.position, confidence or DEFAULT_CONFIDENCE)

    def verdict(self, *, holds: bool, is_sure: bool | None) -> bool:
        """Return whether a threshold is met: without an interval (`is_sure` is None) by policy."""
        if is_sure is None:
            return holds and self.case.config.undecided == "JUDGE_VALUE"
        return holds and is_sure

    def message(
        self, sentence: str, estimates: Estimates | None, *, holds: bool, is_sure: bool | None
    ) -> str:
        """Return the sentence, or what is said where there is no interval."""
        if is_sure is not None or not holds:
            return sentence
        is_varied = estimates is None or float(estimates.errors[self.position]) != 0
        decides = self.case.config.undecided == "JUDGE_VALUE"
        return wording.undecided_sentence(
            sentence, self.num_examples, is_varied=is_varied, decides=decides
        )

    @property
    def num_examples(self) -> int:
        return int(self.case.measurements.num_examples[self.position])

    def told(self, passed: bool, tell: Callable[[], Finding]) -> Verdict:
        return Verdict(passed, self.num_examples, tell)

    def undefined_sentence(self, model: str) -> str:
        measurements, least = self.case.measurements, self.case.config.min_slice_size
        count = int(measurements.num_examples[self.position])
        not_finite = int(measurements.models[model].num_not_finite[self.position])
        return wording.undefined_sentence(
            self.metric.title,
            self.key,
            not_finite if self.metric.needs_predictions else 0,
            too_small=(count, least) if self.key and count < least else None,
        )

    def finding(
        self,
        check: str,
        message: str,
        *,
        passed: bool,
        bound: Bound | None = None,
        baseline: float | None = None,
        interval: Interval | None = None,
    ) -> Finding:
        return Finding(
            check=check,
            passed=passed,
            message=message,
            metric=self.metric.name,
            slice=dict(self.key),
            observed=finite_or_none(self.value(CANDIDATE)),
            bound=bound,
            baseline=baseline,
            interval=None if interval is None else Bound(interval.lower, interval.upper),
        )


def judge_slice(
    case: Case, metric: Metric, position: int, threshold: Threshold
) -> Iterator[Verdict]:
    """Yield a verdict on a metric's value, one on its change, or both.

    Args:
        case: with the measurements.
        metric: that the threshold is about.
        position: of the slice in the measurements.
        threshold: what must hold.
    """
    place = _Place(case, metric, position)
    if threshold.value is not None:
        yield _judge_value(place, threshold.value)
    if threshold.change is not None:
        if place.case.has_baseline:
            yield _judge_change(place, threshold.change)
        else:
            yield _judge_first_run(place)


def _judge_value(place: _Place, limits: ValueThreshold) -> Verdict:
    observed = place.value(CANDIDATE)
    if not math.isfinite(observed):
        return place.told(
            False,
            lambda: place.finding(
                "value_threshold",
                place.undefined_sentence(CANDIDATE),
                passed=False,
                bound=Bound(limits.lower, limits.upper),
            ),
        )
    estimates = place.value_estimates()
    interval = place.interval(estimates, limits.confidence)
    is_sure: bool | None = True
    if limits.confidence is not None:
        is_sure = None if interval is None else limits.contains(interval)
    holds = limits.passes(observed)
    passed = place.verdict(holds=holds, is_sure=is_sure)

    def tell() -> Finding:
        sentence = wording.value_sentence(place.metric.title, place.key, observed, limits, interval)
        message = place.message(sentence, estimates, holds=holds, is_sure=is_sure)
        return place.finding(
            "value_threshold",
            message,
            passed=passed,
            bound=Bound(limits.lower, limits.upper),
            interval=interval,
        )

    return place.told(passed, tell)


def _judge_change(place: _Place, limits: ChangeThreshold) -> Verdict:
    observed, baseline = place.value(CANDIDATE), place.value(BASELINE)
    if math.isfinite(observed) and math.isfinite(baseline):
        return _judge_pair(place, limits, observed, baseline)

    def tell() -> Finding:
        message = place.undefined_sentence(BASELINE if math.isfinite(observed) else CANDIDATE)
        if math.isfinite(observed):
            message = f"of the {place.case.baseline_title}: {message}"
        return place.finding(
            "change_threshold",
            message,
            passed=False,
            bound=limits.bound(baseline),
            baseline=finite_or_none(baseline),
        )

    return place.told(False, tell)


def _judge_pair(
    place: _Place, limits: ChangeThreshold, observed: float, baseline: float
) -> Verdict:
    by_scale = [place.change_estimates(relative=relative) for relative in (False, True)]
    absolute, relative = (place.interval(each, limits.confidence) for each in by_scale)
    is_sure: bool | None = True
    if limits.confidence is not None:
        is_sure = limits.allows(absolute, relative)
    holds = limits.passes(observed, baseline)
    passed = place.verdict(holds=holds, is_sure=is_sure)
    only_relative = limits.absolute is None
    shown, scale = (relative, abs(baseline)) if only_relative else (absolute, 1.0)

    def tell() -> Finding:
        sentence = wording.change_sentence(
            place.metric.title,
            place.key,
            (observed, baseline),
            place.case.baseline_title,
            limits,
            shown,
            is_sure=is_sure is not False,
        )
        return place.finding(
            "change_threshold",
            place.message(sentence, by_scale[only_relative], holds=holds, is_sure=is_sure),
            passed=passed,
            bound=limits.bound(baseline),
            baseline=baseline,
            interval=None if shown is None else _scaled(shown, scale, baseline),
        )

    return place.told(passed, tell)


def _scaled(change: Interval, scale: float, baseline: float) -> Interval:
    """Return the interval that the value has, given the baseline's."""
    lower, upper = (baseline + end * scale for end in (change.lower, change.upper))
    return Interval(lower, upper, change.confidence)


def _judge_first_run(place: _Place) -> Verdict:
    """Without a baseline a change can't be judged, but a value that isn't there still fails."""
    observed, case = place.value(CANDIDATE), place.case
    passed = math.isfinite(observed) and case.first_run != "refuse"

    def tell() -> Finding:
        if not math.isfinite(observed):
            message = place.undefined_sentence(CANDIDATE)
            return place.finding("change_threshold", message, passed=False)
        seen = f"{place.metric.title} {describe(place.key)} is {wording.numbers(observed)[0]}"
        why = f"there is nothing to compare it with ({case.baseline_title})"
        joined = f"{seen}, not compared: {why}" if passed else f"{seen}; {why}"
        return place.finding("change_threshold", joined, passed=passed)

    return place.told(passed, tell)
