"""Prepares the process that trains, before the user's module is imported in it."""

import importlib.util
import logging
import os
import sys
from pathlib import Path
from types import ModuleType

from components.trainer import absent_module, keras_mode, legacy_keras, stand_in
from components.trainer.import_hook import after_import
from components.trainer.keras_fit import watch_fit
from components.trainer.keras_mode import KerasChoice
from components.trainer.keras_saving import mend_keras, mend_tensorflow

_log = logging.getLogger("components.trainer")


def prepare(module: Path, keras: int | str | None) -> KerasChoice:
    """Choose Keras, and have what is imported later watched and mended.

    Args:
        module: the user's.
        keras: 2, 3, or None to look at the source.
    """
    provide_tfx(module)
    _provide_parse_version()
    choice = keras_mode.choose(module, keras)
    _log.info("Keras %d: %s", choice.version, choice.reason)
    os.environ["TF_USE_LEGACY_KERAS"] = "1" if choice.version == keras_mode.LEGACY else "0"
    if choice.version == keras_mode.LEGACY:
        legacy_keras.install()
        after_import("tf_keras", watch_fit)
    else:
        after_import("keras", _watch_and_mend)
        after_import("tensorflow", mend_tensorflow)
    after_import("absl.logging", _as_talkative_as_we_are)
    return choice


def provide_tfx(module: Path) -> None:
    """Let a user's module import TFX, or what stands in for it where it isn't installed.

    Args:
        module: the user's; of a copied example, what it imports may lie beside it.

    Raises:
        ConfigurationError: see `stand_in.python_path`.
    """
    os.environ[absent_module.MODULE_FOLDER_VARIABLE] = str(module.parent)
    folders = stand_in.python_path()
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    if folders:
        absent_module.install()


def _provide_parse_version() -> None:
    """Stand in for ``pkg_resources``, which newer setuptools lack and tensorflow_hub imports."""
    if importlib.util.find_spec("pkg_resources") is None:
        from packaging.version import parse

        module = ModuleType("pkg_resources", "Of setuptools, which has it no more.")
        module.parse_version = parse  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module


def _watch_and_mend(keras: ModuleType) -> None:
    watch_fit(keras)
    mend_keras(keras)


def _as_talkative_as_we_are(absl_logging: ModuleType) -> None:
    absl_logging.set_verbosity(absl_logging.converter.standard_to_absl(_log.getEffectiveLevel()))
