"""How a feature may differ from its schema: whether it is there, and how many values it has."""

from collections.abc import Iterator
from typing import Any

from components.data_validation.anomaly import Anomaly, common_stats, is_checked
from components.data_validation.value_domain import about_values


def find_anomalies(
    dataset: Any, schema: Any, *, environment: str | None = None
) -> Iterator[Anomaly]:
    """Compare a `DatasetFeatureStatistics` with a `Schema`.

    Args:
        dataset: the statistics.
        schema: what they shall be.
        environment: as in the schema's ``default_environment``; features that aren't in it must
            be missing, as for TFDV: else a name that the schema doesn't know would check nothing.
    """
    yield from _about_size(dataset, schema.dataset_constraints)
    features = {_name(feature): feature for feature in dataset.features}
    known = set()
    for expected in schema.feature:
        known.add(expected.name)
        if not is_checked(expected):
            continue
        feature = features.get(expected.name)
        is_in = _is_in(expected, schema, environment)
        if feature is None or common_stats(feature).num_non_missing == 0:
            yield from _about_absence(expected) if is_in else ()
        else:
            if not is_in:
                text = (
                    f"feature {expected.name!r} isn't in the environment {environment!r} of the "
                    "schema, and is in the data; leave it out of the examples, or name the right "
                    "environment"
                )
                yield Anomaly(expected.name, "SCHEMA_NEW_COLUMN", text)
            yield from _about_presence(feature, expected, dataset.num_examples)
            yield from about_values(feature, expected, schema)
    for name in sorted(features.keys() - known):
        yield Anomaly(
            name,
            "SCHEMA_NEW_COLUMN",
            f"feature {name!r} isn't in the schema: new in the data; add it to the schema, or "
            "leave it out of the examples",
        )


def _name(feature: Any) -> str:
    return ".".join(feature.path.step) or feature.name


def _is_in(expected: Any, schema: Any, environment: str | None) -> bool:
    if environment is None:
        return True
    if environment in expected.not_in_environment:
        return False
    return environment in (*expected.in_environment, *schema.default_environment)


def _about_size(dataset: Any, constraints: Any) -> Iterator[Anomaly]:
    count = dataset.num_examples
    if constraints.HasField("min_examples_count") and count < constraints.min_examples_count:
        least = constraints.min_examples_count
        text = f"there are {count:,} examples; the schema wants {least:,} at least"
        yield Anomaly("", "DATASET_LOW_NUM_EXAMPLES", text, count, lower=least)
    if constraints.HasField("max_examples_count") and count > constraints.max_examples_count:
        most = constraints.max_examples_count
        text = f"there are {count:,} examples; the schema allows {most:,}"
        yield Anomaly("", "DATASET_HIGH_NUM_EXAMPLES", text, count, upper=most)


def _about_absence(expected: Any) -> Iterator[Anomaly]:
    presence = expected.presence
    if presence.min_fraction > 0 or presence.min_count > 0:
        text = f"feature {expected.name!r} has no value in any example; the schema requires it"
        yield Anomaly(expected.name, "SCHEMA_MISSING_COLUMN", text)


def _about_presence(feature: Any, expected: Any, num_examples: int) -> Iterator[Anomaly]:
    name, common = expected.name, common_stats(feature)
    fraction = common.num_non_missing / num_examples if num_examples else 0.0
    if fraction < expected.presence.min_fraction:
        text = (
            f"feature {name!r} is in {fraction:.4%} of the examples; the schema wants "
            f"{expected.presence.min_fraction:.4%}"
        )
        lower = expected.presence.min_fraction
        yield Anomaly(name, "FEATURE_TYPE_LOW_FRACTION_PRESENT", text, fraction, lower=lower)
    if common.num_non_missing < expected.presence.min_count:
        text = (
            f"feature {name!r} is in {common.num_non_missing:,} examples; the schema wants "
            f"{expected.presence.min_count:,}"
        )
        yield Anomaly(
            name,
            "FEATURE_TYPE_LOW_NUMBER_PRESENT",
            text,
            common.num_non_missing,
            lower=expected.presence.min_count,
        )
    yield from _about_valency(common, expected)


def _about_valency(common: Any, expected: Any) -> Iterator[Anomaly]:
    name = expected.name
    least, most = expected.value_count.min, expected.value_count.max
    if expected.HasField("shape"):
        least = most = 1
        for dimension in expected.shape.dim:
            least *= dimension.size
            most *= dimension.size
    if not (expected.HasField("shape") or expected.HasField("value_count")):
        return
    if common.min_num_values < least:
        text = (
            f"feature {name!r} has as few as {common.min_num_values} values in an example; the "
            f"schema wants {least}"
        )
        seen = common.min_num_values
        yield Anomaly(name, "FEATURE_TYPE_LOW_NUMBER_VALUES", text, seen, lower=least)
    if most and common.max_num_values > most:
        text = (
            f"feature {name!r} has as many as {common.max_num_values} values in an example; the "
            f"schema allows {most}"
        )
        seen = common.max_num_values
        yield Anomaly(name, "FEATURE_TYPE_HIGH_NUMBER_VALUES", text, seen, upper=most)
