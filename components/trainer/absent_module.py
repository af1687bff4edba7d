"""Lets modules be imported that aren't there, as long as nothing of them is called.

Users' files often hold a pipeline beside ``run_fn``, and import for it what a training doesn't
need. Names of absent modules can be imported, used in annotations, derived from and used as bare
decorators. Calling one raises `AbsentError`, which names it.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

MODULE_FOLDER_VARIABLE = "IMPRIMATUR_MODULE_FOLDER"
"""Names the folder of the user's module, in the process that trains and those that it starts."""
ROOTS = ("tfx", "tensorflow_data_validation", "tensorflow_model_analysis")
_EXAMPLES = ("tfx.examples.", "tfx.experimental.templates.")


class AbsentError(NotImplementedError):
    """Something of an absent module was called."""


class _Placeholder(type):
    """The class of all stand-ins for absent classes and functions."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and isinstance(args[0], FunctionType | type):
            return args[0]  # a bare decorator
        name = _absent_name(cls)
        root = name.partition(".")[0]
        raise AbsentError(
            f"{name} was called, but {root} isn't installed in the training's environment; "
            "keep in the module only what run_fn needs, call it in another file, or install "
            + (f"{root} and set IMPRIMATUR_TFX=installed" if root == "tfx" else root)
        )

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return placeholder(f"{_absent_name(cls)}.{name}")

    def __getitem__(cls, item: Any) -> Any:
        return cls

    def __repr__(cls) -> str:
        return f"<absent {_absent_name(cls)}>"


def placeholder(name: str) -> Any:
    """Return a class that stands for what has this full name."""
    module, _, own_name = name.rpartition(".")
    return _Placeholder(own_name, (), {"__module__": module, "absent_name": name})


def _absent_name(cls: type) -> str:
    return str(
        next(vars(base)["absent_name"] for base in cls.__mro__ if "absent_name" in vars(base))
    )


def attributes(module_name: str) -> Callable[[str], Any]:
    """Return a module's ``__getattr__``: what it lacks is a submodule or a placeholder."""

    def get(name: str) -> Any:
        full_name = f"{module_name}.{name}"
        if name.startswith("__"):
            raise AttributeError(f"module {module_name!r} has no attribute {name!r}")
        folders = getattr(sys.modules.get(module_name), "__path__", ())
        if _beside_the_module(full_name) or PathFinder.find_spec(full_name, folders):
            return importlib.import_module(full_name)
        return placeholder(full_name)

    return get


def checkout_folders(package: str) -> list[str]:
    """Return the folder of a package of TFX in the checkout that the user's module lies in."""
    folder = os.environ.get(MODULE_FOLDER_VARIABLE)
    parents = [] if folder is None else [Path(folder), *Path(folder).parents]
    wanted = Path(*package.split("."))
    found = (parent / wanted for parent in parents)
    return [str(path) for path in found if path.is_dir()][:1]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Comes last: finds what nothing else did, if it belongs to one of `ROOTS`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in ROOTS:
            return None
        sibling = _beside_the_module(fullname)
        if sibling is not None:
            return importlib.util.spec_from_file_location(fullname, sibling)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__getattr__"] = attributes(module.__name__)


def _beside_the_module(fullname: str) -> Path | None:
    """Of a copied example, what it imports by its old name may lie beside it."""
    folder = os.environ.get(MODULE_FOLDER_VARIABLE)
    if folder is None or not fullname.startswith(_EXAMPLES):
        return None
    path = Path(folder) / f"{fullname.rpartition('.')[2]}.py"
    return path if path.is_file() else None


def install() -> None:
    """Find absent modules from now on, in this process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
