"""Turns JSON values into the values of a tensor, by TensorFlow Serving's rules.

Source of rules and texts: `util/json_tensor.cc`.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from components.model_server.status import Code, RequestError, invalid
from components.model_server.tensor_codec import KINDS, STRING, Kind, strings, type_name

_B64 = "b64"
_SHOWN_BYTES = 256
_MAX_RANK = 63
"""NumPy's arrays have 64 dimensions at most; the row form adds one."""
_FLOATS = {1: (1 << 24) - 1, 2: (1 << 53) - 1}
"""`DataType` of floats → the largest whole number that fits without loss."""
_INTEGERS = {3: 32, 4: 32, 5: 32, 6: 32, 9: 64, 22: -32, 23: -64}
"""`DataType` of integers → bits of the literals accepted; negative: unsigned."""
_BOOL = 10
_KINDS = {kind.number: kind for kind in KINDS}


def flatten(value: Any, number: int) -> tuple[list[Any], tuple[int, ...]]:
    """Return the leaves, converted, and the shape that the first of each level gives.

    Args:
        value: nested lists, or one value.
        number: the `DataType` that the signature says.

    Raises:
        RequestError: ragged lists, or a value that isn't of that type.
    """
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > _MAX_RANK:
        raise invalid(f"Encountered a list of {len(shape)} levels; expected {_MAX_RANK} at most")
    leaves: list[Any] = []
    _collect(value, 0, tuple(shape), leaves)
    convert = _converter(number)
    return [convert(leaf) for leaf in leaves], tuple(shape)


def _collect(value: Any, level: int, shape: tuple[int, ...], leaves: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        leaves.append(value)
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: "
            f"{shape[level]}"
        )
    for item in value:
        _collect(item, level + 1, shape, leaves)


def _converter(number: int) -> Callable[[Any], Any]:
    if number == STRING:
        return to_bytes
    if number in _FLOATS:
        return lambda leaf: _to_float(leaf, number)
    if number in _INTEGERS:
        return lambda leaf: _to_integer(leaf, number)
    if number == _BOOL:
        return _to_bool
    return lambda leaf: _refuse_type(leaf, number)


def _to_float(leaf: Any, number: int) -> float:
    if isinstance(leaf, bool) or not isinstance(leaf, int | float):
        raise _type_error(leaf, number)
    kind = _KINDS[number]
    if isinstance(leaf, int) and -(1 << 63) <= leaf < 1 << 64:
        lossless = abs(leaf) <= _FLOATS[number]
    else:
        try:
            leaf = float(leaf)
        except OverflowError as error:
            raise invalid("JSON Parse error: Number too big to be stored in double.") from error
        lossless = not math.isfinite(leaf) or abs(leaf) <= float(np.finfo(kind.dtype).max)
    if not lossless:
        raise invalid(
            f"Cannot convert JSON value: {shown(leaf)} to {kind.name} without loss of precision."
        )
    return float(leaf)


def _to_integer(leaf: Any, number: int) -> int:
    bits = _INTEGERS[number]
    low, high = (0, 1 << -bits) if bits < 0 else (-(1 << (bits - 1)), 1 << (bits - 1))
    if isinstance(leaf, bool) or not isinstance(leaf, int) or not low <= leaf < high:
        raise _type_error(leaf, number)
    return leaf


def _to_bool(leaf: Any) -> bool:
    if not isinstance(leaf, bool):
        raise _type_error(leaf, _BOOL)
    return leaf


def to_bytes(leaf: Any) -> bytes:
    """Return a string's bytes, or what a base64 object holds.

    Raises:
        RequestError: neither.
    """
    if isinstance(leaf, dict):
        return decode_base64(leaf)
    if not isinstance(leaf, str):
        raise _type_error(leaf, STRING)
    try:
        return leaf.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise invalid(f"JSON Parse error: The surrogate pair in string is invalid: {error}") from (
            error
        )


def decode_base64(leaf: dict[str, Any]) -> bytes:
    """Return what an object like ``{"b64": "…"}`` holds; padding may be left out.

    Raises:
        RequestError: it isn't such an object, or not base64.
    """
    if not is_base64(leaf):
        raise invalid(f"JSON Value: {shown(leaf)} not formatted correctly for base64 data")
    text = leaf[_B64]
    try:
        return base64.b64decode(
            text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise invalid("Unable to base64 decode") from error


def _refuse_type(leaf: Any, number: int) -> Any:
    raise RequestError(
        Code.UNIMPLEMENTED, f"Conversion of JSON Value: {shown(leaf)} to type: {type_name(number)}"
    )


def to_tensor(values: list[Any], number: int) -> np.ndarray[Any, Any]:
    """Return the leaves as a vector; narrow integers wrap around."""
    if number == STRING:
        return strings(values)
    kind: Kind = _KINDS[number]
    if kind.field == "int_val":
        return np.array(values, dtype=np.int32).astype(kind.dtype)
    return np.array(values, dtype=kind.dtype)


def is_named(value: Any) -> bool:
    """Whether an object maps aliases to values, and isn't one base64 value."""
    return isinstance(value, dict) and not is_base64(value)


def is_base64(value: Any) -> bool:
    """Whether a value is an object with the one key ``b64`` and a string."""
    return isinstance(value, dict) and value.keys() == {_B64} and isinstance(value[_B64], str)


def _type_error(leaf: Any, number: int) -> RequestError:
    name = type_name(number)
    return invalid(
        f"JSON Value: {shown(leaf)} Type: {json_type(leaf)} is not of expected type: {name}"
    )


def json_type(value: Any) -> str:
    """Return what a message calls a value's type."""
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    kinds: dict[type, str] = {str: "String", dict: "Object", list: "Array"}
    return kinds.get(type(value), "Number")


def shown(value: Any) -> str:
    """Return a value as it stands in a message."""
    text = ""
    for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += part
        if len(text) >= _SHOWN_BYTES:  # the rest of a large body isn't written for nothing
            break
    return text[:_SHOWN_BYTES]
