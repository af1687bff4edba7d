"""A Keras 3 layer around a Reusable SavedModel; what `hub.KerasLayer` is for Keras 2."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.errors import ConfigurationError, InvalidModelError
from components.saved_model.handle import resolve


@keras.saving.register_keras_serializable(package="imprimatur")
class ReusableLayer(keras.layers.Layer):  # type: ignore[misc]
    """Computes what a SavedModel's ``__call__`` does, frozen or fine-tuned with the model around.

    Its weights are the SavedModel's ``variables``, its losses the ``regularization_losses`` where
    it is trainable. While frozen it always infers, as a frozen batch normalization does.

    Args:
        handle: a directory, an archive, or a TF Hub address; see `components.saved_model.handle`.
            Or an object that `tf.saved_model.load` returned; a layer with one can't be saved as
            ``.keras``.
        trainable: whether the SavedModel's ``trainable_variables`` are trained.
        arguments: optional arguments of ``__call__``, for instance ``{"dropout_rate": 0.2}``.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        InvalidModelError: no SavedModel, or one that isn't reusable.
        ConfigurationError: an argument that ``__call__`` doesn't have.
    """

    def __init__(
        self,
        handle: Any,
        *,
        trainable: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, **kwargs)
        self.handle = str(handle) if isinstance(handle, str | Path) else None
        self.arguments = dict(arguments or {})
        self.loaded = _load(handle) if self.handle is not None else handle
        parameters = _parameters(self.loaded, self.handle)
        self._has_training = "training" in parameters
        unknown = sorted(self.arguments.keys() - parameters)
        if unknown:
            raise ConfigurationError(
                f"the SavedModel {self.handle!r} takes no argument {unknown}; it takes "
                f"{sorted(parameters)}"
            )
        self._adopt_variables()
        self.built = True

    def _adopt_variables(self) -> None:
        trainable = list(getattr(self.loaded, "trainable_variables", ()))
        known = {id(variable) for variable in trainable}
        rest = [v for v in getattr(self.loaded, "variables", ()) if id(v) not in known]
        for variables, is_trainable in ((trainable, True), (rest, False)):
            for variable in variables:
                name = variable.name.split(":")[0].replace("/", "_")
                self._track_variable(
                    keras.Variable(
                        variable, dtype=variable.dtype, trainable=is_trainable, name=name
                    )
                )

    @property
    def regularization_losses(self) -> list[Any]:
        """The SavedModel's, each a function without arguments."""
        return list(getattr(self.loaded, "regularization_losses", ()))

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
        return self.loaded(inputs, **arguments)

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


def _parameters(loaded: Any, handle: str | None) -> set[str]:
    """Return the names of what ``__call__`` takes.

    Raises:
        InvalidModelError: it can't be called.
    """
    if not callable(loaded):
        names = ", ".join(map(repr, getattr(loaded, "signatures", {}))) or "none"
        raise InvalidModelError(
            f"the SavedModel {handle!r} has no __call__, so it isn't a Reusable SavedModel and "
            f"can't be built upon; it can only be asked through its signatures ({names}). Export "
            "it with components.saved_model.export"
        )
    function = loaded if hasattr(loaded, "function_spec") else loaded.__call__
    spec = getattr(function, "function_spec", None)
    if spec is not None:
        return {*spec.fullargspec.args, *spec.fullargspec.kwonlyargs} - {"self"}
    return set(inspect.signature(function).parameters)
