"""Finds the files of a source by their names alone, and says which of them a window needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from components.errors import ConfigurationError, DataError
from components.example_gen import hive_path
from components.example_gen.file_search import find_files, find_paths
from components.example_gen.lookback import later
from components.example_gen.moment import time_zone
from components.example_gen.source_file import SourceFile
from components.example_gen.span_pattern import (
    SpanPattern,
    SpanRange,
    Spotted,
    day_of,
    has_tokens,
    newest_versions,
)
from components.records import Window


@dataclass(frozen=True)
class FileSource:
    """Files to read, and how their paths are understood.

    Attributes:
        paths: files, folders (searched through, but for names that begin with ``.`` or ``_``) or
            globs, on this machine or as URLs that fsspec knows; or TFX's patterns of spans.
        span_range: which spans; default the newest, or all days of the window.
        timezone: in which dates in paths begin, an IANA name.
        allowed_lateness: ISO 8601 duration: how long after the window rows of it may still come;
            folders that late are read too.
    """

    paths: tuple[str, ...]
    span_range: SpanRange | None = None
    timezone: str = "UTC"
    allowed_lateness: str | None = None

    def __str__(self) -> str:
        return ", ".join(self.paths)

    def part(self, pattern: str) -> "FileSource":
        """Return the source that a pattern below this one's only folder makes.

        Raises:
            ConfigurationError: several paths.
        """
        if len(self.paths) != 1:
            raise ConfigurationError(
                f"splits.patterns go with one folder as the source, not with {self}"
            )
        return replace(self, paths=(f"{self.paths[0].rstrip('/')}/{pattern}",))


class Listing:
    """The files of a source, in the order of their names.

    Args:
        source: where they are.
        time_column: a folder's key of this name tells the time of its rows.

    Raises:
        ConfigurationError: nothing there.
        DataError: folders whose names contradict each other.
        SourceUnavailableError: a store can't be reached.
    """

    def __init__(self, source: FileSource, time_column: str | None = None) -> None:
        self.source = source
        self._time_column = time_column
        self._zone = time_zone(source.timezone)
        found: dict[str, SourceFile] = {}
        for path in source.paths:
            found.update((file.name, file) for file in self._find(path))
        self.files = [found[name] for name in sorted(found)]

    @cached_property
    def key_types(self) -> dict[str, Any]:
        """The columns that folders make, and their Arrow types."""
        return hive_path.column_types([file.keys for file in self.files])

    def covering(self, window: Window | None) -> list[SourceFile]:
        """Return the files that may hold rows of a window.

        Without a time column, rows are taken by their folders' time alone.

        Raises:
            ConfigurationError: without a time column, a folder that is only partly in the window.
        """
        if window is None or self.source.span_range is not None:
            return self._newest_days() if window is None else self.files
        if self._time_column is None:
            return [file for file in self.files if _is_within(file, window)]
        end = later(window.end_time, self.source.allowed_lateness)
        return [
            file
            for file in self.files
            if file.interval is None
            or (file.interval.start_time < end and file.interval.end_time > window.start_time)
        ]

    def outermost(self) -> list[SourceFile]:
        """Return the files among which the first and the last row of all are."""
        times = [file.interval for file in self.files if file.interval is not None]
        if not times:
            return self.files
        first_end = min(time.end_time for time in times)
        last_start = max(time.start_time for time in times)
        return [
            file
            for file in self.files
            if file.interval is None
            or file.interval.start_time < first_end
            or file.interval.end_time > last_start
        ]

    def _newest_days(self) -> list[SourceFile]:
        days = [file.span for file in self.files if file.span and file.interval is not None]
        if not days or self.source.span_range is not None:
            return self.files
        newest = max(days)
        return [file for file in self.files if file.span is None or file.span == newest]

    def _find(self, path: str) -> list[SourceFile]:
        if not has_tokens(path):
            found = find_files(path)
            if not found:
                raise ConfigurationError(
                    f"the source {path!r} holds no files; expected a CSV, JSON Lines, Parquet or "
                    "TFRecord file, a folder of them, or a glob"
                )
            return [self._with_keys(file) for file in found]
        pattern = SpanPattern(path)
        spotted = newest_versions(
            [one for one in map(pattern.spot, find_paths(pattern.glob)) if one]
        )
        kept = self._in_range(pattern, sorted({one.span for one in spotted}))
        files = [
            self._of_span(file, one, pattern)
            for one in spotted
            if one.span in kept
            for file in find_files(one.path)
        ]
        if not files:
            raise ConfigurationError(
                f"no file fits the pattern {path!r} and its range of spans; expected for instance "
                f"a file that fits {pattern.glob!r}"
            )
        return files

    def _in_range(self, pattern: SpanPattern, spans: list[int]) -> list[int]:
        if self.source.span_range is not None:
            return self.source.span_range.select(spans)
        return spans if pattern.has_dates else spans[-1:]

    def _of_span(self, file: SourceFile, spotted: Spotted, pattern: SpanPattern) -> SourceFile:
        interval = None
        if pattern.has_dates:
            day = [moment.replace(tzinfo=self._zone) for moment in day_of(spotted.span)]
            interval = Window(day[0].isoformat(), day[1].isoformat())
        return replace(file, interval=interval, span=(spotted.span, spotted.version))

    def _with_keys(self, file: SourceFile) -> SourceFile:
        folders = hive_path.read_keys(PurePosixPath(file.name).parts[:-1])
        interval = hive_path.read_interval(folders, self._time_column, self._zone, file.name)
        return replace(file, interval=interval)


def _is_within(file: SourceFile, window: Window) -> bool:
    interval = file.interval
    if interval is None:
        return True
    if interval.end_time <= window.start_time or interval.start_time >= window.end_time:
        return False
    if interval.start_time < window.start_time or interval.end_time > window.end_time:
        raise ConfigurationError(
            f"{file.name!r} holds rows of {interval}, of which only some are in the window "
            f"{window}; name the column that says when a row happened with --time-column"
        )
    return True


def check_same_spans(listings: Sequence[Sequence[SourceFile]]) -> None:
    """Check that splits given by patterns are of the same spans and versions, as TFX does.

    Raises:
        DataError: they aren't.
    """
    spans = [
        sorted({file.span for file in files if file.span and file.interval is None})
        for files in listings
    ]
    for other in spans[1:]:
        if other != spans[0]:
            raise DataError(
                f"the splits' newest spans and versions differ: {spans[0]} and {other}; expected "
                "the same in each split: wait for the missing ones, or give range_config"
            )
