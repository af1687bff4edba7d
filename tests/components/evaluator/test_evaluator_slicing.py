"""Which slices examples belong to, against a row-by-row reading of TFMA's rules."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import DataError
from components.evaluator.slice_key import SlicingSpec, describe, is_text_of, sort_key
from components.evaluator.slicing import Column, Slicer

rows = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.lists(st.sampled_from(["x", "y", "z"]), max_size=3),
            "b": st.lists(st.integers(0, 2), max_size=2),
            "c": st.lists(st.sampled_from(["", "1"]), max_size=1),
        }
    ),
    max_size=12,
)
specs = st.lists(
    st.builds(
        lambda keys, values: SlicingSpec(tuple(sorted(keys)), tuple(sorted(values.items()))),
        st.sets(st.sampled_from("abc"), max_size=2),
        st.dictionaries(st.sampled_from("ab"), st.sampled_from(["x", "1", "2"]), max_size=1),
    ),
    min_size=1,
    max_size=4,
    unique=True,
)


def columns_of(examples):
    columns = {}
    for name in ("a", "b", "c"):
        pairs = [(row, value) for row, example in enumerate(examples) for value in example[name]]
        values = list(dict.fromkeys(value for _, value in pairs))
        columns[name] = Column(
            np.array([row for row, _ in pairs], np.int64),
            np.array([values.index(value) for _, value in pairs], np.int64),
            values,
        )
    return columns


def slices_by_row(examples, specs):
    """Each example on its own: sets, products, no arrays."""
    found = set()
    for row, example in enumerate(examples):
        for spec in specs:
            allowed = dict(spec.feature_values)
            choices = [
                {
                    (name, value)
                    for value in example[name]
                    if name not in allowed or allowed[name] == str(value)
                }
                for name in sorted({*spec.feature_keys, *allowed})
            ]
            found.update((row, key) for key in itertools.product(*choices))
    return found


@given(rows, specs)
def test_agrees_with_reading_row_by_row(examples, specs):
    membership = Slicer(specs).slice(len(examples), columns_of(examples))
    pairs = [
        (int(row), membership.keys[position])
        for row, position in zip(membership.rows, membership.positions, strict=True)
    ]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == slices_by_row(examples, specs)


def test_a_feature_that_no_example_has_makes_no_slice():
    membership = Slicer([SlicingSpec(("nope",))]).slice(3, {})
    assert list(membership.keys) == []
    assert len(membership.rows) == 0


def test_refuses_crosses_that_no_number_can_hold():
    many = Column(np.zeros(1, np.int64), np.zeros(1, np.int64), [str(i) for i in range(2**16)])
    names = ("a", "b", "c", "d")
    with pytest.raises(DataError, match=r"a=\*, b=\*, c=\*, d=\* cross features with too many"):
        Slicer([SlicingSpec(names)]).slice(1, dict.fromkeys(names, many))


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("JFK", "JFK", True),
        ("12", "12", True),
        ("12", 12, True),
        ("12", 12.0, True),
        ("2.5", 2.5, True),
        ("012", 12, True),
        ("012", "12", False),
        ("2.5", 2, False),
        ("x", 2, False),
        ("x", 2.0, False),
    ],
)
def test_reads_a_wanted_value_by_the_features_type(text, value, expected):
    assert is_text_of(text, value) is expected


def test_matches_slices_of_exactly_its_features():
    spec = SlicingSpec(("b",), (("a", "x"),))
    assert spec.matches((("a", "x"), ("b", 7)))
    assert not spec.matches((("a", "y"), ("b", 7)))
    assert not spec.matches((("a", "x"),))
    assert not spec.matches(())
    assert SlicingSpec().matches(())


def test_orders_overall_first_and_numbers_by_size():
    keys = [(("h", 10),), (("h", 9),), (("a", "x"), ("h", 9)), (("h", "x"),), ()]
    ordered = [(), (("h", 9),), (("h", 10),), (("h", "x"),), (("a", "x"), ("h", 9))]
    assert sorted(keys, key=sort_key) == ordered


def test_describes_slices():
    assert describe(()) == "overall"
    assert describe((("carrier", "AA"), ("hour", 9))) == "for carrier=AA, hour=9"
    assert str(SlicingSpec(("b",), (("a", "x"),))) == "a=x, b=*"
