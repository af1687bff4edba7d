"""Imports the user's module as TFX does, and finds ``run_fn`` in it."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from components import artifacts
from components.errors import ConfigurationError


def is_path(module_file: str) -> bool:
    """Return whether this is a file's path, and not a dotted name."""
    return module_file.endswith(".py") or "/" in module_file


def find_module(module_file: str) -> Path:
    """Return the file of a module given as a path or by its dotted name, without running it.

    Of a dotted name, the packages above are imported.

    Raises:
        ConfigurationError: there is none.
    """
    if is_path(module_file):
        path = Path(module_file).absolute()
        if not path.is_file():
            raise ConfigurationError(
                f"the module file {module_file!r} doesn't exist (looked for {str(path)!r}); "
                "give the path of a Python file, or a dotted module name"
            )
        return path
    try:
        spec = importlib.util.find_spec(module_file)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.has_location:
        raise ConfigurationError(
            f"there is no module {module_file!r} on the Python path; give the path of a Python "
            "file, or a dotted module name"
        )
    return Path(spec.origin)


def folder_digest(module: Path) -> str:
    """Return the digest of the folder that holds a module, without compiled files."""
    folder = module.parent
    compiled = [path for path in artifacts.list_files(folder) if "__pycache__/" in path]
    return artifacts.digest(folder, exclude=compiled)


def import_module(module_file: str, path: Path) -> ModuleType:
    """Import the user's module.

    A file's folder comes *last* on ``sys.path``: what lies beside the module can be imported, but
    a neighbour named ``keras.py`` doesn't take the place of Keras.

    Raises:
        ConfigurationError: the file's name is that of another module.
    """
    if not is_path(module_file):
        return importlib.import_module(module_file)
    _check_name(path)
    sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{str(path)!r} can't be imported as Python; expected a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _check_name(path: Path) -> None:
    taken = path.stem in sys.modules
    other = None if taken else importlib.util.find_spec(path.stem)
    if taken or (other is not None and other.origin not in (None, str(path))):
        raise ConfigurationError(
            f"the module file {str(path)!r} has the name of another module, {path.stem!r}, and "
            "would take its place; rename the file"
        )


def run_fn_of(module: ModuleType, path: Path) -> Callable[[Any], Any]:
    """Return the module's ``run_fn``.

    Raises:
        ConfigurationError: there is none, or it isn't a function.
    """
    run_fn = getattr(module, "run_fn", None)
    if callable(run_fn):
        return run_fn  # type: ignore[no-any-return]
    if hasattr(module, "trainer_fn"):
        raise ConfigurationError(
            f"{str(path)!r} has trainer_fn, for Estimators, which TensorFlow no longer has; write "
            "run_fn(fn_args), which trains a model and exports it to fn_args.serving_model_dir"
        )
    raise ConfigurationError(
        f"{str(path)!r} has no function run_fn; write run_fn(fn_args), which trains a model and "
        "exports it to fn_args.serving_model_dir"
    )
