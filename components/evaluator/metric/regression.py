"""How far predicted numbers are from the true ones."""

import numpy as np

from components.evaluator import term
from components.evaluator.exact_sum import Array
from components.evaluator.metric.kind import Asked, Computation, Kind, Takes, divide
from components.evaluator.metric.mean import Maker
from components.evaluator.statistic import Sum


def _r2(asked: Asked) -> Computation:
    """Return 1 - Σ(y - p)² / Σ(y - ȳ)²; NaN where all labels are the same."""
    terms = (term.squared_error, term.squared_label, term.label, term.count)
    return Computation(tuple(Sum(each, asked.weighted, asked.view) for each in terms), _compute_r2)


def _compute_r2(error: Array, square: Array, label: Array, count: Array) -> Array:
    return 1 - divide(error, _spread(square, label, count))


def _correlation(asked: Asked) -> Computation:
    """Return Pearson's r²."""
    terms = (
        term.label_times_prediction,
        term.squared_label,
        term.squared_prediction,
        term.label,
        term.prediction,
        term.count,
    )
    sums = tuple(Sum(each, asked.weighted, asked.view) for each in terms)
    return Computation(sums, _compute_correlation)


def _compute_correlation(
    product: Array, labels_2: Array, predictions_2: Array, label: Array, prediction: Array,
    count: Array,
) -> Array:  # fmt: skip
    together = product - divide(label * prediction, count)
    spread = _spread(labels_2, label, count) * _spread(predictions_2, prediction, count)
    return divide(np.square(together), spread)


def _spread(squares: Array, values: Array, count: Array) -> Array:
    """Return Σ(v - v̄)²; what is left of it by rounding alone counts as 0."""
    spread = squares - divide(np.square(values), count)
    return np.where(spread > 1e-13 * squares, spread, 0.0)


def _discrimination(asked: Asked) -> Computation:
    """Return Tjur's coefficient: the mean prediction of positives less that of negatives."""
    terms = (term.label_times_prediction, term.prediction, term.label, term.count)
    sums = tuple(Sum(each, asked.weighted, asked.view) for each in terms)
    return Computation(
        sums,
        lambda hits, predictions, labels, count: (
            divide(hits, labels) - divide(predictions - hits, count - labels)
        ),
    )


def _relative_discrimination(asked: Asked) -> Computation:
    """Return the mean prediction of positives over that of negatives."""
    sums = _discrimination(asked).statistics
    return Computation(
        sums,
        lambda hits, predictions, labels, count: divide(
            divide(hits, labels), divide(predictions - hits, count - labels)
        ),
    )


def _kind(name: str, maker: Maker) -> Kind:
    return Kind(name, maker, takes=Takes.NUMBERS, has_views=True, lowest=0)


KINDS = {
    "MeanSquaredError": _kind("mean_squared_error", Maker(term.squared_error, term.count, True)),
    "RootMeanSquaredError": _kind(
        "root_mean_squared_error", Maker(term.squared_error, term.count, True, root=True)
    ),
    "MeanAbsoluteError": _kind("mean_absolute_error", Maker(term.absolute_error, term.count, True)),
    "MeanAbsolutePercentageError": _kind(
        "mean_absolute_percentage_error",
        Maker(term.percentage_error, term.label_is_not_zero, True),
    ),
    "MeanSquaredLogarithmicError": _kind(
        "mean_squared_logarithmic_error", Maker(term.squared_logarithmic_error, term.count, True)
    ),
    "R2Score": Kind("r2_score", _r2, takes=Takes.NUMBERS, has_views=True, highest=1),
    "SquaredPearsonCorrelation": Kind(
        "squared_pearson_correlation",
        _correlation,
        takes=Takes.NUMBERS,
        has_views=True,
        lowest=0,
        highest=1,
    ),
    "CoefficientOfDiscrimination": Kind(
        "coefficient_of_discrimination",
        _discrimination,
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=-1,
        highest=1,
    ),
    "RelativeCoefficientOfDiscrimination": Kind(
        "relative_coefficient_of_discrimination",
        _relative_discrimination,
        takes=Takes.PROBABILITIES,
        has_views=True,
        lowest=0,
    ),
}
