"""``python -m components.pusher VERB``."""

import argparse
import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components import artifacts, command_line, pusher, records, signing
from components.command_line import Result
from components.errors import ConfigurationError, RecordError
from components.pusher import request as requests
from components.pusher.lock import TIMEOUT_SECONDS
from components.pusher.status import FolderStatus, table
from components.records import Model

Verb = Callable[[argparse.Namespace], Result]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    return command_line.run(_parser(), lambda arguments: arguments.verb(arguments), argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.pusher",
        description="Publish a blessed model to a serving folder, go back, and look what is live.",
        epilog="The last line of stdout is JSON. Exit codes: 0 done; 1 a fault, try again; "
        "2 wrong usage or input; 3 refused, or lint found something.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_push(verbs.add_parser("push", help="publish a model", description=pusher.push.__doc__))
    _add_rollback(verbs.add_parser("rollback", help="withdraw the live version"))
    _add_decisions(verbs)
    status = _folder(verbs.add_parser("status", help="what is live, on hold, in quarantine"))
    status.set_defaults(verb=lambda arguments: _shown(pusher.status(**_base(arguments))))
    lint = _folder(verbs.add_parser("lint", help="what will go wrong in a folder"))
    lint.set_defaults(verb=_lint)
    return parser


def _add_push(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Publish a model if its blessings allow it."
    add = parser.add_argument
    add("--model", metavar="RECORD|DIR", help="a Model record, or a SavedModel directory")
    add("--blessing", action="append", default=[], type=_blessing, metavar="RECORD",
        help="repeat for each")  # fmt: skip
    add("--base-directory", required=True, metavar="DIR", help="the folder that the server polls")
    add("--required-kind", action="append", metavar="KIND",
        help="repeat for each; default: evaluation and infra")  # fmt: skip
    add("--version", help="default: the end of the data window, YYYYMMDDhhmmss")
    add("--window", type=command_line.window, metavar="START/END",
        help="what a SavedModel directory has seen")  # fmt: skip
    add("--keep-versions", type=int, default=5, metavar="N", help="at least 2; default: 5")
    add("--allow-older", action="store_true", help="even over a model that has seen newer data")
    add("--confirm", type=command_line.json_object, metavar="JSON",
        help='servers that must serve it: {"urls": ["http://HOST:8501"], "model_name": NAME, '
        '"timeout_seconds": 360}')  # fmt: skip
    add("--reevaluate-with", type=command_line.json_object, metavar="JSON",
        help='evaluate again if something else became live: {"examples": PATH, "eval_config": '
        'PATH, "example_splits": [], "first_run": "bless"}')  # fmt: skip
    add("--output-dir", type=Path, metavar="DIR", help="write the result's record.json there too")
    command_line.add_run_argument(parser)
    _add_lock_timeout(parser)
    parser.set_defaults(verb=_push)


def _add_rollback(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Withdraw the live version in favour of the one below it, put it in quarantine, and hold "
        "all pushes until 'resume': otherwise the next run publishes the same defect."
    )
    _folder(parser).add_argument(
        "--reason", required=True, help="kept, and shown to who is refused"
    )
    parser.add_argument(
        "--from-version", metavar="VERSION", help="only if this one is live; to be sure"
    )
    parser.add_argument(
        "--hold",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="hold all pushes until 'resume' (default); --no-hold lets the next run publish",
    )
    _add_by(parser)
    command_line.add_run_argument(parser)
    _add_lock_timeout(parser)
    parser.set_defaults(verb=_rollback)


def _add_decisions(verbs: Any) -> None:
    hold = _folder(verbs.add_parser("hold", help="refuse all pushes until resume"))
    hold.add_argument("--reason", required=True)
    _add_by(hold)
    command_line.add_run_argument(hold)
    hold.set_defaults(
        verb=lambda a: _shown(pusher.hold(reason=a.reason, by=a.by, run=a.run, **_locking(a)))
    )
    resume = _folder(verbs.add_parser("resume", help="end a hold"))
    resume.set_defaults(verb=lambda a: _shown(pusher.resume(**_locking(a))))
    release = _folder(verbs.add_parser("release", help="lift the quarantine of a version"))
    release.add_argument("version")
    _add_by(release)
    release.set_defaults(
        verb=lambda a: _shown(pusher.release(version=a.version, by=a.by, **_locking(a)))
    )
    pin = _folder(verbs.add_parser("pin", help="keep a version from being removed by retention"))
    pin.add_argument("version")
    pin.add_argument("--reason", default="")
    pin.add_argument("--remove", action="store_true", help="end the pin")
    _add_by(pin)
    pin.set_defaults(verb=_pin)
    for parser in (hold, resume, release, pin):
        _add_lock_timeout(parser)


def _folder(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("base_directory", metavar="DIR", help="the folder that the server polls")
    return parser


def _add_by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", default=_user(), metavar="NAME", help="who; default: %(default)s")


def _add_lock_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock-timeout-seconds", type=float, default=TIMEOUT_SECONDS, metavar="SECONDS",
        help="how long to wait for another writer; default: %(default)g",
    )  # fmt: skip


def _push(arguments: argparse.Namespace) -> Result:
    signing_key = signing.take_key_from_environment()
    result = pusher.push(
        model=_read_model(arguments),
        blessings=arguments.blessing,
        push_destination={"filesystem": {"base_directory": arguments.base_directory}},
        required_kinds=arguments.required_kind or requests.REQUIRED_KINDS,
        version=arguments.version,
        keep_versions=arguments.keep_versions,
        allow_older=arguments.allow_older,
        confirm=arguments.confirm,
        reevaluate_with=arguments.reevaluate_with,
        run=arguments.run,
        signing_key=signing_key,
        lock_timeout_seconds=arguments.lock_timeout_seconds,
    )
    if arguments.output_dir is not None:
        with artifacts.new_directory(arguments.output_dir) as directory:
            artifacts.write_record(result, directory)
    _say(result)
    return result


def _read_model(arguments: argparse.Namespace) -> Model | None:
    given: str | None = arguments.model
    if given is None or given.lstrip().startswith("{") or not Path(given).is_dir():
        if arguments.window is not None:
            raise ConfigurationError(
                "--window is for a SavedModel directory; a Model record has its own"
            )
        return None if given is None else _load_model(given)
    if arguments.window is None and arguments.version is None:
        raise ConfigurationError(
            f"--model {given!r} is a directory, which doesn't say what data it has seen; give "
            "--window START/END or --version NUMBER, or the Model record"
        )
    manifest = artifacts.read_manifest(given)
    return Model(
        uri=str(Path(given).absolute()),
        digest=manifest.digest,
        num_bytes=manifest.num_bytes,
        window=arguments.window,
    )


def _load_model(given: str) -> Model:
    record = records.load(given)
    if not isinstance(record, Model):
        raise RecordError(f"--model {given!r} holds a {type(record).__name__}; expected a Model")
    return record


def _rollback(arguments: argparse.Namespace) -> Result:
    result = pusher.rollback(
        reason=arguments.reason,
        from_version=arguments.from_version,
        by=arguments.by,
        hold=arguments.hold,
        run=arguments.run,
        **_locking(arguments),
    )
    _say(result)
    return result


def _pin(arguments: argparse.Namespace) -> Result:
    return _shown(
        pusher.pin(
            version=arguments.version,
            reason=arguments.reason,
            by=arguments.by,
            remove=arguments.remove,
            **_locking(arguments),
        )
    )


def _lint(arguments: argparse.Namespace) -> Result:
    report = pusher.lint(**_base(arguments))
    for finding in report.findings:
        _tell(f"{finding.check}: {finding.message}")
    return report


def _shown(status: FolderStatus) -> FolderStatus:
    _tell(table(status))
    return status


def _say(result: records.PushedModel | records.Refusal) -> None:
    findings = result.findings
    if isinstance(result, records.PushedModel):
        _tell(f"live: {result.version} at {result.uri} ({result.outcome})")
    for finding in findings:
        _tell(f"{finding.check}: {finding.message}")


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def _base(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"base_directory": arguments.base_directory}


def _locking(arguments: argparse.Namespace) -> dict[str, Any]:
    return {**_base(arguments), "lock_timeout_seconds": arguments.lock_timeout_seconds}


def _blessing(text: str) -> dict[str, Any]:
    """Read JSON; whether it is a blessing is the pusher's to judge."""
    try:
        is_path = not text.lstrip().startswith("{")
        return requests.read_object(Path(text).read_text(encoding="utf-8") if is_path else text)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f"no blessing can be read from {text!r}: {error}; give the path of its record.json"
        ) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


if __name__ == "__main__":
    sys.exit(main())
