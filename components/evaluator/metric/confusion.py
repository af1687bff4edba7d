"""Metrics of true and false positives and negatives at thresholds.

Formulas by their usual names; source: https://en.wikipedia.org/wiki/Confusion_matrix.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from components.evaluator.exact_sum import Array
from components.evaluator.metric.kind import (
    Asked,
    Computation,
    Kind,
    Takes,
    divide,
    divide_where,
    read_number,
    read_thresholds,
)
from components.evaluator.statistic import Confusion

Formula = Callable[[Array, Array, Array, Array], Array]
"""Of TN, FP, FN and TP."""

DEFAULT_THRESHOLD = 0.5
_FAIRNESS = "fairness_indicators_metrics"
_FAIRNESS_THRESHOLDS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def _informedness(tn: Array, fp: Array, fn: Array, tp: Array) -> Array:
    return divide(tp, tp + fn) + divide(tn, tn + fp) - 1


def _correlation(tn: Array, fp: Array, fn: Array, tp: Array) -> Array:
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return divide(tp * tn - fp * fn, np.sqrt(np.maximum(product, 0)))


def _prevalence_threshold(tn: Array, fp: Array, fn: Array, tp: Array) -> Array:
    hit_rate, specificity = divide(tp, tp + fn), divide(tn, tn + fp)
    top = np.sqrt(np.maximum(hit_rate * (1 - specificity), 0)) + specificity - 1
    bottom = hit_rate + specificity - 1
    return divide_where(top, bottom, bottom != 0)


def _f_beta(beta: float) -> Formula:
    """Return van Rijsbergen's F: recall counts `beta` times as much as precision."""
    square = beta * beta
    return lambda tn, fp, fn, tp: divide((1 + square) * tp, (1 + square) * tp + square * fn + fp)


def _count(cell: int) -> Formula:
    """Return one of the four; NaN where no example weighs anything, for 0 would look perfect."""
    return lambda *cells: np.where(sum(cells) > 0, cells[cell], np.nan)


FORMULAS: Mapping[str, tuple[str, Formula]] = {
    "TruePositives": ("true_positives", _count(3)),
    "TrueNegatives": ("true_negatives", _count(0)),
    "FalsePositives": ("false_positives", _count(1)),
    "FalseNegatives": ("false_negatives", _count(2)),
    "Precision": ("precision", lambda tn, fp, fn, tp: divide(tp, tp + fp)),
    "Recall": ("recall", lambda tn, fp, fn, tp: divide(tp, tp + fn)),
    "Specificity": ("specificity", lambda tn, fp, fn, tp: divide(tn, tn + fp)),
    "FallOut": ("fall_out", lambda tn, fp, fn, tp: divide(fp, fp + tn)),
    "MissRate": ("miss_rate", lambda tn, fp, fn, tp: divide(fn, fn + tp)),
    "NegativePredictiveValue": (
        "negative_predictive_value", lambda tn, fp, fn, tp: divide(tn, tn + fn),
    ),
    "FalseDiscoveryRate": ("false_discovery_rate", lambda tn, fp, fn, tp: divide(fp, fp + tp)),
    "FalseOmissionRate": ("false_omission_rate", lambda tn, fp, fn, tp: divide(fn, fn + tn)),
    "Prevalence": ("prevalence", lambda tn, fp, fn, tp: divide(tp + fn, tp + tn + fp + fn)),
    "PrevalenceThreshold": ("prevalence_threshold", _prevalence_threshold),
    "PredictedPositiveRate": (
        "predicted_positive_rate", lambda tn, fp, fn, tp: divide(tp + fp, tp + tn + fp + fn),
    ),
    "ThreatScore": ("threat_score", lambda tn, fp, fn, tp: divide(tp, tp + fn + fp)),
    "BalancedAccuracy": (
        "balanced_accuracy", lambda tn, fp, fn, tp: (_informedness(tn, fp, fn, tp) + 1) / 2,
    ),
    "F1Score": ("f1_score", _f_beta(1.0)),
    "MatthewsCorrelationCoefficient": ("matthews_correlation_coefficient", _correlation),
    "FowlkesMallowsIndex": (
        "fowlkes_mallows_index",
        lambda tn, fp, fn, tp: np.sqrt(divide(tp, tp + fp) * divide(tp, tp + fn)),
    ),
    "Informedness": ("informedness", _informedness),
    "Markedness": (
        "markedness", lambda tn, fp, fn, tp: divide(tp, tp + fp) + divide(tn, tn + fn) - 1,
    ),
    "PositiveLikelihoodRatio": (
        "positive_likelihood_ratio",
        lambda tn, fp, fn, tp: divide(divide(tp, tp + fn), divide(fp, fp + tn)),
    ),
    "NegativeLikelihoodRatio": (
        "negative_likelihood_ratio",
        lambda tn, fp, fn, tp: divide(divide(fn, fn + tp), divide(tn, tn + fp)),
    ),
    "DiagnosticOddsRatio": (
        "diagnostic_odds_ratio", lambda tn, fp, fn, tp: divide(divide(tp, fn), divide(fp, tn)),
    ),
}  # fmt: skip

_ALIASES = {
    "TP": "TruePositives",
    "TN": "TrueNegatives",
    "FP": "FalsePositives",
    "FN": "FalseNegatives",
    "PPV": "Precision",
    "TPR": "Recall",
    "TNR": "Specificity",
    "FPR": "FallOut",
    "FNR": "MissRate",
    "NPV": "NegativePredictiveValue",
}


def accuracy(tn: Array, fp: Array, fn: Array, tp: Array) -> Array:
    """Return the share of hits."""
    return divide(tp + tn, tp + tn + fp + fn)


def _at_thresholds(formula: Formula) -> Callable[[Asked], Mapping[str, Computation]]:
    """Return a maker of what is computed at one threshold, or at each of several."""

    def make(asked: Asked) -> Mapping[str, Computation]:
        thresholds = read_thresholds(asked.settings) or (_default(asked),)
        statistic = Confusion(thresholds, asked.weighted, asked.view)
        return {
            f"@{threshold:.10g}" if len(thresholds) > 1 else "": Computation(
                (statistic,), _at(position, formula)
            )
            for position, threshold in enumerate(thresholds)
        }

    return make


def _default(asked: Asked) -> float:
    """Return the usual threshold; of the k highest predictions all are made."""
    return DEFAULT_THRESHOLD if asked.view.top_k is None else -math.inf


def _f_beta_score(asked: Asked) -> Mapping[str, Computation]:
    beta = read_number(asked.settings, "beta", least=1e-6, most=1e6)
    return _at_thresholds(_f_beta(beta))(asked)


def _fairness(asked: Asked) -> Mapping[str, Computation]:
    thresholds = read_thresholds(asked.settings) or ()
    statistic = Confusion(thresholds, asked.weighted, asked.view)
    rates = {
        "false_positive_rate": FORMULAS["FallOut"][1],
        "false_negative_rate": FORMULAS["MissRate"][1],
        "true_positive_rate": FORMULAS["Recall"][1],
        "true_negative_rate": FORMULAS["Specificity"][1],
        "positive_rate": FORMULAS["PredictedPositiveRate"][1],
        "negative_rate": lambda tn, fp, fn, tp: divide(tn + fn, tp + tn + fp + fn),
        "false_discovery_rate": FORMULAS["FalseDiscoveryRate"][1],
        "false_omission_rate": FORMULAS["FalseOmissionRate"][1],
        "precision": FORMULAS["Precision"][1],
        "recall": FORMULAS["Recall"][1],
    }
    return {
        f"/{name}@{threshold:g}": Computation((statistic,), _at(position, formula))
        for position, threshold in enumerate(thresholds)
        for name, formula in rates.items()
    }


def _at(position: int, formula: Formula) -> Callable[[Array], Array]:
    return lambda cells: formula(*cells[:, position].T)


def _matrices(asked: Asked) -> Computation:
    thresholds = read_thresholds(asked.settings) or (DEFAULT_THRESHOLD,)
    statistic = Confusion(thresholds, asked.weighted, asked.view)

    def compute(cells: Array) -> list[list[dict[str, float]]]:
        names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
        return [
            [
                {"threshold": threshold, **dict(zip(names, row, strict=True))}
                for threshold, row in zip(thresholds, rows, strict=True)
            ]
            for rows in cells.tolist()
        ]

    return Computation((statistic,), compute)


_COUNTS = frozenset(FORMULAS[name][0] for name in list(FORMULAS)[:4])
_RANGES = {
    **dict.fromkeys(_COUNTS, (-math.inf, math.inf)),
    "prevalence_threshold": (-math.inf, math.inf),
    "matthews_correlation_coefficient": (-1.0, 1.0),
    "informedness": (-1.0, 1.0),
    "markedness": (-1.0, 1.0),
    "positive_likelihood_ratio": (0.0, math.inf),
    "negative_likelihood_ratio": (0.0, math.inf),
    "diagnostic_odds_ratio": (0.0, math.inf),
}
"""Of those that aren't from 0 to 1. Weights may be negative, so counts may be anything."""


def _kind(name: str, formula: Formula, range_of: str = "") -> Kind:
    lowest, highest = _RANGES.get(range_of or name, (0.0, 1.0))
    return Kind(
        name,
        _at_thresholds(formula),
        {"thresholds": None, "top_k": None, "class_id": None},
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=lowest,
        highest=highest,
        is_count=(range_of or name) in _COUNTS,
    )


KINDS = {
    **{class_name: _kind(*entry) for class_name, entry in FORMULAS.items()},
    **{
        alias: _kind(alias.lower(), FORMULAS[name][1], FORMULAS[name][0])
        for alias, name in _ALIASES.items()
    },
    "BinaryAccuracy": Kind(
        "binary_accuracy",
        _at_thresholds(accuracy),
        {"threshold": None, "top_k": None, "class_id": None},
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=0,
        highest=1,
        is_rate=True,
    ),
    "FBetaScore": Kind(
        "fbeta_score",
        _f_beta_score,
        {"beta": 1.0, "threshold": None},
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=0,
        highest=1,
    ),
    "FairnessIndicators": Kind(
        _FAIRNESS,
        _fairness,
        {"thresholds": _FAIRNESS_THRESHOLDS},
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=0,
        highest=1,
    ),
    "ConfusionMatrixAtThresholds": Kind(
        "confusion_matrix_at_thresholds",
        _matrices,
        {"thresholds": None},
        takes=Takes.PROBABILITIES,
        has_views=True,
        is_plot=True,
    ),
}
