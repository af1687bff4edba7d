"""Numbers of Arrow's arrays as NumPy's, and the other way.

pyarrow's ``to_numpy``, ``array`` and ``to_pandas_dtype`` import pandas where that is installed. It
takes a second, in each process that shares the work.
"""

from typing import Any

import numpy as np
import pyarrow as pa


def to_numpy(array: pa.Array) -> Any:
    """Return a view of an array of integers or floats, of shape (its length,).

    Raises:
        ValueError: it holds nulls, whose places hold anything.
    """
    if array.null_count:
        raise ValueError(f"{array.null_count} of {len(array)} values are null")
    dtype = _dtype(array.type)
    if not len(array):
        return np.empty(0, dtype)
    _, values = array.buffers()
    return np.frombuffer(values, dtype, len(array), array.offset * dtype.itemsize)


def to_arrow(numbers: np.ndarray[Any, Any]) -> pa.Array:
    """Return an array of floats of 32 or 64 bits, of shape (n,), as one of Arrow's."""
    kinds = {"float32": pa.float32(), "float64": pa.float64()}
    values = pa.py_buffer(np.ascontiguousarray(numbers))
    return pa.Array.from_buffers(kinds[numbers.dtype.name], len(numbers), [None, values])


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    letter = (
        "f" if pa.types.is_floating(kind) else "u" if pa.types.is_unsigned_integer(kind) else "i"
    )
    return np.dtype(f"{letter}{kind.bit_width // 8}")
