"""Turns a model into an object with the Reusable SavedModel interface.

The interface is that of https://www.tensorflow.org/hub/reusable_saved_models: ``__call__`` with
``training``, ``variables``, ``trainable_variables`` and ``regularization_losses``.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from components.errors import ConfigurationError
from components.saved_model.call_trace import (
    defaults_of,
    plain_variable,
    trace_modes,
    traced,
    with_captured,
)
from components.saved_model.training_argument import (
    TrainingArgument,
    find_training_arguments,
    substituted,
)


@dataclass
class Parts:
    """What a Reusable SavedModel is put together from."""

    call: Any
    """A `tf.function` with all its traces."""
    input_spec: Any
    """None where the function brought its own traces."""
    variables: list[Any]
    trainable_variables: list[Any]
    regularization_losses: list[Any]
    resources: list[Any]
    """Tables and assets."""
    arguments: Sequence[TrainingArgument] = ()
    defaults: Mapping[str, float] = field(default_factory=dict)
    """Of the optional numeric arguments of the call."""
    num_lost_losses: int = field(default=0)
    """Losses of the training that depend on inputs, which the interface can't express."""


def take_apart(
    model: Any,
    input_spec: Any = None,
    hyperparameters: Mapping[str, str | Sequence[str]] | None = None,
) -> Parts:
    """Trace a model's call and list what it is made of.

    Args:
        model: a Keras model or layer, a `tf.Module`, `tf.train.Checkpoint` or other object with a
            ``__call__``, a `tf.function` or a function.
        input_spec: `tf.TensorSpec` of the input, or a list or dict of them; may be left out where
            the model says it: a functional or sequential Keras model, or a `tf.function` that has
            an input signature or traces.
        hyperparameters: see `find_training_arguments`; only of Keras models. Others have their own
            arguments.

    Raises:
        ConfigurationError: what is given can't be called, or not without an `input_spec`.
    """
    if not callable(model):
        raise ConfigurationError(
            f"{model!r} can't be called; expected a Keras model or layer, an object with a "
            "__call__, or a function"
        )
    if _is_keras_2(model):
        raise ConfigurationError(
            f"{model.name!r} is a model of Keras 2, whose own model.save(directory, "
            "include_optimizer=False, save_format='tf') writes a Reusable SavedModel; call that"
        )
    if isinstance(model, keras.Layer):
        return _of_keras(model, input_spec, hyperparameters or {})
    if hyperparameters:
        raise ConfigurationError(
            f"hyperparameters is {dict(hyperparameters)!r}, but {type(model).__name__} is no Keras "
            "model; give its __call__ keyword arguments with a number as default"
        )
    return _of_callable(model, input_spec)


def _is_keras_2(model: Any) -> bool:
    legacy = sys.modules.get("tf_keras")
    return legacy is not None and isinstance(model, legacy.layers.Layer)


def assemble(parts: Parts) -> Any:
    """Return an object that `tf.saved_model.save` writes as a Reusable SavedModel."""
    root = tf.__internal__.tracking.AutoTrackable()
    root.__call__ = parts.call
    root.variables = parts.variables
    root.trainable_variables = parts.trainable_variables
    root.regularization_losses = parts.regularization_losses
    root._resources = parts.resources
    return root


def _of_keras(
    model: Any, input_spec: Any, hyperparameters: Mapping[str, str | Sequence[str]]
) -> Parts:
    spec = _keras_spec(model) if input_spec is None else input_spec
    if not model.built:
        model(
            keras.tree.map_structure(lambda item: keras.KerasTensor(item.shape, item.dtype), spec)
        )
    arguments = find_training_arguments(model, hyperparameters)
    defaults = {argument.name: argument.default for argument in arguments}
    losses = list(_regularization_losses(model))
    num_losses = []

    def compute(inputs: Any, training: bool, **values: Any) -> Any:
        with substituted(arguments, values):
            outputs = model(inputs, training=training)
        num_losses.append(len(model.losses))
        return outputs

    call = trace_modes(compute, spec, defaults)
    return Parts(
        call=call,
        input_spec=spec,
        variables=with_captured([variable.value for variable in model.variables], call),
        trainable_variables=[variable.value for variable in model.trainable_variables],
        regularization_losses=losses,
        resources=find_resources(model),
        arguments=arguments,
        defaults=defaults,
        num_lost_losses=max(num_losses) - len(losses),
    )


def _keras_spec(model: Any) -> Any:
    """Return what a functional or sequential model takes."""
    inputs = getattr(model, "inputs", None) or None
    if inputs is not None:
        inputs = inputs[0] if isinstance(model, keras.Sequential) else model.input
    if inputs is None:
        raise ConfigurationError(
            f"the model {model.name!r} doesn't say what it takes; give input_spec, for instance "
            "tf.TensorSpec([None, 8], tf.float32)"
        )
    return keras.tree.map_structure(
        lambda item: tf.TensorSpec(item.shape, item.dtype, item.name), inputs
    )


def _regularization_losses(model: Any) -> Iterator[Any]:
    """Yield functions without arguments: of weights, and of reused SavedModels inside."""
    for layer in model._flatten_layers():
        if layer.trainable:
            for loss in getattr(layer, "regularization_losses", ()):
                yield tf.function(loss, input_signature=[], autograph=False)
    for variable in model.trainable_variables:
        if variable.regularizer is not None:
            yield _weight_loss(variable)


def _weight_loss(variable: Any) -> Any:
    def regularization_loss() -> Any:
        return tf.convert_to_tensor(variable.regularizer(variable.value))

    return tf.function(regularization_loss, input_signature=[], autograph=False)


def _of_callable(model: Any, input_spec: Any) -> Parts:
    call = traced(model, input_spec)
    variables = list(getattr(model, "variables", ()))
    captured = with_captured([plain_variable(variable) for variable in variables], call)
    trainable = getattr(model, "trainable_variables", None)
    if trainable is None:
        trainable = [variable for variable in captured if variable.trainable]
    return Parts(
        call=call,
        input_spec=input_spec,
        variables=captured,
        trainable_variables=[plain_variable(variable) for variable in trainable],
        regularization_losses=[
            _argumentless(loss) for loss in getattr(model, "regularization_losses", ())
        ],
        resources=find_resources(model),
        defaults={} if input_spec is None else defaults_of(call),
    )


def _argumentless(loss: Any) -> Any:
    if isinstance(loss, tf.types.experimental.PolymorphicFunction):
        return loss
    if not callable(loss):
        raise ConfigurationError(
            f"regularization_losses holds {loss!r}; expected functions without arguments that "
            "return a scalar"
        )
    return tf.function(loss, input_signature=[])


def find_resources(*owners: Any) -> list[Any]:
    """Return the lookup tables and asset files that objects hold, at any depth."""
    kinds = (tf.saved_model.experimental.TrackableResource, tf.saved_model.Asset)
    found: dict[int, Any] = {}
    for owner in owners:
        if isinstance(owner, tf.__internal__.tracking.Trackable):
            for item in tf.train.TrackableView(owner).descendants():
                if isinstance(item, kinds):
                    found[id(item)] = item
    return list(found.values())
