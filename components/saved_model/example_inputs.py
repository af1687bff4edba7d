"""Makes the inputs of a signature from serialized examples, to have a model answer real ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
        return _checked_arrays(signature, examples)
    if not isinstance(examples, Sequence | np.ndarray):
        raise DataError(
            f"the examples are a {type(examples).__name__}; expected a list of serialized "
            "tf.Examples, or arrays by input"
        )
    if len(examples) == 0:
        raise DataError("there are no examples; expected at least one, to compare the answers")
    if not all(isinstance(example, bytes) for example in examples):
        raise DataError(
            f"the examples are a {type(examples).__name__} of {type(examples[0]).__name__}; "
            "expected serialized tf.Examples, or arrays by input: "
            f"{{{', '.join(f'{name!r}: …' for name in sorted(signature.inputs))}}}"
        )
    if signature.takes_examples:
        (name,) = signature.inputs
        return {name: np.array(list(examples), object)}
    return _parse(signature, examples)


def batches(signature: Signature, inputs: Inputs) -> Iterator[Inputs]:
    """Yield inputs as many rows at a time as a signature takes; all at once if any number.

    Where it takes a fixed number, what is left over is left out.

    Raises:
        DataError: it takes more rows at a time than there are, or different numbers by input.
    """
    sizes = {spec.shape[0] for spec in signature.inputs.values() if spec.shape} - {None}
    length = len(next(iter(inputs.values())))
    size = sizes.pop() if sizes else length
    if sizes or size is None or not 0 < size <= length:
        raise DataError(
            f"the signature {signature.name!r} takes fixed numbers of rows "
            f"({ {name: spec.shape for name, spec in signature.inputs.items()} }), but there are "
            f"{length} examples; give more, or a signature with one number for all inputs"
        )
    for start in range(0, length - size + 1, size):
        yield {name: value[start : start + size] for name, value in inputs.items()}


def answer_all(
    run: Callable[[Inputs], Mapping[str, np.ndarray[Any, Any]]],
    signature: Signature,
    inputs: Inputs,
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the outputs for all rows, asked for in batches that the signature takes."""
    answers = [run(batch) for batch in batches(signature, inputs)]
    if len(answers) == 1:
        return dict(answers[0])
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


def _checked_arrays(signature: Signature, examples: Inputs) -> Inputs:
    if examples.keys() != signature.inputs.keys():
        raise DataError(
            f"the examples have {sorted(examples)}, but the signature {signature.name!r} takes "
            f"{sorted(signature.inputs)}"
        )
    arrays = {name: _array(name, value, signature) for name, value in examples.items()}
    lengths = {name: len(value) for name, value in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise DataError(f"the examples have different numbers of rows: {lengths}")
    if 0 in lengths.values():
        raise DataError("the examples have no rows; expected at least one to compare answers")
    return arrays


def _array(name: str, value: Any, signature: Signature) -> np.ndarray[Any, Any]:
    """Return an input as the signature's dtype and shape."""
    spec = signature.inputs[name]
    wanted = f"{spec.dtype.name}{'' if spec.shape is None else list(spec.shape)}"
    try:
        array = np.asarray(value)
        if array.dtype.kind in "iufb" and spec.dtype != tf.string:
            array = array.astype(spec.dtype.as_numpy_dtype)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"the examples' {name!r} is no array: {error}") from error
    is_text = array.dtype.kind in "OSU"
    if array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    row = None if spec.shape is None else spec.shape[1:]
    fits = array.ndim > 0 and tf.TensorShape(row).is_compatible_with(array.shape[1:])
    if not fits or is_text != (spec.dtype == tf.string):
        raise DataError(
            f"the examples' {name!r} is {array.dtype}{list(array.shape)}, but the signature "
            f"{signature.name!r} takes {wanted}; give a row for each example"
        )
    return array.astype(object) if is_text else array


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
