"""Checks that what a training wrote can be served: loaded, asked, and asked a real example."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from components.errors import DataError, InvalidModelError, PredictionError
from components.saved_model.session import ServingSession


def check_servable(directory: Path, example_files: list[str]) -> None:
    """Load the model as TensorFlow Serving would, and have it answer one example.

    It isn't asked if its default signature takes something else than serialized examples.

    Args:
        directory: what ``run_fn`` got as ``serving_model_dir``.
        example_files: patterns of TFRecord files.

    Raises:
        InvalidModelError: no SavedModel, one that can't be loaded, without ``serving_default``, or
            one that can't answer.
    """
    _check_present(directory)
    with ServingSession(directory) as session:
        if not session.signatures:
            raise InvalidModelError(
                "run_fn wrote a SavedModel without serving signatures, so a server has nothing to "
                "ask: export it with one named 'serving_default', for instance by "
                "tf.saved_model.save(model, fn_args.serving_model_dir, signatures={…})"
            )
        signature = session.signature()
        example = _first_example(example_files) if signature.takes_examples else None
        if example is None:
            return
        inputs = dict.fromkeys(signature.inputs, np.array([example], object))
        try:
            session.run(signature.name, inputs)
        except PredictionError as error:
            raise InvalidModelError(
                f"the trained model can't answer the first of its own examples: {error}"
            ) from error


def _check_present(directory: Path) -> None:
    names = ("saved_model.pb", "saved_model.pbtxt")
    if any((directory / name).is_file() for name in names):
        return
    found = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else None
    seen = "it doesn't exist" if found is None else f"it holds {found}"
    raise InvalidModelError(
        f"run_fn wrote no SavedModel to fn_args.serving_model_dir: {seen}; with Keras 3, "
        "model.export(fn_args.serving_model_dir) writes one, and model.save(…) doesn't"
    )


def _first_example(patterns: list[str]) -> bytes | None:
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    for file in files:
        compression = "GZIP" if file.endswith(".gz") else ""
        try:
            for example in tf.data.TFRecordDataset(file, compression).take(1).as_numpy_iterator():
                return bytes(example)
        except tf.errors.OpError as error:
            raise DataError(f"{file!r} can't be read as TFRecord: {error}") from error
    return None
