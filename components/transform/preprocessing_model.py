"""Builds a user's Keras layers into one functional model, and finds those that look at data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow_transform.tf_metadata import schema_utils

from components.errors import ConfigurationError, UserCodeError
from components.transform.user_function import UserFunction, user_code_error

_WIDENED = {
    "bool": "int64", "uint8": "int64", "int8": "int64", "uint16": "int64", "int16": "int64",
    "uint32": "int64", "int32": "int64", "bfloat16": "float32", "float16": "float32",
    "float64": "float32",
}  # fmt: skip
"""To what a `tf.Example` can hold."""


def feature_spec(schema: Any) -> dict[str, Any]:
    """Return how `tf.io.parse_example` reads the features of a `Schema`.

    Raises:
        ConfigurationError: it has none, or one that can't be read so.
    """
    try:
        spec: dict[str, Any] = schema_utils.schema_as_feature_spec(schema).feature_spec
    except ValueError as error:
        raise ConfigurationError(f"the schema can't be read as features: {error}") from error
    if not spec:
        raise ConfigurationError("the schema has no features; give the one of these examples")
    return spec


def build_model(function: UserFunction, spec: Mapping[str, Any], path: Path) -> Any:
    """Call a user's ``preprocessing_layers`` with a `keras.Input` for each feature.

    A feature of fixed shape is dense, ``(batch, *shape)``; another is sparse, ``(batch, None)``.

    Args:
        function: the user's.
        spec: as `feature_spec` makes it.
        path: of the user's file.

    Returns:
        A functional model from features by name to outputs by name.

    Raises:
        UserCodeError: the function raised.
        ConfigurationError: what it returned aren't outputs of the inputs by name.
    """
    inputs = {name: _input(name, item) for name, item in spec.items()}
    outputs = function.call(dict(inputs))
    if not isinstance(outputs, Mapping) or not outputs:
        raise ConfigurationError(
            f"{function.name} of {str(path)!r} returned {type(outputs).__name__}; expected a dict "
            "of outputs by name, at least one"
        )
    for name, value in outputs.items():
        if not isinstance(value, keras.KerasTensor):
            raise ConfigurationError(
                f"{function.name} of {str(path)!r} returned {value!r} as {name!r}; expected an "
                "output of a layer that was called on the inputs"
            )
    try:
        return keras.Model(inputs, dict(outputs), name="preprocessing")
    except ValueError as error:
        raise user_code_error(
            f"what {function.name} of {str(path)!r} returned is no model:", error, path
        ) from error


def adaptation_stages(model: Any) -> list[list[Any]]:
    """Return the layers to be adapted; those of one stage need only stages before it.

    Raises:
        UserCodeError: such a layer is called more than once, so that it isn't clear on what it
            is to be adapted.
    """
    layers = [layer for layer in model.layers if needs_data(layer)]
    waiting = {layer.name: _layers_before(model, layer) for layer in layers}
    stages: list[list[Any]] = []
    while waiting:
        ready = [
            layer
            for layer in layers
            if layer.name in waiting and not (waiting[layer.name] & waiting.keys())
        ]
        stages.append(ready)
        for layer in ready:
            del waiting[layer.name]
    return stages


def needs_data(layer: Any) -> bool:
    """Return whether a layer is to be adapted: it can be, and was given neither values nor data."""
    if not hasattr(layer, "adapt") or getattr(layer, "input_mean", None) is not None:
        return False
    lookup = getattr(layer, "_lookup_layer", layer)  # of TextVectorization
    if getattr(lookup, "input_vocabulary", None) is not None:
        return False
    return getattr(layer, "bin_boundaries", None) is None


def storable_outputs(model: Any, features: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's outputs as the types that a `tf.Example` holds, of the declared shapes."""
    found = {}
    for name, value in model(dict(features)).items():
        if isinstance(value, tf.Tensor):  # some operations on sparse tensors forget the shape
            value = tf.ensure_shape(value, model.output[name].shape)
        target = _WIDENED.get(value.dtype.name)
        found[name] = value if target is None else tf.cast(value, target)
    return found


def num_values(layer: Any) -> int | None:
    """Return how many different whole numbers a layer gives; None if it gives something else."""
    if getattr(layer, "output_mode", "int") != "int":
        return None
    if hasattr(layer, "vocabulary_size"):
        return int(layer.vocabulary_size())
    boundaries = getattr(layer, "bin_boundaries", None)
    if boundaries is not None:
        return len(boundaries) + 1
    bins = getattr(layer, "num_bins", None)
    return None if bins is None else int(bins)


def _input(name: str, item: Any) -> Any:
    if isinstance(item, tf.io.FixedLenFeature):
        return keras.Input(tuple(item.shape), dtype=item.dtype.name, name=name)
    if isinstance(item, tf.io.VarLenFeature):
        return keras.Input((None,), dtype=item.dtype.name, sparse=True, name=name)
    raise ConfigurationError(
        f"the schema reads the feature {name!r} as {type(item).__name__}, which Keras' layers "
        "can't take; leave it out of the schema, or use a preprocessing_fn"
    )


def _layers_before(model: Any, layer: Any) -> set[str]:
    if len(layer._inbound_nodes) > 1:  # layer.input would be that of the first call
        raise UserCodeError(
            f"the layer {layer.name!r} is called more than once, so it isn't clear on what it is "
            "to be adapted; make a layer for each call"
        )
    return {other.name for other in keras.Model(model.input, layer.input).layers} - {layer.name}
