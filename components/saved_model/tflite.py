"""Converts SavedModels to TFLite and runs them, by TensorFlow's own converter and interpreter."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from components.errors import InvalidModelError, PredictionError
from components.saved_model.example_inputs import Inputs

FILE = "model.tflite"
"""The name that TensorFlow Serving looks for."""
Quantization = Literal["none", "dynamic", "float16", "int8"]
_UNCONVERTED = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
_LISTED = re.compile(r"^(?:TF Select|Custom) ops: (.+)$", re.MULTILINE)


def convert(
    model: Path,
    signature_name: str,
    quantization: Quantization,
    representative: Inputs,
) -> bytes:
    """Return a TFLite model with one signature.

    Operations that TFLite doesn't have could be kept for its Flex delegate; they aren't, because
    TensorFlow 2.21 doesn't bring that delegate, so that the result couldn't be checked.

    Args:
        model: a SavedModel directory.
        signature_name: which one.
        quantization: ``dynamic`` stores weights as 8-bit integers, ``float16`` as such; ``int8``
            computes with them too, where TFLite has an integer kernel.
        representative: real inputs, of which int8 learns the ranges of values.

    Raises:
        InvalidModelError: it can't be converted; the message names the operations.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(model), signature_keys=[signature_name]
    )
    ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        ops.insert(0, tf.lite.OpsSet.TFLITE_BUILTINS_INT8)
        converter.representative_dataset = lambda: _one_by_one(signature_name, representative)
    converter.target_spec.supported_ops = ops
    try:
        with _silent_deprecation():
            return bytes(converter.convert())
    except Exception as error:
        # The converter raises its own classes, which it doesn't export, and RuntimeError.
        raise InvalidModelError(_explain(model, signature_name, str(error))) from error


@contextmanager
def _silent_deprecation() -> Iterator[None]:
    """Keep TensorFlow from advising another package's interpreter, which it doesn't bring."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is", UserWarning)
        yield


def _one_by_one(signature_name: str, inputs: Inputs) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in range(len(next(iter(inputs.values())))):
        yield signature_name, {name: value[row : row + 1] for name, value in inputs.items()}


def _explain(model: Path, signature_name: str, text: str) -> str:
    listed = [name.strip() for names in _LISTED.findall(text) for name in names.split(",")]
    ops = sorted({*_UNCONVERTED.findall(text), *listed})
    subject = f"the signature {signature_name!r} of {str(model)!r} can't be converted to TFLite"
    if ops:
        return (
            f"{subject}: TFLite has no kernel for {', '.join(ops)}; give a signature that does "
            "without, for instance one that takes tensors instead of serialized examples"
        )
    return f"{subject}: {text.strip()[:2000]}"


class TFLiteModel:
    """A TFLite model that answers as a session does.

    Args:
        content: of the file.
        signature_name: which of its signatures.

    Raises:
        InvalidModelError: it can't be loaded.
    """

    def __init__(self, content: bytes, signature_name: str) -> None:
        try:
            with warnings.catch_warnings():  # of a successor that TensorFlow doesn't bring
                warnings.filterwarnings(
                    "ignore", ".*tf.lite.Interpreter is deprecated", UserWarning
                )
                interpreter = tf.lite.Interpreter(model_content=content)
            self._run = interpreter.get_signature_runner(signature_name)
        except (ValueError, RuntimeError) as error:
            raise InvalidModelError(f"the TFLite model can't be loaded: {error}") from error

    def run(self, inputs: Inputs) -> dict[str, np.ndarray[Any, Any]]:
        """Return the outputs by name.

        Raises:
            PredictionError: inputs that don't fit, or an operation that failed.
        """
        try:
            return dict(self._run(**inputs))
        except (ValueError, RuntimeError) as error:
            raise PredictionError(f"the TFLite model failed: {error}") from error
