"""What a slice has more than one number of: calibration by bucket, confusion of classes."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from components.errors import ConfigurationError
from components.evaluator.class_matrix import ClassMatrix
from components.evaluator.exact_sum import Array
from components.evaluator.histogram import NUM_BUCKETS, BucketSums
from components.evaluator.metric.confusion import DEFAULT_THRESHOLD
from components.evaluator.metric.kind import (
    Asked,
    Computation,
    Kind,
    Takes,
    read_count,
    read_thresholds,
)

_DEFAULT_NUM_BUCKETS = 1000


def _calibration(asked: Asked) -> Computation:
    """Return the occupied buckets, each with its bounds, number, mean label, mean prediction."""
    num_buckets = read_count(asked.settings, "num_buckets", least=1)
    left, right = (_read_end(asked.settings, name) for name in ("left", "right"))
    if not left < right:
        raise ConfigurationError(f"left is {left} and right is {right}; expected left < right")
    bounds = [left + i * (right - left) / num_buckets for i in range(num_buckets + 1)]
    bounds = [-np.inf, *bounds, np.inf]
    edges = left + (np.arange(NUM_BUCKETS + 2) - 1) * ((right - left) / NUM_BUCKETS)
    edges[0], edges[-1] = -np.inf, np.inf
    # A hair, for the edges' last digits.
    hair = 1e-9 * (right - left)
    bucket_of = np.clip(np.searchsorted(bounds, edges + hair, side="right") - 1, 0, num_buckets + 1)

    def plot(occupied: Array) -> list[dict[str, float | None]]:
        buckets, positions = np.unique(
            bucket_of[occupied[:, 0].astype(np.int64)], return_inverse=True
        )
        counts, labels, predictions = (
            np.bincount(positions, weights=occupied[:, column], minlength=len(buckets))
            for column in (1, 2, 3)
        )
        return [
            {
                "lower": _finite(bounds[bucket]),
                "upper": _finite(bounds[bucket + 1]),
                "count": count,
                "label": label,
                "prediction": prediction,
            }
            for bucket, count, label, prediction in zip(
                buckets.tolist(),
                counts.tolist(),
                labels.tolist(),
                predictions.tolist(),
                strict=True,
            )
        ]

    statistic = BucketSums(left, right, asked.weighted, asked.view)
    return Computation((statistic,), lambda slices: [plot(occupied) for occupied in slices])


def _read_end(settings: Mapping[str, Any], name: str) -> float:
    value = settings[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigurationError(f"{name} is {value!r}; expected a number")
    return float(value)


def _finite(bound: float) -> float | None:
    return float(bound) if np.isfinite(bound) else None


def _class_matrix(asked: Asked) -> Computation:
    """Return for each threshold the cells that occur: true class, predicted class, number."""
    thresholds = read_thresholds(asked.settings) or (DEFAULT_THRESHOLD,)
    statistics = tuple(ClassMatrix(threshold, asked.weighted) for threshold in thresholds)

    def compute(*by_threshold: list[Array]) -> list[list[dict[str, Any]]]:
        return [
            [
                {
                    "threshold": threshold,
                    "cells": [
                        {"actual": int(actual), "predicted": int(predicted), "count": count}
                        for actual, predicted, count in cells.tolist()
                    ],
                }
                for threshold, cells in zip(thresholds, of_slice, strict=True)
            ]
            for of_slice in zip(*by_threshold, strict=True)
        ]

    return Computation(statistics, compute)


_MATRIX = Kind(
    "multi_class_confusion_matrix_at_thresholds",
    _class_matrix,
    {"thresholds": None},
    takes=Takes.CLASSES,
    is_plot=True,
)
KINDS = {
    "CalibrationPlot": Kind(
        "calibration_plot",
        _calibration,
        {"num_buckets": _DEFAULT_NUM_BUCKETS, "left": 0.0, "right": 1.0},
        takes=Takes.NUMBERS,
        has_views=True,
        is_plot=True,
    ),
    "MultiClassConfusionMatrixAtThresholds": _MATRIX,
}
