"""TensorFlow Serving's JSON: what is read, what is refused with which words, what is written."""

import json
import math

import numpy as np
import pytest

from components.model_server.json_request import parse_object, read_inputs, signature_name
from components.model_server.json_response import write_error, write_predictions
from components.model_server.status import RequestError

FLOAT, DOUBLE, INT32, UINT8, STRING, INT64, BOOL, HALF = 1, 2, 3, 4, 7, 9, 10, 19


def read(body, **types):
    return read_inputs(parse_object(body.encode()), types, "")


def test_rows_of_one_input_are_stacked():
    arrays, form = read('{"instances": [[1, 2.5], [3, 1e3]]}', x=FLOAT)
    assert form == "row"
    assert arrays["x"].dtype == np.float32
    assert arrays["x"].tolist() == [[1.0, 2.5], [3.0, 1000.0]]


def test_rows_of_several_inputs_are_objects():
    arrays, _ = read('{"instances": [{"x": 1, "n": [2]}, {"x": 3, "n": [4]}]}', x=FLOAT, n=INT32)
    assert arrays["x"].tolist() == [1.0, 3.0]
    assert arrays["n"].tolist() == [[2], [4]]


def test_columns_have_shapes_of_their_own_and_unknown_ones_are_ignored():
    body = '{"inputs": {"x": 5, "n": [[1], [2]], "other": null}}'
    arrays, form = read(body, x=FLOAT, n=INT64)
    assert form == "column"
    assert arrays["x"].shape == ()
    assert arrays["n"].tolist() == [[1], [2]]
    assert read('{"inputs": []}', x=FLOAT)[0]["x"].shape == (0,)


def test_base64_is_taken_on_any_string_input_padded_or_not():
    arrays, _ = read('{"instances": [{"b64": "/wA="}, {"b64": "/wA"}, "text"]}', s=STRING)
    assert arrays["s"].tolist() == [b"\xff\x00", b"\xff\x00", b"text"]


def test_strings_are_bytes_unchecked():
    document = parse_object(b'{"inputs": ["\xff\xc3\xa9"]}')
    assert read_inputs(document, {"s": STRING}, "")[0]["s"].tolist() == [b"\xff\xc3\xa9"]


def test_special_numbers_are_bare_words():
    values = read('{"inputs": [NaN, Infinity, -Infinity]}', x=DOUBLE)[0]["x"].tolist()
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


def test_small_integers_wrap_around_and_bools_are_bools():
    assert read('{"inputs": [257]}', x=UINT8)[0]["x"].tolist() == [1]
    assert read('{"inputs": [true]}', x=BOOL)[0]["x"].tolist() == [True]


def test_bytes_after_the_object_are_ignored():
    assert parse_object(b' {"a": 1} trailing') == {"a": 1}


@pytest.mark.parametrize(
    ("body", "types", "text"),
    [
        ("{}", {"x": FLOAT}, "Missing 'inputs' or 'instances' key"),
        ('{"inputs": 1, "instances": [1]}', {"x": FLOAT}, "expecting only one of"),
        ('{"instances": 1}', {"x": FLOAT}, "Expecting 'instances' to be an list/array"),
        ('{"instances": []}', {"x": FLOAT}, "No values in 'instances' array"),
        ('{"instances": [1]}', {"x": 1, "n": 3}, "instances is a plain list, but expecting"),
        ('{"inputs": [1]}', {"x": 1, "n": 3}, "inputs is a plain value/list, but expecting"),
        ('{"instances": [{"z": 1}]}', {"x": FLOAT}, "does not have named input: z"),
        ('{"instances": [{"x": 1}]}', {"x": 1, "n": 3}, "keys must be equal to: n,x"),
        ('{"inputs": {"x": 1}}', {"x": 1, "n": 3}, "Missing named input: n in 'inputs' object."),
        ('{"instances": [[1, 2], [3]]}', {"x": FLOAT}, "Expecting tensor size: 2 but got: 1"),
        ('{"instances": [[1, 2], [[3, 4]]]}', {"x": 1}, "Expecting shape [2] but got: [1,2]"),
        ('{"inputs": [[1, 2], [3]]}', {"x": FLOAT}, "Encountered list at unexpected size: 1"),
        ('{"inputs": [1, [2]]}', {"x": FLOAT}, "Encountered list at unexpected level: 1"),
        ('{"inputs": [[1], 2]}', {"x": FLOAT}, "found at incorrect level: 2"),
        ('{"inputs": ["1"]}', {"x": FLOAT}, 'JSON Value: "1" Type: String is not of expected'),
        ('{"inputs": [true]}', {"x": FLOAT}, "Type: True is not of expected type: float"),
        ('{"inputs": [null]}', {"x": INT32}, "Type: Null is not of expected type: int32"),
        ('{"inputs": [1.0]}', {"x": INT32}, "Type: Number is not of expected type: int32"),
        ('{"inputs": [2147483648]}', {"x": INT32}, "is not of expected type: int32"),
        ('{"inputs": [1]}', {"x": BOOL}, "is not of expected type: bool"),
        ('{"inputs": [1]}', {"x": STRING}, "is not of expected type: string"),
        ('{"inputs": [16777217]}', {"x": FLOAT}, "to float without loss of precision"),
        ('{"inputs": [1e39]}', {"x": FLOAT}, "to float without loss of precision"),
        ('{"inputs": {"s": {"b64": "a", "c": 1}}}', {"s": STRING}, "not formatted correctly for"),
        ('{"inputs": {"b64": "*"}}', {"s": STRING}, "Unable to base64 decode"),
        ('{"inputs": [1]}', {"x": HALF}, "Conversion of JSON Value: 1 to type: half"),
        ('{"inputs": [1]}', {}, "Failed to get input map for signature: DEFAULT"),
        ('{"instances": [1, {"x": 1}]}', {"x": FLOAT}, "Expecting value/list but got object"),
        ('{"instances": [{"x": 1}, 1]}', {"x": FLOAT}, "Expecting object but got list at item 1"),
    ],
)
def test_refuses_with_tensorflow_servings_words(body, types, text):
    with pytest.raises(RequestError) as refused:
        read(body, **types)
    assert text in refused.value.message


def test_an_error_in_a_row_names_the_row_and_the_key():
    with pytest.raises(RequestError) as refused:
        read('{"instances": [{"x": 1}, {"x": "no"}]}', x=FLOAT)
    assert refused.value.message.startswith(
        "Failed to process element: 1 key: x of 'instances' list. Error: INVALID_ARGUMENT: "
    )


def test_types_without_json_are_unimplemented_in_columns_and_invalid_in_rows():
    with pytest.raises(RequestError) as column:
        read('{"inputs": [1]}', x=HALF)
    with pytest.raises(RequestError) as row:
        read('{"instances": [1]}', x=HALF)
    assert (column.value.http_status, row.value.http_status) == (501, 400)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"[1]", "Is not object"),
        (b'{"a": }', "at offset: 6"),
        (b"[" * 100_000, "JSON Parse error"),
        (b'{"signature_name": 3}', "'signature_name' key must be a string value."),
    ],
)
def test_refuses_what_is_no_request(body, text):
    with pytest.raises(RequestError) as refused:
        signature_name(parse_object(body))
    assert text in refused.value.message


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3.0"), (9e6, "9e+06"), (1 / 3, "0.333333343"), (0.1, "0.1"), (123456.789, "123456.789")],
)
def test_floats_are_written_short_and_never_as_integers(value, text):
    body = write_predictions({"y": np.array(value, np.float32)}, "column").decode()
    assert body == '{\n    "outputs": ' + text + "\n}"


def test_every_float32_comes_back_as_it_was():
    bits = np.random.default_rng(0).integers(0, 1 << 32, 20_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    body = write_predictions({"y": values}, "row")
    read_back = np.array(json.loads(body)["predictions"]).astype(np.float32)
    np.testing.assert_array_equal(read_back, values)


def test_special_numbers_are_written_bare():
    body = write_predictions({"y": np.array([np.nan, np.inf, -np.inf])}, "column")
    assert b"[NaN, Infinity, -Infinity]" in body


def test_one_output_has_no_name_and_several_have():
    one = {"y": np.array([[1], [2]])}
    two = one | {"z": np.array([True, False])}
    assert json.loads(write_predictions(one, "row")) == {"predictions": [[1], [2]]}
    assert json.loads(write_predictions(one, "column")) == {"outputs": [[1], [2]]}
    assert json.loads(write_predictions(two, "row")) == {
        "predictions": [{"y": [1], "z": True}, {"y": [2], "z": False}]
    }
    assert json.loads(write_predictions(two, "column")) == {
        "outputs": {"y": [[1], [2]], "z": [True, False]}
    }


def test_only_a_name_that_ends_in_bytes_is_written_as_base64():
    array = np.array([b'a"\n', b"\xff"], object)
    assert json.loads(write_predictions({"raw_bytes": array}, "row")) == {
        "predictions": [{"b64": "YSIK"}, {"b64": "/w=="}]
    }
    assert b'["a\\"\\n", "\xff"' in write_predictions({"raw": array}, "row")


@pytest.mark.parametrize("shape", [(2, 0), (0, 2), (2, 3, 1), (0,)])
def test_empty_and_deep_shapes_keep_their_form(shape):
    array = np.arange(math.prod(shape)).reshape(shape)
    assert json.loads(write_predictions({"y": array}, "row"))["predictions"] == array.tolist()


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ({"y": np.array(1.0)}, "Tensor name: y has no shape information"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "Tensor name: b has inconsistent batch size: 3"),
        ({"y": np.zeros(2, np.float16)}, "Failed to write JSON value for tensor type: half"),
    ],
)
def test_refuses_outputs_without_a_row_form(outputs, text):
    with pytest.raises(RequestError) as refused:
        write_predictions(outputs, "row")
    assert text in refused.value.message


def test_an_error_has_one_key():
    assert json.loads(write_error('says "no"')) == {"error": 'says "no"'}
