"""``python -m components.evaluator``: judge a model; ``… history``: what earlier runs found."""

import argparse
import sys
from pathlib import Path

from components import command_line, installation
from components.evaluator.engine_choice import ENGINE_NAMES
from components.evaluator.model_history import History, read_history
from components.records import Blessing, Examples, Model


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        prog="python -m components.evaluator",
        description="Measure a model on examples, compare it with what is live, and judge it by "
        "thresholds. Exit codes: 0 blessed, 3 not blessed, 1 a fault, 2 wrong usage or input.",
        epilog="What earlier runs found: python -m components.evaluator history --help",
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
    add("--engine", choices=ENGINE_NAMES, default="local",
        help="on this machine (default), or by Apache Beam, to the same numbers")  # fmt: skip
    add("--beam-pipeline-args", action="append", default=[], metavar="OPTION",
        help="repeat: one of Beam's options, as --beam-pipeline-args=--runner=…")  # fmt: skip
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
        engine=arguments.engine,
        beam_pipeline_args=arguments.beam_pipeline_args,
        output_dir=arguments.output_dir,
        run=arguments.run,
    )


def build_history_parser() -> argparse.ArgumentParser:
    """Return the parser of ``history``."""
    parser = argparse.ArgumentParser(
        prog="python -m components.evaluator history",
        description="Show what the runs of a DAG found: metrics by data window. Reads only. What "
        "can't be read is named. Exit codes: 0 shown, 2 wrong usage.",
    )
    add = parser.add_argument
    add("--artifacts", type=Path, metavar="DIR", default=installation.artifacts_root(),
        help="their root; default: $IMPRIMATUR_ARTIFACTS, or $AIRFLOW_HOME/artifacts")  # fmt: skip
    add("--dag-id", required=True, metavar="DAG", help="whose runs")
    add("--base-directory", type=Path, metavar="DIR",
        help="the serving folder: what became of the models")  # fmt: skip
    add("--window", type=command_line.window, metavar="START/END",
        help="only evaluations of data within, for instance 2013-01-01/2014-01-01")  # fmt: skip
    add("--slice", type=command_line.json_object, metavar="JSON",
        help='of which slice, as {"origin": "JFK"}; default: of all examples')  # fmt: skip
    add("--metric", action="append", default=[], metavar="NAME",
        help="repeat; default: those with thresholds")  # fmt: skip
    add("--output", type=Path, metavar="FILE", help="write a page with pictures, as HTML")
    return parser


def show_history(arguments: argparse.Namespace) -> History:
    """Read the history, write its table to stderr, and its page if that is asked for.

    Raises:
        ConfigurationError: no evaluation has such a slice, or such a metric.
    """
    from components.evaluator.history_page import check_measured, table, write_page

    history = read_history(
        artifacts_root=arguments.artifacts,
        dag_id=arguments.dag_id,
        base_directory=arguments.base_directory,
        window=arguments.window,
        slice=arguments.slice,
    )
    check_measured(history, arguments.metric)
    sys.stderr.write(table(history, arguments.metric) + "\n")
    if arguments.output is not None:
        write_page(history, arguments.output, arguments.metric)
    return history


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["history"]:
        return command_line.run(build_history_parser(), show_history, words[1:])
    return command_line.run(build_parser(), execute, words)


if __name__ == "__main__":
    sys.exit(main())
