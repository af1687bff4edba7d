"""Gives ``import keras`` the modules of ``tf_keras``, for training code written for Keras 2.

TensorFlow itself takes ``tf_keras`` for ``tf.keras`` where ``TF_USE_LEGACY_KERAS`` is 1; without
this, ``import keras`` and libraries that use it would still get Keras 3, and their layers and
models don't fit together.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self) -> None:
        self._specs: dict[str, importlib.machinery.ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != "keras":
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        legacy = "tf_keras" + spec.name.removeprefix("keras")
        try:
            module = importlib.import_module(legacy)
        except ModuleNotFoundError as error:
            if error.name != legacy:
                raise
            raise ModuleNotFoundError(
                f"No module named {spec.name!r}: the training runs with Keras 2 (tf_keras), which "
                "doesn't have it; run it with keras=3",
                name=spec.name,
            ) from error
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        name = "" if module.__spec__ is None else module.__spec__.name
        module.__spec__ = self._specs.pop(name)  # the import put its own there
        module.__loader__ = None if module.__spec__ is None else module.__spec__.loader


def install() -> None:
    """Let ``keras`` be ``tf_keras`` from now on, in this process."""
    sys.meta_path.insert(0, _Finder())
