"""Arrays to and from `TensorProto`, by the rules of TensorFlow's C++ and without TensorFlow.

Works on TensorFlow's own messages and on those of `components.model_server.messages`. Written are
the typed fields (``float_val``, …), never ``tensor_content``, as TensorFlow Serving does; both are
read. Source: `tensorflow/core/framework/tensor.cc`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

MAX_BYTES = 1 << 31
"""A request's tensor above this is refused: a shape costs nothing to write and all to allocate."""
MAX_FILLED_BYTES = 1 << 28
"""The same where values are repeated to fill the shape: a few bytes of a request would do."""
_TEXT_BYTES = 32
"""What TensorFlow takes for a short text."""


@dataclass(frozen=True)
class Kind:
    """One `DataType`: its number, TensorFlow's name, NumPy's dtype, and where its values stand."""

    number: int
    name: str
    dtype: np.dtype[Any]
    field: str


KINDS = (
    Kind(1, "float", np.dtype(np.float32), "float_val"),
    Kind(2, "double", np.dtype(np.float64), "double_val"),
    Kind(3, "int32", np.dtype(np.int32), "int_val"),
    Kind(4, "uint8", np.dtype(np.uint8), "int_val"),
    Kind(5, "int16", np.dtype(np.int16), "int_val"),
    Kind(6, "int8", np.dtype(np.int8), "int_val"),
    Kind(7, "string", np.dtype(object), "string_val"),
    Kind(8, "complex64", np.dtype(np.complex64), "scomplex_val"),
    Kind(9, "int64", np.dtype(np.int64), "int64_val"),
    Kind(10, "bool", np.dtype(np.bool_), "bool_val"),
    Kind(14, "bfloat16", np.dtype(ml_dtypes.bfloat16), "half_val"),
    Kind(17, "uint16", np.dtype(np.uint16), "int_val"),
    Kind(18, "complex128", np.dtype(np.complex128), "dcomplex_val"),
    Kind(19, "half", np.dtype(np.float16), "half_val"),
    Kind(22, "uint32", np.dtype(np.uint32), "uint32_val"),
    Kind(23, "uint64", np.dtype(np.uint64), "uint64_val"),
)
STRING = 7
_BY_NUMBER = {kind.number: kind for kind in KINDS}
_BY_DTYPE = {kind.dtype: kind for kind in KINDS}
_COMPLEX_PARTS: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.float64),
}


def type_name(number: int) -> str:
    """Return TensorFlow's name of a `DataType`, for messages."""
    return _BY_NUMBER[number].name if number in _BY_NUMBER else f"DataType {number}"


def data_type_name(array: np.ndarray[Any, Any]) -> str:
    """Return how the enumeration `DataType` calls an array's type, for instance ``DT_FLOAT``."""
    return f"DT_{kind_of(array).name.upper()}"


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as TensorFlow's messages show it, for instance ``[2,3]``."""
    return "[" + ",".join(map(str, shape)) + "]"


def kind_of(array: np.ndarray[Any, Any]) -> Kind:
    """Return what an array is written as; all object arrays are strings.

    Raises:
        ValueError: TensorFlow Serving has no place for such values.
    """
    if array.dtype not in _BY_DTYPE:
        raise ValueError(f"values of NumPy's type {array.dtype} have no place in a TensorProto")
    return _BY_DTYPE[array.dtype]


def to_array(proto: Any) -> np.ndarray[Any, Any]:
    """Read one tensor.

    Too few values repeat the last one; none at all means zeros, or empty strings.

    Raises:
        ValueError: an unknown type, an incomplete shape, or content of another size.
    """
    kind = _BY_NUMBER.get(proto.dtype)
    if kind is None:
        raise ValueError(f"the type is {type_name(proto.dtype)}")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError(f"the shape {list(shape)} isn't complete")
    count = math.prod(shape)
    if count * kind.dtype.itemsize > MAX_BYTES:
        raise ValueError(f"the shape {list(shape)} asks for more than {MAX_BYTES} bytes")
    values = _content(proto, kind) if proto.tensor_content else _values(proto, kind)
    item_bytes = _TEXT_BYTES if kind.number == STRING else kind.dtype.itemsize
    if len(values) < count and count * item_bytes > MAX_FILLED_BYTES:
        raise ValueError(
            f"the shape {list(shape)} asks to repeat a value in more than {MAX_FILLED_BYTES} bytes"
        )
    if proto.tensor_content and len(values) != count:
        raise ValueError(f"tensor_content holds {len(values)} values; the shape needs {count}")
    return _filled(values, count, kind).reshape(shape)


def fill(proto: Any, array: np.ndarray[Any, Any]) -> None:
    """Write one tensor into an empty message.

    Raises:
        ValueError: values that have no place there.
    """
    kind = kind_of(array)
    proto.dtype = kind.number
    shape = proto.tensor_shape
    shape.SetInParent()
    for size in array.shape:
        shape.dim.add(size=size)
    flat = array.ravel()
    if kind.field == "half_val":
        flat = flat.view(np.uint16)
    elif kind.dtype in _COMPLEX_PARTS:
        flat = flat.view(_COMPLEX_PARTS[kind.dtype])
    getattr(proto, kind.field).extend(flat.tolist())


def strings(values: list[bytes]) -> np.ndarray[Any, Any]:
    """Return a vector of byte strings, as a session is fed it; NumPy's own would cut zeros off."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _content(proto: Any, kind: Kind) -> np.ndarray[Any, Any]:
    if kind.number == STRING or len(proto.tensor_content) % kind.dtype.itemsize:
        raise ValueError(f"tensor_content can't be read as {kind.name}")
    return np.frombuffer(proto.tensor_content, dtype=kind.dtype)


def _values(proto: Any, kind: Kind) -> np.ndarray[Any, Any]:
    field = getattr(proto, kind.field)
    if kind.number == STRING:
        return strings(list(field))
    if kind.field == "half_val":
        return np.array(field, dtype=np.int32).astype(np.uint16).view(kind.dtype)
    if kind.dtype in _COMPLEX_PARTS:
        parts = np.array(field, dtype=_COMPLEX_PARTS[kind.dtype])
        values: np.ndarray[Any, Any] = parts[: len(parts) // 2 * 2].view(kind.dtype)
        return values
    wide: Any = np.int32 if kind.field == "int_val" else kind.dtype
    array: np.ndarray[Any, Any] = np.array(field, dtype=wide)
    return array.astype(kind.dtype)


def _filled(values: np.ndarray[Any, Any], count: int, kind: Kind) -> np.ndarray[Any, Any]:
    if len(values) >= count:
        return values[:count]
    last = values[-1] if len(values) else (b"" if kind.number == STRING else 0)
    filled = np.full(count, last, dtype=kind.dtype)
    filled[: len(values)] = values
    return filled
