"""What makes a signature a regression, and its output a `RegressionResult`.

Source of checks and texts: `servables/tensorflow/regressor.cc`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from components.model_server.status import invalid
from components.model_server.tensor_codec import data_type_name, shape_text

METHOD_NAME = "tensorflow/serving/regress"
_INPUT, _OUTPUT = "inputs", "outputs"


def output_names(signature: Any) -> list[str]:
    """Return the tensor to fetch.

    Raises:
        RequestError: the signature's inputs and outputs aren't those of a regression.
    """
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if _INPUT not in signature.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {signature}")
    if _OUTPUT not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {signature}")
    return [signature.outputs[_OUTPUT].name]


def fill(
    result: Any, signature: Any, arrays: Mapping[str, np.ndarray[Any, Any]], num_examples: int
) -> None:
    """Write a `RegressionResult`.

    Args:
        result: an empty message.
        signature: what was asked.
        arrays: tensor name → array, shape ``(num_examples,)`` or ``(num_examples, 1)``, float32.
        num_examples: how many were asked.

    Raises:
        RequestError: an array of another shape or type.
    """
    array = arrays[signature.outputs[_OUTPUT].name]
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            + shape_text(array.shape)
        )
    if len(array) != num_examples:
        raise invalid(
            f"Input batch size did not match output batch size: {num_examples} vs. {len(array)}"
        )
    if data_type_name(array) != "DT_FLOAT":
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {data_type_name(array)}")
    for value in array.ravel().tolist():
        result.regressions.add(value=value)
