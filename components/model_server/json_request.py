"""Reads TensorFlow Serving's JSON: the body of ``:predict`` in row and in column form.

Source of rules and texts: `util/json_tensor.cc`.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from components.model_server.json_values import flatten, is_named, shown, to_tensor
from components.model_server.status import RequestError, invalid
from components.model_server.tensor_codec import shape_text

Form = Literal["row", "column"]
_STRING_OR_INF = re.compile(r'"(?:[^"\\]|\\.)*"|\bInf\b')
"""``Inf`` is read as ``Infinity`` there, and not by Python's `json`."""


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """Read the one JSON object of a body; bytes after it are ignored.

    Raises:
        RequestError: not JSON, or not an object.
    """
    text = body.decode("utf-8", "surrogateescape").lstrip(" \t\r\n")
    if not text:
        raise invalid("JSON Parse error: The document is empty")
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except (RecursionError, ValueError) as error:
        raise invalid(f"JSON Parse error: {error} at offset: 0") from error
    if not isinstance(value, dict):
        raise invalid(f"JSON Value: {shown(value)} Is not object")
    return value


def _decode(text: str) -> Any:
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        if "Inf" not in text:
            raise
        spelled_out = _STRING_OR_INF.sub(
            lambda match: "Infinity" if match[0] == "Inf" else match[0], text
        )
        value, _ = json.JSONDecoder().raw_decode(spelled_out)
    return value


def signature_name(document: Mapping[str, Any]) -> str:
    """Return the signature that a body names; empty means the default one.

    Raises:
        RequestError: it isn't text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(document)} not formatted correctly. 'signature_name' key must "
            "be a string value."
        )
    return name


def read_inputs(
    document: Mapping[str, Any], types: Mapping[str, int], signature: str
) -> tuple[dict[str, np.ndarray[Any, Any]], Form]:
    """Read the tensors of a body.

    Args:
        document: the body.
        types: input alias → `DataType`, as the signature says.
        signature: its name, for messages.

    Raises:
        RequestError: they don't fit the signature or the form.
    """
    if not types:
        raise invalid(f"Failed to get input map for signature: {signature or 'DEFAULT'}")
    if "instances" in document and "inputs" in document:
        raise invalid(
            f"JSON Value: {shown(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        return _read_rows(document, types), "row"
    if "inputs" in document:
        return _read_columns(document["inputs"], types), "column"
    raise invalid("Missing 'inputs' or 'instances' key")


def _read_rows(
    document: Mapping[str, Any], types: Mapping[str, int]
) -> dict[str, np.ndarray[Any, Any]]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise invalid(f"JSON Value: {shown(document)} Expecting 'instances' to be an list/array")
    if not rows:
        raise invalid(f"JSON Value: {shown(document)} No values in 'instances' array")
    if not isinstance(rows[0], dict) and len(types) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    columns = _Columns(types)
    named = is_named(rows[0])
    for index, row in enumerate(rows):
        columns.add(index, row, named=named)
    return columns.arrays(len(rows))


class _Columns:
    """The tensors of the row form, growing by one row at a time."""

    def __init__(self, types: Mapping[str, int]) -> None:
        self._types = types
        self._values: dict[str, list[Any]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def add(self, index: int, row: Any, *, named: bool) -> None:
        if is_named(row) != named:
            what = "object but got list" if named else "value/list but got object"
            raise invalid(f"Expecting {what} at item {index} of input list")
        if not named:
            self._add_value(f"element: {index}", next(iter(self._types)), row)
            return
        for alias, value in row.items():
            self._add_value(f"element: {index} key: {alias}", alias, value)
        if row.keys() != self._types.keys():
            raise invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: "
                f"{shown(row)} keys must be equal to: {','.join(sorted(self._types))}"
            )

    def _add_value(self, where: str, alias: str, value: Any) -> None:
        try:
            self._append(alias, value)
        except RequestError as error:
            raise invalid(
                f"Failed to process {where} of 'instances' list. Error: {error}"
            ) from error

    def _append(self, alias: str, value: Any) -> None:
        if alias not in self._types:
            raise invalid(f"JSON object: does not have named input: {alias}")
        values, shape = flatten(value, self._types[alias])
        first = self._shapes.setdefault(alias, shape)
        if math.prod(first) != len(values):
            raise invalid(f"Expecting tensor size: {math.prod(first)} but got: {len(values)}")
        if first != shape:
            raise invalid(f"Expecting shape {shape_text(first)} but got: {shape_text(shape)}")
        self._values.setdefault(alias, []).extend(values)

    def arrays(self, num_rows: int) -> dict[str, np.ndarray[Any, Any]]:
        return {
            alias: to_tensor(values, self._types[alias]).reshape(num_rows, *self._shapes[alias])
            for alias, values in self._values.items()
        }


def _read_columns(inputs: Any, types: Mapping[str, int]) -> dict[str, np.ndarray[Any, Any]]:
    if not is_named(inputs):
        if len(types) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        inputs = {next(iter(types)): inputs}
    for alias in types:
        if alias not in inputs:
            raise invalid(f"Missing named input: {alias} in 'inputs' object.")
    arrays = {}
    for alias, number in types.items():
        values, shape = flatten(inputs[alias], number)
        arrays[alias] = to_tensor(values, number).reshape(shape)
    return arrays
