"""Opens a source, files or a query, for the rows of one window."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from components.errors import ConfigurationError
from components.example_gen.listing import FileSource, Listing, check_same_spans
from components.example_gen.moment import Span
from components.example_gen.query import Query, QueryTable, query_span
from components.example_gen.source import Rows, Table
from components.example_gen.source_file import SourceFile
from components.example_gen.table_file import Roles
from components.records import Window

Source = str | Path | Sequence[str | Path] | FileSource | Query


class Reader(Protocol):
    """Reads a source."""

    roles: Roles

    source: str
    """Where the rows are from, for messages."""

    @property
    def span(self) -> Span | None:
        """The times of all rows; None if none is known."""

    def rows(self, window: Window | None) -> Rows | None:
        """Return what may hold rows of a window; None if nothing does."""


class FileReader:
    """Reads files: of those that their folders place in time, the ones that a window needs."""

    def __init__(self, source: FileSource, roles: Roles) -> None:
        self.source = str(source)
        self.roles = roles
        self.listing = Listing(source, roles.time_column)

    @property
    def span(self) -> Span | None:
        """The times of all rows, or of all folders where rows have none."""
        if self.roles.time_column is not None:
            return self._table(self.listing.outermost()).span
        times = [file.interval for file in self.listing.files if file.interval is not None]
        if not times:
            return None
        last = max(time.end_time for time in times) - timedelta(seconds=1)
        return Span(min(time.start_time for time in times), last)

    def rows(self, window: Window | None) -> Table | None:
        """Return the table of the files that a window needs."""
        files = self.listing.covering(window)
        return self._table(files) if files else None

    def _table(self, files: Sequence[SourceFile]) -> Table:
        return Table(
            files,
            self.source,
            self.roles,
            key_types=self.listing.key_types,
            expects_lateness=self.listing.source.allowed_lateness is not None,
        )


class QueryReader:
    """Reads a database's answer."""

    def __init__(self, query: Query, roles: Roles) -> None:
        self.source = str(query)
        self.roles = roles
        self._query = query

    @property
    def span(self) -> Span | None:
        """The times of the query's rows, of whatever window."""
        return query_span(self._query, self.roles)

    def rows(self, window: Window | None) -> QueryTable:
        """Ask for the rows of a window."""
        return QueryTable(self._query, self.roles, window)


def open_source(
    source: Source, roles: Roles, patterns: Mapping[str, str] | None
) -> dict[str | None, Reader]:
    """Return a reader for each split that is given by a pattern; else one, for None.

    Raises:
        ConfigurationError: nothing there, or patterns below a query.
    """
    if isinstance(source, Query):
        if patterns is not None:
            raise ConfigurationError("splits.patterns are of files; a query has none")
        return {None: QueryReader(source, roles)}
    files = source if isinstance(source, FileSource) else FileSource(_paths(source))
    if patterns is None:
        return {None: FileReader(files, roles)}
    readers = [FileReader(files.part(pattern), roles) for pattern in patterns.values()]
    check_same_spans([reader.listing.files for reader in readers])
    return dict(zip(patterns, readers, strict=True))


def _paths(source: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    if isinstance(source, str | Path):
        return (str(source),)
    return tuple(map(str, source))
