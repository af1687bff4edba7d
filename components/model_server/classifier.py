"""What makes a signature a classification, and its outputs a `ClassificationResult`.

Source of checks and texts: `servables/tensorflow/classifier.cc`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from components.model_server.status import invalid
from components.model_server.tensor_codec import data_type_name, shape_text

METHOD_NAME = "tensorflow/serving/classify"
_INPUT, _CLASSES, _SCORES = "inputs", "classes", "scores"


def output_names(signature: Any) -> list[str]:
    """Return the tensors to fetch.

    Raises:
        RequestError: the signature's inputs and outputs aren't those of a classification.
    """
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if _INPUT not in signature.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {signature}")
    found = [
        signature.outputs[alias].name for alias in (_CLASSES, _SCORES) if alias in signature.outputs
    ]
    if not found:
        raise invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {signature}'
        )
    return found


def fill(
    result: Any, signature: Any, arrays: Mapping[str, np.ndarray[Any, Any]], num_examples: int
) -> None:
    """Write a `ClassificationResult`: classes in the model's order; no scores means 0.

    Args:
        result: an empty message.
        signature: what was asked.
        arrays: tensor name → array, shape ``(num_examples, num_classes)``.
        num_examples: how many were asked.

    Raises:
        RequestError: arrays of another shape or type.
    """
    classes = _output(signature, arrays, _CLASSES, "DT_STRING", num_examples)
    scores = _output(signature, arrays, _SCORES, "DT_FLOAT", num_examples)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(
            "Tensors class and score should match in dim_size(1). Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    labels = None if classes is None else classes.tolist()
    values = None if scores is None else scores.tolist()
    for row in range(num_examples):
        added = result.classifications.add().classes
        for label in labels[row] if labels else []:
            # Bytes go into a text field unchecked there; here they must be text.
            added.add(label=label.decode("utf-8", "replace"))
        for column, score in enumerate(values[row] if values else []):
            entry = added[column] if labels else added.add()
            entry.score = score


def _output(
    signature: Any,
    arrays: Mapping[str, np.ndarray[Any, Any]],
    alias: str,
    data_type: str,
    num_examples: int,
) -> np.ndarray[Any, Any] | None:
    if alias not in signature.outputs:
        return None
    array = arrays[signature.outputs[alias].name]
    if array.ndim != 2:
        raise invalid(
            "Expected Tensor shape: [batch_size num_classes] but got " + shape_text(array.shape)
        )
    if data_type_name(array) != data_type:
        raise invalid(f"Expected {alias} Tensor of {data_type}. Got: {data_type_name(array)}")
    if len(array) != num_examples:
        raise invalid(f"Expected {alias} output batch size of {num_examples}. Got: {len(array)}")
    return array
