"""Validates one model: a copy, a server on it, the checks, the verdict."""

import dataclasses
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components import __version__, artifacts
from components.infra_validator.attempt import Attempts
from components.infra_validator.candidate import Candidate, prepare, served_model
from components.infra_validator.op_policy import check_ops
from components.infra_validator.question import read_rows
from components.infra_validator.settings import Settings, read_settings
from components.records import Blessing, Examples, Finding, Model, Run, Subject, Validator, now

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

    The model's fault (it doesn't load, crashes, takes too much memory, answers with errors, NaN,
    too slowly or something else than offline) is a negative blessing; the infrastructure's is an
    exception. Where that can't be told, a known-good model is started the same way.

    Args:
        model: the record, or the directory of a SavedModel.
        examples: what to ask; required, nothing is blessed for merely loading.
        serving_spec: TFX's, as JSON, see `components.infra_validator.serving_spec`;
            ``{"local_process": {}}`` starts our own server as a child. Each of several images must
            pass.
        validation_spec: TFX's: ``max_loading_time_seconds`` (300), ``num_tries`` (5; repeats
            faults only); and ``max_request_time_seconds`` (30), ``max_latency_milliseconds``
            (``{"p50", "p95", "p99"}``), ``min_requests_per_second``, ``op_policy`` (``warn`` or
            ``refuse`` a graph that does more than compute).
        request_spec: TFX's: ``num_examples`` (100), ``split_name`` (``eval`` or the first),
            ``tensorflow_serving.signature_names`` (``["serving_default"]``), ``make_warmup``
            (false).
        output_dir: gets ``record.json``, ``server-1.log`` and so on, and ``served_model/`` where
            warm-up requests are made.
        run: which task instance asks.

    Raises:
        ConfigurationError: a wrong specification, or no examples.
        InvalidModelError: the directory hasn't the bytes of the record.
        ServerUnavailableError: the server can't be started or reached; a retry may help.
    """
    settings = read_settings(serving_spec, validation_spec, request_spec)
    settings = dataclasses.replace(settings, serving=settings.serving.labelled(run))
    rows = read_rows(examples, settings.split_name, settings.num_examples)
    with artifacts.new_directory(output_dir) as staging:
        candidate = prepare(model, settings, rows, staging)
        findings, image_digest = _judge(settings, candidate, rows, staging)
        blessing = Blessing(
            kind="infra",
            blessed=all(finding.passed for finding in findings),
            subject=Subject(type="model", digest=candidate.trained_digest),
            findings=tuple(findings),
            validator=Validator("imprimatur.infra_validator", __version__, image_digest),
            issued_at=now(),
            served_model=served_model(candidate, model, Path(output_dir)),
            report_uri=str(Path(output_dir).absolute()),
            run=run,
        )
        artifacts.write_record(blessing, staging)
    return blessing


def _judge(
    settings: Settings, candidate: Candidate, rows: Sequence[bytes], staging: Path
) -> tuple[list[Finding], str | None]:
    ops = check_ops(candidate.directory, settings.op_policy)
    if settings.op_policy == "refuse" and not ops.passed:
        return [_logged(ops)], None  # not even tried
    with tempfile.TemporaryDirectory(prefix="work-", dir=staging) as work:
        attempts = Attempts(settings, candidate, rows, Path(work), staging)
        findings = list(_judge_on_all(settings, attempts))
    if ops.passed or all(finding.passed for finding in findings):
        findings.insert(0, _logged(ops))
    return findings, ", ".join(dict.fromkeys(attempts.image_digests)) or None


def _judge_on_all(settings: Settings, attempts: Attempts) -> Iterator[Finding]:
    servers = settings.serving.servers
    for container in servers:
        where = f"{container.image}: " if container is not None and len(servers) > 1 else ""
        for finding in attempts.judge(container):
            yield _logged(dataclasses.replace(finding, message=where + finding.message))


def _logged(finding: Finding) -> Finding:
    level = logging.INFO if finding.passed else logging.WARNING
    _log.log(level, "%s: %s", finding.check, finding.message)
    return finding
