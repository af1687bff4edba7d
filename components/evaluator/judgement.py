"""Holds measurements against thresholds: one finding for each threshold and slice."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from components.evaluator import wording
from components.evaluator.eval_config import EvalConfig, FirstRun
from components.evaluator.metric import Metric
from components.evaluator.slice_key import SliceKey, describe
from components.evaluator.tally import Measurements
from components.evaluator.threshold import ChangeThreshold, Threshold, ValueThreshold
from components.records import Bound, Finding

MissingSlice = Literal["fail", "pass"]
CANDIDATE = "candidate"
BASELINE = "baseline"
_REFUSED_FIRST_RUN = (
    "first_run is 'refuse'; evaluate with first_run 'bless', or let a person approve it"
)


@dataclass(frozen=True)
class Case:
    """What is judged.

    Attributes:
        config: with the thresholds.
        measurements: of `CANDIDATE`, and of `BASELINE` if there is one.
        baseline_title: how sentences call the baseline.
        first_run: what holds without one.
        missing_slice: what holds where no example belongs to a threshold's slices.
    """

    config: EvalConfig
    measurements: Measurements
    baseline_title: str
    first_run: FirstRun
    missing_slice: MissingSlice = "fail"

    @property
    def has_baseline(self) -> bool:
        """Whether there is something to compare with."""
        return BASELINE in self.measurements.models


def judge(case: Case) -> tuple[Finding, ...]:
    """Return all findings; the model is good if all passed."""
    metrics = {metric.name: metric for metric in case.config.metrics}
    findings = [
        finding
        for threshold in case.config.thresholds
        for finding in _judge_threshold(case, threshold, metrics)
    ]
    if not case.config.thresholds:
        message = "nothing was asked of the model: the eval config has no thresholds, on purpose"
        findings.append(Finding("no_thresholds", True, message))
    if not case.has_baseline and case.first_run == "refuse":
        message = f"there is nothing to compare with ({case.baseline_title}), and "
        findings.insert(0, Finding("first_run", False, message + _REFUSED_FIRST_RUN))
    return tuple(findings)


def _judge_threshold(
    case: Case, threshold: Threshold, metrics: Mapping[str, Metric]
) -> Iterator[Finding]:
    metric, spec = metrics[threshold.metric], threshold.slicing_spec
    positions = [
        position
        for position, key in enumerate(case.measurements.slices)
        if spec is None or spec.matches(key)
    ]
    for position in positions:
        yield from _judge_slice(_Place(case, metric, position), threshold)
    if not positions:
        yield Finding(
            check="slice_missing",
            passed=case.missing_slice == "pass",
            metric=metric.name,
            slice=dict(spec.feature_values) if spec is not None else {},
            message=f"{metric.title} must hold for the slices {spec or 'of slicing_specs'}, but no "
            "example belongs to one",
        )


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
        )


def _judge_slice(place: _Place, threshold: Threshold) -> Iterator[Finding]:
    if threshold.value is not None:
        yield _judge_value(place, threshold.value)
    if threshold.change is not None:
        if place.case.has_baseline:
            yield _judge_change(place, threshold.change)
        else:
            yield _judge_first_run(place)


def _judge_value(place: _Place, limits: ValueThreshold) -> Finding:
    observed = place.value(CANDIDATE)
    if math.isfinite(observed):
        message = wording.value_sentence(place.metric.title, place.key, observed, limits)
    else:
        message = place.undefined_sentence(CANDIDATE)
    return place.finding(
        "value_threshold",
        message,
        passed=limits.passes(observed),
        bound=Bound(limits.lower, limits.upper),
    )


def _judge_change(place: _Place, limits: ChangeThreshold) -> Finding:
    observed, baseline = place.value(CANDIDATE), place.value(BASELINE)
    title = place.case.baseline_title
    if not math.isfinite(observed):
        message = place.undefined_sentence(CANDIDATE)
    elif not math.isfinite(baseline):
        message = f"of the {title}: {place.undefined_sentence(BASELINE)}"
    else:
        message = wording.change_sentence(
            place.metric.title, place.key, (observed, baseline), title, limits
        )
    return place.finding(
        "change_threshold",
        message,
        passed=limits.passes(observed, baseline),
        bound=limits.bound(baseline),
        baseline=finite_or_none(baseline),
    )


def _judge_first_run(place: _Place) -> Finding:
    """Without a baseline a change can't be judged, but a value that isn't there still fails."""
    observed, case = place.value(CANDIDATE), place.case
    if not math.isfinite(observed):
        return place.finding("change_threshold", place.undefined_sentence(CANDIDATE), passed=False)
    seen = f"{place.metric.title} {describe(place.key)} is {wording.numbers(observed)[0]}"
    why = f"there is nothing to compare it with ({case.baseline_title})"
    if case.first_run == "refuse":
        return place.finding("change_threshold", f"{seen}; {why}", passed=False)
    return place.finding("change_threshold", f"{seen}, not compared: {why}", passed=True)


def finite_or_none(value: float) -> float | None:
    """Return what a record may hold of a number."""
    return value if math.isfinite(value) else None
