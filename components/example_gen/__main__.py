"""Command line: ``python -m components.example_gen --source FILE --output-dir DIR``."""

import argparse
import os
import sys
from typing import Any

from components import command_line, signing
from components.errors import ConfigurationError
from components.example_gen import DATABASE_URL_VARIABLE
from components.records import Examples, Refusal


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.example_gen",
        description="Write a table's rows of one window as TFRecords of tf.Examples.",
    )
    _add_source_arguments(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--window",
        type=command_line.window,
        metavar="START/END",
        help="for instance 2013-01-01/2013-02-01; the end is exclusive",
    )
    which.add_argument(
        "--newest-interval",
        metavar="CRON",
        help="the newest whole interval of this schedule that the data covers",
    )
    parser.add_argument(
        "--lookback", metavar="DURATION", help="begin the window earlier by this, as P90D or P3M"
    )
    parser.add_argument(
        "--timezone",
        help="of --newest-interval, --lookback and of dates in paths; default UTC",
    )
    parser.add_argument(
        "--ends-by", metavar="TIME", help="of --newest-interval: prefer one that ends by then"
    )
    parser.add_argument(
        "--splits",
        type=command_line.json_object,
        metavar="JSON",
        help='default {"train": 2, "eval": 1}, by a hash of the row; also {"weights": {…}, '
        '"by": "time"}, {"weights": {…}, "key": COLUMN}, {"by": "column", "key": COLUMN, "names": '
        '["train", "eval"]} or {"patterns": {"train": "train/*", "eval": "eval/*"}}',
    )
    parser.add_argument(
        "--features",
        action="append",
        metavar="A,B,…",
        help="columns to keep; default all; may be repeated",
    )
    parser.add_argument(
        "--max-duplicates",
        type=float,
        metavar="SHARE",
        help="how many rows may be copies of others; default any, but not all equally often, nor "
        "most at the same times",
    )
    parser.add_argument("--num-shards", type=int, default=1, metavar="N", help="files per split")
    parser.add_argument("--compression", default="gzip", help="gzip (default) or none")
    parser.add_argument(
        "--num-workers",
        type=int,
        default=_default_workers(),
        metavar="N",
        help="threads that encode; default 2, or 1 on one core; more gain little",
    )
    command_line.add_output_argument(parser)
    command_line.add_run_argument(parser)
    return parser


def _default_workers() -> int:
    """Return how many threads help: as many as cores may be used, but not more than two."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(2, cores or 1)


def _add_source_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--source",
        action="append",
        metavar="PATH",
        help="CSV, JSON Lines, Parquet or TFRecord: a file, folder, glob or URL, or TFX's pattern "
        "with {SPAN}, {VERSION} or {YYYY}-{MM}-{DD}; may be repeated",
    )
    source.add_argument(
        "--sql",
        metavar="QUERY",
        help=f"SELECT with :window_start and :window_end; {DATABASE_URL_VARIABLE} holds the "
        "database's URL, SQLAlchemy's or adbc+…",
    )
    parser.add_argument(
        "--range-config",
        type=command_line.json_object,
        metavar="JSON",
        help="which spans, as TFX's RangeConfig; default the newest, or the window's days",
    )
    parser.add_argument(
        "--allowed-lateness",
        metavar="DURATION",
        help="read folders of times up to this much after the window too, as P2D",
    )
    parser.add_argument("--time-column", help="when a row happened; without offset it is UTC")


def _execute(arguments: argparse.Namespace) -> Examples | Refusal:
    url = _take_database_url()
    from components.example_gen import IntervalRequest, OutputFormat, generate
    from components.example_gen.split import DEFAULT_WEIGHTS

    window, zone = arguments.window, arguments.timezone or "UTC"
    if arguments.newest_interval is not None:
        window = IntervalRequest(arguments.newest_interval, zone, arguments.ends_by)
    elif arguments.ends_by is not None:
        raise ConfigurationError(
            "--ends-by says which interval --newest-interval takes; without it leave it out"
        )
    return generate(
        source=_source(arguments, url),
        output_dir=arguments.output_dir,
        window=window,
        time_column=arguments.time_column,
        lookback=arguments.lookback,
        timezone=zone,
        splits=arguments.splits if arguments.splits is not None else DEFAULT_WEIGHTS,
        features=_split_at_commas(arguments.features),
        max_duplicates=arguments.max_duplicates,
        output=OutputFormat(arguments.num_shards, arguments.compression),
        num_workers=arguments.num_workers,
    )


def _source(arguments: argparse.Namespace, url: str | None) -> Any:
    from components.example_gen import FileSource, Query, SpanRange

    if arguments.sql is None:
        spans = arguments.range_config
        return FileSource(
            tuple(arguments.source),
            None if spans is None else SpanRange.from_json(spans),
            arguments.timezone or "UTC",
            arguments.allowed_lateness,
        )
    if not url:
        raise ConfigurationError(
            f"--sql needs a database; give its URL in the variable {DATABASE_URL_VARIABLE}, for "
            "instance postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
        )
    for name in ("range_config", "allowed_lateness"):
        if getattr(arguments, name) is not None:
            raise ConfigurationError(f"--{name.replace('_', '-')} is of files; a query has none")
    return Query(arguments.sql, url)


def _take_database_url() -> str | None:
    """Return the URL, which is then in no environment that a child could read."""
    url = os.environ.pop(DATABASE_URL_VARIABLE, None)
    if url:
        signing.close_proc()
    return url


def _split_at_commas(values: list[str] | None) -> list[str] | None:
    if values is None:
        return None
    return [name.strip() for value in values for name in value.split(",")]


if __name__ == "__main__":
    sys.exit(command_line.run(_build_parser(), _execute))
