"""The arguments of ``python -m components.pusher``."""

import argparse
import getpass
from pathlib import Path
from typing import Any

from components import command_line
from components.errors import ConfigurationError
from components.pusher import request as requests
from components.pusher.lock import TIMEOUT_SECONDS

Parser = argparse.ArgumentParser


def build_parser() -> Parser:
    """Return the parser; ``verb`` says which was chosen."""
    parser = Parser(
        prog="python -m components.pusher",
        description="Publish a blessed model to a serving folder, go back, and look what is live.",
        epilog="The last line of stdout is JSON. Exit codes: 0 done; 1 a fault, try again; "
        "2 wrong usage or input; 3 refused, or lint found something.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _push(verbs.add_parser("push", help="publish a model, if its blessings allow it"))
    _rollback(_folder(verbs, "rollback", "withdraw the live version"))
    _folder(verbs, "status", "what is live, on hold, in quarantine")
    _folder(verbs, "lint", "what will go wrong in a folder")
    _hold(_folder(verbs, "hold", "refuse all pushes until resume"))
    _lock_timeout(_folder(verbs, "resume", "end a hold"))
    _release(_folder(verbs, "release", "lift the quarantine of a version"))
    _pin(_folder(verbs, "pin", "keep a version from being removed by retention"))
    mirror = _folder(verbs, "mirror", "bring what is live to a bucket")
    mirror.add_argument("--to", required=True, metavar="URL", help="s3://BUCKET/PREFIX")
    mirror.add_argument("--again", action="store_true",
        help="upload everything anew: the bucket was damaged")  # fmt: skip
    _pull(verbs.add_parser("pull", help="bring what a bucket points to into a local folder"))
    return parser


def _push(parser: Parser) -> None:
    add = parser.add_argument
    add("--model", metavar="RECORD|DIR", help="a Model record, or a SavedModel directory")
    add("--blessing", action="append", default=[], type=_blessing, metavar="RECORD",
        help="repeat for each")  # fmt: skip
    _base_directory(parser)
    add("--required-kind", action="append", metavar="KIND",
        help="repeat for each; default: evaluation and infra")  # fmt: skip
    add("--version", help="default: the end of the data window, YYYYMMDDhhmmss")
    add("--window", type=command_line.window, metavar="START/END",
        help="what a SavedModel directory has seen")  # fmt: skip
    _keep_versions(parser)
    add("--allow-older", action="store_true", help="even over a model that has seen newer data")
    add("--confirm", type=command_line.json_object, metavar="JSON",
        help='servers that must serve it: {"urls": ["http://HOST:8501"], "model_name": NAME, '
        '"timeout_seconds": 360}')  # fmt: skip
    add("--reevaluate-with", type=command_line.json_object, metavar="JSON",
        help='evaluate again if something else became live: {"examples": PATH, "eval_config": '
        'PATH, "example_splits": [], "first_run": "bless", "missing_slice": "fail", '
        '"without_thresholds": false}')  # fmt: skip
    add("--model-signing-key", metavar="PEM",
        help="give the version an OpenSSF model signature by this private key")  # fmt: skip
    add("--output-dir", type=Path, metavar="DIR", help="write the result's record.json there too")
    command_line.add_run_argument(parser)
    _lock_timeout(parser)


def _rollback(parser: Parser) -> None:
    parser.description = (
        "Withdraw the live version in favour of the one below it, put it in quarantine, and hold "
        "all pushes until 'resume': otherwise the next run publishes the same defect."
    )
    add = parser.add_argument
    add("--reason", required=True, help="kept, and shown to whoever is refused because of it")
    add("--from-version", metavar="VERSION", help="only if this one is live; to be sure")
    add("--hold", action=argparse.BooleanOptionalAction, default=True,
        help="hold all pushes until 'resume' (default); "
        "--no-hold lets the next run publish")  # fmt: skip
    _by(parser)
    command_line.add_run_argument(parser)
    _lock_timeout(parser)


def _hold(parser: Parser) -> None:
    parser.add_argument("--reason", required=True, help="shown to whoever is refused")
    _by(parser)
    command_line.add_run_argument(parser)
    _lock_timeout(parser)


def _release(parser: Parser) -> None:
    parser.add_argument("version", help="its number when it was withdrawn")
    parser.add_argument("--reason", help="kept with the quarantine")
    _by(parser)
    _lock_timeout(parser)


def _pin(parser: Parser) -> None:
    parser.add_argument("version")
    parser.add_argument("--reason", default="", help="shown by status")
    parser.add_argument("--remove", action="store_true", help="end the pin")
    _by(parser)
    _lock_timeout(parser)


def _pull(parser: Parser) -> None:
    parser.add_argument("--from", required=True, dest="source", metavar="URL",
        help="s3://BUCKET/PREFIX, filled by mirror")  # fmt: skip
    _base_directory(parser)
    _keep_versions(parser)
    parser.add_argument("--required-kind", action="append", metavar="KIND",
        help="blessings it must have been pushed with; default: evaluation and infra")  # fmt: skip
    parser.add_argument("--every", type=float, metavar="SECONDS",
        help="go on for ever; a fault is logged and tried again")  # fmt: skip
    command_line.add_run_argument(parser)
    _lock_timeout(parser)


def _folder(verbs: Any, name: str, text: str) -> Parser:
    parser: Parser = verbs.add_parser(name, help=text)
    parser.add_argument("base_directory", metavar="DIR", help="the folder that the server polls")
    return parser


def _base_directory(parser: Parser) -> None:
    parser.add_argument("--base-directory", required=True, metavar="DIR",
        help="the folder that the server polls; made if it doesn't exist")  # fmt: skip


def _keep_versions(parser: Parser) -> None:
    parser.add_argument("--keep-versions", type=int, default=5, metavar="N",
        help="at least 2; default: 5")  # fmt: skip


def _by(parser: Parser) -> None:
    parser.add_argument("--by", default=_user(), metavar="NAME", help="who; default: %(default)s")


def _lock_timeout(parser: Parser) -> None:
    parser.add_argument("--lock-timeout-seconds", type=float, metavar="SECONDS",
        default=TIMEOUT_SECONDS,
        help="how long to wait for another writer; default: %(default)g")  # fmt: skip


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _blessing(text: str) -> dict[str, Any] | requests.Unreadable:
    """Read JSON; whether it is a blessing is the pusher's to judge."""
    try:
        is_path = not text.lstrip().startswith("{")
        data = Path(text).read_bytes() if is_path else text.encode(errors="surrogateescape")
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"no blessing can be read from {text!r}: {error}; give the path of its record.json"
        ) from error
    try:
        return requests.read_object(data.decode())
    except (UnicodeDecodeError, ConfigurationError) as error:
        return requests.Unreadable(f"{text[:200]!r}: {error}")
