"""The arithmetic of verdicts, as a table."""

import math

import pytest

from components.errors import ConfigurationError
from components.evaluator.threshold import ChangeThreshold, ValueThreshold

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("lower", "upper", "observed", "passes"),
    [
        (0.7, None, 0.7, True),
        (0.7, None, 0.6999999, False),
        (None, 0.5, 0.5, True),
        (None, 0.5, 0.5000001, False),
        (0.5, 0.7, 0.6, True),
        (0.5, 0.7, 0.8, False),
        (0.5, 0.5, 0.5, True),
        (0.0, None, NAN, False),
        (None, 1.0, NAN, False),
        (0.0, None, INF, False),
        (None, 0.0, -INF, False),
        (-1.0, None, -0.5, True),
    ],
)
def test_bounds(lower, upper, observed, passes):
    assert ValueThreshold("m", lower, upper).passes(observed) is passes


HIGHER, LOWER = True, False


@pytest.mark.parametrize(
    ("absolute", "relative", "direction", "observed", "baseline", "passes"),
    [
        # How far a metric may fall where higher is better.
        (-0.02, None, HIGHER, 0.70, 0.71, True),
        (-0.02, None, HIGHER, 0.69, 0.71, True),  # equality, though 0.69 - 0.71 < -0.02 in binary
        (-0.02, None, HIGHER, 0.6899999, 0.71, False),
        (-0.02, None, HIGHER, 0.99, 0.71, True),
        (0.0, None, HIGHER, 0.71, 0.71, True),
        (0.0, None, HIGHER, 0.7099999, 0.71, False),
        # How far it must rise.
        (0.01, None, HIGHER, 0.72, 0.71, True),
        (0.01, None, HIGHER, 0.71, 0.71, False),
        # Lower is better.
        (0.1, None, LOWER, 0.5, 0.4, True),
        (0.1, None, LOWER, 0.5000001, 0.4, False),
        (-0.1, None, LOWER, 0.3, 0.4, True),
        (-0.1, None, LOWER, 0.35, 0.4, False),
        # Relative to the amount of the baseline.
        (None, -0.05, HIGHER, 0.95, 1.0, True),
        (None, -0.05, HIGHER, 0.9499999, 1.0, False),
        (None, -0.1, HIGHER, 0.63, 0.7, True),  # equality
        (None, 0.1, LOWER, 0.33, 0.3, True),  # equality
        (None, 0.1, LOWER, 0.3300001, 0.3, False),
        # A negative baseline doesn't turn the sign: -1.1 is 10 % worse than -1.
        (None, -0.05, HIGHER, -1.1, -1.0, False),
        (None, -0.05, HIGHER, -1.04, -1.0, True),
        (None, -0.05, HIGHER, -0.5, -1.0, True),
        (None, 0.05, LOWER, -0.9, -1.0, False),
        # A baseline of zero: no change is 0, any other is infinite.
        (None, -0.05, HIGHER, 0.0, 0.0, True),
        (None, -0.05, HIGHER, -1e-9, 0.0, False),
        (None, 0.05, HIGHER, 0.0, 0.0, False),
        (None, 0.05, HIGHER, 1e-9, 0.0, True),
        (None, 0.05, LOWER, 0.0, 0.0, True),
        (None, 0.05, LOWER, 1e-9, 0.0, False),
        (None, -0.05, LOWER, 0.0, 0.0, False),
        (-0.1, None, HIGHER, -0.1, 0.0, True),
        # Both must hold.
        (-0.1, -0.05, HIGHER, 0.96, 1.0, True),
        (-0.1, -0.05, HIGHER, 0.94, 1.0, False),
        (-0.01, -0.5, HIGHER, 0.94, 1.0, False),
        # Whatever isn't a number fails.
        (-1.0, None, HIGHER, NAN, 0.7, False),
        (-1.0, None, HIGHER, 0.7, NAN, False),
        (1.0, None, LOWER, NAN, NAN, False),
        (-1.0, None, HIGHER, INF, 0.7, False),
        (-1.0, None, HIGHER, 0.7, -INF, False),
        # Sizes far apart.
        (-1e300, None, HIGHER, 1e-300, 1e300, True),
        (0.0, None, HIGHER, 1e300, 1e-300, True),
    ],
)
def test_changes(absolute, relative, direction, observed, baseline, passes):
    threshold = ChangeThreshold("m", absolute, relative, higher_is_better=direction)
    assert threshold.passes(observed, baseline) is passes


@pytest.mark.parametrize(
    ("threshold", "lower", "upper"),
    [
        (ChangeThreshold("m", -0.02, None, higher_is_better=True), 0.69, None),
        (ChangeThreshold("m", None, 0.1, higher_is_better=False), None, 0.781),
        (ChangeThreshold("m", -0.02, -0.01, higher_is_better=True), 0.7029, None),
    ],
)
def test_says_what_a_change_asks_of_the_value(threshold, lower, upper):
    bound = threshold.bound(0.71)
    assert (bound.lower, bound.upper) == (lower, upper)
    assert threshold.bound(NAN) is None


@pytest.mark.parametrize("bounds", [(None, None), (NAN, None), (None, INF), (0.7, 0.6)])
def test_refuses_bounds_that_bound_nothing_or_contradict(bounds):
    with pytest.raises(ConfigurationError, match=r"the value_threshold of 'm'"):
        ValueThreshold("m", *bounds)


@pytest.mark.parametrize("limits", [(None, None, True), (NAN, None, True), (None, INF, False)])
def test_refuses_changes_without_a_limit(limits):
    with pytest.raises(ConfigurationError, match="expected one finite number or both"):
        ChangeThreshold("m", *limits)


def test_refuses_a_change_without_a_direction():
    with pytest.raises(ConfigurationError, match="has no direction; expected 'HIGHER_IS_BETTER'"):
        ChangeThreshold("m", absolute=-0.1)
