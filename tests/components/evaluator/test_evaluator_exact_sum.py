"""Sums that come out the same in any order."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluator.exact_sum import Counts, ExactSums

terms = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.one_of(
            st.floats(-1e6, 1e6, allow_nan=False),
            st.floats(0, 1, width=32),
            st.sampled_from([1e32, -1e32, 1e20, 1e-12, 1e-26, -1e-31, -0.1, 0.0]),
        ),
    ),
    max_size=60,
)


def sums_of(pairs, size=5):
    sums = ExactSums()
    add(sums, pairs, size)
    return sums


def add(sums, pairs, size=5):
    sums.add(
        np.array([position for position, _ in pairs], np.int64),
        np.array([value for _, value in pairs], np.float64),
        size,
    )


@given(terms)
def test_equals_the_sum_of_fractions(pairs):
    result = sums_of(pairs).result(5)
    for position in range(5):
        exact = sum((Fraction(value) for at, value in pairs if at == position), Fraction())
        assert math.isclose(result[position], float(exact), rel_tol=1e-15, abs_tol=1e-34)


@given(terms, st.randoms(use_true_random=False), st.integers(1, 7))
def test_is_the_same_in_any_order_and_split(pairs, random, num_parts):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    parts = [sums_of(shuffled[start::num_parts]) for start in range(num_parts)]
    random.shuffle(parts)
    merged = ExactSums()
    for part in parts:
        merged.add_totals(part, np.arange(5), 5)
    np.testing.assert_array_equal(merged.result(5), sums_of(pairs).result(5))


def test_float_addition_would_not_be_the_same():
    """The reason for all this: the same numbers, another order, another float64 sum."""
    values = np.random.default_rng(0).random(10_000)
    assert sum(values) != sum(values[::-1])
    forward = sums_of([(0, value) for value in values], size=1).result(1)
    backward = sums_of([(0, value) for value in values[::-1]], size=1).result(1)
    assert forward == backward
    assert forward[0] == pytest.approx(math.fsum(values), rel=1e-15)


def test_carries_before_a_limb_overflows():
    sums = ExactSums()
    values = np.full(1 << 20, 2.0**40 - 1)
    for _ in range(16):
        sums.add(np.zeros(len(values), np.int64), values, 1)
    assert sums.result(1)[0] == float(Fraction(values[0]) * 16 * len(values))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, math.nan], math.nan),
        ([1.0, math.inf], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([1e300, 1.0], math.inf),
    ],
)
def test_what_is_not_finite_stays_so(values, expected):
    result = sums_of([(0, value) for value in values], size=2).result(2)
    np.testing.assert_array_equal(result, [expected, 0.0])


@pytest.mark.parametrize("scale", [1e-13, 1e12, 1e16])
def test_squares_of_small_and_large_labels_are_kept(scale):
    """Errors of labels such as 1e-13 or 1e12 aren't 0, and not infinite."""
    values = np.square(np.random.default_rng(1).normal(size=99) * scale)
    result = sums_of([(0, value) for value in values], size=1).result(1)
    assert result[0] == pytest.approx(math.fsum(values), rel=1e-6 if scale < 1 else 1e-15, abs=0)


def test_merges_under_other_positions():
    sums = sums_of([(0, 1.5), (1, 2.0)], size=2)
    sums.add_totals(sums_of([(0, 10.0), (1, 20.0)], size=2), np.array([2, 0]), 3)
    np.testing.assert_array_equal(sums.result(3), [21.5, 2.0, 10.0])


def test_counts_positions():
    counts = Counts()
    counts.add(np.array([0, 2, 2]), None, 3)
    other = Counts()
    other.add(np.array([1]), None, 2)
    counts.add_totals(other, np.array([3, 0]), 4)
    np.testing.assert_array_equal(counts.result(5), [2, 0, 2, 0, 0])
