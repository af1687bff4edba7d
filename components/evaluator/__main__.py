"""``python -m components.evaluator``: judge a model."""

import argparse
import sys
from pathlib import Path

from components import command_line
from components.records import Blessing, Examples, Model


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        prog="python -m components.evaluator",
        description="Measure a model on examples, compare it with what is live, and judge it by "
        "thresholds. Exit codes: 0 blessed, 3 not blessed, 1 a fault, 2 wrong usage or input.",
    )
    add = parser.add_argument
    add("--model", required=True, type=_model, metavar="RECORD|DIR",
        help="a Model record, or a SavedModel directory")  # fmt: skip
    add("--examples", required=True, type=command_line.record(Examples), metavar="RECORD",
        help="an Examples record: what to measure on")  # fmt: skip
    add("--eval-config", required=True, metavar="FILE|JSON",
        help="TFMA's EvalConfig, as JSON or as text in a .pbtxt")  # fmt: skip
    add("--baseline", metavar="DIR|RECORD",
        help="what to compare with: a serving folder, whose live version counts and which needn't "
        "exist yet; or a Model record or SavedModel directory")  # fmt: skip
    add("--first-run", choices=("bless", "refuse"), default="bless",
        help="where there is nothing to compare with: bless if all but the change thresholds "
        "hold, or refuse (default: bless)")  # fmt: skip
    add("--missing-slice", choices=("fail", "pass"), default="fail",
        help="what holds where no example belongs to a threshold's slices")  # fmt: skip
    add("--without-thresholds", action="store_true",
        help="measure only: the eval config has no thresholds, on purpose")  # fmt: skip
    add("--example-splits", action="append", metavar="SPLIT",
        help="what to measure on; may be repeated (default: eval)")  # fmt: skip
    command_line.add_output_argument(parser)
    command_line.add_run_argument(parser)
    return parser


def _model(text: str) -> Model | Path:
    if not text.lstrip().startswith("{") and Path(text).is_dir():
        return Path(text)
    read: Model = command_line.record(Model)(text)
    return read


def execute(arguments: argparse.Namespace) -> Blessing:
    """Evaluate, out of reach of the signing key: a SavedModel is a program."""
    from components.evaluator import evaluate

    return evaluate(
        model=arguments.model,
        examples=arguments.examples,
        eval_config=arguments.eval_config,
        baseline=arguments.baseline,
        first_run=arguments.first_run,
        missing_slice=arguments.missing_slice,
        without_thresholds=arguments.without_thresholds,
        example_splits=arguments.example_splits,
        output_dir=arguments.output_dir,
        run=arguments.run,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return command_line.run(build_parser(), execute, argv)


if __name__ == "__main__":
    sys.exit(main())
