"""``python -m components.transform``."""

import argparse
import sys

from components import command_line
from components.records import Examples, Schema, TransformGraph


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        prog="python -m components.transform",
        description="Run a preprocessing_fn by tf.Transform, or adapt preprocessing_layers of "
        "Keras; write the graph that training and serving share.",
        epilog="Exit codes: 0 done; 1 a fault, the user's code raised among them; 2 wrong usage "
        "or input.",
    )
    add = parser.add_argument
    add("--examples", required=True, type=command_line.record(Examples), metavar="RECORD")
    add("--schema", required=True, metavar="RECORD|FILE", help="a Schema record, or schema.pbtxt")
    add(
        "--module-file",
        required=True,
        metavar="FILE",
        help="with preprocessing_fn or preprocessing_layers",
    )
    add("--analyze-splits", action="append", metavar="NAME", help="repeat; default: train")
    add("--transform-splits", action="append", default=[], metavar="NAME",
        help="repeat: splits to write transformed; default: none")  # fmt: skip
    add("--custom-config", type=command_line.json_object, metavar="JSON",
        help="handed to the function")  # fmt: skip
    add("--beam-pipeline-args", action="append", default=[], metavar="OPTION",
        help="repeat: one of Beam's options, as --beam-pipeline-args=--runner=…")  # fmt: skip
    add("--analyzer-cache", metavar="DIR",
        help="where tf.Transform's analyzers keep what they found in each window")  # fmt: skip
    add("--earlier-examples", action="append", default=[], type=command_line.record(Examples),
        metavar="RECORD", help="repeat: other windows, to be analyzed as well")  # fmt: skip
    command_line.add_output_argument(parser)
    command_line.add_run_argument(parser)
    return parser


def execute(given: argparse.Namespace) -> TransformGraph:
    """Transform."""
    from components.transform.transformation import transform

    text: str = given.schema
    is_record = text.lstrip().startswith("{") or text.endswith(".json")
    return transform(
        examples=given.examples,
        schema=command_line.record(Schema)(text) if is_record else text,
        module_file=given.module_file,
        analyze_splits=given.analyze_splits or ("train",),
        transform_splits=given.transform_splits,
        custom_config=given.custom_config,
        beam_pipeline_args=given.beam_pipeline_args,
        analyzer_cache=given.analyzer_cache,
        earlier_examples=given.earlier_examples,
        output_dir=given.output_dir,
        run=given.run,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    return command_line.run(build_parser(), execute, argv)


if __name__ == "__main__":
    sys.exit(main())
