"""Writes what was accumulated as a `DatasetFeatureStatisticsList`, as TFDV lays it out.

Source of fields and their meaning: `tensorflow_metadata/proto/v0/statistics.proto`.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
from tensorflow_metadata.proto.v0 import path_pb2, statistics_pb2

from components.data_validation.arrow_numbers import to_numpy
from components.data_validation.dataset_accumulator import DatasetAccumulator
from components.data_validation.feature_accumulator import (
    FeatureAccumulator,
    Numbers,
    Presence,
    Texts,
)

NUM_TOP_VALUES = 20
_NUM_RANKED = 16384
_NUM_BUCKETS = 10
_NUM_QUANTILES = 1000
_Histogram = statistics_pb2.Histogram


def dataset_statistics(name: str, dataset: DatasetAccumulator) -> Any:
    """Return a `DatasetFeatureStatistics`, its features sorted by name."""
    proto = statistics_pb2.DatasetFeatureStatistics(name=name, num_examples=dataset.num_examples)
    for feature_name in sorted(dataset.features):
        proto.features.append(_feature(dataset.features[feature_name]))
    return proto


def _feature(feature: FeatureAccumulator) -> Any:
    kind = statistics_pb2.FeatureNameStatistics.Type.Value(feature.kind or "STRING")
    proto = statistics_pb2.FeatureNameStatistics(path=path_pb2.Path(step=[feature.name]), type=kind)
    if isinstance(feature.values, Numbers):
        _fill_common(proto.num_stats.common_stats, feature.presence)
        _fill_numbers(proto.num_stats, feature.values)
    else:
        _fill_common(proto.string_stats.common_stats, feature.presence)
        if feature.values is not None:
            _fill_texts(proto, feature.values, feature.presence.num_values)
    return proto


def _fill_common(proto: Any, presence: Presence) -> None:
    proto.num_non_missing = presence.num_non_missing
    proto.num_missing = presence.num_missing
    proto.tot_num_values = presence.num_values
    if presence.lengths:
        proto.min_num_values = min(presence.lengths)
        proto.max_num_values = max(presence.lengths)
        proto.avg_num_values = presence.num_values / presence.num_non_missing
    valency = proto.presence_and_valency_stats.add()
    for name in ("num_non_missing", "num_missing", "min_num_values", "max_num_values"):
        setattr(valency, name, getattr(proto, name))
    valency.tot_num_values = presence.num_values


def _fill_numbers(proto: Any, numbers: Numbers) -> None:
    if numbers.count:
        proto.mean = numbers.mean
        proto.std_dev = math.sqrt(numbers.squares / numbers.count)
    proto.num_zeros = numbers.num_zeros
    if numbers.minimum > numbers.maximum:  # nothing but NaN
        proto.histograms.add(num_nan=numbers.num_nan, type=_Histogram.STANDARD)
        return
    proto.min, proto.max = numbers.minimum, numbers.maximum
    quantiles, weights = _quantiles(numbers, _NUM_QUANTILES)
    proto.median = float(_quantiles(numbers, 2)[0][1])
    standard = proto.histograms.add(num_nan=numbers.num_nan, type=_Histogram.STANDARD)
    _fill_standard(standard, quantiles, weights)
    deciles, counts = _quantiles(numbers, _NUM_BUCKETS)
    counts[0] = 0.0
    ranked = proto.histograms.add(num_nan=numbers.num_nan, type=_Histogram.QUANTILES)
    for (low, high), (before, after) in zip(pairwise(deciles), pairwise(counts), strict=True):
        ranked.buckets.add(low_value=low, high_value=high, sample_count=after - before)


def _quantiles(numbers: Numbers, count: int) -> tuple[Any, Any]:
    """Return `count` + 1 quantiles, and how many values lie at or below each."""
    found, weights = numbers.sketch.GetQuantilesAndCumulativeWeights(count)
    values = to_numpy(found.flatten())
    return values, to_numpy(weights.flatten()).astype(np.float64)


def _fill_standard(proto: Any, quantiles: Any, cumulative: Any) -> None:
    """Ten buckets of equal width; all values up to a quantile count as that quantile."""
    distinct, last = np.unique(quantiles[::-1], return_index=True)
    counts = np.diff(cumulative[::-1][last], prepend=0.0)
    finite = np.isfinite(distinct)
    distinct, counts = distinct[finite], counts[finite]
    if len(distinct) < 2:
        for value, count in zip(distinct, counts, strict=True):
            proto.buckets.add(low_value=value, high_value=value, sample_count=count)
        return
    edges = np.linspace(distinct[0], distinct[-1], _NUM_BUCKETS + 1)
    filled, _ = np.histogram(distinct, edges, weights=counts)
    for (left, right), count in zip(pairwise(edges), filled, strict=True):
        proto.buckets.add(low_value=left, high_value=right, sample_count=count)


def _fill_texts(proto: Any, texts: Texts, num_values: int) -> None:
    stats = proto.string_stats
    stats.unique = texts.distinct.Estimate()
    stats.avg_length = texts.num_bytes / num_values
    stats.invalid_utf8_count = texts.num_invalid
    counted = texts.counts.Estimate().to_pylist()
    for row in counted[:NUM_TOP_VALUES]:
        value = row["values"].decode("utf-8", "backslashreplace")
        stats.top_values.add(value=value, frequency=row["counts"])
    for rank, row in enumerate(counted[:_NUM_RANKED]):
        stats.rank_histogram.buckets.add(
            low_rank=rank,
            high_rank=rank,
            label=row["values"].decode("utf-8", "backslashreplace"),
            sample_count=row["counts"],
        )
    for name, length in (("min_length", texts.minimum), ("max_length", texts.maximum)):
        proto.custom_stats.add(name=name, num=float(length))
