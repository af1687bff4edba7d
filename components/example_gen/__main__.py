"""Command line: ``python -m components.example_gen --source FILE --output-dir DIR``."""

import argparse
import os
import sys

from components import command_line
from components.errors import ConfigurationError
from components.records import Examples, Refusal


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.example_gen",
        description="Write a table's rows of one window as TFRecords of tf.Examples.",
    )
    parser.add_argument("--source", required=True, help="CSV or Parquet: a file, folder or glob")
    parser.add_argument("--time-column", help="when a row happened; without offset it is UTC")
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
    parser.add_argument("--timezone", help="of --newest-interval; default UTC")
    parser.add_argument(
        "--ends-by", metavar="TIME", help="of --newest-interval: prefer one that ends by then"
    )
    parser.add_argument(
        "--splits",
        type=command_line.json_object,
        metavar="JSON",
        help='default {"train": 2, "eval": 1}, by a hash of the row; also {"weights": {…}, '
        '"by": "time"} or {"weights": {…}, "key": COLUMN}',
    )
    parser.add_argument(
        "--features",
        action="append",
        metavar="A,B,…",
        help="columns to keep; default all; may be repeated",
    )
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


def _execute(arguments: argparse.Namespace) -> Examples | Refusal:
    from components.example_gen import IntervalRequest, generate
    from components.example_gen.split import DEFAULT_WEIGHTS

    window = arguments.window
    if arguments.newest_interval is not None:
        zone = arguments.timezone or "UTC"
        window = IntervalRequest(arguments.newest_interval, zone, arguments.ends_by)
    elif arguments.timezone is not None or arguments.ends_by is not None:
        raise ConfigurationError(
            "--timezone and --ends-by say which interval --newest-interval takes; without it "
            "leave them out"
        )
    return generate(
        source=arguments.source,
        output_dir=arguments.output_dir,
        window=window,
        time_column=arguments.time_column,
        splits=arguments.splits if arguments.splits is not None else DEFAULT_WEIGHTS,
        features=_split_at_commas(arguments.features),
        num_workers=arguments.num_workers,
    )


def _split_at_commas(values: list[str] | None) -> list[str] | None:
    if values is None:
        return None
    return [name.strip() for value in values for name in value.split(",")]


if __name__ == "__main__":
    sys.exit(command_line.run(_build_parser(), _execute))
