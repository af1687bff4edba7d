"""Finds what of Keras 3 an object holds: TensorFlow doesn't look into it by itself.

A `tf.Module` or `tf.train.Checkpoint` with a Keras 3 model inside has none of the model's variables
in its own lists.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

SAVED_MODEL = "savedmodel"
"""The `save_type` by which TensorFlow asks an object for its functions too."""
OPTIMIZERS = (keras.optimizers.Optimizer,)
DROPPED = (*OPTIMIZERS, keras.metrics.Metric, keras.losses.Loss, keras.random.SeedGenerator)
_LEAVES = (
    tf.Variable,
    tf.types.experimental.PolymorphicFunction,
    tf.types.experimental.ConcreteFunction,
    tf.saved_model.experimental.TrackableResource,
    tf.saved_model.Asset,
)


@dataclass
class HeldKeras:
    """What `find_held_keras` found, each once."""

    layers: list[Any] = field(default_factory=list)
    """Layers and models, without those within them."""
    variables: list[Any] = field(default_factory=list)
    """Keras variables that hang in the object itself."""
    optimizers: list[Any] = field(default_factory=list)
    """Also those that models were compiled with."""
    holders: dict[int, Any] = field(default_factory=dict)
    """By their ids, the objects from which something of this is reached."""

    def __bool__(self) -> bool:
        return bool(self.holders)

    @property
    def layer_variables(self) -> list[Any]:
        """The Keras variables of the layers, each once."""
        return _once(variable for layer in self.layers for variable in layer.variables)

    @property
    def trainable_variables(self) -> list[Any]:
        """Those that are trained, of layers that aren't frozen."""
        of_layers = [v for layer in self.layers for v in layer.trainable_variables]
        return _once([*of_layers, *(v for v in self.variables if v.trainable)])

    @property
    def regularization_losses(self) -> list[Any]:
        """Functions without arguments, of all layers."""
        return [loss for layer in self.layers for loss in regularization_losses(layer)]

    @property
    def optimizer_variables(self) -> list[Any]:
        """The Keras variables that only optimizers need."""
        owned = {id(variable) for variable in (*self.layer_variables, *self.variables)}
        return [v for item in self.optimizers for v in item.variables if id(v) not in owned]


def find_held_keras(obj: Any) -> HeldKeras:
    """Search an object's attributes, its lists and dicts, at any depth."""
    found = HeldKeras()
    items: dict[int, Any] = {id(obj): obj}  # keeps them alive, so that no id stands for another
    owners: dict[int, list[int]] = {id(obj): []}
    waiting, marked = [obj], []
    while waiting:
        item = waiting.pop()
        if _note(item, found):
            marked.append(id(item))
        for child in children_of(item).values():
            if id(child) not in items:
                items[id(child)] = child
                waiting.append(child)
            owners.setdefault(id(child), []).append(id(item))
    while marked:
        key = marked.pop()
        if key not in found.holders:
            found.holders[key] = items[key]
            marked += owners[key]
    return found


def _once(items: Iterable[Any]) -> list[Any]:
    return list({id(item): item for item in items}.values())


def _note(item: Any, found: HeldKeras) -> bool:
    if isinstance(item, keras.Layer):
        found.layers.append(item)
        optimizer = getattr(item, "optimizer", None)
        if isinstance(optimizer, OPTIMIZERS):
            found.optimizers.append(optimizer)
        return True
    if isinstance(item, keras.Variable):
        found.variables.append(item)
        return True
    if isinstance(item, OPTIMIZERS):
        found.optimizers.append(item)
    return isinstance(item, DROPPED)


def children_of(item: Any) -> dict[str, Any]:
    """Return what an object holds by name, its functions too; of Keras' own objects nothing."""
    if isinstance(item, (*_LEAVES, *DROPPED, keras.Layer, keras.Variable)):
        return {}
    if isinstance(item, list | tuple):
        return {str(index): value for index, value in enumerate(item)}
    if isinstance(item, dict):
        return {str(key): value for key, value in item.items()}
    if isinstance(item, tf.__internal__.tracking.Trackable):
        item._maybe_initialize_trackable()
        return dict(item._trackable_children(SAVED_MODEL))
    return {}


def own_children_of(layer: Any) -> dict[str, Any]:
    """Return what a user hung at a Keras layer that isn't of Keras: functions, tables, modules."""
    children = layer._trackable_children(SAVED_MODEL)
    return {
        name: child
        for name, child in children.items()
        if not name.startswith("_") and _is_foreign(child)
    }


def _is_foreign(item: Any) -> bool:
    if isinstance(item, list | tuple | dict):
        inner = item.values() if isinstance(item, dict) else item
        return bool(item) and all(_is_foreign(child) for child in inner)
    if isinstance(item, (keras.Layer, keras.Variable, *DROPPED)):
        return False
    is_keras = type(item).__module__.startswith("keras.src")
    return isinstance(item, tf.__internal__.tracking.Trackable) and not is_keras


def is_of_keras_2(item: Any) -> bool:
    """Return whether this is a layer or model of Keras 2."""
    legacy = sys.modules.get("tf_keras")
    return legacy is not None and isinstance(item, legacy.layers.Layer)


def regularization_losses(layer: Any) -> Iterator[Any]:
    """Yield functions without arguments: of weights, and of reused SavedModels inside."""
    for inner in layer._flatten_layers():
        if inner.trainable:
            for loss in getattr(inner, "regularization_losses", ()):
                yield tf.function(loss, input_signature=[], autograph=False)
    for variable in layer.trainable_variables:
        if variable.regularizer is not None:
            yield _weight_loss(variable)


def _weight_loss(variable: Any) -> Any:
    def regularization_loss() -> Any:
        return tf.convert_to_tensor(variable.regularizer(variable.value))

    return tf.function(regularization_loss, input_signature=[], autograph=False)
