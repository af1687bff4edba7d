"""Makes a signature's inputs from serialized examples.

A signature either takes the examples themselves, or plain tensors; then each of its inputs is
filled from the feature of the same name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from components.model_server.tensor_codec import KINDS, STRING, strings, type_name
from components.proto_messages import build

Array = np.ndarray[Any, Any]
# Source: `tensorflow/core/example/{example,feature}.proto`.
_MESSAGES = build(
    "imprimatur.example",
    {
        "BytesList": {"value": (1, "[]bytes")},
        "FloatList": {"value": (1, "[]float")},
        "Int64List": {"value": (1, "[]int64")},
        "Feature": {
            "bytes_list": (1, "BytesList"),
            "float_list": (2, "FloatList"),
            "int64_list": (3, "Int64List"),
        },
        "Features": {"feature": (1, "{}Feature")},
        "Example": {"features": (1, "Features")},
    },
)
_DTYPES = {kind.number: kind.dtype for kind in KINDS}


class UnfitInputError(ValueError):
    """A signature's inputs can't be made from the examples; the text says which and why."""


@dataclass(frozen=True)
class InputSpec:
    """What one input of a signature takes."""

    dtype: int
    """TensorFlow's number of the type."""
    dims: tuple[int, ...] | None
    """-1 where the size is open; None where the rank is."""

    @classmethod
    def of(cls, info: Any) -> "InputSpec":
        """Return a `TensorInfo`'s."""
        shape = info.tensor_shape
        dims = None if shape.unknown_rank else tuple(int(dim.size) for dim in shape.dim)
        return cls(int(info.dtype), dims)

    def __str__(self) -> str:
        shape = "any shape" if self.dims is None else str(list(self.dims))
        return f"{type_name(self.dtype)} {shape}"


def takes_examples(specs: Mapping[str, InputSpec]) -> bool:
    """Whether the only input is a vector of strings: serialized examples."""
    if len(specs) != 1:
        return False
    (spec,) = specs.values()
    return spec.dtype == STRING and (spec.dims is None or len(spec.dims) == 1)


def make_inputs(specs: Mapping[str, InputSpec], rows: Sequence[bytes]) -> dict[str, Array]:
    """Return the inputs of one request.

    Args:
        specs: alias → what it takes.
        rows: serialized examples.

    Raises:
        UnfitInputError: plain tensors are wanted, and the examples have no such features.
    """
    if takes_examples(specs):
        return {alias: strings(list(rows)) for alias in specs}
    if not specs:
        raise UnfitInputError("it has no inputs, so it can't be asked about examples")
    examples = [_parse(row) for row in rows]
    return {alias: _tensor(alias, spec, examples) for alias, spec in specs.items()}


def wrong_inputs(specs: Mapping[str, InputSpec]) -> dict[str, Array]:
    """Return an input of a type that the signature doesn't take."""
    alias = min(specs)
    is_text = specs[alias].dtype == STRING
    return {alias: np.zeros(1, np.float32) if is_text else strings([b"x"])}


def _parse(row: bytes) -> Mapping[str, Any]:
    try:
        features: Mapping[str, Any] = _MESSAGES["Example"].FromString(row).features.feature
    except DecodeError as error:
        raise UnfitInputError(f"an example can't be read: {error}") from error
    return features


def _tensor(alias: str, spec: InputSpec, examples: Sequence[Mapping[str, Any]]) -> Array:
    shape = _shape_of_row(alias, spec)
    values = [_values(alias, spec, number, example) for number, example in enumerate(examples)]
    sizes = {len(item) for item in values}
    if len(sizes) != 1:
        raise UnfitInputError(
            f"input {alias!r} takes a tensor, and the feature of that name has from {min(sizes)} "
            f"to {max(sizes)} values by example"
        )
    if shape is None:
        (size,) = sizes
        shape = () if size == 1 else (size,)
    try:
        array = _array(values, spec)
        return array.reshape(len(examples), *shape)
    except (ValueError, OverflowError) as error:
        raise UnfitInputError(
            f"input {alias!r} takes {spec}, and the feature of that name has {min(sizes)} values "
            f"by example: {error}"
        ) from error


def _array(values: Sequence[Sequence[Any]], spec: InputSpec) -> Array:
    if spec.dtype == STRING:
        flat = [value for row in values for value in row]
        return strings(flat)
    return np.array(values, dtype=_DTYPES[spec.dtype])


def _shape_of_row(alias: str, spec: InputSpec) -> tuple[int, ...] | None:
    if spec.dtype not in _DTYPES:
        raise UnfitInputError(f"input {alias!r} takes {spec}, a type that no request can hold")
    if spec.dims is None:
        return None
    if not spec.dims or spec.dims[0] != -1:
        raise UnfitInputError(f"input {alias!r} takes {spec}, so no batches of any size")
    rest = spec.dims[1:]
    if sum(dim == -1 for dim in rest) > 1:
        raise UnfitInputError(f"input {alias!r} takes {spec}, with several open dimensions")
    return rest


def _values(alias: str, spec: InputSpec, number: int, example: Mapping[str, Any]) -> Sequence[Any]:
    if alias not in example:
        raise UnfitInputError(
            f"input {alias!r} takes {spec}, and example {number} has no feature of that name"
        )
    feature = example[alias]
    kind = _kind(spec)
    values: Sequence[Any] = getattr(feature, kind).value
    if not values:
        raise UnfitInputError(
            f"input {alias!r} takes {spec}, and the feature of that name has no values in its "
            f"{kind} in example {number}"
        )
    return values


def _kind(spec: InputSpec) -> str:
    if spec.dtype == STRING:
        return "bytes_list"
    dtype = np.dtype(_DTYPES[spec.dtype])
    return "int64_list" if dtype.kind in "iub" else "float_list"
