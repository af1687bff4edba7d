"""Tells at which level a line of a child's stderr was meant.

Airflow takes everything that reaches a task's stderr for an error; TensorFlow, absl and Python's
warnings each write there with their own mark of the level.
"""

import logging
import re
from dataclasses import dataclass

MAX_LINE_BYTES = 1 << 16
_OURS = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ([\w.\-]+): (.*)", re.DOTALL)
_ABSL = re.compile(r"([IWEF])\d{4} (?:\d\d:\d\d:\d\d|\d\d:\d\d:\d{10})\.\d+")
_TENSORFLOW = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: ([IWEF]) ")
_WARNING = re.compile(r"WARNING: All log messages before absl|.*?:\d+: \w*Warning: ")
_USAGE_ERROR = re.compile(r".{0,200}?__main__\.py(?: \w+)?: error: |python -m [\w. ]+: error: ")
_TRACEBACK = re.compile(r"\s*(\+ )?(Exception Group )?Traceback \(most recent call last\):")
_LETTERS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Line:
    """One line of a child's log."""

    level: int
    message: str
    logger: str | None = None
    """The child's own logger, where the line names one."""


class LevelReader:
    """Reads line by line, because a traceback's lines say their level only by what came before."""

    def __init__(self) -> None:
        self._level = logging.INFO
        self._in_traceback = False
        self._last_error: str | None = None
        self._last_message = "it wrote nothing to stderr"

    def read(self, raw: bytes) -> Line | None:
        """Return the line without terminal control, or None for one that says nothing."""
        text = raw.decode("utf-8", errors="replace").rstrip()
        text = _UNPRINTABLE.sub("", text.rsplit("\r", 1)[-1])
        if not text.strip():
            return None
        line = self._classify(text)
        self._level = line.level
        self._last_message = line.message
        return line

    @property
    def reason(self) -> str:
        """Why the child failed, in its own words: its last error, else its last line.

        Errors that TensorFlow reports don't count: it reports that there is no GPU, and goes on.
        """
        return self._last_error or self._last_message

    def _classify(self, text: str) -> Line:
        if ours := _OURS.match(text):
            self._in_traceback = False
            level = logging.getLevelNamesMapping()[ours[1]]
            return self._noted(Line(level, ours[3] or ours[2], ours[2]))
        if _TRACEBACK.match(text):
            self._in_traceback = True
            return Line(logging.ERROR, text)
        if text[0].isspace():
            return Line(self._level, text)
        if self._in_traceback or _USAGE_ERROR.match(text):
            self._in_traceback = False
            return self._noted(Line(logging.ERROR, text))
        return Line(_foreign_level(text), text)

    def _noted(self, line: Line) -> Line:
        if line.level >= logging.ERROR:
            self._last_error = line.message
        return line


def _foreign_level(text: str) -> int:
    if mark := _ABSL.match(text) or _TENSORFLOW.match(text):
        return _LETTERS[mark[1]]
    return logging.WARNING if _WARNING.match(text) else logging.INFO
