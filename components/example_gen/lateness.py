"""Counts the rows whose time isn't that of the folder they lie in: they came late, or too early."""

import logging
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from components.errors import DataError
from components.example_gen.source_file import SourceFile
from components.records import Window

_MAX_SHARE = 0.1
_MIN_ROWS = 1000
_log = logging.getLogger(__name__)


@dataclass
class LatenessCount:
    """Counts over all files of a window.

    Attributes:
        window: of the rows that are wanted.
        is_expected: whether somebody said that data come late.
    """

    window: Window
    is_expected: bool
    _before: int = 0
    _after: int = 0
    _missed: int = 0
    _total: int = 0
    _example: str = field(default="")

    def add(self, file: SourceFile, seconds: pa.Array) -> None:
        """Count the rows of a batch.

        Args:
            file: that they are of.
            seconds: their times, int64.
        """
        if file.interval is None:
            return
        start, end = _bounds(file.interval)
        before = pc.less(seconds, start)
        num_before = _count(before)
        num_after = _count(pc.greater_equal(seconds, end))
        self._total += len(seconds) - seconds.null_count
        if not num_before and not num_after:
            return
        self._before += num_before
        self._after += num_after
        self._missed += _count(pc.and_(before, pc.less(seconds, _bounds(self.window)[0])))
        self._example = self._example or file.name

    def report(self) -> None:
        """Log what came late.

        Raises:
            DataError: so many rows lie in folders of another time that the folders' time can't be
                that of their rows, so that rows of the window lie in folders that weren't read.
        """
        beside = self._before + self._after
        if not beside:
            return
        if not self.is_expected and self._total >= _MIN_ROWS and beside > _MAX_SHARE * self._total:
            raise DataError(
                f"{beside:,} of {self._total:,} rows don't lie in the time that their folders name "
                f"(for instance in {self._example!r}), so rows of the window {self.window} may lie "
                "in others; give the time zone that the folders are named in with --timezone, or "
                "say with --allowed-lateness how late rows may come"
            )
        if self._before:
            _log.warning(
                "%s rows came late: they happened before the time that their folders name (for "
                "instance in %r); %s of them before the window %s, and are left out: a run that "
                "looks back (--lookback) takes them in",
                f"{self._before:,}", self._example, f"{self._missed:,}", self.window,
            )  # fmt: skip
        if self._after:
            _log.warning(
                "%s rows happened after the time that their folders name (for instance in %r): a "
                "clock or a time zone is wrong",
                f"{self._after:,}",
                self._example,
            )


def _bounds(window: Window) -> tuple[int, int]:
    return int(window.start_time.timestamp()), int(window.end_time.timestamp())


def _count(mask: pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)
