"""Metrics of the ROC and the precision-recall curve: areas, and the best points on them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from components.errors import ConfigurationError
from components.evaluator import curve as curves
from components.evaluator.curve import Curve
from components.evaluator.exact_sum import Array
from components.evaluator.histogram import ScoreHistogram, Scores
from components.evaluator.metric.kind import (
    Asked,
    Computation,
    Kind,
    Takes,
    divide,
    read_count,
    read_number,
)

_AREA_SETTINGS: Mapping[str, Any] = {
    "curve": None,
    "num_thresholds": curves.DEFAULT_NUM_THRESHOLDS,
    "=summation_method": "interpolation",
    "=thresholds": None,
    "=multi_label": False,
    "=num_labels": None,
    "=label_weights": None,
    "=from_logits": False,
    "=top_k": None,
    "class_id": None,
}


def _area(default_curve: str) -> Callable[[Asked], Computation]:
    def make(asked: Asked) -> Computation:
        which = str(asked.settings["curve"] or default_curve).upper()
        if which not in curves.AREAS:
            raise ConfigurationError(
                f"curve is {asked.settings['curve']!r}; expected 'ROC' or 'PR'"
            )
        return _on_curve(asked, curves.AREAS[which])

    return make


def _on_curve(asked: Asked, formula: Callable[[Curve], Array]) -> Computation:
    num_thresholds = read_count(asked.settings, "num_thresholds", least=3)
    histogram = ScoreHistogram(asked.weighted, asked.view)

    def compute(scores: Scores) -> Array:
        return formula(curves.make_curve(scores, num_thresholds))

    return Computation((histogram,), compute)


Rate = Callable[[Curve, Array, Array], Array]
"""Of the curve, false and true positives at each point."""


def _recall(curve: Curve, false: Array, true: Array) -> Array:
    return divide(true, curve.of(curve.num_positives))


def _precision(curve: Curve, false: Array, true: Array) -> Array:
    return divide(true, true + false)


def _specificity(curve: Curve, false: Array, true: Array) -> Array:
    negatives = curve.of(curve.num_negatives)
    return divide(negatives - false, negatives)


def _false_positive_rate(curve: Curve, false: Array, true: Array) -> Array:
    return divide(false, curve.of(curve.num_negatives))


def _threshold(curve: Curve, false: Array, true: Array) -> Array:
    return curve.thresholds


def _best(wanted: Rate, condition: Rate, setting: str, *, at_most: bool = False) -> Any:
    """Return how to find the highest value where another holds; 0 where it holds nowhere."""

    def make(asked: Asked) -> Computation:
        limit = read_number(asked.settings, setting, least=0, most=1)

        def formula(curve: Curve) -> Array:
            false, true = curve.false_positives, curve.true_positives
            with np.errstate(invalid="ignore"):
                held = condition(curve, false, true)
                feasible = held <= limit if at_most else held >= limit
            best = np.zeros(curve.num_slices)
            values = wanted(curve, false, true)
            feasible &= ~np.isnan(values)
            np.maximum.at(best, curve.slices[feasible], values[feasible])
            _consider_the_end(curve, best, (wanted, condition), limit, at_most=at_most)
            return np.where(curve.has_both, best, np.nan)

        return _on_curve(asked, formula)

    return make


def _consider_the_end(
    curve: Curve, best: Array, rates: tuple[Rate, Rate], limit: float, *, at_most: bool
) -> None:
    """Take the threshold above everything too: nothing is predicted positive there."""
    wanted, condition = rates
    ends = {_recall: 0.0, _specificity: 1.0, _false_positive_rate: 0.0, _threshold: 1.0 + 1e-7}
    if condition not in ends or wanted not in ends:
        return
    held = ends[condition]
    if held <= limit if at_most else held >= limit:
        np.maximum(best, ends[wanted], out=best)


def _kind(name: str, setting: str, make: Any) -> Kind:
    return Kind(
        name,
        make,
        {
            setting: None,
            "num_thresholds": curves.DEFAULT_NUM_THRESHOLDS,
            "class_id": None,
            "=top_k": None,
        },
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=0 if name != "threshold_at_recall" else -1e-7,
        highest=1 if name != "threshold_at_recall" else 1 + 1e-7,
    )


KINDS = {
    "AUC": Kind(
        "auc",
        _area("ROC"),
        _AREA_SETTINGS,
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=0,
        highest=1,
    ),
    "AUCPrecisionRecall": Kind(
        "auc_precision_recall",
        _area("PR"),
        {name: value for name, value in _AREA_SETTINGS.items() if name != "curve"}
        | {"=curve": "PR"},
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=0,
        highest=1,
    ),
    "SensitivityAtSpecificity": _kind(
        "sensitivity_at_specificity",
        "specificity",
        _best(_recall, _specificity, "specificity"),
    ),
    "SpecificityAtSensitivity": _kind(
        "specificity_at_sensitivity",
        "sensitivity",
        _best(_specificity, _recall, "sensitivity"),
    ),
    "PrecisionAtRecall": _kind(
        "precision_at_recall", "recall", _best(_precision, _recall, "recall")
    ),
    "RecallAtPrecision": _kind(
        "recall_at_precision", "precision", _best(_recall, _precision, "precision")
    ),
    "RecallAtFalsePositiveRate": _kind(
        "recall_at_false_positive_rate",
        "false_positive_rate",
        _best(_recall, _false_positive_rate, "false_positive_rate", at_most=True),
    ),
    "ThresholdAtRecall": _kind(
        "threshold_at_recall", "recall", _best(_threshold, _recall, "recall")
    ),
}
