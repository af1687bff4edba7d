"""A Keras 3 layer around a Reusable SavedModel; what `hub.KerasLayer` is for Keras 2."""

import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.errors import ConfigurationError, InvalidModelError
from components.saved_model.handle import resolve

_MISMATCHES = ("matching concrete function", "Binding inputs to tf.function failed")
"""What TensorFlow says of inputs that a function, loaded or defined here, wasn't traced for."""


@keras.saving.register_keras_serializable(package="imprimatur")
class ReusableLayer(keras.layers.Layer):  # type: ignore[misc]
    """Computes what a SavedModel's ``__call__`` does, frozen or fine-tuned with the model around.

    Its weights are the SavedModel's ``variables``, its losses the ``regularization_losses`` where
    it is trainable. While frozen it always infers, as a frozen batch normalization does. Floats
    become those that the SavedModel was traced for, whatever the layer's dtype policy.

    Args:
        handle: a directory, an archive, or a TF Hub address; see `components.saved_model.handle`.
            Or an object that `tf.saved_model.load` returned; a layer with one can't be saved as
            ``.keras``.
        trainable: whether the SavedModel's ``trainable_variables`` are trained.
        arguments: optional arguments of ``__call__``, for instance ``{"dropout_rate": 0.2}``.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        InvalidModelError: no SavedModel, or one that isn't reusable.
        ConfigurationError: an argument that ``__call__`` doesn't have, or that is NaN; when called,
            inputs or arguments that the SavedModel wasn't traced for.
    """

    def __init__(
        self,
        handle: Any,
        *,
        trainable: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("autocast", False)  # the SavedModel's type counts, not the layer's
        super().__init__(trainable=trainable, **kwargs)
        self.handle = str(handle) if isinstance(handle, str | Path) else None
        self._loaded = _load(handle) if self.handle is not None else handle
        shown = handle if self.handle is None else self.handle
        _first, *optional = _parameters(self._loaded, shown)
        self._has_training = "training" in optional
        self.arguments = _checked_arguments(arguments, set(optional) - {"training"}, shown)
        self._adopt_variables()
        self.built = True

    def _adopt_variables(self) -> None:
        trainable = list(getattr(self._loaded, "trainable_variables", ()))
        known = {id(variable) for variable in trainable}
        rest = [v for v in getattr(self._loaded, "variables", ()) if id(v) not in known]
        for variables, is_trainable in ((trainable, True), (rest, False)):
            for variable in variables:
                name = variable.name.split(":")[0].replace("/", "_")
                self._track_variable(
                    keras.Variable(
                        variable, dtype=variable.dtype, trainable=is_trainable, name=name
                    )
                )

    @property
    def traced_input_spec(self) -> Any:
        """What the SavedModel was traced for first; None where that isn't known."""
        signatures = _input_signatures(self._loaded)
        return signatures[0][0][0] if signatures else None

    @property
    def regularization_losses(self) -> list[Any]:
        """The SavedModel's, each a function without arguments."""
        return list(getattr(self._loaded, "regularization_losses", ()))

    def _get_own_losses(self) -> list[Any]:
        """Add the SavedModel's losses to those that Keras collects, whenever it asks."""
        own: list[Any] = super()._get_own_losses()
        return own + [loss() for loss in self.regularization_losses if self.trainable]

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer; lists of numbers or texts are one tensor, as in `hub.KerasLayer`."""
        if all(isinstance(leaf, int | float | str | bytes) for leaf in keras.tree.flatten(inputs)):
            inputs = inputs if isinstance(inputs, dict) else tf.constant(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute; in training mode only where the layer is trainable."""
        arguments = dict(self.arguments)
        if self._has_training:
            arguments["training"] = bool(training and self.trainable)
        inputs = _as_traced(inputs, self._loaded)
        try:
            return self._loaded(inputs, **arguments)
        except (ValueError, TypeError) as error:
            if not any(text in str(error) for text in _MISMATCHES):
                raise
            raise ConfigurationError(
                f"the SavedModel {self.handle!r} was called with {_text(inputs)} and {arguments}; "
                f"it takes {_traces(self._loaded)}"
            ) from error

    def get_config(self) -> dict[str, Any]:
        """Return the handle and arguments.

        Raises:
            ConfigurationError: the layer was made from an object.
        """
        if self.handle is None:
            raise ConfigurationError(
                "this ReusableLayer was made from a loaded object, so it can't be saved as "
                ".keras; give it the SavedModel's path or address"
            )
        config: dict[str, Any] = super().get_config()
        return {**config, "handle": self.handle, "arguments": self.arguments}


def _load(handle: Any) -> Any:
    directory = resolve(handle)
    try:
        return tf.saved_model.load(str(directory))
    except (tf.errors.OpError, OSError, ValueError, RuntimeError) as error:
        raise InvalidModelError(
            f"the SavedModel {str(handle)!r} can't be loaded: {error}"
        ) from error


def _parameters(loaded: Any, handle: Any) -> list[str]:
    """Return the names of what ``__call__`` takes, the inputs' first.

    Raises:
        ConfigurationError: it was never loaded.
        InvalidModelError: it can't be called.
    """
    if not isinstance(loaded, tf.__internal__.tracking.Trackable):
        raise ConfigurationError(
            f"handle is {handle!r}; expected a SavedModel's directory, archive or address, or what "
            "tf.saved_model.load returned"
        )
    if not callable(loaded):
        names = ", ".join(map(repr, getattr(loaded, "signatures", {}))) or "none"
        raise InvalidModelError(
            f"the SavedModel {handle!r} has no __call__, so it isn't a Reusable SavedModel and "
            f"can't be built upon; it can only be asked through its signatures ({names}). Export "
            "it with components.saved_model.export"
        )
    function = _function(loaded)
    spec = getattr(function, "function_spec", None)
    if spec is not None:
        listed = [*spec.fullargspec.args, *spec.fullargspec.kwonlyargs]
        return [name for name in listed if name != "self"]
    return list(inspect.signature(function).parameters)


def _function(loaded: Any) -> Any:
    return loaded if hasattr(loaded, "function_spec") else loaded.__call__


def _checked_arguments(given: Any, known: set[str], handle: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"arguments is {given!r}; expected values by name, for instance {{'dropout_rate': 0.2}}"
        )
    unknown = sorted(map(str, given.keys() - known))
    if unknown:
        raise ConfigurationError(
            f"the SavedModel {handle!r} takes no argument {unknown}; arguments can have "
            f"{sorted(known) or 'none'}"
        )
    for name, value in given.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigurationError(f"arguments has {name}={value!r}; expected a finite number")
    return dict(given)


def _as_traced(inputs: Any, loaded: Any) -> Any:
    """Convert floats that no trace takes to those that the first one of this structure takes."""
    specs = [
        args[0] for args, _ in _input_signatures(loaded) if args and _has_structure(args[0], inputs)
    ]
    if not specs:
        return inputs

    def convert(item: Any, *expected: Any) -> Any:
        types = [getattr(spec, "dtype", None) for spec in expected]
        is_float = isinstance(item, tf.Tensor) and item.dtype.is_floating
        if not is_float or item.dtype in types or types[0] is None or not types[0].is_floating:
            return item
        return tf.cast(item, types[0])

    return tf.nest.map_structure(convert, inputs, *specs)


def _has_structure(spec: Any, inputs: Any) -> bool:
    try:
        tf.nest.assert_same_structure(spec, inputs)
    except (TypeError, ValueError):
        return False
    return True


def _text(structure: Any) -> Any:
    """Return tensors, or what stands for them in a trace, as ``float32[None, 4]``."""
    return keras.tree.map_structure(
        lambda item: (
            f"{item.dtype.name}{item.shape.as_list() if item.shape.rank is not None else '[...]'}"
            if isinstance(item, tf.Tensor | tf.TensorSpec)
            else item
        ),
        structure,
    )


def _traces(loaded: Any) -> str:
    return " or ".join(
        str(_text([*args, *kwargs.values()])) for args, kwargs in _input_signatures(loaded)
    )


def _input_signatures(loaded: Any) -> list[Any]:
    """Return the positional and named arguments that each trace takes."""
    function = _function(loaded)
    traces = getattr(function, "concrete_functions", ())
    declared = getattr(function, "input_signature", None)
    if not traces and declared:
        return [(tuple(declared), {})]
    return [trace.structured_input_signature for trace in traces]
