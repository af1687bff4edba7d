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
from components.example_gen.batch_writer import BatchEncoder, write_batches
from components.example_gen.encoding import ExampleEncoder
from components.example_gen.interval import IntervalRequest, newest_window
from components.example_gen.source import Table
from components.example_gen.split import DEFAULT_WEIGHTS, SplitConfig, Splitter
from components.records import Examples, Finding, Refusal, Split, Window

_log = logging.getLogger(__name__)


def generate(
    *,
    source: str | Path,
    output_dir: str | Path,
    window: Window | IntervalRequest | None = None,
    time_column: str | None = None,
    splits: Mapping[str, Any] | SplitConfig = DEFAULT_WEIGHTS,
    features: Sequence[str] | None = None,
    num_workers: int = 1,
) -> Examples | Refusal:
    """Write the rows of a window as serialized `tf.Example`s.

    Args:
        source: a CSV (also ``.gz``, or ``.zip`` of one) or Parquet file, a folder of them, or a
            glob.
        output_dir: made whole or not at all.
        window: which rows, by `time_column`; an `IntervalRequest` picks the newest interval that
            the data covers. Without a time column it is a label and drops no row.
        time_column: when a row happened. Times without an offset are UTC.
        splits: as `SplitConfig.from_json` reads it.
        features: columns to keep; None keeps all.
        num_workers: threads that encode. More than two gain little: half of the work is Python's.

    Returns:
        The examples; or, if no row lies in the window, a `Refusal` with ``empty_window``.

    Raises:
        ConfigurationError: arguments that don't fit together, or no such source.
        DataError: the data can't be read, lacks a column, or leaves a split without rows.
    """
    if num_workers < 1:
        raise ConfigurationError(f"num_workers is {num_workers}; expected at least 1")
    config = splits if isinstance(splits, SplitConfig) else SplitConfig.from_json(splits)
    table = Table(str(source), time_column)
    names = _feature_names(features, table)
    target = Path(output_dir).absolute()
    with artifacts.new_directory(target) as staging:
        if isinstance(window, IntervalRequest):
            window = _find_newest(window, table)
            if window is None:
                return _refuse(_empty(table, None), staging)
        plan = _Plan(config, window, num_workers)
        counts = _write_splits(staging, table, names, Splitter(config, table, window), plan)
        if not any(counts.values()):
            return _refuse(_empty(table, window), staging)
        _check_filled(counts, window)
        examples = Examples(
            uri=str(target),
            splits={name: Split(f"Split-{name}/*", counts[name]) for name in config.names},
            digest=artifacts.digest(staging),
            window=window,
        )
        artifacts.write_record(examples, staging)
    _log.info("wrote %s examples of %s to %s", counts, window or "all time", target)
    return examples


def _feature_names(features: Sequence[str] | None, table: Table) -> list[str]:
    if features is None:
        return list(table.schema.names)
    names = list(features)
    if isinstance(features, str) or not names or len(set(names)) < len(names):
        raise ConfigurationError(
            f"features is {features!r}; expected a list of different columns, at least one"
        )
    table.check_columns(names, "the feature")
    return names


def _find_newest(request: IntervalRequest, table: Table) -> Window | None:
    if table.time_column is None:
        raise ConfigurationError(
            "the newest interval can't be found without a time column; name it with --time-column, "
            "or give --window"
        )
    return newest_window(request, table.span) if table.span is not None else None


@dataclass(frozen=True)
class _Plan:
    config: SplitConfig
    window: Window | None
    num_workers: int


def _write_splits(
    staging: Path, table: Table, names: list[str], splitter: Splitter, plan: "_Plan"
) -> dict[str, int]:
    columns = [*names, *(name for name in splitter.columns if name not in names)]
    schema = pa.schema([table.schema.field(name) for name in names])
    encoder = BatchEncoder(ExampleEncoder(schema), splitter, names, len(plan.config.names))
    directories = [staging / f"Split-{name}" for name in plan.config.names]
    batches = table.batches(columns, plan.window)
    counts = write_batches(encoder, batches, directories, plan.num_workers)
    return dict(zip(plan.config.names, counts, strict=True))


def _refuse(refusal: Refusal, staging: Path) -> Refusal:
    for directory in staging.iterdir():
        shutil.rmtree(directory)
    artifacts.write_record(refusal, staging)
    return refusal


def _empty(table: Table, window: Window | None) -> Refusal:
    if table.time_column is None:
        message = f"The source {table.source} has no rows."
    elif table.span is None:
        message = f"No row of {table.source} has a time in the column {table.time_column}."
    else:
        message = (
            f"No row of {table.source} lies in the window {window}; the data spans {table.span}."
        )
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
