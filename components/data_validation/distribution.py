"""The distribution of a feature's values, read from its statistics, and how far two are apart."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Distribution:
    """Shares of all values that aren't missing, by value or by range.

    Attributes:
        counts: how many values have each label.
        edges: of the ranges that the labels stand for; None for texts.
        total: of all values, those without a label of their own included.
        beyond: how many values lie in no range: ``NaN`` and ``infinite``.
    """

    counts: Mapping[str, float]
    total: float
    edges: tuple[float, ...] | None = None
    beyond: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def shares(self) -> dict[str, float]:
        """What part of all values has each label."""
        if not self.total:
            return {}
        return {label: count / self.total for label, count in self.counts.items()}

    def on(self, labels: list[str]) -> dict[str, float]:
        """Return the shares of some labels, and of all others together."""
        shares = {label: self.shares.get(label, 0.0) for label in labels}
        rest = max(0.0, 1.0 - sum(shares.values())) if self.total else 0.0
        return {**shares, "other": rest} if rest > 1e-9 else shares


def distribution(feature: Any) -> Distribution:
    """Return the distribution in a `FeatureNameStatistics`."""
    if feature.HasField("num_stats"):
        return _of_numbers(feature.num_stats)
    ranked = feature.string_stats.rank_histogram.buckets
    counts = {bucket.label: bucket.sample_count for bucket in ranked}
    total = feature.string_stats.common_stats.tot_num_values
    return Distribution(counts, float(total))


def _of_numbers(stats: Any) -> Distribution:
    standard = next((h for h in stats.histograms if h.type == h.STANDARD), None)
    if standard is None:
        return Distribution({}, 0.0, ())
    buckets = standard.buckets
    counts = {
        f"{bucket.low_value:.6g} – {bucket.high_value:.6g}": bucket.sample_count
        for bucket in buckets
    }
    edges = (buckets[0].low_value, *(bucket.high_value for bucket in buckets)) if buckets else ()
    beyond = {"NaN": standard.num_nan} if standard.num_nan else {}
    if not (math.isfinite(stats.min) and math.isfinite(stats.max)):
        num_numbers = stats.common_stats.tot_num_values - standard.num_nan
        beyond["infinite"] = max(0.0, num_numbers - sum(counts.values()))
    total = sum(counts.values()) + sum(beyond.values())
    return Distribution(counts, total, edges, beyond)


def l_infinity(one: Distribution, other: Distribution) -> tuple[float, str]:
    """Return the greatest difference of a value's shares, and which value it is of.

    Source: `FeatureComparator.infinity_norm` in `tensorflow_metadata/proto/v0/schema.proto`.
    """
    labels = {**one.shares, **other.shares}
    if not labels:
        return 0.0, ""
    return _greatest(
        {label: one.shares.get(label, 0.0) - other.shares.get(label, 0.0) for label in labels}
    )


def normalized_abs_difference(one: Distribution, other: Distribution) -> tuple[float, str]:
    """Return the greatest difference of a value's counts, as a share of all values of both.

    Unlike shares, counts differ too where one data set is merely larger.

    Source: `NormalizedAbsoluteDifference` in TFDV's ``anomalies/metrics.cc``.
    """
    total = one.total + other.total
    labels = {**one.counts, **other.counts}
    if not labels or not total:
        return 0.0, ""
    return _greatest(
        {
            label: (one.counts.get(label, 0.0) - other.counts.get(label, 0.0)) / total
            for label in labels
        }
    )


def _greatest(differences: Mapping[str, float]) -> tuple[float, str]:
    worst = max(differences, key=lambda label: (abs(differences[label]), label))
    return abs(differences[worst]), worst


def jensen_shannon_divergence(one: Distribution, other: Distribution) -> float:
    """Return the divergence in bits, from 0 (the same) to 1 (nothing in common).

    ½·KL(P‖M) + ½·KL(Q‖M) with M = ½(P + Q), Lin 1991. Numbers are compared on the edges of both
    histograms, each spread evenly within its buckets, as TFDV does. NaN is a value of its own, and
    so is infinity: more of them than before is a shift too.
    """
    if one.edges is not None and other.edges is not None:
        left, right = _on_common_edges(one, other)
    else:
        labels = sorted({**one.shares, **other.shares})
        left = np.array([one.shares.get(label, 0.0) for label in labels])
        right = np.array([other.shares.get(label, 0.0) for label in labels])
    middle = (left + right) / 2
    return (_relative_entropy(left, middle) + _relative_entropy(right, middle)) / 2


def _relative_entropy(one: Any, other: Any) -> float:
    there = one > 0
    return float(np.sum(one[there] * np.log2(one[there] / other[there])))


def _on_common_edges(one: Distribution, other: Distribution) -> tuple[Any, Any]:
    edges = sorted({*(one.edges or ()), *(other.edges or ())})
    # a range without width holds one value alone: it gets a place of its own
    points = [edge for edge in edges if _is_point(one, edge) or _is_point(other, edge)]
    places = [*pairwise(edges), *((point, point) for point in points)]
    beyond = sorted({*one.beyond, *other.beyond})
    return _places(one, places, beyond), _places(other, places, beyond)


def _places(values: Distribution, places: list[tuple[float, float]], beyond: list[str]) -> Any:
    total = values.total or 1.0
    return np.array(
        [
            *(_share_of(values, low, high) for low, high in places),
            *(values.beyond.get(name, 0.0) / total for name in beyond),
        ]
    )


def _is_point(values: Distribution, edge: float) -> bool:
    return values.edges is not None and (edge, edge) in set(pairwise(values.edges))


def _share_of(values: Distribution, low: float, high: float) -> float:
    share = 0.0
    edges = values.edges or ()
    for (left, right), part in zip(pairwise(edges), values.shares.values(), strict=False):
        if left == right:
            share += part if low == high == left else 0.0
        elif low != high:
            overlap = min(right, high) - max(left, low)
            share += part * max(0.0, overlap) / (right - left)
    return share if math.isfinite(share) else 0.0
