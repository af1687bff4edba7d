"""Checks that what a training wrote can be served: loaded, asked, and asked a real example."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import DataError, InvalidModelError, PredictionError
from components.saved_model.session import ServingSession, Signature, TensorSpec
from components.trainer.reachable_variable import reachable_variables, uninitialized


def check_servable(directory: Path, example_files: list[str]) -> dict[str, Any]:
    """Load the model as TensorFlow Serving would, and have it answer one example.

    It isn't asked if its default signature takes something else than serialized examples.

    Args:
        directory: what ``run_fn`` got as ``serving_model_dir``.
        example_files: patterns of TFRecord files.

    Returns:
        ``signatures`` with the specs of their inputs and outputs, ``num_variables`` and
        ``num_parameters`` that they reach, and whether the model ``answered`` an example.

    Raises:
        InvalidModelError: no SavedModel, one that can't be loaded, without ``serving_default``, or
            one that can't answer, or with a variable that a signature reaches and that no value
            was restored to.
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
        num_parameters = _check_variables(session)
        example = _first_example(example_files) if signature.takes_examples else None
        if example is not None:
            _check_answer(session, signature, example)
        return {
            "signatures": {name: _described(one) for name, one in session.signatures.items()},
            **num_parameters,
            "answered": example is not None,
        }


def _check_variables(session: ServingSession) -> dict[str, int]:
    reached = reachable_variables(session.meta_graph, list(session.signatures.values()))
    missing = uninitialized(session, reached)
    if missing:
        raise InvalidModelError(
            f"the signatures use {len(missing)} variables that the SavedModel holds no values of, "
            f"for instance {', '.join(map(repr, sorted(missing)[:3]))}: the saved object doesn't "
            "track them. Make what holds them an attribute of the object that is saved, or, with "
            "Keras 3, write the model by model.export(fn_args.serving_model_dir)"
        )
    sizes = [size for size in reached.values() if size is not None]
    return {"num_variables": len(reached), "num_parameters": sum(sizes)}


def _check_answer(session: ServingSession, signature: Signature, example: bytes) -> None:
    inputs = dict.fromkeys(signature.inputs, np.array([example], object))
    try:
        session.run(signature.name, inputs)
    except PredictionError as error:
        raise InvalidModelError(
            f"the trained model can't answer the first of its own examples: {error}"
        ) from error


def _described(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": _described_specs(signature.inputs),
        "outputs": _described_specs(signature.outputs),
    }


def _described_specs(specs: Mapping[str, TensorSpec]) -> dict[str, Any]:
    return {
        name: {"dtype": spec.dtype.name, "shape": None if spec.shape is None else list(spec.shape)}
        for name, spec in specs.items()
    }


def _check_present(directory: Path) -> None:
    names = ("saved_model.pb", "saved_model.pbtxt")
    if any((directory / name).is_file() for name in names):
        return
    found = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else None
    seen = "it doesn't exist" if found is None else f"it holds {found}"
    raise InvalidModelError(
        f"run_fn wrote no SavedModel to fn_args.serving_model_dir: {seen}; with Keras, "
        "model.export(fn_args.serving_model_dir) writes one"
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
