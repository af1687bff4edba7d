"""The exceptions that components raise, and the exit code each becomes on a command line.

::

    ImprimaturError                  1  a fault: a retry may help
    ├── ConfigurationError           2  wrong usage or settings; also a ValueError
    ├── RecordError                  2  a record that can't be read
    ├── ArtifactError                2  a directory that can't be digested or replaced
    ├── InvalidModelError            2  a directory that isn't a servable model, or has other bytes
    ├── DataError                    2  data that doesn't fit: unknown column, broken rows
    ├── SourceUnavailableError       1  a database or an object store that data is read from
    ├── TrainingError                1  the user's code raised, or the training process died
    │   └── TrainingDiedError        1  the latter: it left no report
    ├── UserCodeError                1  another function of the user's raised
    ├── TransformError               1  the pipeline that transforms examples failed
    ├── EvaluationError              1  the pipeline that evaluates models failed
    ├── ServingError                 1  a model server
    │   ├── ServerUnavailableError   1  can't be started or reached: an infrastructure fault
    │   ├── ServerDiedError          1  its process ended
    │   ├── ModelLoadError           1  runs, but didn't load the model, or not in time
    │   └── PredictionError          1  answered with an error
    └── PushError                    1  the serving folder can't be used, or its lock can't be had

A verdict against a model is no exception: it is a `Blessing` or a `Refusal` (exit code 3).
"""

import re

EXIT_DONE = 0
EXIT_FAULT = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class ImprimaturError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = EXIT_FAULT


class ConfigurationError(ImprimaturError, ValueError):
    """An argument, setting or configuration file is wrong; a retry can't help."""

    exit_code = EXIT_USAGE


class RecordError(ImprimaturError, ValueError):
    """A record is malformed; the message names the field."""

    exit_code = EXIT_USAGE


class ArtifactError(ImprimaturError):
    """A directory can't be digested or replaced: a symlink, a special file, a name, a change."""

    exit_code = EXIT_USAGE


class InvalidModelError(ImprimaturError):
    """A directory isn't a servable model, or its bytes aren't those of its record."""

    exit_code = EXIT_USAGE


class DataError(ImprimaturError):
    """The data doesn't have what was asked of it."""

    exit_code = EXIT_USAGE


class SourceUnavailableError(ImprimaturError):
    """A database or an object store that data is read from can't be reached, or refuses."""


class TrainingError(ImprimaturError):
    """The user's training code raised, wrote no model, or its process died."""


class TrainingDiedError(TrainingError):
    """The process that runs a user's code ended, and left no report."""


class UserCodeError(ImprimaturError):
    """A function that the user wrote raised; which one, and what, is in the message."""


class TransformError(ImprimaturError):
    """The pipeline that transforms examples failed."""


class EvaluationError(ImprimaturError):
    """The pipeline that evaluates models failed."""


class ServingError(ImprimaturError):
    """A model server failed."""


class ServerUnavailableError(ServingError):
    """A model server can't be started or reached: the infrastructure, not the model."""


class ServerDiedError(ServingError):
    """A model server's process ended.

    Args:
        message: for a person.
        return_code: as `subprocess.Popen.returncode`: negative is a signal's number.
    """

    def __init__(self, message: str, return_code: int) -> None:
        super().__init__(message)
        self.return_code = return_code


class ModelLoadError(ServingError):
    """A model server runs, but says that it can't load the model, or doesn't load it in time."""


class PredictionError(ServingError):
    """A model server answered a request with an error."""


class PushError(ImprimaturError):
    """The serving folder can't be used, or its lock can't be had."""


def one_line(error: BaseException | str, max_chars: int = 1000) -> str:
    """Return what an exception says on one line and without colours, as logs and tables want it.

    Args:
        error: whose text; or a text.
        max_chars: what is longer is cut off at the end.
    """
    text = " ".join(_COLOURS.sub("", str(error)).split())
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"
