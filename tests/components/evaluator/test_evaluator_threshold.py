"""The arithmetic of verdicts, as a table."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.errors import ConfigurationError
from components.evaluator.interval import Interval
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
    ("lower", "upper", "interval", "passes"),
    [
        # All of an interval must lie within the bounds.
        (0.7, None, (0.71, 0.75), True),
        (0.7, None, (0.7, 0.75), True),
        (0.7, None, (0.6999999, 0.75), False),
        (None, 0.5, (0.45, 0.5), True),
        (None, 0.5, (0.45, 0.5000001), False),
        (0.5, 0.7, (0.55, 0.65), True),
        (0.5, 0.7, (0.45, 0.65), False),
        (0.5, 0.7, (0.55, 0.75), False),
        (-1.0, None, (-1.0, -0.5), True),
    ],
)
def test_bounds_of_an_interval(lower, upper, interval, passes):
    assert ValueThreshold("m", lower, upper, 0.95).contains(Interval(*interval)) is passes


@pytest.mark.parametrize(
    ("absolute", "relative", "direction", "change", "relative_change", "passes"),
    [
        # All of the interval of the change must be allowed.
        (-0.02, None, HIGHER, (-0.02, 0.01), None, True),
        (-0.02, None, HIGHER, (-0.0200001, 0.01), None, False),
        (0.0, None, HIGHER, (0.0, 0.01), None, True),
        (0.0, None, HIGHER, (-0.001, 0.03), None, False),
        (0.01, None, HIGHER, (0.011, 0.03), None, True),
        (0.02, None, LOWER, (-0.01, 0.02), None, True),
        (0.02, None, LOWER, (-0.01, 0.021), None, False),
        (-0.1, None, LOWER, (-0.3, -0.1), None, True),
        (-0.1, None, LOWER, (-0.3, -0.09), None, False),
        # Of the relative change where that is limited.
        (None, -0.05, HIGHER, (-1.0, 1.0), (-0.05, 0.1), True),
        (None, -0.05, HIGHER, (0.0, 1.0), (-0.06, 0.1), False),
        (None, 0.05, LOWER, None, (-0.1, 0.05), True),
        # Both must hold; one that doesn't decides, one that can't be told leaves it open.
        (-0.02, -0.05, HIGHER, (-0.01, 0.01), (-0.04, 0.04), True),
        (-0.02, -0.05, HIGHER, (-0.01, 0.01), (-0.06, 0.04), False),
        (-0.02, -0.05, HIGHER, (-0.03, 0.01), (-0.04, 0.04), False),
        (-0.02, -0.05, HIGHER, (-0.01, 0.01), None, None),
        (-0.02, -0.05, HIGHER, (-0.03, 0.01), None, False),
        # Nothing can be told without an interval.
        (-0.02, None, HIGHER, None, (0.0, 0.1), None),
        (None, -0.02, HIGHER, (0.0, 0.1), None, None),
    ],
)
def test_changes_of_an_interval(absolute, relative, direction, change, relative_change, passes):
    threshold = ChangeThreshold("m", absolute, relative, direction, 0.95)
    intervals = (None if ends is None else Interval(*ends) for ends in (change, relative_change))
    assert threshold.allows(*intervals) is passes


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, 95.0, NAN])
def test_refuses_a_confidence_that_is_none(confidence):
    with pytest.raises(ConfigurationError, match=r"value_threshold of 'm' has the confidence .*in"):
        ValueThreshold("m", 0.7, None, confidence)
    with pytest.raises(ConfigurationError, match=r"change_threshold of 'm' has the confidence"):
        ChangeThreshold("m", -0.1, None, higher_is_better=True, confidence=confidence)


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


numbers = st.one_of(
    st.sampled_from([0.0, 0.01, -0.02, 0.69, 0.71, 1.0, -1.0, 5e-324, 1.7e308, -1e300]),
    st.decimals(-2, 2, places=2).map(float),
    st.floats(-2, 2),
)


@given(observed=numbers, baseline=numbers, absolute=numbers, relative=numbers, higher=st.booleans())
@example(observed=0.69, baseline=0.71, absolute=-0.02, relative=-1.0, higher=True)
def test_a_change_is_judged_by_the_decimals_as_written(
    observed, baseline, absolute, relative, higher
):
    def written(number):
        return Fraction(Decimal(repr(number)))

    change = written(observed) - written(baseline)
    needed = written(relative) * (abs(written(baseline)) if change else 1)
    ways = [change - written(absolute), change - needed]
    expected = all(way >= 0 if higher else way <= 0 for way in ways)
    assert ChangeThreshold("m", absolute, relative, higher).passes(observed, baseline) is expected
