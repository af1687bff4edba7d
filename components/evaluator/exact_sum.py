"""Sums of floating-point numbers that come out the same in any order and however they are split.

A float64 sum depends on the order of its terms, so that a merge of partial results would depend on
how the examples were distributed. Here a number is cut into whole multiples of 2^80, 2^40, 1,
2^-40, 2^-80 and 2^-120, whose integer sums are exact. What lies below 2^-121 (4e-37) is rounded
away, term by term; numbers beyond 2^110 (1e33) become infinite.
"""

from typing import Any, Protocol, Self

import numpy as np

Array = np.ndarray[Any, Any]

_LIMB_BITS = 40
_UNITS = (2.0**80, 2.0**40, 1.0, 2.0**-40, 2.0**-80, 2.0**-120)
NUM_LIMBS = len(_UNITS)
_LIMIT = 2.0**110
_CHUNK = 1 << 12
"""So many limbs below 2^40 add up without rounding in float64."""
_TERMS_BETWEEN_CARRIES = 1 << 22
"""So many limbs below 2^40 add up without overflow in int64."""


class Totals(Protocol):
    """Sums by position, counted from 0."""

    def add(
        self, positions: Array, values: Array | None, size: int, rows: Array | None = None
    ) -> None:
        """Add values at positions, `(n,)` below `size`, which may have grown.

        Args:
            positions: where to.
            values: float64, `(n,)`, or of any length with `rows`; None means ones.
            size: number of positions.
            rows: `(n,)`: which value goes to each position.
        """

    def add_totals(self, other: Self, positions: Array, size: int) -> None:
        """Add another's sums, its position i to this one's `positions[i]`, all distinct."""

    def result(self, size: int) -> Array:
        """Return the sums, `(size,)` float64."""


class Counts:
    """How often each position occurred; values are ignored."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, np.int64)

    def add(
        self, positions: Array, values: Array | None, size: int, rows: Array | None = None
    ) -> None:
        """Count positions."""
        self._counts = _grown(self._counts, size)
        self._counts += np.bincount(positions, minlength=size)

    def add_totals(self, other: Self, positions: Array, size: int) -> None:
        """Add another's counts."""
        self._counts = _grown(self._counts, size)
        self._counts[positions] += _grown(other._counts, len(positions))

    def result(self, size: int) -> Array:
        """Return the counts as float64, exact below 2^53."""
        return _grown(self._counts, size).astype(np.float64)


class ExactSums:
    """Sums of float64 values, exact as said above; NaN and infinities stay what they are."""

    def __init__(self) -> None:
        self._limbs = np.zeros((len(_UNITS), 0), np.int64)
        self._special = np.zeros(0, np.float64)
        self._num_terms = 0

    def add(
        self, positions: Array, values: Array | None, size: int, rows: Array | None = None
    ) -> None:
        """Add values; None means ones."""
        self._grow(size)
        if values is None:
            values, rows = np.ones(1), np.zeros(len(positions), np.int64)
        fits = np.abs(values) < _LIMIT
        if not fits.all():
            strange = np.where(np.isfinite(values), np.copysign(np.inf, values), values)
            strange = _gathered(np.where(fits, 0.0, strange), rows)
            with np.errstate(invalid="ignore"):
                np.add.at(self._special, positions, strange)
            values = np.where(fits, values, 0.0)
        for start in range(0, len(positions), _TERMS_BETWEEN_CARRIES):
            part = slice(start, start + _TERMS_BETWEEN_CARRIES)
            if rows is None:
                self._add_part(positions[part], values[part], size, None)
            else:
                self._add_part(positions[part], values, size, rows[part])

    def add_totals(self, other: Self, positions: Array, size: int) -> None:
        """Add another's sums."""
        self._grow(size)
        other._grow(len(positions))
        other._carry()
        self._carry()
        self._limbs[:, positions] += other._limbs
        with np.errstate(invalid="ignore"):
            self._special[positions] += other._special

    def result(self, size: int) -> Array:
        """Return the sums, rounded to float64."""
        self._grow(size)
        self._carry()
        total = np.zeros(size)
        for limb, unit in zip(self._limbs, _UNITS, strict=True):
            total += limb * unit
        return total + self._special

    def limbs(self, size: int) -> Array:
        """Return the sums as `(size, NUM_LIMBS)` float64, of which also differences are exact."""
        self._grow(size)
        self._carry()
        limbs: Array = (self._limbs * np.array(_UNITS)[:, None]).T
        limbs[:, 0] += self._special
        return limbs

    def _add_part(self, positions: Array, rest: Array, size: int, rows: Array | None) -> None:
        self._num_terms += len(positions)
        if self._num_terms > _TERMS_BETWEEN_CARRIES:
            self._carry()
            self._num_terms = len(positions)
        last = len(_UNITS) - 1
        largest = np.abs(rest).max(initial=0.0)
        for index, unit in enumerate(_UNITS):
            if unit > largest and index != last:
                continue
            limb = np.rint(rest / unit) if index == last else np.trunc(rest / unit)
            if limb.any():
                _add_limb(self._limbs[index], positions, _gathered(limb, rows), size)
                rest = rest - limb * unit
                if not rest.any():  # mostly long before the last limb
                    return

    def _carry(self) -> None:
        """Bring all limbs but the highest below 2^40, the one way to write a number."""
        for index in range(len(_UNITS) - 1, 0, -1):
            carry = self._limbs[index] >> _LIMB_BITS
            self._limbs[index] -= carry << _LIMB_BITS
            self._limbs[index - 1] += carry
        self._num_terms = 0

    def _grow(self, size: int) -> None:
        self._limbs = _grown(self._limbs, size)
        self._special = _grown(self._special, size)


def add_limbs(limbs: Array) -> tuple[Array, Array]:
    """Return the sums of limbs, `(size,)`, and what these float64 lack of them."""
    total, lost = np.zeros(len(limbs)), np.zeros(len(limbs))
    for limb in limbs.T:
        added = total + limb
        shared = added - total
        lost += (total - (added - shared)) + (limb - shared)
        total = added
    high = total + lost
    return high, lost - (high - total)


def _add_limb(sums: Array, positions: Array, limb: Array, size: int) -> None:
    if len(positions) < size:
        np.add.at(sums, positions, limb.astype(np.int64))
        return
    for start in range(0, len(positions), _CHUNK):
        part = slice(start, start + _CHUNK)
        chunk = np.bincount(positions[part], weights=limb[part], minlength=size)
        sums += chunk.astype(np.int64)


def _gathered(values: Array, rows: Array | None) -> Array:
    return values if rows is None else values[rows]


def _grown(array: Array, size: int) -> Array:
    """Return the array with zeros appended along its last axis, up to a size."""
    missing = size - array.shape[-1]
    if missing <= 0:
        return array
    return np.concatenate([array, np.zeros((*array.shape[:-1], missing), array.dtype)], axis=-1)
