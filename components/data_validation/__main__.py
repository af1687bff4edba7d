"""``python -m components.data_validation VERB``."""

import argparse
import sys
from pathlib import Path

from components import command_line
from components.records import Blessing, Examples, Schema, Statistics


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; ``verb`` says which was chosen."""
    parser = argparse.ArgumentParser(
        prog="python -m components.data_validation",
        description="Look at examples, guess their schema, judge them by one.",
        epilog="Exit codes: 0 done or blessed; 1 a fault; 2 wrong usage or input; 3 not blessed.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _statistics(verbs.add_parser("statistics", help="what is in examples, by split and slice"))
    _schema(verbs.add_parser("schema", help="guess from statistics what examples shall be"))
    _validate(verbs.add_parser("validate", help="judge examples: a data blessing"))
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    return command_line.run(build_parser(), lambda given: _VERBS[given.verb](given), argv)


def _statistics(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--examples", required=True, type=command_line.record(Examples), metavar="RECORD")
    add("--splits", action="append", default=[], metavar="NAME", help="repeat; default: all")
    add("--slice-features", action="append", default=[], metavar="NAME",
        help="repeat: each value of the feature makes a data set of its own")  # fmt: skip
    add("--baseline", type=command_line.record(Statistics), metavar="RECORD",
        help="statistics of the published model's data, shown beside these")  # fmt: skip
    _shared(parser)


def _schema(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--statistics", required=True, type=command_line.record(Statistics), metavar="RECORD")
    add("--split", metavar="NAME", help="default: train, or the first")
    add("--max-domain-size", type=int, default=100, metavar="N",
        help="texts with more different values get no domain; default: %(default)s")  # fmt: skip
    add("--curated", type=Path, metavar="FILE", help="a schema.pbtxt to take instead of guessing")
    _shared(parser)


def _validate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--examples", required=True, type=command_line.record(Examples), metavar="RECORD")
    add("--statistics", required=True, type=command_line.record(Statistics), metavar="RECORD",
        help="of exactly these examples")  # fmt: skip
    add("--schema", required=True, metavar="RECORD|FILE", help="a Schema record, or schema.pbtxt")
    add("--baseline", type=command_line.record(Statistics), metavar="RECORD",
        help="statistics of the published model's data, for drift")  # fmt: skip
    add("--environment", metavar="NAME", help="of the schema's environments")
    add("--exclude-splits", action="append", default=[], metavar="NAME", help="repeat")
    _shared(parser)


def _shared(parser: argparse.ArgumentParser) -> None:
    command_line.add_output_argument(parser)
    command_line.add_run_argument(parser)


def _run_statistics(given: argparse.Namespace) -> Statistics:
    from components.data_validation.statistics_generation import generate_statistics

    return generate_statistics(
        examples=given.examples,
        splits=given.splits,
        slice_features=given.slice_features,
        baseline=given.baseline,
        output_dir=given.output_dir,
        run=given.run,
    )


def _run_schema(given: argparse.Namespace) -> Schema:
    from components.data_validation.schema_inference import infer_schema

    return infer_schema(
        statistics=given.statistics,
        split=given.split,
        max_domain_size=given.max_domain_size,
        curated=given.curated,
        output_dir=given.output_dir,
        run=given.run,
    )


def _run_validate(given: argparse.Namespace) -> Blessing:
    from components.data_validation.validation import validate

    return validate(
        examples=given.examples,
        statistics=given.statistics,
        schema=_read_schema(given.schema),
        baseline=given.baseline,
        environment=given.environment,
        exclude_splits=given.exclude_splits,
        output_dir=given.output_dir,
        run=given.run,
    )


def _read_schema(text: str) -> Schema | Path:
    if text.lstrip().startswith("{") or text.endswith(".json"):
        read: Schema = command_line.record(Schema)(text)
        return read
    return Path(text)


_VERBS = {"statistics": _run_statistics, "schema": _run_schema, "validate": _run_validate}


if __name__ == "__main__":
    sys.exit(main())
