"""When two answers are the same."""

import ml_dtypes
import numpy as np
import pytest

from components.infra_validator.comparison import compare, find_nan


def problem_of(served, offline):
    return compare({"y": np.asarray(served)}, {"y": np.asarray(offline)}).problem


@pytest.mark.parametrize(
    ("served", "offline"),
    [
        (np.float32([1.0, 2.0]), np.float32([1.00001, 2.0])),
        (np.float32([np.nan, np.inf]), np.float32([np.nan, np.inf])),
        (np.array([1.0], ml_dtypes.bfloat16), np.array([1.0078125], ml_dtypes.bfloat16)),
        (np.array([b"a"], object), np.array([b"a"], object)),
        (np.array([1 + 1j]), np.array([1 + 1.00001j])),
        (np.zeros((0, 2)), np.zeros((0, 2))),
        (np.float32(3.0), np.float32(3.0)),
    ],
)
def test_equal_within_the_tolerance(served, offline):
    assert problem_of(served, offline) is None


@pytest.mark.parametrize(
    ("served", "offline", "text"),
    [
        (np.float32([1, 2]), np.float32([1, 2.01]), "1 of 2 values differ, the first at [1]"),
        (np.float32([1]), np.float32([np.nan]), "the server gives 1.0, offline it is nan"),
        (np.float32([np.inf]), np.float32([-np.inf]), "1 of 1 values differ"),
        (np.float32([1]), np.float32([[1]]), "gives the shape (1,), offline it is (1, 1)"),
        (np.float32([1]), np.float64([1]), "gives float32, offline it is float64"),
        (np.array([2**53 + 1]), np.array([2**53]), "1 of 1 values differ"),
        (np.array([b"a"], object), np.array([b"b"], object), "1 of 1 values differ"),
        (np.array([True]), np.array([False]), "1 of 1 values differ"),
    ],
)
def test_names_the_first_difference(served, offline, text):
    assert text in problem_of(served, offline)


def test_names_outputs_that_are_missing():
    assert "['a', 'b'], offline there are ['a']" in compare({"a": 1, "b": 2}, {"a": 1}).problem


def test_measures_the_largest_difference():
    result = compare({"y": np.array([1.0, 5.0, np.inf])}, {"y": np.array([1.0, 5.5, np.inf])})
    assert result.largest_difference == 0.5


def test_finds_nan_in_numbers_only():
    outputs = {
        "bad": np.float32([np.nan, 1, np.nan]),
        "brain": np.array([np.nan], ml_dtypes.bfloat16),
        "text": np.array([b"nan"], object),
        "whole": np.array([1]),
    }
    assert list(find_nan(outputs)) == [("bad", 2), ("brain", 1)]
