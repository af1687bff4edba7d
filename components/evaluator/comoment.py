"""How two numbers of the examples vary together, however far from 0 they are.

Σw(a - ā)(b - b̄) is Σwab - Σwa · Σwb / Σw, of which float64 leaves nothing where the numbers are
large and differ little, such as times in seconds. So products are split into a float64 and what it
lacks, their sums are exact, and the formula is computed in pairs of float64 («double-double»).
Source: T. J. Dekker, A floating-point technique for extending the available precision, 1971.
"""

from dataclasses import dataclass

import numpy as np

from components.evaluator.batch import PLAIN, Batch, View
from components.evaluator.exact_sum import NUM_LIMBS, Array, ExactSums, add_limbs
from components.evaluator.statistic import Term

_SPLITTER = 2.0**27 + 1
_ROUNDING = 1e-28
_SMALLEST = 2.0**-118
"""Of one example, what sums round away."""
_Pair = tuple[Array, Array]
"""A number and what it lacks."""


@dataclass(frozen=True)
class Comoment:
    """What `comoment` takes: Σwab, Σwa, Σwb and Σw in limbs, `(num_slices, 4 * NUM_LIMBS)`.

    Differences of results are exact as well.

    Attributes:
        one: a term.
        other: a term; the same gives the spread.
        weighted: by the examples' weights.
        view: which pairs of label and prediction.
    """

    one: Term
    other: Term
    weighted: bool = False
    view: View = PLAIN

    def accumulator(self) -> "_ComomentAccumulator":
        """Return an empty accumulator."""
        return _ComomentAccumulator(self)


class _ComomentAccumulator:
    def __init__(self, statistic: Comoment) -> None:
        self._statistic = statistic
        self._sums = tuple(ExactSums() for _ in range(4))

    def add(self, batch: Batch) -> None:
        seen = batch.seen(self._statistic.view, weighted=self._statistic.weighted)
        size = len(seen.labels)
        one, other = (
            np.ones(size) if values is None else values
            for values in (self._statistic.one(seen), self._statistic.other(seen))
        )
        weights = np.ones(size) if seen.weights is None else seen.weights
        with np.errstate(invalid="ignore", over="ignore"):
            high, low = _product(one, other)
            parts = (
                (*_product(high, weights), low * weights),
                _product(one, weights),
                _product(other, weights),
                (weights,),
            )
        for sums, values in zip(self._sums, parts, strict=True):
            for part in values:
                sums.add(seen.slices, part, seen.num_slices, seen.rows)

    def merge(self, other: "_ComomentAccumulator", slices: Array, num_slices: int) -> None:
        for ours, theirs in zip(self._sums, other._sums, strict=True):
            ours.add_totals(theirs, slices, num_slices)

    def result(self, num_slices: int) -> Array:
        return np.concatenate([sums.limbs(num_slices) for sums in self._sums], axis=1)


def comoment(sums: Array) -> Array:
    """Return Σw(a - ā)(b - b̄), `(num_slices,)`, of a `Comoment`; NaN where Σw isn't positive.

    What is left of it by rounding alone is 0.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        products, one, other, weight = (
            add_limbs(sums[:, start : start + NUM_LIMBS])
            for start in range(0, 4 * NUM_LIMBS, NUM_LIMBS)
        )
        expected = _divided(_multiplied(one, other), weight)
        difference, lost = _sum(products[0], -expected[0])
        left = difference + (lost + products[1] - expected[1])
        rounding = _ROUNDING * np.abs(products[0]) + _SMALLEST * np.abs(weight[0])
        left = np.where(np.abs(left) > rounding, left, 0.0)
        return np.where(weight[0] > 0, left, np.nan)


def _sum(one: Array, other: Array) -> _Pair:
    total = one + other
    shared = total - one
    return total, (one - (total - shared)) + (other - shared)


def _split(values: Array) -> _Pair:
    scaled = _SPLITTER * values
    high = scaled - (scaled - values)
    return high, values - high


def _product(one: Array, other: Array) -> _Pair:
    product = one * other
    (high, low), (other_high, other_low) = _split(one), _split(other)
    rest = high * other_high - product + high * other_low + low * other_high + low * other_low
    return product, np.where(np.isfinite(product), rest, 0.0)


def _multiplied(one: _Pair, other: _Pair) -> _Pair:
    product, rest = _product(one[0], other[0])
    return _sum(product, rest + one[0] * other[1] + one[1] * other[0])


def _divided(top: _Pair, bottom: _Pair) -> _Pair:
    quotient = top[0] / bottom[0]
    product = _multiplied(bottom, (quotient, np.zeros_like(quotient)))
    rest = (top[0] - product[0]) + (top[1] - product[1])
    return _sum(quotient, rest / bottom[0])
