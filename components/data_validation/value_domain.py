"""How the values of a feature may differ from the type and the domain that its schema names."""

import math
from collections.abc import Iterator
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_validation.anomaly import Anomaly

DOMAIN_TYPES = {
    "domain": ("BYTES",),
    "string_domain": ("BYTES",),
    "bool_domain": ("INT", "FLOAT", "BYTES"),
    "int_domain": ("INT", "BYTES"),
    "float_domain": ("FLOAT", "BYTES"),
}
"""Of which features each kind of domain may be, as in TFDV."""
_SHOWN = 5


def about_values(feature: Any, expected: Any, schema: Any) -> Iterator[Anomaly]:
    """Compare the values of a feature that has some with what is expected of them.

    Args:
        feature: its `FeatureNameStatistics`.
        expected: its `Feature` in the schema.
        schema: the whole.
    """
    found = "BYTES" if feature.HasField("string_stats") else feature.Type.Name(feature.type)
    wanted = schema_pb2.FeatureType.Name(expected.type)
    if wanted not in ("TYPE_UNKNOWN", "STRUCT") and found != wanted:
        text = f"feature {expected.name!r} holds {found}; the schema says {wanted}"
        yield Anomaly(expected.name, "UNEXPECTED_DATA_TYPE", text)
        return
    domain = expected.WhichOneof("domain_info")
    if wanted == "TYPE_UNKNOWN" and found not in DOMAIN_TYPES.get(domain, (found,)):
        text = f"feature {expected.name!r} holds {found}, which its {domain} in the schema isn't of"
        yield Anomaly(expected.name, "DOMAIN_INVALID_FOR_TYPE", text)
    elif domain == "bool_domain":
        yield from _about_truth(feature, expected, found)
    elif found == "BYTES":
        yield from _about_texts(feature.string_stats, expected, schema)
        yield from _about_numbers_in_texts(feature.string_stats, expected)
    else:
        yield from _about_numbers(feature.num_stats, expected, found)


def _about_truth(feature: Any, expected: Any, found: str) -> Iterator[Anomaly]:
    """Numbers must be 0 or 1, texts the two that the domain names."""
    name, domain = expected.name, expected.bool_domain
    if found == "BYTES":
        seen = [bucket.label for bucket in feature.string_stats.rank_histogram.buckets]
        unknown = [text for text in seen if text not in (domain.true_value, domain.false_value)]
        if unknown:
            text = (
                f"feature {name!r} is {unknown[0]!r} in some examples; its domain has "
                f"{domain.true_value!r} and {domain.false_value!r}"
            )
            yield Anomaly(name, "BOOL_TYPE_UNEXPECTED_STRING", text)
        return
    for is_beyond, reason, value in (
        (feature.num_stats.min < 0, "BOOL_TYPE_SMALL_INT", feature.num_stats.min),
        (feature.num_stats.max > 1, "BOOL_TYPE_BIG_INT", feature.num_stats.max),
    ):
        if is_beyond:
            text = f"feature {name!r} is {value:g} in some examples; its domain has 0 and 1"
            yield Anomaly(name, reason, text, value, lower=0, upper=1)


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
    if not expected.HasField(kind):
        return
    num_nan = max((histogram.num_nan for histogram in stats.histograms), default=0)
    yield from _about_range(name, getattr(expected, kind), (stats.min, stats.max), num_nan)


def _about_range(
    name: str, domain: Any, extremes: tuple[float, float], num_nan: int
) -> Iterator[Anomaly]:
    least, greatest = extremes
    kind, number = "INT_TYPE", "INT"
    if isinstance(domain, schema_pb2.FloatDomain):
        kind, number = "FLOAT_TYPE", "FLOAT"
        if domain.disallow_nan and num_nan:
            text = f"feature {name!r} has {num_nan:,} values that are NaN; its domain forbids that"
            yield Anomaly(name, "FLOAT_TYPE_HAS_NAN", text, num_nan, upper=0)
        if domain.disallow_inf and float("inf") in (greatest, -least):
            text = f"feature {name!r} has infinite values; its domain forbids that"
            yield Anomaly(name, "FLOAT_TYPE_HAS_INF", text)
    if domain.HasField("min") and least < domain.min:
        text = f"feature {name!r} is as small as {least:g}; its domain begins at {domain.min:g}"
        yield Anomaly(name, f"{kind}_SMALL_{number}", text, least, lower=domain.min)
    if domain.HasField("max") and greatest > domain.max:
        text = f"feature {name!r} is as great as {greatest:g}; its domain ends at {domain.max:g}"
        yield Anomaly(name, f"{kind}_BIG_{number}", text, greatest, upper=domain.max)


def _about_numbers_in_texts(stats: Any, expected: Any) -> Iterator[Anomaly]:
    """Texts with a domain of numbers must be such numbers, written out."""
    kind = expected.WhichOneof("domain_info")
    if kind not in ("int_domain", "float_domain"):
        return
    read, reason = (
        (int, "INT_TYPE_NOT_INT_STRING")
        if kind == "int_domain"
        else (float, "FLOAT_TYPE_STRING_NOT_FLOAT")
    )
    numbers: list[float] = []
    num_nan = 0
    for bucket in stats.rank_histogram.buckets:
        try:
            number = read(bucket.label.replace("_", "?"))  # Python alone takes 1_000 for a number
        except ValueError:
            text = f"feature {expected.name!r} is {bucket.label!r}, and its domain has numbers only"
            yield Anomaly(expected.name, reason, text)
            return
        if math.isnan(number):
            num_nan += int(bucket.sample_count)
        else:
            numbers.append(number)
    extremes = (min(numbers, default=0.0), max(numbers, default=0.0))
    yield from _about_range(expected.name, getattr(expected, kind), extremes, num_nan)
