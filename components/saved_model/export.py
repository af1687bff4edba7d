"""Writes models as SavedModels that can be served, and reused in other models, fine-tuned or not.

::

    <directory>/
      saved_model.pb   fingerprint.pb   variables/   assets/
      assets.extra/reusable.json    what a graph can't say; see `components.saved_model.export_note`
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.errors import ConfigurationError
from components.saved_model import export_note, reusable, serving_signature
from components.saved_model.call_trace import with_captured
from components.saved_model.export_note import ExportNote
from components.saved_model.reusable import Parts
from components.saved_model.serving_signature import ServingSignature
from components.saved_model.session import DEFAULT_SIGNATURE
from components.saved_model.staging import replaced_model

_log = logging.getLogger(__name__)
_OPTIMIZER_SETTINGS = (
    "weight_decay",
    "l1_regularization_strength",
    "l2_regularization_strength",
    "l2_shrinkage_regularization_strength",
)


def export(
    model: Any,
    directory: str | Path,
    *,
    signatures: Mapping[str, Any] | None = None,
    input_spec: Any = None,
    hyperparameters: Mapping[str, str | Sequence[str]] | None = None,
    tracked: Sequence[Any] = (),
) -> Path:
    """Write a model as a SavedModel for servers and for those who build on it.

    The optimizer is left out. Vocabulary files come with it. Lost are losses that depend on inputs
    (activity regularizers, `add_loss`) and what the optimizer does against overfitting; a warning
    names them.

    Args:
        model: a Keras model or layer, a `tf.Module`, another object with ``__call__``, or a
            function. See `components.saved_model.reusable.take_apart`.
        directory: a SavedModel that is there is replaced.
        signatures: name → `serialized_examples`, `raw_tensors`, or a `tf.function`. Without any,
            ``serving_default`` takes what the model takes.
        input_spec: what the model takes, where it doesn't say it itself.
        hyperparameters: ``{"dropout_rate": "dropout*.rate"}`` makes the rate an optional argument
            of ``__call__`` for those who fine-tune the model.
        tracked: tables, assets, or objects that hold them, if signatures use some that the model
            doesn't hold.

    Returns:
        The directory.

    Raises:
        ConfigurationError: the model can't be called as it should; a signature that is none; a
            table or variable that isn't tracked; a directory that holds something else.
    """
    target = Path(directory)
    parts = reusable.take_apart(model, input_spec, hyperparameters)
    functions = {
        name: serving_signature.trace(name, signature)
        for name, signature in (signatures or default_signatures(parts)).items()
    }
    root = reusable.assemble(parts)
    root._resources.extend(reusable.find_resources(*tracked))
    root._signature_variables = with_captured(parts.variables, *functions.values())
    with replaced_model(target) as staging:
        _save(root, staging, functions)
        keep_note(staging, model, parts)
    return target


def keep_note(directory: Path, model: Any, parts: Parts) -> None:
    """Write beside a SavedModel what its graph can't say, and warn of what is lost."""
    note = _note(model, parts)
    export_note.write(directory, note)
    for warning in note.warnings:
        _log.warning("exporting %s: %s", getattr(model, "name", type(model).__name__), warning)


def _note(model: Any, parts: Parts) -> ExportNote:
    """Return what the graph can't say."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    is_optimizer = isinstance(optimizer, keras.optimizers.Optimizer)
    settings = {name: getattr(optimizer, name, None) for name in _OPTIMIZER_SETTINGS}
    return ExportNote(
        hyperparameters={
            argument.name: {"default": argument.default, "targets": argument.targets}
            for argument in parts.arguments
        },
        optimizer=type(optimizer).__name__ if is_optimizer else None,
        optimizer_regularization={
            name: float(value) for name, value in settings.items() if is_optimizer and value
        },
        num_lost_losses=parts.num_lost_losses,
        versions={"keras": keras.__version__, "tensorflow": tf.__version__},
    )


def default_signatures(parts: Parts) -> dict[str, ServingSignature]:
    """Return one signature that takes what the model takes."""
    call, spec = parts.call, parts.input_spec
    if spec is None and call.input_signature is not None:
        spec = call.input_signature[0]
    elif spec is None:
        spec = call._list_all_concrete_functions()[0].structured_input_signature[0][0]

    def answer(inputs: Any) -> Any:
        numbers = {name: tf.constant(value) for name, value in parts.defaults.items()}
        return call(inputs, **numbers)

    return {DEFAULT_SIGNATURE: ServingSignature(answer, spec)}


def _save(root: Any, directory: Path, functions: Mapping[str, Any]) -> None:
    try:
        tf.saved_model.save(root, str(directory), signatures=dict(functions))
    except AssertionError as error:  # TensorFlow's own, for what can't be found from the root
        raise ConfigurationError(
            "a signature uses a table or variable that the model doesn't hold; give the object "
            f"that holds it in tracked=[…]. TensorFlow says: {error}"
        ) from error
