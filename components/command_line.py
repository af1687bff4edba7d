"""What all command lines of the components share: arguments, logging, the last line, exit codes.

A component's ``__main__.py`` builds a parser with light imports only, so that ``--help`` and wrong
usage answer at once; what it needs of TensorFlow is imported inside the function it gives to `run`.
"""

import argparse
import ctypes
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeVar

from components import log_output, records, signing
from components.errors import (
    EXIT_DONE,
    EXIT_FAULT,
    EXIT_REFUSED,
    ConfigurationError,
    ImprimaturError,
    RecordError,
)
from components.parent_death import die_with_announced_parent
from components.record_codec import json_line

_log = logging.getLogger(__name__)


class Result(Protocol):
    """What a command returns: it is printed as the last line of stdout."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""


def run(
    parser: argparse.ArgumentParser,
    execute: Callable[[argparse.Namespace], Result],
    argv: Sequence[str] | None = None,
) -> int:
    """Parse the arguments, execute, print the result as the last line of stdout.

    While `execute` runs, whatever it or the user's code prints to stdout goes to stderr.

    Returns:
        The exit code: 0 done, 1 a fault, 2 wrong usage or input, 3 a verdict against it.
    """
    die_with_announced_parent()
    signing.hide_key()
    _configure_logging(parser)
    arguments = parser.parse_args(argv)
    with _tidy_end(), _reserved_stdout() as out, _forgotten_key():
        try:
            _check_inputs_survive(arguments)
            result = execute(arguments)
        except ImprimaturError as error:
            _log.error("%s", error)
            _log.debug("raised here:", exc_info=True)
            return error.exit_code
        except (OSError, MemoryError) as error:
            traceback.print_exc()
            _log.error("%s: %s", type(error).__name__, error)
            return EXIT_FAULT
        out.write(json_line(result.to_json()) + "\n")
        out.flush()
    return verdict_code(result)


@contextmanager
def _forgotten_key() -> Iterator[None]:
    try:
        yield
    finally:
        signing.forget_key()


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Unwind on SIGTERM, so that what is half-written is removed.

    Only the main thread may set that; a command that runs in another leaves it to its caller.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_inputs_survive(arguments: argparse.Namespace) -> None:
    """Refuse an output directory that holds an input: it would be replaced by the output.

    Raises:
        ConfigurationError: naming both.
    """
    given = dict(vars(arguments))
    output_dir = given.pop("output_dir", None)
    if output_dir is None:
        return
    target = Path(output_dir).resolve()
    for value in given.values():
        for item in value if isinstance(value, list) else [value]:
            path = getattr(item, "uri", item)
            if isinstance(path, str | Path) and _lies_in(path, target):
                raise ConfigurationError(
                    f"--output-dir is {str(target)!r}, which holds the input {str(path)!r} and "
                    "would be replaced; give another --output-dir"
                )


def _lies_in(path: str | Path, directory: Path) -> bool:
    try:
        return Path(path).resolve().is_relative_to(directory) and Path(path).exists()
    except (OSError, ValueError):  # text that isn't a path: JSON, too long, a NUL
        return False


def verdict_code(result: Result) -> int:
    """Return the exit code that a result stands for; one of no record's type may bring its own."""
    refused = isinstance(result, records.Refusal)
    unblessed = isinstance(result, records.Blessing) and not result.blessed
    if refused or unblessed:
        return EXIT_REFUSED
    return int(getattr(result, "exit_code", EXIT_DONE))


T = TypeVar("T")


def _argument(read: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse show our own message instead of «invalid value»."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except (ConfigurationError, RecordError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def _read_json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except ConfigurationError:
        raise
    except (ValueError, RecursionError) as error:  # also of numbers too long, nesting too deep
        raise ConfigurationError(f"{text[:200]!r} isn't JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{text!r} isn't a JSON object; expected for instance {{}}")
    return value


def _refuse_constant(text: str) -> Any:
    raise ConfigurationError(f"{text} is no JSON; expected a finite number, or null")


def _record_reader(*kinds: type[T]) -> Callable[[str], T]:
    def read(text: str) -> T:
        record = records.load(text)
        if not isinstance(record, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise RecordError(f"{text!r} holds a {type(record).__name__}; expected {expected}")
        return record

    return read


json_object = _argument(_read_json_object)
"""argparse type: a JSON object."""

window = _argument(records.Window.parse)
"""argparse type: ``START/END``."""


def record(*kinds: type[T]) -> Callable[[str], T]:
    """Return an argparse type: a record of one of these classes, as a path or as JSON."""
    return _argument(_record_reader(*kinds))


def _read_run(text: str) -> records.Run:
    return records.Run.from_json(_read_json_object(text))


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--run``: which task instance asks, kept in the record."""
    parser.add_argument(
        "--run",
        type=_argument(_read_run),
        metavar="JSON",
        help="the task instance that asks: dag_id, run_id, task_id, …; kept in the record",
    )


def add_output_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--output-dir``."""
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="made whole or not at all; one that exists is replaced only if it holds a record.json",
    )


def _configure_logging(parser: argparse.ArgumentParser) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        log_output.configure(os.environ.get("IMPRIMATUR_LOG_LEVEL", "INFO").upper())
    except ConfigurationError as error:
        parser.error(str(error))


@contextmanager
def _reserved_stdout() -> Iterator[TextIO]:
    """Yield the real stdout; everything else that writes to file descriptor 1 gets stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with (
            os.fdopen(kept, "w", encoding="utf-8", closefd=False) as out,
            log_output.prints_as_log(),
        ):
            yield out
    finally:
        sys.stdout.flush()
        ctypes.CDLL(None).fflush(None)  # what C code printed and libc still holds
        os.dup2(kept, 1)
        os.close(kept)
