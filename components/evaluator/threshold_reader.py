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
        ConfigurationError: an empty or contradictory threshold.
    """
    name, base_name = metric.name, metric.base_name
    per_slice = [*message.per_slice_thresholds]
    if base_name in spec.per_slice_thresholds:
        per_slice += spec.per_slice_thresholds[base_name].thresholds
    everywhere = [message.threshold] if message.HasField("threshold") else []
    if base_name in spec.thresholds:
        everywhere.append(spec.thresholds[base_name])
    for threshold in everywhere:
        yield _threshold(name, None, threshold)
    for limited in per_slice:
        if not limited.slicing_specs:
            raise ConfigurationError(
                f"a per_slice_threshold of {name!r} has no slicing_specs; expected at least "
                "one, {} for all examples"
            )
        for slicing_spec in limited.slicing_specs:
            yield _threshold(name, read_slicing_spec(slicing_spec), limited.threshold)


def _threshold(metric: str, slicing_spec: SlicingSpec | None, message: Any) -> Threshold:
    value = change = None
    if message.HasField("value_threshold"):
        value = ValueThreshold(
            metric,
            _number(message.value_threshold, "lower_bound"),
            _number(message.value_threshold, "upper_bound"),
        )
    if message.HasField("change_threshold"):
        change = ChangeThreshold(
            metric,
            _number(message.change_threshold, "absolute"),
            _number(message.change_threshold, "relative"),
            _HIGHER_IS_BETTER.get(message.change_threshold.direction),
        )
    if value is None and change is None:
        raise ConfigurationError(
            f"a threshold of {metric!r} is empty; expected a value_threshold or a change_threshold"
        )
    return Threshold(metric, slicing_spec, value, change)


def _number(message: Any, name: str) -> float | None:
    return getattr(message, name).value if message.HasField(name) else None
