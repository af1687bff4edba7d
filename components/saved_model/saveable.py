"""Makes objects that hold Keras 3 models what `tf.saved_model.save` can write whole.

By itself it writes each variable of Keras 3 twice, once where the functions don't find it, and the
optimizer with its slots. Here each Keras model or layer is replaced by a Reusable SavedModel of it,
wherever in the object it hangs; optimizers and metrics are left out.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from components.errors import one_line
from components.saved_model import reusable
from components.saved_model.call_trace import with_captured
from components.saved_model.held_keras import (
    DROPPED,
    HeldKeras,
    children_of,
    find_held_keras,
    own_children_of,
)
from components.saved_model.reusable import Parts

_log = logging.getLogger(__name__)
_FUNCTIONS = (
    tf.types.experimental.PolymorphicFunction,
    tf.types.experimental.ConcreteFunction,
)


@dataclass
class _Copy:
    """What is known while an object is copied."""

    held: HeldKeras
    made: dict[int, Any] = field(default_factory=dict)
    parts: dict[int, Parts] = field(default_factory=dict)
    functions: list[Any] = field(default_factory=list)

    def is_optimizing(self, function: Any) -> bool:
        """Return whether a function uses what only an optimizer needs."""
        ids = {id(variable.value) for variable in self.held.optimizer_variables}
        return any(id(variable) in ids for variable in with_captured([], function))


@dataclass(frozen=True)
class Saveable:
    """What to give `tf.saved_model.save` in place of an object."""

    root: Any
    parts: Parts | None
    """Of a Keras model or layer."""


def saveable(obj: Any, signatures: Any = None) -> Saveable | None:
    """Return an object like this one that TensorFlow can save.

    Functions that use an optimizer's variables are left out, unless they are signatures.

    Args:
        obj: a Keras 3 model or layer, or a `tf.Module` or other object that may hold some.
        signatures: that it will be saved with: a function, or functions by name; what they use
            is kept.

    Returns:
        None if it holds nothing of Keras 3, so that TensorFlow can save it as it is.
    """
    held = find_held_keras(obj)
    if not held:
        return None
    copy = _Copy(held)
    root = _copied(obj, copy)
    if not isinstance(obj, keras.Layer):
        _complete(root, reusable.parts_of_holder(obj, held))
    asked = signatures.values() if isinstance(signatures, Mapping) else [signatures]
    copy.functions += [function for function in asked if isinstance(function, _FUNCTIONS)]
    root._function_variables = with_captured([], *copy.functions)
    return Saveable(root, copy.parts.get(id(obj)))


def _copied(item: Any, copy: _Copy) -> Any:
    """Return what stands for an object in the copy; None for what is left out."""
    if isinstance(item, _FUNCTIONS):
        return _function(item, copy)
    if id(item) not in copy.held.holders:
        return item
    if isinstance(item, keras.Variable):
        return item.value
    if isinstance(item, dict):
        pairs = {name: _copied(child, copy) for name, child in item.items()}
        return {name: child for name, child in pairs.items() if child is not None}
    if isinstance(item, list | tuple):
        return [child for child in (_copied(child, copy) for child in item) if child is not None]
    return None if isinstance(item, DROPPED) else _object(item, copy)


def _object(item: Any, copy: _Copy) -> Any:
    if id(item) not in copy.made:
        copy.made[id(item)] = root = _empty(item, copy)
        children = own_children_of(item) if isinstance(item, keras.Layer) else children_of(item)
        for name, child in children.items():
            copied = _copied(child, copy)
            if copied is not None and not hasattr(root, name):
                setattr(root, name, copied)
    return copy.made[id(item)]


def _function(function: Any, copy: _Copy) -> Any:
    if copy.is_optimizing(function):
        return None
    copy.functions.append(function)
    return function


def _empty(item: Any, copy: _Copy) -> Any:
    """Return an object without the user's own attributes; of Keras, with those of its kind."""
    if not isinstance(item, keras.Layer):
        return tf.__internal__.tracking.AutoTrackable()
    try:
        parts = reusable.take_apart(item)
    except Exception as error:  # of the user's call, which may raise whatever it likes
        parts = reusable.parts_of_layer(item)
        _log.warning(
            "the layer %r is saved without a __call__, so nothing can be built upon it: %s",
            item.name,
            one_line(error),
        )
    copy.parts[id(item)] = parts
    return reusable.assemble(parts)


def _complete(root: Any, parts: Parts) -> None:
    """Add the lists of a Reusable SavedModel that an object doesn't have itself."""
    for name, value in (
        ("variables", parts.variables),
        ("trainable_variables", parts.trainable_variables),
        ("regularization_losses", parts.regularization_losses),
        ("_resources", parts.resources),
    ):
        if not hasattr(root, name):
            setattr(root, name, value)
