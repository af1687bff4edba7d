"""``python -m components.tuner``."""

import argparse
import sys

from components import command_line
from components.command_line import Result
from components.records import Examples, Schema, TransformGraph
from components.trainer.seeding import DEFAULT_SEED
from components.tuner.tuning import tune


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    return command_line.run(_parser(), _execute, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.tuner",
        description="Search hyperparameters by a user's tuner_fn. The same command goes on with a "
        "search that was killed.",
        epilog="The last line of stdout is the HyperParameters record. Exit codes: 0 done; 1 the "
        "user's code raised, or no trial was finished; 2 wrong usage or input.",
    )
    add, record, json_object = parser.add_argument, command_line.record, command_line.json_object
    add("--module-file", required=True, metavar="FILE|MODULE",
        help="Python file or dotted module with tuner_fn(fn_args)")  # fmt: skip
    add("--examples", required=True, type=record(Examples), metavar="RECORD",
        help="what to train and evaluate on")  # fmt: skip
    add("--train-args", type=json_object, metavar="JSON",
        help='of each trial: {"num_steps": N, "splits": ["train"]}')  # fmt: skip
    add("--eval-args", type=json_object, metavar="JSON", help='the same, split "eval" by default')
    add("--tune-args", type=json_object, metavar="JSON",
        help='{"num_parallel_trials": N, "max_trials": N, "max_seconds": S}')  # fmt: skip
    add("--schema", type=record(Schema), metavar="RECORD", help="becomes fn_args.schema_path")
    add("--transform-graph", type=record(TransformGraph), metavar="RECORD",
        help="becomes fn_args.transform_graph_path")  # fmt: skip
    add("--custom-config", type=json_object, metavar="JSON", help="becomes fn_args.custom_config")
    add("--keras", type=int, choices=(2, 3),
        help="what the module was written for; by default its source decides")  # fmt: skip
    add("--seed", type=int, default=DEFAULT_SEED, help="of random numbers; default %(default)s")
    add("--process", type=json_object, metavar="JSON",
        help="of each worker: log_level, environment, memory_limit_bytes, cpus, gpus")  # fmt: skip
    command_line.add_output_argument(parser)
    command_line.add_run_argument(parser)
    return parser


def _execute(parsed: argparse.Namespace) -> Result:
    return tune(**vars(parsed))


if __name__ == "__main__":
    sys.exit(main())
