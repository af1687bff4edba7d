"""Reads thresholds from the messages of an `EvalConfig`."""

from collections.abc import Iterator
from typing import Any

from components.errors import ConfigurationError
from components.evaluator.metric import Metric
from components.evaluator.slice_key import SlicingSpec
from components.evaluator.threshold import ChangeThreshold, Threshold, ValueThreshold

_HIGHER_IS_BETTER = {1: False, 2: True}


def read_slicing_spec(message: Any) -> SlicingSpec:
    """Return the specification that a message holds."""
    return SlicingSpec(
        feature_keys=tuple(sorted(set(message.feature_keys))),
        feature_values=tuple(sorted(message.feature_values.items())),
    )


def read_thresholds(metric: Metric, spec: Any, message: Any) -> Iterator[Threshold]:
    """Yield what a metric must hold, from its own message and its specification's maps.

    Raises:
        ConfigurationError: an empty or contradictory threshold, or one with a confidence on what
            has no interval.
    """
    base_name = metric.base_name
    per_slice = [*message.per_slice_thresholds]
    if base_name in spec.per_slice_thresholds:
        per_slice += spec.per_slice_thresholds[base_name].thresholds
    everywhere = [message.threshold] if message.HasField("threshold") else []
    if base_name in spec.thresholds:
        everywhere.append(spec.thresholds[base_name])
    for threshold in everywhere:
        yield _threshold(metric, None, threshold)
    for limited in per_slice:
        if not limited.slicing_specs:
            raise ConfigurationError(
                f"a per_slice_threshold of {metric.name!r} has no slicing_specs; expected at least "
                "one, {} for all examples"
            )
        for slicing_spec in limited.slicing_specs:
            yield _threshold(metric, read_slicing_spec(slicing_spec), limited.threshold)


def _threshold(metric: Metric, slicing_spec: SlicingSpec | None, message: Any) -> Threshold:
    name = metric.name
    value = change = None
    if message.HasField("value_threshold"):
        value = ValueThreshold(
            name,
            _number(message.value_threshold, "lower_bound"),
            _number(message.value_threshold, "upper_bound"),
            _number(message.value_threshold, "confidence"),
        )
    if message.HasField("change_threshold"):
        change = ChangeThreshold(
            name,
            _number(message.change_threshold, "absolute"),
            _number(message.change_threshold, "relative"),
            _HIGHER_IS_BETTER.get(message.change_threshold.direction),
            _number(message.change_threshold, "confidence"),
        )
    if value is None and change is None:
        raise ConfigurationError(
            f"a threshold of {name!r} is empty; expected a value_threshold or a change_threshold"
        )
    threshold = Threshold(name, slicing_spec, value, change)
    if threshold.asks_confidence and not metric.has_interval:
        why = "is computed by query" if metric.query_key else "counts examples: that is no estimate"
        raise ConfigurationError(
            f"a threshold of {name!r} has a confidence, but {metric.title} {why}, so it has no "
            "interval; take the confidence out"
        )
    if change is not None and change.confidence is not None and not metric.needs_predictions:
        raise ConfigurationError(
            f"a change_threshold of {name!r} has a confidence, but {metric.title} is about the "
            "examples alone, so it is the same for all models; take the threshold out"
        )
    return threshold


def _number(message: Any, name: str) -> float | None:
    return getattr(message, name).value if message.HasField(name) else None
