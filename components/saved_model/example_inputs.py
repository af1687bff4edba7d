"""Makes the inputs of a signature from serialized examples, to have a model answer real ones."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import DataError
from components.saved_model.session import Signature, TensorSpec
from components.tfrecord import read_records

Inputs = Mapping[str, np.ndarray[Any, Any]]


def read_examples(patterns: str | Iterable[str], limit: int) -> list[bytes]:
    """Return the first serialized examples of TFRecord files.

    Args:
        patterns: of files, for instance ``fn_args.eval_files``.
        limit: how many at most.

    Raises:
        DataError: no example, or a file that isn't whole.
    """
    listed = [patterns] if isinstance(patterns, str) else list(patterns)
    files = sorted(file for pattern in listed for file in tf.io.gfile.glob(pattern))
    found = list(islice(chain.from_iterable(read_records(Path(file)) for file in files), limit))
    if not found:
        raise DataError(f"no examples in files that match {listed}; give the examples' files")
    return found


def make_inputs(signature: Signature, examples: Inputs | Sequence[bytes]) -> Inputs:
    """Return what a signature is fed.

    Args:
        signature: of the model.
        examples: input → array with a row for each example; or serialized `tf.Example`s, which are
            fed as they are or, where the signature takes tensors, read by its inputs' names.

    Raises:
        DataError: an input is missing or doesn't fit.
    """
    if isinstance(examples, Mapping):
        arrays = {name: np.asarray(value) for name, value in examples.items()}
        if arrays.keys() != signature.inputs.keys():
            raise DataError(
                f"the examples have {sorted(arrays)}, but the signature {signature.name!r} takes "
                f"{sorted(signature.inputs)}"
            )
        if any(value.ndim and len(value) == 0 for value in arrays.values()):
            raise DataError("the examples have no rows; expected at least one to compare answers")
        return arrays
    if not examples:
        raise DataError("there are no examples; expected at least one, to compare the answers")
    if signature.takes_examples:
        (name,) = signature.inputs
        return {name: np.array(list(examples), object)}
    return _parse(signature, examples)


def _parse(signature: Signature, examples: Sequence[bytes]) -> Inputs:
    spec = {
        name: tf.io.FixedLenFeature(_row_shape(signature, name, item), _example_dtype(item.dtype))
        for name, item in signature.inputs.items()
    }
    try:
        parsed = tf.io.parse_example(tf.constant(list(examples)), spec)
    except tf.errors.OpError as error:
        raise DataError(
            f"the inputs {sorted(signature.inputs)} of the signature {signature.name!r} can't be "
            f"read from the examples' features of these names: {error.message}"
        ) from error
    return {
        name: tf.cast(value, signature.inputs[name].dtype).numpy()
        if signature.inputs[name].dtype != tf.string
        else value.numpy()
        for name, value in parsed.items()
    }


def _row_shape(signature: Signature, name: str, spec: TensorSpec) -> tuple[int, ...]:
    row = None if spec.shape is None else spec.shape[1:]
    if row is None or any(dim is None for dim in row):
        raise DataError(
            f"the input {name!r} of the signature {signature.name!r} has the shape {spec.shape}, "
            "so its rows can't be read from examples; give arrays by input"
        )
    return tuple(dim for dim in row if dim is not None)


def _example_dtype(dtype: Any) -> Any:
    if dtype == tf.string:
        return tf.string
    return tf.float32 if dtype.is_floating else tf.int64
