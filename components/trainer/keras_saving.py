"""Makes two ways of saving that Keras 3 broke work again, in the process that trains.

- ``model.save(directory, save_format="tf", signatures=…)``, which Keras 3 refuses;
- ``tf.saved_model.save(model, directory, signatures=…)``, which writes a model whose variables
  have no values: TensorFlow doesn't look into the variables of Keras 3 that a model holds.
"""

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

_KERAS_SUFFIXES = frozenset({".keras", ".h5", ".hdf5"})
_LEGACY_ARGUMENTS = ("save_format", "include_optimizer", "signatures", "options", "save_traces")
_HOLDER = "keras_variables"


def mend_keras(keras: ModuleType) -> None:
    """Let ``Model.save`` and ``save_model`` write SavedModels to directories again."""
    from keras.src.saving import saving_api

    original = saving_api.save_model
    mended = _saving(original)
    saving_api.save_model = mended
    for name in ("models", "saving", "_tf_keras.keras.models", "_tf_keras.keras.saving"):
        module: Any = importlib.import_module(f"{keras.__name__}.{name}")
        if getattr(module, "save_model", None) is original:
            module.save_model = mended


def mend_tensorflow(tensorflow: ModuleType) -> None:
    """Let `tf.saved_model.save` write the variables of Keras 3 that an object holds."""
    module = tensorflow.saved_model
    original = module.save

    @functools.wraps(original)
    def save(obj: Any, export_dir: Any, signatures: Any = None, options: Any = None) -> Any:
        variables = list(_keras_variables(obj))
        if not variables:
            return original(obj, export_dir, signatures, options)
        holder = tensorflow.Module()
        holder.values = variables
        setattr(obj, _HOLDER, holder)
        try:
            return original(obj, export_dir, signatures, options)
        finally:
            delattr(obj, _HOLDER)

    module.save = save


def _keras_variables(obj: Any) -> Iterator[Any]:
    """Return the TensorFlow variables within all Keras 3 layers that an object reaches."""
    keras = sys.modules.get("keras")
    if keras is None or not hasattr(keras, "Variable"):  # not there, or Keras 2
        return
    seen: set[int] = set()
    waiting, found = [obj], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        owned = item.variables if isinstance(item, keras.Layer) else [item]
        for variable in owned:
            if isinstance(variable, keras.Variable) and id(variable) not in found:
                found.add(id(variable))
                yield variable.value
        waiting += _children(item)


def _children(item: Any) -> list[Any]:
    if isinstance(item, list | tuple | set):
        return list(item)
    if isinstance(item, dict):
        return list(item.values())
    children = getattr(item, "_trackable_children", None)
    return list(children("checkpoint").values()) if callable(children) else []


def _saving(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def save_model(
        model: Any, filepath: Any, overwrite: bool = True, zipped: Any = None, **kwargs: Any
    ) -> Any:
        legacy = {name: kwargs.pop(name) for name in _LEGACY_ARGUMENTS if name in kwargs}
        path = Path(str(filepath))
        if path.suffix in _KERAS_SUFFIXES or zipped is not None or hasattr(filepath, "write"):
            if "include_optimizer" in legacy and path.suffix != ".keras":
                kwargs["include_optimizer"] = legacy["include_optimizer"]
            return original(model, filepath, overwrite=overwrite, zipped=zipped, **kwargs)
        return _save_as_saved_model(model, str(filepath), legacy)

    return save_model


def _save_as_saved_model(model: Any, directory: str, legacy: dict[str, Any]) -> None:
    import tensorflow as tf

    signatures = legacy.get("signatures")
    if signatures is None:
        signatures = _default_signatures(model)
    if signatures is None:
        model.export(directory, verbose=False)
    else:
        tf.saved_model.save(model, directory, signatures, legacy.get("options"))


def _default_signatures(model: Any) -> dict[str, Any] | None:
    """Return Keras 2's: inputs and outputs by their names; None for a model without such."""
    import tensorflow as tf

    functional = getattr(model, "_functional", None) or model
    names = [item.name for item in getattr(functional, "inputs", None) or []]
    output_names = getattr(functional, "output_names", None)
    if not names or not output_names:
        return None
    specs = {
        name: tf.TensorSpec(item.shape, item.dtype, name=name)
        for name, item in zip(names, functional.inputs, strict=True)
    }

    def serve(**features: Any) -> dict[str, Any]:
        flat = [features[name] for name in names]
        structure = tf.nest.pack_sequence_as(functional._inputs_struct, flat)
        outputs = tf.nest.flatten(model(structure, training=False))
        return dict(zip(output_names, outputs, strict=True))

    return {"serving_default": tf.function(serve).get_concrete_function(**specs)}
