"""Holds measurements against thresholds: one finding for each threshold and slice.

Of a threshold on very many slices those that fail in the greatest `MAX_LISTED` are told one by one,
then those that pass; one more finding says how many others failed, and one how many passed. The
verdict is of all slices, listed or not.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence

from components.evaluator.case import BASELINE, CANDIDATE, Case, MissingSlice, finite_or_none
from components.evaluator.metric import Metric
from components.evaluator.slice_judgement import judge_slice
from components.evaluator.slice_key import SlicingSpec
from components.evaluator.threshold import Threshold
from components.records import Finding

__all__ = ["BASELINE", "CANDIDATE", "Case", "MissingSlice", "finite_or_none", "judge"]

MAX_LISTED = 1_000
NOT_LISTED = "not_listed"
"""The check of a finding about slices that aren't told one by one."""
SLICE_MISSING = "slice_missing"
"""The check of a finding about slices that no example belongs to; their any value is ``*``."""
_REFUSED_FIRST_RUN = (
    "first_run is 'refuse'; evaluate with first_run 'bless', or let a person approve it"
)


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
    listed = positions
    if len(positions) > MAX_LISTED:
        listed = yield from _count_others(case, metric, positions, threshold)
    for position in listed:
        for verdict in judge_slice(case, metric, position, threshold):
            yield verdict.tell()
    for missing in _missing_specs(case, spec):
        yield Finding(
            check=SLICE_MISSING,
            passed=case.missing_slice == "pass",
            metric=metric.name,
            slice=dict(dict.fromkeys(missing.features, "*"), **dict(missing.feature_values)),
            message=f"{metric.title} must hold for the slices {missing}, but no example belongs to "
            "one",
        )


def _missing_specs(case: Case, wanted: SlicingSpec | None) -> list[SlicingSpec]:
    """Return which of the slices that a threshold is for no example belongs to.

    They are its own, and those that slicing_specs makes within them: a misspelt one is no less
    asked for.
    """
    made = [each for each in case.config.slicing_specs if wanted is None or wanted.includes(each)]
    asked = made if wanted is None else dict.fromkeys([wanted, *made])
    return [
        spec for spec in asked if not any(spec.matches(key) for key in case.measurements.slices)
    ]


def _count_others(
    case: Case, metric: Metric, positions: Sequence[int], threshold: Threshold
) -> Generator[Finding, None, list[int]]:
    """Judge all; yield what becomes of those that aren't listed, and return those that are."""
    passed = {
        position: [verdict.passed for verdict in judge_slice(case, metric, position, threshold)]
        for position in positions
    }
    num_examples = case.measurements.num_examples.tolist()
    order = sorted(positions, key=lambda each: (all(passed[each]), -num_examples[each], each))
    others = Counter(each for position in order[MAX_LISTED:] for each in passed[position])
    for has_passed, verb in ((False, "misses"), (True, "meets")):
        if count := others[has_passed]:
            message = f"{metric.title} {verb} its threshold in {count:,} more slice(s)"
            yield Finding(NOT_LISTED, has_passed, f"{message}; the metrics' files have the values")
    return sorted(order[:MAX_LISTED])
