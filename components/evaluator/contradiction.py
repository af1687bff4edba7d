"""Finds thresholds that no model could ever meet, before any model is loaded."""

import itertools
from collections.abc import Iterator

from components.errors import ConfigurationError
from components.evaluator.metric import Metric
from components.evaluator.slice_key import SlicingSpec
from components.evaluator.threshold import ChangeThreshold, Threshold, ValueThreshold


def check_can_be_met(
    metrics: tuple[Metric, ...], thresholds: tuple[Threshold, ...], *, value_may_decide: bool
) -> None:
    """Refuse thresholds that nothing could meet.

    Args:
        metrics: by unique names.
        thresholds: on them.
        value_may_decide: whether one with a confidence is met by the value alone where there is no
            interval.

    Raises:
        ConfigurationError: a bound beyond what the metric can be, a change greater than it can be,
            the best possible value with a confidence, or two thresholds on the same slices that
            exclude each other.
    """
    by_name = {metric.name: metric for metric in metrics}
    for threshold in thresholds:
        metric = by_name[threshold.metric]
        if threshold.value is not None:
            _check_value(metric, threshold.value)
        if threshold.change is not None:
            _check_change(metric, threshold.change)
        if threshold.asks_confidence and (metric.is_rate or not value_may_decide):
            _check_confidence(metric, threshold)
    for one, other in itertools.combinations(thresholds, 2):
        if one.metric == other.metric and _overlap(one.slicing_spec, other.slicing_spec):
            _check_pair(by_name[one.metric], one, other)


def _check_value(metric: Metric, threshold: ValueThreshold) -> None:
    if threshold.lower is not None and threshold.lower > metric.highest:
        raise ConfigurationError(
            f"the value_threshold of {metric.name!r} has the lower_bound {threshold.lower:g}, but "
            f"{metric.title} is {metric.highest:g} at most: no model could ever be blessed"
        )
    if threshold.upper is not None and threshold.upper < metric.lowest:
        raise ConfigurationError(
            f"the value_threshold of {metric.name!r} has the upper_bound {threshold.upper:g}, but "
            f"{metric.title} is {metric.lowest:g} at least: no model could ever be blessed"
        )


def _check_change(metric: Metric, threshold: ChangeThreshold) -> None:
    """Look at the best step from any baseline: the whole range, or by all of the baseline."""
    reach = metric.highest - metric.lowest
    sign = 1 if threshold.higher_is_better else -1
    limit = threshold.absolute
    if limit is not None and sign * limit > reach:
        raise ConfigurationError(
            f"the change_threshold of {metric.name!r} asks for an absolute change of {limit:g}, "
            f"but {metric.title} goes from {metric.lowest:g} to {metric.highest:g}: no model could "
            "ever be blessed"
        )
    limit = threshold.relative
    if limit is not None and sign < 0 and limit < -1 and metric.lowest >= 0:
        raise ConfigurationError(
            f"the change_threshold of {metric.name!r} asks for a relative change of {limit:g}, but "
            f"{metric.title} is never below 0, so it can't fall by more than all (-1): no model "
            "could ever be blessed"
        )


def _check_confidence(metric: Metric, threshold: Threshold) -> None:
    """Look for what only an interval without any width could meet."""
    value, change = threshold.value, threshold.change
    asked = []
    if value is not None and value.confidence is not None:
        asked += [
            ("lower_bound", value.lower, metric.highest, value.confidence),
            ("upper_bound", value.upper, metric.lowest, value.confidence),
        ]
    if change is not None and change.confidence is not None:
        reach = (metric.highest - metric.lowest) * (1 if change.higher_is_better else -1)
        asked.append(("absolute change", change.absolute, reach, change.confidence))
    for what, limit, best, confidence in asked:
        if limit == best:
            raise ConfigurationError(
                f"a threshold of {metric.name!r} asks for the {what} {limit:g} with the confidence "
                f"{confidence:g}, but that is the best there can be, and no interval is that "
                "narrow: no model could ever be blessed"
            )
    if value is not None and value.confidence is not None and value.lower == value.upper:
        raise ConfigurationError(
            f"the value_threshold of {metric.name!r} asks for exactly {value.lower} with the "
            f"confidence {value.confidence:g}, but no interval is that narrow: no model could ever "
            "be blessed"
        )


def _check_pair(metric: Metric, one: Threshold, other: Threshold) -> None:
    for first, second in ((one, other), (other, one)):
        for lower, upper in _bounds(first, second):
            if lower > upper:
                raise ConfigurationError(
                    f"one threshold of {metric.name!r} has the lower_bound {lower:g} (for the "
                    f"slices {first.slicing_spec or 'of slicing_specs'}) and another the "
                    f"upper_bound {upper:g} (for {second.slicing_spec or 'all'}): no model could "
                    "ever meet both"
                )


def _bounds(first: Threshold, second: Threshold) -> Iterator[tuple[float, float]]:
    if first.value is None or second.value is None:
        return
    if first.value.lower is not None and second.value.upper is not None:
        yield first.value.lower, second.value.upper


def _overlap(one: SlicingSpec | None, other: SlicingSpec | None) -> bool:
    """Return whether there is a slice that both are about, whatever the examples are."""
    if one is None or other is None:
        return True
    if one.features != other.features:
        return False
    first, second = dict(one.feature_values), dict(other.feature_values)
    return first.items() <= second.items() or second.items() <= first.items()
