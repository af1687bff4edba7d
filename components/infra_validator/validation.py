"""Validates one model: a copy, a server on it, the checks, the verdict."""

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components import __version__, artifacts
from components.errors import (
    ArtifactError,
    ConfigurationError,
    InvalidModelError,
    ServerUnavailableError,
)
from components.infra_validator.checks import Trial, check
from components.infra_validator.offline import OfflineProcess
from components.infra_validator.question import make_questions, read_rows
from components.infra_validator.settings import Settings, read_settings
from components.records import Blessing, Examples, Finding, Model, Run, Subject, Validator, now

SERVER_LOG = "server.log"
_VERSION_FOLDER = "1"
_log = logging.getLogger(__name__)


def validate(
    *,
    model: Model | str | Path,
    examples: Examples,
    serving_spec: Mapping[str, Any],
    validation_spec: Mapping[str, Any] | None = None,
    request_spec: Mapping[str, Any] | None = None,
    output_dir: str | Path,
    run: Run | None = None,
) -> Blessing:
    """Start a server on a copy of the model, ask it real examples, compare, and judge.

    The model's fault (it doesn't load, crashes, answers with errors, NaN or something else than
    offline) is a negative blessing; the infrastructure's is an exception.

    Args:
        model: the record, or the directory of a SavedModel.
        examples: what to ask; required, nothing is blessed for merely loading.
        serving_spec: TFX's, as JSON; ``{"local_process": {}}`` starts our own server as a child.
        validation_spec: TFX's: ``max_loading_time_seconds`` (300), ``num_tries`` (5; repeats
            faults only).
        request_spec: TFX's: ``num_examples`` (100), ``split_name`` (``eval`` or the first),
            ``tensorflow_serving.signature_names`` (``["serving_default"]``).
        output_dir: gets ``record.json`` and ``server.log``.
        run: which task instance asks.

    Raises:
        ConfigurationError: a wrong specification, or no examples.
        InvalidModelError: the directory hasn't the bytes of the record.
        ServerUnavailableError: the server can't be started or reached; a retry may help.
    """
    settings = read_settings(serving_spec, validation_spec, request_spec)
    source = _locate(model)
    rows = read_rows(examples, settings.split_name, settings.num_examples)
    with artifacts.new_directory(output_dir) as staging:
        digest, findings = _repeat_faults(settings, model, source, rows, staging)
        blessing = Blessing(
            kind="infra",
            blessed=all(finding.passed for finding in findings),
            subject=Subject(type="model", digest=digest),
            findings=tuple(findings),
            validator=Validator(name="imprimatur.infra_validator", version=__version__),
            issued_at=now(),
            report_uri=str(Path(output_dir).absolute()),
            run=run,
        )
        artifacts.write_record(blessing, staging)
    return blessing


def _locate(model: Model | str | Path) -> Path:
    if not isinstance(model, Model):
        return Path(model)
    if model.format != "saved_model":
        raise ConfigurationError(
            f"the model in {model.uri!r} has the format {model.format!r}; only a saved_model can "
            "be started in a server"
        )
    return Path(model.uri)


def _repeat_faults(
    settings: Settings,
    model: Model | str | Path,
    source: Path,
    rows: Sequence[bytes],
    staging: Path,
) -> tuple[str, list[Finding]]:
    for attempt in range(1, settings.num_tries):
        try:
            return _try(settings, model, source, rows, staging)
        except ServerUnavailableError as error:
            _log.warning("try %d of %d: %s", attempt, settings.num_tries, error)
    return _try(settings, model, source, rows, staging)


def _try(
    settings: Settings,
    model: Model | str | Path,
    source: Path,
    rows: Sequence[bytes],
    staging: Path,
) -> tuple[str, list[Finding]]:
    with tempfile.TemporaryDirectory(prefix="work-", dir=staging) as work:
        base_path = Path(work) / settings.model_name
        copy = base_path / _VERSION_FOLDER
        digest = _copy(source, copy)
        if isinstance(model, Model) and digest != model.digest:
            raise InvalidModelError(
                f"the model in {model.uri!r} has the bytes {digest}, its record says "
                f"{model.digest}: it was changed after it was trained; train it again"
            )
        findings = _run(settings, base_path, rows, Path(work), staging / SERVER_LOG)
        findings.append(_check_unchanged(copy, digest))
    for finding in findings:
        level = logging.INFO if finding.passed else logging.WARNING
        _log.log(level, "%s: %s", finding.check, finding.message)
    return digest, findings


def _run(
    settings: Settings, base_path: Path, rows: Sequence[bytes], work: Path, log_path: Path
) -> list[Finding]:
    questions = make_questions(settings.signature_names, len(rows))
    copy = base_path / _VERSION_FOLDER
    seconds = settings.max_request_seconds
    server = settings.runner().start(base_path, model_name=settings.model_name, log_path=log_path)
    try:
        offline = OfflineProcess(copy, work / "offline", rows, questions, seconds)
        try:
            return list(check(Trial(server, offline, settings, rows, questions)))
        finally:
            offline.stop()
    finally:
        server.stop()


def _copy(source: Path, target: Path) -> str:
    """Copy a model, so that whatever runs it can't touch the original; return the digest."""
    for path in artifacts.list_files(source):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)
    if not target.is_dir():
        raise InvalidModelError(f"{str(source)!r} is empty; expected a SavedModel directory")
    return artifacts.digest(target)


def _check_unchanged(copy: Path, digest: str) -> Finding:
    try:
        changed = artifacts.digest(copy) != digest
        how = "has other files than before"
    except ArtifactError as error:
        changed, how = True, f"isn't what it was: {error}"
    return Finding(
        check="bytes_unchanged",
        passed=not changed,
        message=f"After it was served, the model's directory {how}: the model writes to it."
        if changed
        else "The model's files are the same after it was served.",
    )
