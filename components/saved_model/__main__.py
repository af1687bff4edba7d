"""``python -m components.saved_model VERB``."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from components import command_line, signing
from components.command_line import Result
from components.records import Blessing, Examples, Model


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    return command_line.run(_parser(), lambda given: _VERBS[given.verb](given), argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.saved_model",
        description="Look into SavedModels, and rewrite them.",
        epilog="The last line of stdout is the result as JSON. Exit codes: 0 done; 1 a fault; "
        "2 wrong usage, or a model that can't be read or rewritten; 3 a blessing refuses it.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_inspect(verbs)
    _add_rewrite(verbs)
    return parser


def _add_inspect(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "say what a SavedModel is made of and how fit it is to be fine-tuned; nothing is run"
    parser = verbs.add_parser("inspect", help=text, description=text)
    parser.add_argument(
        "model", metavar="MODEL", help="directory, .tar.gz or .zip, or a TF Hub address"
    )
    parser.add_argument(
        "--model-card", type=Path, metavar="FILE", help="write what was found as Markdown"
    )


def _add_rewrite(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "write a model as TFLite, if it answers real examples as the SavedModel does"
    parser = verbs.add_parser("rewrite", help=text, description=text)
    add, record = parser.add_argument, command_line.record
    add("--model", required=True, type=record(Model), metavar="RECORD", help="the trained model")
    add("--examples", required=True, type=record(Examples), metavar="RECORD",
        help="what to compare the answers on; for int8 also what to learn from")  # fmt: skip
    add("--blessing", action="append", default=[], type=record(Blessing), metavar="RECORD",
        help="of the trained model: rewritten only if it is positive; repeat for each")  # fmt: skip
    add("--quantization", default="none", choices=["none", "dynamic", "float16", "int8"],
        help="dynamic: 8-bit weights; int8: 8-bit arithmetic too; default: none")  # fmt: skip
    add("--signature-name", metavar="NAME",
        help="default: serving_default, or the one that takes tensors where that takes serialized "
        "examples, which TFLite can't parse")  # fmt: skip
    add("--tolerance", type=float, metavar="PART",
        help="how far answers may be off, as a part of each output's range; default: 0.0001, "
        "float16 0.01, dynamic and int8 0.1")  # fmt: skip
    add("--split-name", metavar="NAME", help="default: eval, or the first")
    add("--num-examples", type=int, default=200, metavar="N", help="default: %(default)s")
    command_line.add_output_argument(parser)
    command_line.add_run_argument(parser)


def _rewrite(given: argparse.Namespace) -> Result:
    from components.saved_model.rewriting import rewrite_model

    arguments = dict(vars(given))
    del arguments["verb"]
    blessings = arguments.pop("blessing")
    key = signing.take_key_from_environment()
    return rewrite_model(**arguments, blessings=blessings, signing_key=key)


def _inspect(given: argparse.Namespace) -> Result:
    from components.saved_model.handle import resolve
    from components.saved_model.inspection import inspect, model_card

    found = inspect(resolve(given.model))
    card = model_card(found, title=Path(given.model).name)
    if given.model_card is None:
        sys.stderr.write(card)
    else:
        given.model_card.write_text(card, encoding="utf-8")
    return found


_VERBS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "inspect": _inspect,
    "rewrite": _rewrite,
}


if __name__ == "__main__":
    sys.exit(main())
