"""How a command line writes its log: in lines for people, or in JSON for whoever collects them.

``IMPRIMATUR_LOG_FORMAT`` is ``text`` (default) or ``json``. In JSON, what Python code prints, and
what processes print whose output is relayed, becomes lines of JSON too. What a library in C, or a
program that a user's code starts, writes to standard error by itself isn't seen here. The keys are
those of Airflow's own JSON logs.
"""

import atexit
import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from components.errors import ConfigurationError

VARIABLE = "IMPRIMATUR_LOG_FORMAT"
TEXT_FORMAT = "%(levelname)s %(name)s: %(message)s"
_OURS = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ([\w.]+): (.*)", re.DOTALL)
_USAGE_ERROR = re.compile(r".+?: error: .*", re.DOTALL)
_log = logging.getLogger(__name__)


def configure(level: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the root logger write to standard error.

    Args:
        level: below which nothing is written.
        environment: the setting is taken out of it, because the processes that this one starts
            write to this one, or to files of their own.

    Raises:
        ConfigurationError: the setting is neither ``text`` nor ``json``.
    """
    wanted = environment.pop(VARIABLE, "") or "text"
    if wanted not in ("text", "json"):
        raise ConfigurationError(f"{VARIABLE} is {wanted!r}; expected 'text' or 'json'")
    if wanted == "text":
        logging.basicConfig(level=level, format=TEXT_FORMAT, stream=sys.stderr)
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler])
    lines = JsonLines(sys.stderr, "stderr")
    sys.stderr = lines
    sys.excepthook = _log_uncaught
    atexit.register(lines.end)


@contextmanager
def prints_as_log() -> Iterator[None]:
    """Make lines of the log of what Python code prints to stdout, where the log is JSON."""
    if not isinstance(sys.stderr, JsonLines):
        yield
        return
    lines = JsonLines(sys.stderr.target, "stdout")
    with redirect_stdout(lines):
        try:
            yield
        finally:
            lines.end()


class JsonFormatter(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC)
        trace = self.formatException(record.exc_info) if record.exc_info else None
        return _line(at, record.levelname, record.name, record.getMessage(), trace)


class JsonLines(io.TextIOBase):
    """A text stream that writes each line it is given as a JSON object.

    A line in the form of our text logs keeps its level and logger.

    Args:
        target: what the objects are written to.
        name: the logger of other lines.
    """

    def __init__(self, target: TextIO, name: str) -> None:
        self.target = target
        self._name = name
        self._pending = ""

    def write(self, text: str) -> int:
        """Write the lines that are whole."""
        *lines, self._pending = (self._pending + text).split("\n")
        for line in lines:
            self._write_line(line)
        return len(text)

    def flush(self) -> None:
        """Flush what is behind this."""
        self.target.flush()

    def fileno(self) -> int:
        """Return the descriptor of what is behind this, for processes that inherit it."""
        return self.target.fileno()

    def end(self) -> None:
        """Write what has no line end."""
        pending, self._pending = self._pending, ""
        self._write_line(pending)
        self.flush()

    def _write_line(self, line: str) -> None:
        if not line.strip():
            return
        ours = _OURS.fullmatch(line)
        level, name, message = ours.groups() if ours else (_level(line), self._name, line)
        self.target.write(_line(datetime.now(UTC), level, name, message) + "\n")


def _level(line: str) -> str:
    return "ERROR" if _USAGE_ERROR.fullmatch(line) else "INFO"


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    _log.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))


def _line(at: datetime, level: str, name: str, event: str, trace: str | None = None) -> str:
    fields = {
        "timestamp": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "level": level.lower(),
        "event": event,
        "logger": name,
        **({} if trace is None else {"exception": trace}),
    }
    return json.dumps(fields, ensure_ascii=False)
