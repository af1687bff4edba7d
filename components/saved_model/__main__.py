"""``python -m components.saved_model VERB``."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from components import command_line
from components.command_line import Result


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    return command_line.run(_parser(), lambda given: _VERBS[given.verb](given), argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.saved_model",
        description="Look into SavedModels, and rewrite them.",
        epilog="The last line of stdout is the result as JSON. Exit codes: 0 done; 1 a fault; "
        "2 wrong usage, or a model that can't be read or rewritten.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_inspect(verbs)
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


_VERBS: dict[str, Callable[[argparse.Namespace], Result]] = {"inspect": _inspect}


if __name__ == "__main__":
    sys.exit(main())
