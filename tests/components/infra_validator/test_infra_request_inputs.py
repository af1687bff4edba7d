"""What is sent to a signature, made of serialized examples."""

import numpy as np
import pytest

from components.infra_validator.request_inputs import (
    InputSpec,
    UnfitInputError,
    make_inputs,
    takes_examples,
    wrong_inputs,
)

FLOAT, DOUBLE, INT32, STRING, INT64, BOOL, VARIANT = 1, 2, 3, 7, 9, 10, 21


@pytest.fixture(scope="module")
def rows():
    import tensorflow as tf

    def feature(value):
        values = value if isinstance(value, list) else [value]
        if isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if isinstance(values[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    examples = [
        {"x": 0.5, "pair": [1.0, 2.0], "n": 3, "name": b"a\0", "six": list(range(6))},
        {"x": -1.5, "pair": [3.0, 4.0], "n": 2**40, "name": b"\xff", "six": list(range(6, 12))},
    ]
    ragged = [{"some": [1.0]}, {"some": [1.0, 2.0]}]
    for example, more in zip(examples, ragged, strict=True):
        example.update(more)
    examples[0]["only_first"] = 1.0
    return [
        tf.train.Example(
            features=tf.train.Features(feature={k: feature(v) for k, v in example.items()})
        ).SerializeToString()
        for example in examples
    ]


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ({"examples": InputSpec(STRING, (-1,))}, True),
        ({"examples": InputSpec(STRING, None)}, True),
        ({"examples": InputSpec(STRING, (-1, -1))}, False),
        ({"examples": InputSpec(FLOAT, (-1,))}, False),
        ({"a": InputSpec(STRING, (-1,)), "b": InputSpec(STRING, (-1,))}, False),
        ({}, False),
    ],
)
def test_which_signatures_take_examples(specs, expected):
    assert takes_examples(specs) == expected


def test_examples_are_sent_as_they_are(rows):
    inputs = make_inputs({"examples": InputSpec(STRING, (-1,))}, rows)
    assert inputs["examples"].tolist() == rows


def test_tensors_are_filled_from_features_of_the_same_names(rows):
    inputs = make_inputs(
        {
            "x": InputSpec(FLOAT, (-1,)),
            "pair": InputSpec(DOUBLE, (-1, 2)),
            "name": InputSpec(STRING, (-1, 1)),
            "n": InputSpec(INT64, None),
            "six": InputSpec(INT32, (-1, -1, 3)),
        },
        rows,
    )
    assert inputs["x"].dtype == np.float32
    np.testing.assert_array_equal(inputs["x"], [0.5, -1.5])
    assert inputs["pair"].dtype == np.float64
    np.testing.assert_array_equal(inputs["pair"], [[1, 2], [3, 4]])
    assert inputs["name"].tolist() == [[b"a\0"], [b"\xff"]]
    np.testing.assert_array_equal(inputs["n"], [3, 2**40])
    assert inputs["six"].dtype == np.int32
    np.testing.assert_array_equal(inputs["six"], np.arange(12).reshape(2, 2, 3))


def test_of_an_open_rank_several_values_are_a_row(rows):
    inputs = make_inputs({"pair": InputSpec(FLOAT, None), "x": InputSpec(FLOAT, (-1, 1))}, rows)
    assert inputs["pair"].shape == (2, 2)
    assert inputs["x"].shape == (2, 1)


@pytest.mark.parametrize(
    ("name", "spec", "text"),
    [
        ("y", InputSpec(FLOAT, (-1,)), "'y' takes float .-1., and example 0 has no feature of"),
        ("only_first", InputSpec(FLOAT, (-1,)), "example 1 has no feature of that name"),
        ("n", InputSpec(FLOAT, (-1,)), "has no values in its float_list in example 0"),
        ("x", InputSpec(STRING, (-1, 1)), "has no values in its bytes_list"),
        ("pair", InputSpec(FLOAT, (-1,)), "takes float .-1., and the feature .* has 2 values by"),
        ("some", InputSpec(FLOAT, None), "has from 1 to 2 values by example"),
        ("n", InputSpec(INT32, (-1,)), "takes int32 .-1., and the feature of that name has 1 val"),
        ("x", InputSpec(FLOAT, ()), "takes float .., so no batches"),
        ("x", InputSpec(FLOAT, (1,)), "takes float .1., so no batches of any size"),
        ("six", InputSpec(INT64, (-1, -1, -1)), "with several open dimensions"),
        ("x", InputSpec(VARIANT, (-1,)), "takes DataType 21 .-1., a type that no request"),
    ],
)
def test_what_cannot_be_filled_is_named(rows, name, spec, text):
    with pytest.raises(UnfitInputError, match=f"^input '{name}' .*{text}|{text}"):
        make_inputs({name: spec}, rows)


def test_bytes_that_are_no_example_are_named():
    with pytest.raises(UnfitInputError, match="an example can't be read"):
        make_inputs({"x": InputSpec(FLOAT, (-1,))}, [b"\xff\xff"])


def test_a_signature_without_inputs_cannot_be_asked(rows):
    with pytest.raises(UnfitInputError, match="it has no inputs"):
        make_inputs({}, rows)


@pytest.mark.parametrize("dtype", [FLOAT, INT64, BOOL, STRING])
def test_wrong_inputs_are_of_another_type(dtype):
    ((alias, array),) = wrong_inputs(
        {"b": InputSpec(FLOAT, None), "a": InputSpec(dtype, None)}
    ).items()
    assert alias == "a"
    assert (array.dtype == object) == (dtype != STRING)
