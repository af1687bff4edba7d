"""``python -m components.trainer``."""

import argparse
import sys

from components import command_line
from components.command_line import Result
from components.records import Examples, HyperParameters, Model, Schema, TransformGraph
from components.trainer.seeding import DEFAULT_SEED
from components.trainer.training import train


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    return command_line.run(_parser(), _execute, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.trainer",
        description="Run a user's run_fn on examples; keep the model if it can be served.",
        epilog="The last line of stdout is the Model record. Exit codes: 0 done; 1 the user's "
        "code raised or its process died; 2 wrong usage, or a model that can't be served.",
    )
    add, record, json_object = parser.add_argument, command_line.record, command_line.json_object
    add("--module-file", required=True, metavar="FILE|MODULE",
        help="Python file or dotted module with run_fn(fn_args)")  # fmt: skip
    add("--examples", required=True, type=record(Examples), metavar="RECORD",
        help="what to train on")  # fmt: skip
    add("--train-args", type=json_object, metavar="JSON",
        help='{"num_steps": N, "splits": ["train"]}; without steps the module decides')  # fmt: skip
    add("--eval-args", type=json_object, metavar="JSON", help='the same, split "eval" by default')
    add("--schema", type=record(Schema), metavar="RECORD", help="becomes fn_args.schema_path")
    add("--transform-graph", type=record(TransformGraph), metavar="RECORD",
        help="becomes fn_args.transform_graph_path")  # fmt: skip
    add("--base-model", type=_base_model, metavar="DIR|RECORD",
        help="what to start from: a model, or a serving folder: what is live there")  # fmt: skip
    add("--hyperparameters", type=_hyperparameters, metavar="JSON|RECORD",
        help="values by name, or the tuner's record")  # fmt: skip
    add("--custom-config", type=json_object, metavar="JSON", help="becomes fn_args.custom_config")
    add("--serving-examples", type=record(Examples), metavar="RECORD",
        help="what to ask the finished model, where --examples are transformed")  # fmt: skip
    add("--keras", choices=("2", "3", "legacy"),
        help="what the module was written for; by default its source decides")  # fmt: skip
    add("--seed", type=int, default=DEFAULT_SEED, help="of random numbers; default %(default)s")
    add("--deterministic", action="store_true",
        help="the same weights each time on the same machine; slower")  # fmt: skip
    add("--process", type=json_object, metavar="JSON",
        help="log_level, environment, memory_limit_bytes, cpus, gpus, num_workers")  # fmt: skip
    command_line.add_output_argument(parser)
    command_line.add_run_argument(parser)
    return parser


def _hyperparameters(text: str) -> object:
    if not text.endswith(".json"):
        values = command_line.json_object(text)
        if values.get("type") != HyperParameters.__name__:
            return values
    return command_line.record(HyperParameters)(text)


def _base_model(text: str) -> Model | str:
    is_record = text.lstrip().startswith("{") or text.endswith(".json")
    return command_line.record(Model)(text) if is_record else text


def _execute(parsed: argparse.Namespace) -> Result:
    return train(**vars(parsed))


if __name__ == "__main__":
    sys.exit(main())
