"""``python -m components.infra_validator``: prove that a model serves."""

import argparse
import sys
from pathlib import Path

from components import command_line
from components.records import Blessing, Examples, Model


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        prog="python -m components.infra_validator",
        description="Start a server on a model, ask it real examples, compare with the answers "
        "computed offline, measure it. Exit codes: 0 blessed, 3 not blessed, 1 a fault, 2 wrong "
        "usage.",
    )
    add = parser.add_argument
    add("--model", required=True, type=_model, metavar="RECORD|DIR",
        help="a Model record, or a SavedModel directory")  # fmt: skip
    add("--examples", required=True, type=command_line.record(Examples), metavar="RECORD",
        help="an Examples record: what to ask")  # fmt: skip
    add(
        "--serving-spec",
        required=True,
        type=command_line.json_object,
        metavar="JSON",
        help='what to start: {"local_process": {}}, or '
        '{"tensorflow_serving": {"tags": ["2.19.0"]}, "local_docker": {}}; with '
        '"resources": {"memory": "2Gi"} and "model_name"',
    )
    add(
        "--validation-spec",
        type=command_line.json_object,
        metavar="JSON",
        help='for instance {"max_loading_time_seconds": 300, "num_tries": 5, '
        '"max_latency_milliseconds": {"p99": 50}, "min_requests_per_second": 100, '
        '"op_policy": "refuse"}',
    )
    add(
        "--request-spec",
        type=command_line.json_object,
        metavar="JSON",
        help='for instance {"num_examples": 100, "split_name": "eval", '
        '"tensorflow_serving": {"signature_names": ["serving_default"]}, "make_warmup": true}',
    )
    command_line.add_output_argument(parser)
    command_line.add_run_argument(parser)
    return parser


def _model(text: str) -> Model | Path:
    if not text.lstrip().startswith("{") and Path(text).is_dir():
        return Path(text)
    read: Model = command_line.record(Model)(text)
    return read


def execute(arguments: argparse.Namespace) -> Blessing:
    """Validate."""
    from components.infra_validator import validate

    return validate(
        model=arguments.model,
        examples=arguments.examples,
        serving_spec=arguments.serving_spec,
        validation_spec=arguments.validation_spec,
        request_spec=arguments.request_spec,
        output_dir=arguments.output_dir,
        run=arguments.run,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return command_line.run(build_parser(), execute, argv)


if __name__ == "__main__":
    sys.exit(main())
