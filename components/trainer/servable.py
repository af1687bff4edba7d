"""Checks that what a training wrote can be served: loaded, asked, and asked a real example."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import DataError, InvalidModelError, PredictionError
from components.saved_model.example_inputs import make_inputs
from components.saved_model.session import ServingSession, Signature, TensorSpec
from components.trainer.reachable_variable import holding_nan, reachable_variables, uninitialized
from components.trainer.serving_example import ServingExample

_DIVERGED = (
    "the training diverged. Look for NaN or infinite values in the examples, lower the learning "
    "rate, or clip the gradients"
)
_log = logging.getLogger("components.trainer")


def check_servable(directory: Path, examples: Iterable[ServingExample]) -> dict[str, Any]:
    """Load the model as TensorFlow Serving would, and have it answer one example.

    Where its default signature takes tensors, they are filled from the example's features of the
    same names; it isn't asked if there are no such features.

    Args:
        directory: what ``run_fn`` got as ``serving_model_dir``.
        examples: what to ask; it must be able to answer one of them, if there are some.

    Returns:
        ``signatures`` with the specs of their inputs and outputs, ``num_variables`` and
        ``num_parameters`` that they reach, and which example was ``answered``, null if none was
        asked.

    Raises:
        InvalidModelError: no SavedModel, one that can't be loaded, without ``serving_default``, or
            one that can't answer, or with a variable that a signature reaches and that no value
            was restored to, or that holds NaN; a symlink.
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
        return {
            "signatures": {name: _described(one) for name, one in session.signatures.items()},
            **num_parameters,
            "answered": _answered(session, signature, examples),
        }


def check_eval_model(directory: Path) -> None:
    """Load what ``run_fn`` wrote for the evaluation, as the serving model is loaded.

    Args:
        directory: what ``run_fn`` got as ``eval_model_dir``; it needn't hold a model.

    Raises:
        InvalidModelError: it holds one that can't be loaded; a symlink.
    """
    _check_no_symlink(directory, "eval_model_dir")
    if (directory / "saved_model.pb").is_file():
        with ServingSession(directory):
            pass


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
    diverged = holding_nan(session, reached)
    if diverged:
        raise InvalidModelError(
            f"{len(diverged)} variables that the signatures use hold NaN, for instance "
            f"{', '.join(map(repr, sorted(diverged)[:3]))}: {_DIVERGED}"
        )
    sizes = [size for size in reached.values() if size is not None]
    return {"num_variables": len(reached), "num_parameters": sum(sizes)}


def _answered(
    session: ServingSession, signature: Signature, examples: Iterable[ServingExample]
) -> str | None:
    failures = []
    for example in examples:
        try:
            inputs = make_inputs(signature, [example.serialized])
        except DataError as error:
            _log.info("the model wasn't asked %s: %s", example.origin, error)
            continue
        try:
            outputs = session.run(signature.name, inputs)
        except PredictionError as error:
            failures.append((example.origin, error))
            continue
        _check_numbers(outputs, example.origin)
        return example.origin
    if not failures:
        _log.warning(
            "the model was loaded, but not asked: no example fits what 'serving_default' takes"
        )
        return None
    shown = "; nor ".join(f"{origin}: {error}" for origin, error in failures)
    raise InvalidModelError(f"the trained model can't answer {shown}") from failures[0][1]


def _check_numbers(outputs: Mapping[str, Any], origin: str) -> None:
    """Refuse a model that answers NaN: its training diverged, whatever said so or didn't."""
    for name, values in outputs.items():
        if values.dtype.kind in "fc" and np.isnan(values).any():
            raise InvalidModelError(
                f"the trained model answers {origin} with NaN in its output {name!r}: {_DIVERGED}"
            )


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
    _check_no_symlink(directory, "serving_model_dir")
    names = ("saved_model.pb", "saved_model.pbtxt")
    if any((directory / name).is_file() for name in names):
        return
    found = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else None
    seen = "it doesn't exist" if found is None else f"it holds {found}"
    raise InvalidModelError(
        f"run_fn wrote no SavedModel to fn_args.serving_model_dir: {seen}; with Keras, "
        "model.export(fn_args.serving_model_dir) writes one"
    )


def _check_no_symlink(directory: Path, name: str) -> None:
    if directory.is_symlink():
        raise InvalidModelError(
            f"run_fn made fn_args.{name} a symlink to {str(directory.readlink())!r}, which stays "
            f"behind or moves: write the model into fn_args.{name} itself"
        )
