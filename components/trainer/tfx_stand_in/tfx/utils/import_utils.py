"""Finding classes and functions by name."""

import importlib
import importlib.util
import pathlib
import sys
from typing import Any

from components.trainer import absent_module


def import_class_by_path(class_path: str) -> Any:
    """Return a class by ``<module>.<name>``."""
    module, _, name = class_path.rpartition(".")
    return import_func_from_module(module, name)


def import_func_from_module(module_path: str, fn_name: str) -> Any:
    """Return a function of a module.

    Raises:
        ImportError: no such module or function.
    """
    try:
        return getattr(importlib.import_module(module_path), fn_name)
    except AttributeError as error:
        raise ImportError(f"the module {module_path!r} has no {fn_name!r}") from error


def import_func_from_source(source_path: str, fn_name: str) -> Any:
    """Return a function of a Python file.

    Raises:
        ImportError: no such file or function.
    """
    name = pathlib.Path(source_path).stem
    spec = importlib.util.spec_from_file_location(name, source_path)
    if spec is None or spec.loader is None or not pathlib.Path(source_path).is_file():
        raise ImportError(f"{source_path!r} isn't a Python file")
    if name not in sys.modules:
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return import_func_from_module(name, fn_name)


__getattr__ = absent_module.attributes(__name__)
