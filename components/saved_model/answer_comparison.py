"""Compares what a rewritten model answers with what the original answers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from components.record_parts import Bound, Finding

Answers = Mapping[str, np.ndarray[Any, Any]]


def compare_answers(expected: Answers, found: Answers, tolerance: float) -> list[Finding]:
    """Return one finding for each output.

    The error is the largest difference, divided by the largest magnitude of that output among the
    answers: a quantized model keeps neither small values nor zeros exactly. NaN fails, also where
    both have it: equal NaN says nothing of either. Infinite values and text must be equal.

    Args:
        expected: the original's, by output.
        found: the rewritten model's.
        tolerance: of the error; 0.01 is one percent of the output's range.
    """
    return [_compare(name, expected[name], found.get(name), tolerance) for name in sorted(expected)]


def _compare(name: str, expected: Any, found: Any, tolerance: float) -> Finding:
    if found is None or expected.shape != found.shape:
        seen = "isn't there" if found is None else f"has the shape {found.shape}"
        return Finding(
            check="answers",
            passed=False,
            message=f"The output {name!r} {seen}; the original's has {expected.shape}.",
        )
    nan = _nan(name, expected, found)
    if nan is not None:
        return nan
    error = _relative_error(expected, found)
    passed = bool(error <= tolerance)
    return Finding(
        check="answers",
        passed=passed,
        message=f"The output {name!r} differs from the original's by {error:.2g} of its range, "
        f"{'within' if passed else 'more than'} {tolerance:g}, on {len(expected)} examples.",
        observed=error if np.isfinite(error) else None,
        bound=Bound(upper=tolerance),
    )


def _nan(name: str, expected: Any, found: Any) -> Finding | None:
    """Return what speaks against an output that isn't a number for some example."""
    for whose, answers in (("original", expected), ("rewritten model", found)):
        number = int(np.isnan(answers).sum()) if answers.dtype.kind in "fc" else 0
        if number:
            return Finding(
                check="answers",
                passed=False,
                message=f"The output {name!r} of the {whose} is NaN in {number} of "
                f"{answers.size} values, on {len(answers)} examples.",
            )
    return None


def _relative_error(expected: Any, found: Any) -> float:
    if expected.dtype.kind not in "fiub":
        return 0.0 if np.array_equal(expected, found) else float("inf")
    wide, other = expected.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(wide)
    if not np.array_equal(wide[~finite], other[~finite]):
        return float("inf")
    if not finite.any():
        return 0.0
    difference = float(np.abs(wide[finite] - other[finite]).max())
    largest = float(np.abs(wide[finite]).max())
    return difference / largest if largest else difference
