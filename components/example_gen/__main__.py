"""Command line: ``python -m components.example_gen --source FILE --output-dir DIR``."""

import argparse
import os
import sys

from components import command_line
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
    parser.add_argument("--timezone", default="UTC", help="of --newest-interval; default UTC")
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
    parser.add_argument("--features", metavar="A,B,…", help="columns to keep; default all")
    parser.add_argument(
        "--num-workers",
        type=int,
        default=os.cpu_count(),
        metavar="N",
        help="processes that encode, for large windows; default one a core",
    )
    command_line.add_output_argument(parser)
    command_line.add_run_argument(parser)
    return parser


def _execute(arguments: argparse.Namespace) -> Examples | Refusal:
    from components.example_gen import IntervalRequest, generate
    from components.example_gen.split import DEFAULT_WEIGHTS

    window = arguments.window
    if arguments.newest_interval is not None:
        window = IntervalRequest(arguments.newest_interval, arguments.timezone, arguments.ends_by)
    return generate(
        source=arguments.source,
        output_dir=arguments.output_dir,
        window=window,
        time_column=arguments.time_column,
        splits=arguments.splits if arguments.splits is not None else DEFAULT_WEIGHTS,
        features=arguments.features.split(",") if arguments.features else None,
        num_workers=arguments.num_workers,
    )


if __name__ == "__main__":
    sys.exit(command_line.run(_build_parser(), _execute))
