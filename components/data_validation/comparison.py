"""Drift and skew: how far a feature's distribution is from what it is compared with.

Thresholds stand in the schema: ``drift_comparator`` against the data of the published model,
``skew_comparator`` of the training split against the evaluation split.
"""

from collections.abc import Iterator
from typing import Any

from components.data_validation.anomaly import Anomaly, common_stats, is_checked
from components.data_validation.distribution import (
    Distribution,
    distribution,
    jensen_shannon_divergence,
    l_infinity,
    normalized_abs_difference,
)

_TITLES = {
    "infinity_norm": "L-infinity",
    "normalized_abs_difference": "normalized absolute difference",
}


def find_shifts(
    dataset: Any, control: Any, schema: Any, *, comparator: str, against: str
) -> Iterator[Anomaly]:
    """Compare two `DatasetFeatureStatistics` by a schema's thresholds.

    Args:
        dataset: what is judged.
        control: what it is compared with.
        schema: with the thresholds.
        comparator: ``drift_comparator`` or ``skew_comparator``.
        against: what `control` is, as messages call it.
    """
    features, controls = _by_name(dataset), _by_name(control)
    for expected in schema.feature:
        if not expected.HasField(comparator) or not is_checked(expected):
            continue
        thresholds = getattr(expected, comparator)
        name = expected.name
        if _is_empty(controls.get(name)):
            text = f"feature {name!r} has no values in {against}, so that it can't be compared"
            yield Anomaly(name, "COMPARATOR_CONTROL_DATA_MISSING", text)
        elif _is_empty(features.get(name)):
            text = f"feature {name!r} has values in {against} and none here"
            yield Anomaly(name, "COMPARATOR_TREATMENT_DATA_MISSING", text)
        else:
            yield from _compare(name, features[name], controls[name], thresholds, against)
    if comparator == "drift_comparator":
        yield from _compare_sizes(dataset, control, schema, against)


def _compare(
    name: str, feature: Any, control: Any, thresholds: Any, against: str
) -> Iterator[Anomaly]:
    one, other = distribution(feature), distribution(control)
    for comparator in ("infinity_norm", "normalized_abs_difference"):
        if not thresholds.HasField(comparator):
            continue
        if one.edges is not None or other.edges is not None:
            text = (
                f"feature {name!r} holds numbers, and {_TITLES[comparator]} compares values one by "
                "one; use jensen_shannon_divergence"
            )
            yield Anomaly(name, "INVALID_SCHEMA_SPECIFICATION", text)
        else:
            most = getattr(thresholds, comparator).threshold
            yield from _compare_texts(name, comparator, (one, other), most, against)
    if thresholds.HasField("jensen_shannon_divergence"):
        most = thresholds.jensen_shannon_divergence.threshold
        divergence = jensen_shannon_divergence(one, other)
        if not divergence <= most:
            text = (
                f"feature {name!r} moved from {against}: {_centre(control)} there, "
                f"{_centre(feature)} here (Jensen-Shannon divergence {divergence:.4g}, allowed "
                f"{most:g})"
            )
            kind = "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"
            yield Anomaly(name, kind, text, divergence, upper=most)


def _compare_texts(
    name: str,
    comparator: str,
    both: tuple[Distribution, Distribution],
    most: float,
    against: str,
) -> Iterator[Anomaly]:
    one, other = both
    by_share = comparator == "infinity_norm"
    distance, worst = (l_infinity if by_share else normalized_abs_difference)(one, other)
    if distance <= most:
        return
    if by_share:
        before, now = (f"{it.shares.get(worst, 0):.3%}" for it in (other, one))
        what, kind = "share", "COMPARATOR_L_INFTY_HIGH"
    else:
        before, now = (f"{it.counts.get(worst, 0):,.0f}" for it in (other, one))
        what, kind = "number", "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH"
    text = (
        f"feature {name!r} moved from {against}: the {what} of {worst!r} went from {before} to "
        f"{now} ({_TITLES[comparator]} {distance:.4g}, allowed {most:g})"
    )
    yield Anomaly(name, kind, text, distance, upper=most)


def _compare_sizes(dataset: Any, control: Any, schema: Any, against: str) -> Iterator[Anomaly]:
    constraints = schema.dataset_constraints
    if not constraints.HasField("num_examples_drift_comparator") or not control.num_examples:
        return
    bounds = constraints.num_examples_drift_comparator
    ratio = dataset.num_examples / control.num_examples
    text = f"there are {ratio:.3g} times as many examples as in {against}"
    if bounds.HasField("min_fraction_threshold") and ratio < bounds.min_fraction_threshold:
        least = bounds.min_fraction_threshold
        message = f"{text}; the schema wants {least:g} at least"
        yield Anomaly("", "COMPARATOR_LOW_NUM_EXAMPLES", message, ratio, lower=least)
    if bounds.HasField("max_fraction_threshold") and ratio > bounds.max_fraction_threshold:
        most = bounds.max_fraction_threshold
        message = f"{text}; the schema allows {most:g}"
        yield Anomaly("", "COMPARATOR_HIGH_NUM_EXAMPLES", message, ratio, upper=most)


def _is_empty(feature: Any) -> bool:
    return feature is None or common_stats(feature).num_non_missing == 0


def _centre(feature: Any) -> str:
    if feature.HasField("num_stats"):
        num_nan = max((histogram.num_nan for histogram in feature.num_stats.histograms), default=0)
        share = num_nan / max(1, feature.num_stats.common_stats.tot_num_values)
        return f"median {feature.num_stats.median:.5g}{f', {share:.2%} NaN' if num_nan else ''}"
    top = feature.string_stats.top_values
    return f"commonest {top[0].value!r}" if top else "no values"


def _by_name(dataset: Any) -> dict[str, Any]:
    return {".".join(f.path.step) or f.name: f for f in dataset.features}
