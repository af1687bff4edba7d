"""A number of a layer that is a tensor while the layer's call is traced.

Keras' layers compute with such a number, and ask in Python whether it is above 0 at all. Questions
are answered by the value that the number has; what is computed is computed by TensorFlow.
"""

import operator
from collections.abc import Callable
from typing import Any

import tensorflow as tf


class TracedNumber(tf.__internal__.types.Tensor):  # type: ignore[misc]
    """Stands in for a float; see the module.

    Args:
        tensor: scalar, float32.
        default: answers comparisons.
        name: ``layer.attribute``, for errors.
        dtype: what it is where nobody asks for another.
    """

    def __init__(self, tensor: Any, default: float, name: str, dtype: Any) -> None:
        self._tensor = tensor
        self._default = default
        self._name = name
        self._dtype = tf.as_dtype(dtype)
        self._origin = self
        self.is_used = False
        """Whether anything was computed with it."""

    @property
    def dtype(self) -> Any:
        """TensorFlow's type."""
        return self._dtype

    @property
    def shape(self) -> Any:
        """A scalar's."""
        return tf.TensorShape([])

    def get_shape(self) -> Any:
        """As of a tensor."""
        return self.shape

    def __repr__(self) -> str:
        return f"<{self._name} as a tensor>"

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        """Convert; TensorFlow's protocol."""
        self._origin.is_used = True
        return tf.cast(self._tensor, self._dtype if dtype is None else dtype, name)

    def _combined(self, compute: Callable[[Any, Any], Any], other: Any, *, swapped: bool) -> Any:
        """Compute with a Python number to another of this class, with a tensor to a tensor."""
        if isinstance(other, TracedNumber):
            plain, value = other._default, other.__tf_tensor__(tf.float32)
        elif isinstance(other, int | float):
            plain, value = other, float(other)
        else:
            other = tf.convert_to_tensor(other)
            own = self.__tf_tensor__(other.dtype)
            return compute(other, own) if swapped else compute(own, other)
        self._origin.is_used = True
        default = compute(plain, self._default) if swapped else compute(self._default, plain)
        tensor = compute(value, self._tensor) if swapped else compute(self._tensor, value)
        made = TracedNumber(tensor, default, self._name, self._dtype)
        made._origin = self._origin
        return made

    def __neg__(self) -> Any:
        return self._combined(operator.mul, -1.0, swapped=False)

    def __bool__(self) -> bool:
        return bool(self._default)

    def __eq__(self, other: object) -> bool:
        return self._default == other

    def __lt__(self, other: Any) -> bool:
        return bool(self._default < other)

    def __le__(self, other: Any) -> bool:
        return bool(self._default <= other)

    def __gt__(self, other: Any) -> bool:
        return bool(self._default > other)

    def __ge__(self, other: Any) -> bool:
        return bool(self._default >= other)

    __hash__ = object.__hash__

    def __float__(self) -> float:
        raise TypeError(f"{self._name} is needed as a number of Python")

    __int__ = __index__ = __float__


def _add_operators() -> None:
    for name in ("add", "sub", "mul", "truediv", "pow"):
        compute = getattr(operator, name)
        for prefix, swapped in (("", False), ("r", True)):
            setattr(TracedNumber, f"__{prefix}{name}__", _method(compute, swapped=swapped))


def _method(compute: Callable[[Any, Any], Any], *, swapped: bool) -> Callable[..., Any]:
    def method(self: TracedNumber, other: Any) -> Any:
        return self._combined(compute, other, swapped=swapped)

    return method


_add_operators()
