"""Turns a model into an object with the Reusable SavedModel interface.

The interface is that of https://www.tensorflow.org/hub/reusable_saved_models: ``__call__`` with
``training``, ``variables``, ``trainable_variables`` and ``regularization_losses``.
"""

import dataclasses
from collections.abc import Mapping, Sequence
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
from components.saved_model.held_keras import (
    HeldKeras,
    find_held_keras,
    is_of_keras_2,
    regularization_losses,
)
from components.saved_model.training_argument import (
    TrainingArgument,
    find_training_arguments,
    refuse_unused,
    substituted,
)


@dataclass
class Parts:
    """What a Reusable SavedModel is put together from."""

    call: Any
    """A `tf.function` with all its traces; None of what can't be called."""
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
    if is_of_keras_2(model):
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


def assemble(parts: Parts) -> Any:
    """Return an object that `tf.saved_model.save` writes as a Reusable SavedModel."""
    root = tf.__internal__.tracking.AutoTrackable()
    if parts.call is not None:
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
    num_losses, traces = [], []

    def compute(inputs: Any, training: bool, **values: Any) -> Any:
        with substituted(arguments, values) as numbers:
            outputs = model(inputs, training=training)
        num_losses.append(len(model.losses))
        traces.append(numbers)
        return outputs

    call = trace_modes(compute, spec, defaults)
    refuse_unused(arguments, traces)
    parts = parts_of_layer(model)
    return dataclasses.replace(
        parts,
        call=call,
        input_spec=spec,
        variables=with_captured(parts.variables, call),
        arguments=arguments,
        defaults=defaults,
        num_lost_losses=max(num_losses) - len(parts.regularization_losses),
    )


def parts_of_layer(layer: Any) -> Parts:
    """List what a Keras layer is made of that can't be called on its own."""
    return Parts(
        call=None,
        input_spec=None,
        variables=[variable.value for variable in layer.variables],
        trainable_variables=[variable.value for variable in layer.trainable_variables],
        regularization_losses=list(regularization_losses(layer)),
        resources=find_resources(layer),
    )


def _keras_spec(model: Any) -> Any:
    """Return what a functional or sequential model takes."""
    inputs = getattr(model, "inputs", None) or None
    if inputs is None:
        reused = getattr(model, "traced_input_spec", None)  # of a `ReusableLayer`
        return _built_spec(model) if reused is None else reused
    inputs = inputs[0] if isinstance(model, keras.Sequential) else model.input
    return keras.tree.map_structure(
        lambda item: tf.TensorSpec(item.shape, item.dtype, item.name), inputs
    )


def _built_spec(model: Any) -> Any:
    """Return what another model or layer took when it was built; as numbers of its own dtype."""
    shapes = list((getattr(model, "_build_shapes_dict", None) or {}).values())
    if len(shapes) != 1 or not model.built:
        raise ConfigurationError(
            f"the model {model.name!r} doesn't say what it takes; give input_spec, for instance "
            "tf.TensorSpec([None, 8], tf.float32)"
        )

    def spec(shape: Any, name: str | None = None) -> Any:
        if isinstance(shape, dict):
            return {name: spec(item, name) for name, item in shape.items()}
        if isinstance(shape, list | tuple) and not all(
            d is None or isinstance(d, int) for d in shape
        ):
            return [spec(item) for item in shape]
        return tf.TensorSpec([None, *shape[1:]], model.input_dtype, name)

    return spec(shapes[0], "inputs")


def _of_callable(model: Any, input_spec: Any) -> Parts:
    call = traced(model, input_spec)
    defaults = {} if input_spec is None else defaults_of(call)
    return dataclasses.replace(
        parts_of_holder(model, find_held_keras(model), call),
        input_spec=input_spec,
        defaults=defaults,
    )


def parts_of_holder(model: Any, held: HeldKeras, call: Any = None) -> Parts:
    """List what an object is made of that isn't a Keras model, but may hold some.

    Args:
        model: the object.
        held: what of Keras it holds.
        call: its call; None where it has none.
    """
    listed = [*getattr(model, "variables", ()), *held.layer_variables, *held.variables]
    own = {id(variable): variable for variable in map(plain_variable, listed)}
    captured = with_captured(list(own.values()), *([] if call is None else [call]))
    losses = getattr(model, "regularization_losses", None)
    return Parts(
        call=call,
        input_spec=None,
        variables=captured,
        trainable_variables=_trainable(model, captured, held),
        regularization_losses=[
            _argumentless(loss)
            for loss in (held.regularization_losses if losses is None else losses)
        ],
        resources=find_resources(model, *held.layers),
    )


def _trainable(model: Any, captured: Sequence[Any], held: HeldKeras) -> list[Any]:
    """Return what a model lists as trained; else what isn't frozen of what it uses."""
    listed = getattr(model, "trainable_variables", None)
    if listed is not None and not isinstance(model, tf.Module):
        return [plain_variable(variable) for variable in listed]
    of_keras = {id(variable.value) for variable in (*held.layer_variables, *held.variables)}
    trained = {id(variable.value) for variable in held.trainable_variables}
    return [
        variable
        for variable in captured
        if (id(variable) in trained if id(variable) in of_keras else variable.trainable)
    ]


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
