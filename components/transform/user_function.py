"""Finds a user's function for preprocessing, and says where in it an error was raised."""

import inspect
import logging
import signal
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import ConfigurationError, UserCodeError
from components.trainer.environment import provide_tfx
from components.trainer.user_module import import_module

BEAM_FUNCTION = "preprocessing_fn"
"""tf.Transform's: from tensors by name to tensors by name, with its analyzers."""
KERAS_FUNCTION = "preprocessing_layers"
"""From `keras.Input`s by name to outputs by name, with layers that are adapted."""
_TERMINATED = 128 + signal.SIGTERM
"""With what `components.command_line` exits then."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UserFunction:
    """A module's function, which raises nothing but `UserCodeError`."""

    name: str
    call: Callable[[Any], Any]


def find_function(
    module_file: str, path: Path, custom_config: Mapping[str, Any] | None
) -> UserFunction:
    """Import a module and return the one of the two functions that it has.

    Args:
        module_file: as the user gave it.
        path: of its file.
        custom_config: handed to the function if it takes an argument of that name.

    Raises:
        ConfigurationError: neither, or both.
        UserCodeError: the import raised.
    """
    module = _import(module_file, path)
    names = [name for name in (BEAM_FUNCTION, KERAS_FUNCTION) if callable(vars(module).get(name))]
    if len(names) != 1:
        raise ConfigurationError(
            f"{str(path)!r} has {'both functions' if names else 'no function'} {BEAM_FUNCTION} "
            f"{'and' if names else 'or'} {KERAS_FUNCTION}; write one: {BEAM_FUNCTION}(inputs) for "
            f"tf.Transform, or {KERAS_FUNCTION}(inputs) for Keras' layers. Either returns the "
            "transformed features by name"
        )
    function = vars(module)[names[0]]
    takes_config = "custom_config" in inspect.signature(function).parameters
    config = {"custom_config": custom_config} if takes_config else {}

    def call(inputs: Any) -> Any:
        try:
            return function(inputs, **config)
        except (Exception, SystemExit) as error:
            _check_was_not_us(error)
            raise user_code_error(f"{names[0]} of {str(path)!r} raised", error, path) from error

    return UserFunction(names[0], call)


def user_code_error(what: str, error: BaseException, path: Path) -> UserCodeError:
    """Log the traceback from the user's first line on, and return the error to be raised.

    Args:
        what: what raised: the beginning of a sentence.
        error: what was raised.
        path: of the user's file.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [index for index, frame in enumerate(frames) if frame.filename == str(path)]
    shown = [
        "Traceback (most recent call last):\n",
        *traceback.format_list(frames[own[0] if own else 0 :]),
        *traceback.format_exception_only(error),
    ]
    _log.error("%s:\n%s", what, "".join(shown).rstrip())
    where = f" in line {frames[own[-1]].lineno}" if own else ""
    return UserCodeError(f"{what} {said(error)}{where}")


def said(error: BaseException) -> str:
    """Return an exception's type and the first line of its text."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"


def _check_was_not_us(error: BaseException) -> None:
    """Go on ending where a signal asked for it; an exit of the user's isn't the end of the work."""
    if isinstance(error, SystemExit) and error.code == _TERMINATED:
        raise error


def _import(module_file: str, path: Path) -> Any:
    provide_tfx(path)
    try:
        return import_module(module_file, path)
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:
        _check_was_not_us(error)
        raise user_code_error(f"importing {str(path)!r} raised", error, path) from error
