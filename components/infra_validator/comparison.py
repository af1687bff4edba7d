"""Compares a server's answers with those computed offline: every output, every row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Tolerance:
    """Numbers are equal if they differ by at most ``absolute + relative × |offline|``."""

    relative: float
    absolute: float

    def __str__(self) -> str:
        return f"{self.absolute:g} + {self.relative:g} × |value|"


TOLERANCE = Tolerance(relative=1e-4, absolute=1e-5)
"""Above what another order of float32 additions changes, far below what a wrong weight does."""
_COARSE = Tolerance(relative=2e-2, absolute=1e-2)
_COARSE_TYPES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


@dataclass(frozen=True)
class Comparison:
    """What the comparison of one question's answers found."""

    problem: str | None
    """The first difference, in words; None where there is none."""
    largest_difference: float = 0.0


def compare(
    served: Mapping[str, Array], offline: Mapping[str, Array], reference: str = "offline"
) -> Comparison:
    """Compare one question's outputs; NaN equals NaN here, and infinity infinity.

    Args:
        served: the server's answer.
        offline: what it is compared with.
        reference: what that is called in the problem's words.
    """
    compared = _compare(served, offline)
    if compared.problem is None or reference == "offline":
        return compared
    problem = compared.problem.replace("offline it is", f"{reference} it was")
    problem = problem.replace("offline there are", f"{reference} there were")
    return Comparison(problem, compared.largest_difference)


def _compare(served: Mapping[str, Array], offline: Mapping[str, Array]) -> Comparison:
    if served.keys() != offline.keys():
        return Comparison(
            f"the server gives the outputs {sorted(served)}, offline there are {sorted(offline)}"
        )
    largest = 0.0
    for alias in sorted(offline):
        problem = _compare_form(served[alias], offline[alias])
        if problem is None:
            problem, difference = _compare_values(served[alias], offline[alias])
            largest = max(largest, difference)
        if problem is not None:
            return Comparison(f"output {alias!r}: {problem}", largest)
    return Comparison(None, largest)


def find_nan(outputs: Mapping[str, Array]) -> Iterator[tuple[str, int]]:
    """Yield each output that holds NaN, and how many values are."""
    for alias, array in outputs.items():
        if is_number(array):
            count = int(np.isnan(array.astype(_wide(array))).sum())
            if count:
                yield alias, count


def is_number(array: Array) -> bool:
    """Whether the values are floating point or complex numbers."""
    return array.dtype.kind in "fc" or array.dtype in _COARSE_TYPES


def _compare_form(served: Array, offline: Array) -> str | None:
    if served.dtype != offline.dtype:
        return f"the server gives {served.dtype}, offline it is {offline.dtype}"
    if served.shape != offline.shape:
        return f"the server gives the shape {served.shape}, offline it is {offline.shape}"
    return None


def _compare_values(served: Array, offline: Array) -> tuple[str | None, float]:
    if not is_number(offline):
        return _first_difference(served, offline, served == offline), 0.0
    wide = _wide(offline)
    left, right = served.astype(wide), offline.astype(wide)
    tolerance = _COARSE if offline.dtype in _COARSE_TYPES else TOLERANCE
    same = np.isclose(left, right, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True)
    finite = np.isfinite(left) & np.isfinite(right)
    difference = np.abs(left[finite] - right[finite])
    largest = float(difference.max()) if difference.size else 0.0
    return _first_difference(served, offline, same), largest


def _first_difference(served: Array, offline: Array, same: Any) -> str | None:
    different = np.argwhere(~np.asarray(same, dtype=bool))
    if not len(different):
        return None
    where = tuple(int(index) for index in different[0])
    return (
        f"{len(different)} of {served.size} values differ, the first at {list(where)}: the server "
        f"gives {served[where]!s}, offline it is {offline[where]!s}"
    )


def _wide(array: Array) -> Any:
    return np.complex128 if array.dtype.kind == "c" else np.float64
