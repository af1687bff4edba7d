"""``python -m components.pusher VERB``."""

import argparse
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components import artifacts, command_line, pusher, records, signing
from components.command_line import Result
from components.errors import ConfigurationError, ImprimaturError, RecordError
from components.pusher import request as requests
from components.pusher.arguments import build_parser
from components.pusher.status import FolderStatus, table
from components.records import Model, PushedModel, Refusal

_log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see ``--help``."""
    return command_line.run(build_parser(), lambda given: _VERBS[given.verb](given), argv)


def _push(given: argparse.Namespace) -> Result:
    signing_key = signing.take_key_from_environment()
    if given.output_dir is not None:
        artifacts.check_replaceable(given.output_dir)
    result = pusher.push(
        model=_read_model(given),
        blessings=given.blessing,
        push_destination={"filesystem": {"base_directory": given.base_directory}},
        required_kinds=given.required_kind or requests.REQUIRED_KINDS,
        version=given.version,
        keep_versions=given.keep_versions,
        allow_older=given.allow_older,
        confirm=given.confirm,
        reevaluate_with=given.reevaluate_with,
        run=given.run,
        signing_key=signing_key,
        model_signing_key=given.model_signing_key,
        lock_timeout_seconds=given.lock_timeout_seconds,
    )
    if given.output_dir is not None:
        with artifacts.new_directory(given.output_dir) as directory:
            artifacts.write_record(result, directory)
    return _said(result)


def _read_model(given: argparse.Namespace) -> Model | None:
    text: str | None = given.model
    if text is None or text.lstrip().startswith("{") or not Path(text).is_dir():
        if given.window is not None:
            raise ConfigurationError(
                "--window is for a SavedModel directory; a Model record has its own"
            )
        return None if text is None else _load_model(text)
    if given.window is None and given.version is None:
        raise ConfigurationError(
            f"--model {text!r} is a directory, which doesn't say what data it has seen; give "
            "--window START/END or --version NUMBER, or the Model record"
        )
    manifest = artifacts.read_manifest(text)
    uri = str(Path(text).absolute())
    return Model(uri=uri, digest=manifest.digest, num_bytes=manifest.num_bytes, window=given.window)


def _load_model(text: str) -> Model:
    record = records.load(text)
    if not isinstance(record, Model):
        raise RecordError(f"--model {text!r} holds a {type(record).__name__}; expected a Model")
    return record


def _rollback(given: argparse.Namespace) -> Result:
    result = pusher.rollback(
        reason=given.reason,
        from_version=given.from_version,
        by=given.by,
        hold=given.hold,
        run=given.run,
        **_locking(given),
    )
    return _said(result)


def _status(given: argparse.Namespace) -> Result:
    _check_there(given.base_directory)
    return _shown(pusher.status(base_directory=given.base_directory))


def _lint(given: argparse.Namespace) -> Result:
    _check_there(given.base_directory)
    report = pusher.lint(base_directory=given.base_directory)
    for finding in (*report.findings, *report.notes):
        _tell(f"{finding.check}: {finding.message}")
    return report


def _hold(given: argparse.Namespace) -> Result:
    return _shown(pusher.hold(reason=given.reason, by=given.by, run=given.run, **_locking(given)))


def _resume(given: argparse.Namespace) -> Result:
    return _shown(pusher.resume(**_locking(given)))


def _release(given: argparse.Namespace) -> Result:
    return _shown(
        pusher.release(version=given.version, reason=given.reason, by=given.by, **_locking(given))
    )


def _pin(given: argparse.Namespace) -> Result:
    return _shown(
        pusher.pin(
            version=given.version,
            reason=given.reason,
            by=given.by,
            remove=given.remove,
            **_locking(given),
        )
    )


def _mirror(given: argparse.Namespace) -> Result:
    return pusher.mirror(base_directory=given.base_directory, to=given.to, again=given.again)


def _pull(given: argparse.Namespace) -> Result:
    signing_key = signing.take_key_from_environment()

    def pull_once() -> Result:
        return _said(
            pusher.pull(
                source=given.source,
                keep_versions=given.keep_versions,
                required_kinds=given.required_kind or requests.REQUIRED_KINDS,
                run=given.run,
                signing_key=signing_key,
                **_locking(given),
            )
        )

    while given.every is not None:
        try:
            pull_once()
        except ImprimaturError as error:
            _log.error("%s; trying again in %g s", error, given.every)
        time.sleep(given.every)
    return pull_once()


def _check_there(base_directory: str) -> None:
    base = requests.read_destination({"filesystem": {"base_directory": base_directory}})
    if not base.exists():
        raise ConfigurationError(
            f"there is no serving folder {base_directory!r}; give the directory that the server "
            "polls"
        )


def _shown(status: FolderStatus) -> FolderStatus:
    _tell(table(status))
    return status


def _said(result: PushedModel | Refusal) -> PushedModel | Refusal:
    if isinstance(result, PushedModel):
        _tell(f"live: {result.version} at {result.uri} ({result.outcome})")
    for finding in result.findings:
        _tell(f"{finding.check}: {finding.message}")
    return result


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def _locking(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "base_directory": given.base_directory,
        "lock_timeout_seconds": given.lock_timeout_seconds,
    }


_VERBS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "push": _push,
    "rollback": _rollback,
    "status": _status,
    "lint": _lint,
    "hold": _hold,
    "resume": _resume,
    "release": _release,
    "pin": _pin,
    "mirror": _mirror,
    "pull": _pull,
}


if __name__ == "__main__":
    sys.exit(main())
