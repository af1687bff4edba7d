"""Metrics that are one sum, or one divided by another."""

import dataclasses

import numpy as np

from components.evaluator import term
from components.evaluator.exact_sum import Array
from components.evaluator.metric.kind import (
    Asked,
    Computation,
    Kind,
    Takes,
    divide_unless_tiny,
    read_count,
)
from components.evaluator.statistic import Sum, Term


def _count(asked: Asked) -> Computation:
    return Computation((Sum(term.count, asked.weighted),), lambda count: count)


def ratio(top: Term, bottom: Term, *, in_pairs: bool) -> "Maker":
    """Return how to make a sum divided by another; `in_pairs`: of pairs, as a view has them."""
    return Maker(top, bottom, in_pairs)


class Maker:
    """Makes a ratio of two sums."""

    def __init__(self, top: Term, bottom: Term, in_pairs: bool, root: bool = False) -> None:
        self._terms = (top, bottom)
        self._in_pairs = in_pairs
        self._root = root

    def __call__(self, asked: Asked) -> Computation:
        """Return sums and quotient."""
        view = asked.view if self._in_pairs else None
        top, bottom = (Sum(each, asked.weighted, view) for each in self._terms)
        return Computation((top, bottom), self._divide)

    def _divide(self, top: Array, bottom: Array) -> Array:
        quotient = divide_unless_tiny(top, bottom)
        return np.sqrt(quotient) if self._root else quotient


def _top_k(asked: Asked) -> Computation:
    k = read_count(asked.settings, "k", least=1)
    computation = ratio(term.HitsTopK(k), term.count, in_pairs=False)(asked)
    return dataclasses.replace(computation, least_classes=k + 1)


_FIXED = {"=from_logits": False, "=label_smoothing": 0, "=axis": -1}

KINDS = {
    "ExampleCount": Kind(
        "example_count", _count, needs_predictions=False, is_size=True, is_count=True
    ),
    "WeightedExampleCount": Kind(
        "weighted_example_count", _count, needs_predictions=False, is_size=True, is_count=True
    ),
    "Calibration": Kind(
        "calibration",
        ratio(term.prediction, term.label, in_pairs=True),
        takes=Takes.NUMBERS,
        has_views=True,
    ),
    "MeanLabel": Kind(
        "mean_label",
        ratio(term.label, term.count, in_pairs=True),
        takes=Takes.NUMBERS,
        has_views=True,
        needs_predictions=False,
    ),
    "MeanPrediction": Kind(
        "mean_prediction",
        ratio(term.prediction, term.count, in_pairs=True),
        takes=Takes.NUMBERS,
        has_views=True,
    ),
    "BinaryCrossentropy": Kind(
        "binary_crossentropy",
        ratio(term.log_loss, term.count, in_pairs=True),
        _FIXED,
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=0,
    ),
    "BrierScore": Kind(
        "brier_score",
        ratio(term.squared_error, term.count, in_pairs=True),
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=0,
        highest=1,
    ),
    "CategoricalAccuracy": Kind(
        "categorical_accuracy",
        ratio(term.hits_class, term.count, in_pairs=False),
        takes=Takes.SCORES,
        lowest=0,
        highest=1,
        is_rate=True,
    ),
    "SparseCategoricalAccuracy": Kind(
        "sparse_categorical_accuracy",
        ratio(term.hits_class, term.count, in_pairs=False),
        takes=Takes.SCORES,
        lowest=0,
        highest=1,
        is_rate=True,
    ),
    "TopKCategoricalAccuracy": Kind(
        "top_k_categorical_accuracy",
        _top_k,
        {"k": 5},
        takes=Takes.SCORES,
        lowest=0,
        highest=1,
        is_rate=True,
    ),
    "SparseTopKCategoricalAccuracy": Kind(
        "sparse_top_k_categorical_accuracy",
        _top_k,
        {"k": 5, "=from_sorted_ids": False},
        takes=Takes.SCORES,
        lowest=0,
        highest=1,
        is_rate=True,
    ),
    "CategoricalCrossentropy": Kind(
        "categorical_crossentropy",
        ratio(term.categorical_log_loss, term.count, in_pairs=False),
        _FIXED,
        takes=Takes.CLASSES,
        lowest=0,
    ),
    "SparseCategoricalCrossentropy": Kind(
        "sparse_categorical_crossentropy",
        ratio(term.sparse_categorical_log_loss, term.count, in_pairs=False),
        {"=from_logits": False, "=ignore_class": None, "=axis": -1},
        takes=Takes.CLASSES,
        lowest=0,
    ),
}
