"""Makes two ways of saving that Keras 3 broke work again, in the process that trains.

- ``model.save(directory, save_format="tf", signatures=…)``, which Keras 3 refuses;
- ``tf.saved_model.save(model, directory, signatures=…)``, which writes a model whose variables
  have no values, and the optimizer: TensorFlow doesn't know what of Keras 3 to look into.

Both write Reusable SavedModels, as Keras 2 did; without the optimizer.
"""

import functools
import importlib
import logging
import re
import sys
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from components.errors import ConfigurationError

_KERAS_SUFFIXES = frozenset({".keras", ".h5", ".hdf5"})
_LEGACY_ARGUMENTS = ("save_format", "include_optimizer", "signatures", "options", "save_traces")
_log = logging.getLogger("components.trainer")


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
    """Let `tf.saved_model.save` write what of Keras 3 an object holds, to be reused as well."""
    original = tensorflow.saved_model.save

    @functools.wraps(original)
    def save(obj: Any, export_dir: Any, signatures: Any = None, options: Any = None) -> Any:
        keras = sys.modules.get("keras")
        if keras is None or not hasattr(keras, "Variable"):  # not there, or Keras 2
            return original(obj, export_dir, signatures, options)
        return _save(original, obj, export_dir, signatures, options)

    # Where it is defined too: `import tensorflow.saved_model` makes the public module anew.
    for name, module in list(sys.modules.items()):
        is_public = name.startswith("tensorflow.") and name.endswith(".saved_model")
        is_its_own = name == original.__module__
        if (is_public or is_its_own) and vars(module).get("save") is original:
            vars(module)["save"] = save
    tensorflow.saved_model.save = save


def _save(
    original: Callable[..., Any], obj: Any, export_dir: Any, signatures: Any, options: Any
) -> Any:
    import keras

    from components.saved_model.export import keep_note
    from components.saved_model.saveable import saveable

    if signatures is None and isinstance(obj, keras.Layer):
        signatures = _default_signatures(obj)
    made = saveable(obj, signatures)
    if made is None:
        return original(obj, export_dir, signatures, options)
    if signatures is None and made.parts is not None:
        signatures = _signatures_of_call(obj, made.parts)
    result = original(made.root, export_dir, signatures, options)
    directory = Path(str(export_dir))
    if made.parts is not None and directory.is_dir():
        keep_note(directory, obj, made.parts)
    return result


def _signatures_of_call(model: Any, parts: Any) -> dict[str, Any]:
    if parts.call is None:
        raise ConfigurationError(
            f"the model {model.name!r} can't be saved without signatures, because it doesn't say "
            "what it takes; call it on a batch first, or give signatures={'serving_default': …}"
        )
    from components.saved_model import serving_signature
    from components.saved_model.export import default_signatures

    return {
        name: serving_signature.trace(name, signature)
        for name, signature in default_signatures(parts).items()
    }


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

    if legacy.get("include_optimizer"):
        _log.warning(
            "include_optimizer=True: a SavedModel is written without its optimizer; to go on with "
            "a training, keep a checkpoint in fn_args.model_run_dir"
        )
    tf.saved_model.save(model, directory, legacy.get("signatures"), legacy.get("options"))


def _default_signatures(model: Any) -> dict[str, Any] | None:
    """Return Keras 2's: inputs and outputs by their names; None for a model without such."""
    import tensorflow as tf

    functional = getattr(model, "_functional", None) or model
    names = _usable(item.name for item in getattr(functional, "inputs", None) or [])
    output_names = _usable(getattr(functional, "output_names", None) or [])
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


def _usable(names: Iterable[str]) -> list[str]:
    """Return names that a signature can have, each once: of ``a-b``, ``a_b``; then ``a_b_1``."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        plain = f"arg_{plain}" if plain[:1].isdigit() else plain
        tried = (plain if number == 0 else f"{plain}_{number}" for number in count())
        found.append(next(candidate for candidate in tried if candidate not in found))
    return found
