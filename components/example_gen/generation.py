"""The public function: a table's rows of one window, as TFRecord files by split."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from components import artifacts
from components.errors import ConfigurationError, DataError
from components.example_gen.batch_writer import (
    BatchEncoder,
    OutputFormat,
    Written,
    write_batches,
)
from components.example_gen.encoding import ExampleEncoder
from components.example_gen.feature_type import same_meaning
from components.example_gen.interval import IntervalRequest, newest_window
from components.example_gen.lookback import looking_back
from components.example_gen.moment import Span
from components.example_gen.reader import Reader, Source, open_source
from components.example_gen.repetition import (
    RepetitionCount,
    check_max_share,
    counting_repetition,
)
from components.example_gen.source import Rows, check_columns
from components.example_gen.split import DEFAULT_WEIGHTS, OnlySplit, SplitConfig, Splitter
from components.example_gen.table_file import Roles
from components.records import Examples, Finding, Refusal, Split, Window

_HASHES = ".hashes"
_log = logging.getLogger(__name__)
Readers = Mapping[str | None, Reader]
"""By the split that each is given for; None where rows are assigned to splits."""


def generate(
    *,
    source: Source,
    output_dir: str | Path,
    window: Window | IntervalRequest | None = None,
    time_column: str | None = None,
    lookback: str | None = None,
    timezone: str = "UTC",
    splits: Mapping[str, Any] | SplitConfig = DEFAULT_WEIGHTS,
    features: Sequence[str] | None = None,
    max_duplicates: float | None = None,
    output: OutputFormat = OutputFormat(),  # noqa: B008 - frozen
    num_workers: int = 1,
) -> Examples | Refusal:
    """Write the rows of a window as serialized `tf.Example`s.

    Args:
        source: CSV, JSON Lines, Parquet or TFRecord files, folders of them, globs or URLs, one or
            several, or a `FileSource` that says more of them; or a `Query`.
        output_dir: made whole or not at all.
        window: which rows, by `time_column`; an `IntervalRequest` picks the newest interval that
            the data covers. Without a time column it is a label and drops no row, but for those
            in folders of another time.
        time_column: when a row happened. Times without an offset are UTC.
        lookback: ISO 8601 duration by which the window begins earlier, for instance ``P90D``.
        timezone: whose days and months `lookback` counts.
        splits: as `SplitConfig.from_json` reads it.
        features: columns to keep; None keeps all.
        max_duplicates: the greatest share of rows that may be copies of others; None: any, unless
            every row is there several times over; or, where their times are known, most.
        output: how many files a split has, and how they are compressed.
        num_workers: threads that encode. More than two gain little: half of the work is Python's.

    Returns:
        The examples; or, if no row lies in the window, a `Refusal` with ``empty_window``.

    Raises:
        ConfigurationError: arguments that don't fit together, or no such source.
        DataError: the data can't be read, lacks a column, leaves a split or a named feature
            without rows, or repeats itself.
        SourceUnavailableError: a database or a store can't be reached.
    """
    config = splits if isinstance(splits, SplitConfig) else SplitConfig.from_json(splits)
    plan = _Plan(config, features, max_duplicates, output, num_workers)
    readers = open_source(source, Roles(time_column, config.key), config.patterns)
    target = Path(output_dir).absolute()
    with artifacts.new_directory(target) as staging:
        found = _resolve(window, readers, lookback, timezone)
        is_nowhere = isinstance(window, IntervalRequest) and found is None
        counts = None if is_nowhere else _write_all(staging, readers, found, plan)
        if counts is None:
            return _refuse(_empty(readers, found), staging)
        examples = Examples(
            uri=str(target),
            splits={name: Split(f"Split-{name}/*", counts[name]) for name in config.names},
            digest=artifacts.digest(staging),
            window=found,
        )
        artifacts.write_record(examples, staging)
    _log.info("wrote %s examples of %s to %s", counts, found or "all time", target)
    return examples


@dataclass(frozen=True)
class _Plan:
    config: SplitConfig
    features: Sequence[str] | None
    max_duplicates: float | None
    output: OutputFormat
    num_workers: int

    def __post_init__(self) -> None:
        if self.num_workers < 1:
            raise ConfigurationError(f"num_workers is {self.num_workers}; expected at least 1")
        check_max_share(self.max_duplicates)


def _resolve(
    window: Window | IntervalRequest | None,
    readers: Readers,
    lookback: str | None,
    timezone: str,
) -> Window | None:
    """Return the span of the rows that are wanted; None: all, or there are none to find it by."""
    if isinstance(window, IntervalRequest):
        span = _span(readers)
        if span is None:
            _check_times(readers)
        window = None if span is None else newest_window(window, span)
    elif window is None and lookback is not None:
        raise ConfigurationError(
            f"lookback is {lookback!r}, but there is no window to look back from; give --window or "
            "--newest-interval"
        )
    return None if window is None else looking_back(window, lookback, timezone)


def _span(readers: Readers) -> Span | None:
    spans = [span for reader in readers.values() if (span := reader.span) is not None]
    if not spans:
        return None
    return Span(min(span.first for span in spans), max(span.last for span in spans))


def _check_times(readers: Readers) -> None:
    if all(reader.roles.time_column is None for reader in readers.values()):
        raise ConfigurationError(
            "the newest interval can't be found without a time column; name it with --time-column, "
            "or give --window"
        )


def _write_all(
    staging: Path, readers: Readers, window: Window | None, plan: _Plan
) -> dict[str, int] | None:
    """Write all splits; return how many rows each has, None if there is no row at all."""
    opened = ((name, reader.rows(window)) for name, reader in readers.items())
    there = {name: rows for name, rows in opened if rows is not None}
    if not there:
        return None
    names = _feature_names(plan.features, list(there.values()))
    counts = dict.fromkeys(plan.config.names, 0)
    filled = [False] * len(names)
    with counting_repetition(staging / _HASHES) as repetition:
        for split, rows in there.items():
            written = _write_rows(staging, rows, names, _Share(split, window, plan), repetition)
            counts.update(written.counts)
            filled = [a or b for a, b in zip(filled, written.filled, strict=True)]
        found = repetition.result()
    if not found.num_rows:
        return None
    _check_filled(counts, window)
    _check_values(names, filled, is_named=plan.features is not None)
    has_times = all(rows.roles.time_column is not None for rows in there.values())
    found.check(plan.max_duplicates, has_times=has_times)
    return counts


@dataclass(frozen=True)
class _Share:
    """What of a plan a table makes: all splits, or the one that it was given for."""

    split: str | None
    window: Window | None
    plan: _Plan

    @property
    def names(self) -> list[str]:
        return self.plan.config.names if self.split is None else [self.split]

    def assigner(self, rows: Rows) -> Splitter | OnlySplit:
        if self.split is not None:
            return OnlySplit()
        return Splitter(self.plan.config, rows, self.window)


def _write_rows(
    staging: Path, rows: Rows, names: list[str], share: _Share, repetition: RepetitionCount
) -> Written:
    assigner = share.assigner(rows)
    times = [] if rows.roles.time_column is None else [rows.roles.time_column]
    columns = list(dict.fromkeys([*names, *assigner.columns, *times]))
    schema = pa.schema([rows.schema.field(name) for name in names])
    encoder = BatchEncoder(
        ExampleEncoder(schema),
        assigner,
        names,
        len(share.names),
        share.plan.output,
        rows.roles.time_column,
    )
    directories = {name: staging / f"Split-{name}" for name in share.names}
    batches = rows.batches(columns, share.window)
    return write_batches(encoder, batches, directories, share.plan.num_workers, repetition)


def _feature_names(features: Sequence[str] | None, tables: Sequence[Rows]) -> list[str]:
    if features is None:
        names = list(tables[0].schema.names)
    else:
        names = list(features)
        if isinstance(features, str) or not names or len(set(names)) < len(names):
            raise ConfigurationError(
                f"features is {features!r}; expected a list of different columns, at least one"
            )
    for rows in tables:
        check_columns(rows, names, "the feature")
        for name in names:
            one, other = (table.schema.field(name).type for table in (tables[0], rows))
            if not same_meaning(one, other):
                raise DataError(
                    f"the column {name!r} holds {one} in {tables[0].source!r} but {other} in "
                    f"{rows.source!r}; expected the same type in all splits"
                )
    return names


def _refuse(refusal: Refusal, staging: Path) -> Refusal:
    for directory in staging.iterdir():
        shutil.rmtree(directory)
    artifacts.write_record(refusal, staging)
    return refusal


def _empty(readers: Readers, window: Window | None) -> Refusal:
    source = ", ".join(reader.source for reader in readers.values())
    time_column = next(iter(readers.values())).roles.time_column
    span = _span(readers)
    if span is not None and window is not None:
        message = f"No row of {source} lies in the window {window}; the data spans {span}."
    elif time_column is None:
        message = f"The source {source} has no rows."
    else:
        message = f"No row of {source} has a time in the column {time_column}."
    _log.warning("%s", message)
    return Refusal(findings=(Finding("empty_window", False, message),))


def _check_filled(counts: Mapping[str, int], window: Window | None) -> None:
    for name, count in counts.items():
        if not count:
            raise DataError(
                f"the split {name!r} gets none of the {sum(counts.values())} rows of "
                f"{window or 'the source'}; expected at least one: widen the window, or change the "
                "weights in --splits"
            )


def _check_values(names: Sequence[str], filled: Sequence[bool], *, is_named: bool) -> None:
    nowhere = [name for name, is_filled in zip(names, filled, strict=True) if not is_filled]
    if nowhere and is_named:
        raise DataError(
            f"no row has a value in the column {', '.join(map(repr, nowhere))}, which --features "
            "names; leave it out, or mend the data"
        )
    if nowhere:
        _log.warning("no row has a value in the column %s", ", ".join(map(repr, nowhere)))
