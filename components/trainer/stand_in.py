"""Decides which ``tfx`` the user's code gets: the real one, or the stand-in beside this file."""

import importlib.util
import os
from pathlib import Path

from components.errors import ConfigurationError

VARIABLE = "IMPRIMATUR_TFX"
FOLDER = Path(__file__).with_name("tfx_stand_in")
_CHOICES = ("auto", "stand_in", "installed")


def python_path() -> list[str]:
    """Return what comes first on the Python path of the user's code: the stand-in, or nothing.

    The environment variable ``IMPRIMATUR_TFX`` says which: ``auto`` (the default) takes the real
    one where it is installed.

    Raises:
        ConfigurationError: the variable has another value, or ``installed``, and TFX isn't.
    """
    choice = os.environ.get(VARIABLE) or "auto"
    if choice not in _CHOICES:
        raise ConfigurationError(f"{VARIABLE} is {choice!r}; expected one of {', '.join(_CHOICES)}")
    is_installed = tfx_is_installed()
    if choice == "installed" and not is_installed:
        raise ConfigurationError(
            f"{VARIABLE} is 'installed', but there is no tfx on the Python path; install it, or "
            "leave the variable away to use the stand-in"
        )
    return [] if choice == "installed" or (choice == "auto" and is_installed) else [str(FOLDER)]


def tfx_is_installed() -> bool:
    """Return whether TFX itself is there; a bare folder of that name isn't it."""
    spec = importlib.util.find_spec("tfx")
    if spec is None or spec.origin is None or FOLDER in Path(spec.origin).parents:
        return False
    return Path(spec.origin).with_name("components").is_dir()
