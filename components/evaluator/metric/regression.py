"""How far predicted numbers are from the true ones."""

import numpy as np

from components.evaluator import term
from components.evaluator.comoment import Comoment, comoment
from components.evaluator.exact_sum import Array
from components.evaluator.metric.kind import Asked, Computation, Kind, Takes, divide
from components.evaluator.metric.mean import Maker
from components.evaluator.statistic import Sum


def _r2(asked: Asked) -> Computation:
    """Return 1 - Σ(y - p)² / Σ(y - ȳ)²; NaN where all labels are the same."""
    error = Sum(term.squared_error, asked.weighted, asked.view)
    spread = Comoment(term.label, term.label, asked.weighted, asked.view)
    return Computation((error, spread), lambda error, spread: 1 - divide(error, comoment(spread)))


def _correlation(asked: Asked) -> Computation:
    """Return Pearson's r²."""
    pairs = (
        (term.label, term.prediction),
        (term.label, term.label),
        (term.prediction, term.prediction),
    )
    return Computation(
        tuple(Comoment(*pair, asked.weighted, asked.view) for pair in pairs), _compute_correlation
    )


def _compute_correlation(together: Array, labels: Array, predictions: Array) -> Array:
    return divide(np.square(comoment(together)), comoment(labels) * comoment(predictions))


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
