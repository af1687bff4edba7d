"""Writes what a SavedModel says of its functions' arguments as text: ``float32[None, 4]``."""

from collections.abc import Callable, Iterable
from typing import Any

_DTYPE_NAMES = """
    invalid float32 float64 int32 uint8 int16 int8 string complex64 int64 bool qint8 quint8 qint32
    bfloat16 qint16 quint16 uint16 complex128 float16 resource variant uint32 uint64 float8_e5m2
    float8_e4m3fn float8_e4m3fnuz float8_e4m3b11fnuz float8_e5m2fnuz int4 uint4 int2 uint2
    float4_e2m1fn
"""
_DTYPES = _DTYPE_NAMES.split()
"""By number; source: `tensorflow/core/framework/types.proto`."""
_SIZES = {
    "float32": 4, "float64": 8, "int32": 4, "uint8": 1, "int16": 2, "int8": 1, "complex64": 8,
    "int64": 8, "bool": 1, "bfloat16": 2, "uint16": 2, "complex128": 16, "float16": 2, "uint32": 4,
    "uint64": 8,
}  # fmt: skip
_SCALARS = ("float64_value", "int64_value", "string_value", "bool_value")


def dtype_name(number: int) -> str:
    """Return the name of a `DataType`."""
    return _DTYPES[number] if 0 <= number < len(_DTYPES) else f"dtype {number}"


def dtype_num_bytes(name: str) -> int:
    """Return the bytes of one element; 0 where that isn't fixed, as of text."""
    return _SIZES.get(name, 0)


def tensor_text(dtype: int, shape: Any) -> str:
    """Return dtype and shape as text; ``[...]`` where even the rank may vary."""
    if shape.unknown_rank:
        return f"{dtype_name(dtype)}[...]"
    return f"{dtype_name(dtype)}{dims_text(dim.size for dim in shape.dim)}"


def dims_text(sizes: Iterable[int]) -> str:
    """Return ``[None, 4]``."""
    return "[" + ", ".join("None" if size < 0 else str(size) for size in sizes) + "]"


def to_python(value: Any) -> Any:
    """Return a `StructuredValue` as Python values; what is a tensor's spec becomes its text.

    A named tuple becomes a dict; what isn't known is shown by the name of its field.
    """
    for name in _SCALARS:
        if value.HasField(name):
            return getattr(value, name)
    for name, read in _READERS.items():
        if value.HasField(name):
            return read(getattr(value, name))
    return None


_READERS: dict[str, Callable[[Any], Any]] = {
    "tensor_spec_value": lambda spec: tensor_text(spec.dtype, spec.shape),
    "type_spec_value": lambda spec: spec.type_spec_class_name,
    "list_value": lambda items: [to_python(item) for item in items.values],
    "tuple_value": lambda items: tuple(to_python(item) for item in items.values),
    "dict_value": lambda items: {key: to_python(items.fields[key]) for key in sorted(items.fields)},
    "named_tuple_value": lambda pairs: {pair.key: to_python(pair.value) for pair in pairs.values},
}


def megabytes(num_bytes: int) -> str:
    """Return a size for a person: ``1.5 MB``, or ``12 kB`` below 0.1 MB."""
    if num_bytes < 100_000:
        return f"{num_bytes / 1e3:,.1f} kB"
    return f"{num_bytes / 1e6:,.1f} MB"
