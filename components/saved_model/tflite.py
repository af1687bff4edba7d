"""Converts SavedModels to TFLite and runs them, by TensorFlow's own converter and interpreter."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from components.errors import InvalidModelError, PredictionError, one_line
from components.saved_model import messages
from components.saved_model.example_inputs import Inputs, batches
from components.saved_model.op_reach import Reach
from components.saved_model.session import Signature

FILE = "model.tflite"
"""The name that TensorFlow Serving looks for."""
Quantization = Literal["none", "dynamic", "float16", "int8"]
_UNCONVERTED = re.compile(
    r"'tf\.(\w+)' op (?:is neither a custom op nor a flex op|requires element_shape to be static)"
    r"|failed to legalize operation 'tf\.(\w+)'"
)
_LOOPS = ("While", "StatelessWhile")
_LISTED = re.compile(r"^(?:TF Select|Custom) ops: (.+)$", re.MULTILINE)


def convert(
    model: Path,
    signature: Signature,
    quantization: Quantization,
    representative: Inputs,
) -> bytes:
    """Return a TFLite model with one signature.

    Operations that TFLite doesn't have could be kept for its Flex delegate; they aren't, because
    TensorFlow 2.21 doesn't bring that delegate, so that the result couldn't be checked.

    Args:
        model: a SavedModel directory.
        signature: which one.
        quantization: ``dynamic`` stores weights as 8-bit integers, ``float16`` as such; ``int8``
            computes with them too, where TFLite has an integer kernel.
        representative: real inputs, of which int8 learns the ranges of values.

    Raises:
        InvalidModelError: it can't be converted; the message names the operations.
    """
    if quantization == "int8":
        _refuse_loops(model, signature)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(model), signature_keys=[signature.name]
    )
    ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        ops.insert(0, tf.lite.OpsSet.TFLITE_BUILTINS_INT8)
        converter.representative_dataset = lambda: _one_by_one(signature, representative)
    converter.target_spec.supported_ops = ops
    try:
        with _silent_deprecation():
            return bytes(converter.convert())
    except Exception as error:
        # The converter raises its own classes, which it doesn't export, and RuntimeError.
        raise InvalidModelError(_explain(model, signature.name, str(error))) from error


def _refuse_loops(model: Path, signature: Signature) -> None:
    """Refuse what TensorFlow's converter crashes on, with the whole process, as it learns ranges.

    Raises:
        InvalidModelError: the signature runs a loop.
    """
    saved = messages.SavedModel.FromString((model / "saved_model.pb").read_bytes())
    outputs = [spec.tensor_name for spec in signature.outputs.values()]
    for graph in saved.meta_graphs:
        ops = {reached.node.op for reached in Reach(graph.graph_def, outputs).nodes}
        if loops := sorted(ops.intersection(_LOOPS)):
            raise InvalidModelError(
                f"the signature {signature.name!r} of {str(model)!r} runs {', '.join(loops)} (a "
                "recurrent layer, or another loop), which TFLite's converter can't quantize to "
                "int8; use dynamic or float16, or layers with unroll=True"
            )


@contextmanager
def _silent_deprecation() -> Iterator[None]:
    """Keep TensorFlow from advising another package's interpreter, which it doesn't bring."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is", UserWarning)
        yield


def _one_by_one(signature: Signature, inputs: Inputs) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield inputs with as few rows as the signature takes."""
    takes_any = all(not spec.shape or spec.shape[0] is None for spec in signature.inputs.values())
    for batch in batches(signature, inputs):
        for row in range(len(next(iter(batch.values()))) if takes_any else 1):
            rows = slice(row, row + 1) if takes_any else slice(None)
            yield signature.name, {name: value[rows] for name, value in batch.items()}


def _explain(model: Path, signature_name: str, text: str) -> str:
    listed = [name.strip() for names in _LISTED.findall(text) for name in names.split(",")]
    ops = sorted({*filter(None, chain(*_UNCONVERTED.findall(text))), *listed})
    subject = f"the signature {signature_name!r} of {str(model)!r} can't be converted to TFLite"
    if any(op.startswith("TensorList") for op in ops):
        return (
            f"{subject}: {', '.join(ops)} (a recurrent layer, or another loop) needs fixed shapes; "
            "give a signature with a fixed number of rows, for instance "
            "tf.TensorSpec([1, 20, 8], tf.float32)"
        )
    if ops:
        return (
            f"{subject}: TFLite has no kernel for {', '.join(ops)}; give a signature that does "
            "without, for instance one that takes tensors instead of serialized examples"
        )
    return f"{subject}: {one_line(text, 2000)}"


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
