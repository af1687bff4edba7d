"""Mistakes in a schema itself, by which a wish in it would never be checked.

Source of what is a mistake: `Schema::UpdateFeatureSelf` in TFDV's ``anomalies/schema.cc``.
"""

from collections.abc import Iterator
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_validation.anomaly import Anomaly, is_checked
from components.data_validation.value_domain import DOMAIN_TYPES

_ELSEWHERE = ("sparse_feature", "weighted_feature")
_UNCHECKED = (
    *("struct_domain", "natural_language_domain", "image_domain", "mid_domain", "url_domain"),
    *("time_domain", "time_of_day_domain", "audio_domain", "video_domain", "content_chunk_domain"),
    *("unique_constraints", "group_presence", "value_counts"),
)


def find_mistakes(schema: Any) -> Iterator[Anomaly]:
    """Yield what is wrong with a `Schema`, whatever the data are."""
    named = {domain.name for domain in schema.string_domain}
    for feature in schema.feature:
        if is_checked(feature):
            yield from _about_domain(feature, named)
            for text in _impossible(feature):
                yield Anomaly(
                    feature.name, "INVALID_SCHEMA_SPECIFICATION", f"feature {feature.name!r} {text}"
                )


def unchecked(schema: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of features, empty for the schema as a whole, and what isn't looked at."""
    whole = [name for name in _ELSEWHERE if len(getattr(schema, name))]
    if schema.dataset_constraints.HasField("num_examples_version_comparator"):
        whole.append("num_examples_version_comparator")
    if whole:
        yield "", whole
    for feature in schema.feature:
        names = [name for name in _UNCHECKED if feature.HasField(name)]
        if names and is_checked(feature):
            yield feature.name, names


def _about_domain(feature: Any, named: set[str]) -> Iterator[Anomaly]:
    kind = feature.WhichOneof("domain_info")
    allowed = DOMAIN_TYPES.get(kind)
    type_name = schema_pb2.FeatureType.Name(feature.type)
    if allowed is not None and type_name not in ("TYPE_UNKNOWN", *allowed):
        text = (
            f"feature {feature.name!r} is of type {type_name} and has {_article(kind)} {kind} in "
            f"the schema, which nothing could be checked by; expected {' or '.join(allowed)}"
        )
        yield Anomaly(feature.name, "DOMAIN_INVALID_FOR_TYPE", text)
    elif kind == "domain" and feature.domain not in named:
        text = (
            f"feature {feature.name!r} has the domain {feature.domain!r}, which the schema doesn't "
            f"define; expected one of {', '.join(sorted(named)) or 'its string_domains'}"
        )
        yield Anomaly(feature.name, "INVALID_DOMAIN_SPECIFICATION", text)


def _impossible(feature: Any) -> Iterator[str]:
    """Yield what no data could fulfil, or none could break."""
    fraction = feature.presence.min_fraction
    if not 0.0 <= fraction <= 1.0:
        yield f"has presence.min_fraction {fraction:g} in the schema; expected from 0 to 1"
    count = feature.value_count
    if count.min < 0 or (count.HasField("max") and count.max < count.min):
        yield f"has value_count from {count.min} to {count.max} in the schema; expected a range"
    if any(dim.size < 1 for dim in feature.shape.dim):
        yield "has a dimension below 1 in the schema's shape; expected sizes above 0"
    if feature.HasField("distribution_constraints") and feature.WhichOneof("domain_info") not in (
        "domain",
        "string_domain",
    ):
        yield (
            "has distribution_constraints in the schema, but no domain of texts that they could be "
            "about; leave them out"
        )


def _article(kind: str) -> str:
    return "an" if kind == "int_domain" else "a"
