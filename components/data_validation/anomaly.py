"""How a feature may differ from its schema, under TFDV's names.

Source of the names: `AnomalyInfo.Type` in `tensorflow_metadata/proto/v0/anomalies.proto`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

_SHOWN = 5


@dataclass(frozen=True)
class Anomaly:
    """One difference between data and schema."""

    feature: str
    """Empty where it is about the data set as a whole."""
    reason: str
    """A name of `AnomalyInfo.Type`."""
    message: str
    observed: float | None = None
    lower: float | None = None
    upper: float | None = None

    def reason_proto(self) -> Any:
        """Return the `AnomalyInfo.Reason`."""
        kind = anomalies_pb2.AnomalyInfo.Type.Value(self.reason)
        return anomalies_pb2.AnomalyInfo.Reason(
            type=kind, short_description=self.reason, description=self.message
        )


def find_anomalies(
    dataset: Any, schema: Any, *, environment: str | None = None
) -> Iterator[Anomaly]:
    """Compare a `DatasetFeatureStatistics` with a `Schema`.

    Args:
        dataset: the statistics.
        schema: what they shall be.
        environment: as in the schema's ``default_environment``; features that aren't in it may
            be missing.
    """
    yield from _about_size(dataset, schema.dataset_constraints)
    features = {_name(feature): feature for feature in dataset.features}
    known = set()
    for expected in schema.feature:
        known.add(expected.name)
        if not is_checked(expected) or not _is_in(expected, schema, environment):
            continue
        feature = features.get(expected.name)
        if feature is None or common_stats(feature).num_non_missing == 0:
            yield from _about_absence(expected)
        else:
            yield from _about_presence(feature, expected, dataset.num_examples)
            yield from _about_values(feature, expected, schema)
    for name in sorted(features.keys() - known):
        yield Anomaly(
            name,
            "SCHEMA_NEW_COLUMN",
            f"feature {name!r} isn't in the schema: new in the data; add it to the schema, or "
            "leave it out of the examples",
        )


def is_checked(expected: Any) -> bool:
    """Return whether a feature of the schema counts; planned, deprecated and disabled don't."""
    stages = ("PLANNED", "ALPHA", "DEPRECATED", "DEBUG_ONLY", "DISABLED")
    stage = schema_pb2.LifecycleStage.Name(expected.lifecycle_stage)
    return stage not in stages and not expected.deprecated


def common_stats(feature: Any) -> Any:
    """Return the `CommonStatistics` of a `FeatureNameStatistics`."""
    kind = "num_stats" if feature.HasField("num_stats") else "string_stats"
    return getattr(feature, kind).common_stats


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
        text = f"feature {expected.name!r} is in no example; the schema requires it"
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


def _about_values(feature: Any, expected: Any, schema: Any) -> Iterator[Anomaly]:
    found = "BYTES" if feature.HasField("string_stats") else feature.Type.Name(feature.type)
    wanted = schema_pb2.FeatureType.Name(expected.type)
    if wanted not in ("TYPE_UNKNOWN", "STRUCT") and found != wanted:
        text = f"feature {expected.name!r} holds {found}; the schema says {wanted}"
        yield Anomaly(expected.name, "UNEXPECTED_DATA_TYPE", text)
        return
    if found == "BYTES":
        yield from _about_texts(feature.string_stats, expected, schema)
    else:
        yield from _about_numbers(feature.num_stats, expected, found)


def _about_texts(stats: Any, expected: Any, schema: Any) -> Iterator[Anomaly]:
    name, domain = expected.name, _string_domain(expected, schema)
    if domain is None:
        return
    if stats.invalid_utf8_count:
        text = f"feature {name!r} has {stats.invalid_utf8_count:,} values that aren't UTF-8"
        yield Anomaly(name, "ENUM_TYPE_INVALID_UTF8", text, stats.invalid_utf8_count)
    allowed = set(domain.value)
    counted = {b.label: b.sample_count for b in stats.rank_histogram.buckets}
    unknown = {label: count for label, count in counted.items() if label not in allowed}
    total = stats.common_stats.tot_num_values
    share = sum(unknown.values()) / total if total else 0.0
    most = 1.0 - expected.distribution_constraints.min_domain_mass
    if not expected.HasField("distribution_constraints"):
        most = 0.0
    if unknown and share > most:
        commonest = sorted(unknown, key=lambda label: (-unknown[label], label))
        shown = ", ".join(repr(label) for label in commonest[:_SHOWN])
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        text = (
            f"feature {name!r} has values that its domain hasn't: {shown}{more}, in {share:.3%} of "
            f"all (allowed: {most:.3%})"
        )
        yield Anomaly(name, "ENUM_TYPE_UNEXPECTED_STRING_VALUES", text, share, upper=most)


def _string_domain(expected: Any, schema: Any) -> Any:
    if expected.HasField("string_domain"):
        return expected.string_domain
    named = [domain for domain in schema.string_domain if domain.name == expected.domain]
    return named[0] if expected.domain and named else None


def _about_numbers(stats: Any, expected: Any, found: str) -> Iterator[Anomaly]:
    name = expected.name
    kind = "int_domain" if found == "INT" else "float_domain"
    num_nan = max((histogram.num_nan for histogram in stats.histograms), default=0)
    if not expected.HasField(kind):
        return
    domain = getattr(expected, kind)
    if found == "FLOAT" and domain.disallow_nan and num_nan:
        text = f"feature {name!r} has {num_nan:,} values that are NaN; its domain forbids that"
        yield Anomaly(name, "FLOAT_TYPE_HAS_NAN", text, num_nan, upper=0)
    infinite = float("inf") in (stats.max, -stats.min)
    if found == "FLOAT" and domain.disallow_inf and infinite:
        text = f"feature {name!r} has infinite values; its domain forbids that"
        yield Anomaly(name, "FLOAT_TYPE_HAS_INF", text)
    small, big = ("INT_TYPE_SMALL_INT", "INT_TYPE_BIG_INT")
    if found == "FLOAT":
        small, big = ("FLOAT_TYPE_SMALL_FLOAT", "FLOAT_TYPE_BIG_FLOAT")
    if domain.HasField("min") and stats.min < domain.min:
        text = f"feature {name!r} is as small as {stats.min:g}; its domain begins at {domain.min:g}"
        yield Anomaly(name, small, text, stats.min, lower=domain.min)
    if domain.HasField("max") and stats.max > domain.max:
        text = f"feature {name!r} is as great as {stats.max:g}; its domain ends at {domain.max:g}"
        yield Anomaly(name, big, text, stats.max, upper=domain.max)
