"""Turns parsed features into the tensors that a model's signature takes."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from components.errors import DataError
from components.evaluator.exact_sum import Array
from components.evaluator.feature_value import Values


@dataclass(frozen=True)
class InputFeature:
    """One input of a signature, fed by the feature of the same name.

    Attributes:
        name: of both.
        dtype: TensorFlow's name for it.
        shape: without the batch dimension; one whose length varies is None, and shorter values are
            filled up with zeros or empty text, as `tf.RaggedTensor.to_tensor` does.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def tensor(self, given: Values, start: int) -> Array:
        """Return the input for a batch, `(num_examples, *shape)`.

        Args:
            given: the feature's values.
            start: how many examples came before, for messages.

        Raises:
            DataError: an example has another number of values, values of another type, or one that
                the input's type can't hold.
        """
        values, lengths = self._cast(given, start), given.counts
        size = len(lengths)
        if self.shape in ((None,), (None, 1)):
            filled = np.zeros((size, int(lengths.max(initial=0))), values.dtype)
            if values.dtype == object:
                filled[...] = b""
            rows = given.rows
            filled[rows, np.arange(len(rows)) - given.splits[rows]] = values
            return filled[..., None] if len(self.shape) == 2 else filled
        wanted = prod(size for size in self.shape if size is not None)
        if None in self.shape:
            raise DataError(
                f"the model's input {self.name!r} has the inner shape {self.shape}; a "
                "tf.Example holds a flat list, so at most one inner dimension may vary"
            )
        if (lengths != wanted).any():
            row = int(np.flatnonzero(lengths != wanted)[0])
            raise DataError(
                f"example {start + row + 1} has {lengths[row]} values of the feature "
                f"{self.name!r}; the model's input takes {wanted}. Give every example as many, or "
                "name a signature that parses tf.Examples as signature_name in model_specs"
            )
        return values.reshape(size, *(length for length in self.shape if length is not None))

    def _cast(self, given: Values, start: int) -> Array:
        values = given.values
        is_text, takes_text = values.dtype == object, self.dtype == "string"
        whole = np.issubdtype(values.dtype, np.integer)
        if is_text != takes_text or not (is_text or whole or "float" in self.dtype):
            raise DataError(
                f"the feature {self.name!r} holds {_kind(values)}; the model's input takes "
                f"{self.dtype}"
            )
        return values if is_text else self._cast_numbers(given, start)

    def _cast_numbers(self, given: Values, start: int) -> Array:
        """Return the numbers in the model's type; a float may be rounded, but nothing overflows."""
        values = given.values
        with np.errstate(over="ignore"):
            cast = values.astype(self.dtype, copy=False)
        is_float = "float" in self.dtype
        lost = np.isinf(cast) & np.isfinite(values) if is_float else cast != values
        if lost.any():
            place = int(np.flatnonzero(lost)[0])
            raise DataError(
                f"example {start + int(given.rows[place]) + 1} has {values[place]} in the feature "
                f"{self.name!r}; the model's input takes {self.dtype}, which can't hold it"
            )
        return cast


def _kind(values: Any) -> str:
    return "text" if values.dtype == object else f"{values.dtype} numbers"
