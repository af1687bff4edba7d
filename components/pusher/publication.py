"""What follows the decision to push: copy, verify, record, rename, confirm, retention."""

import dataclasses
import logging
from pathlib import Path

from components import records
from components.artifacts import Manifest
from components.errors import ImprimaturError, InvalidModelError, ServerUnavailableError
from components.pusher import commit, confirmation, decision, retention
from components.pusher.locked_folder import LockedFolder
from components.pusher.numbering import next_number
from components.pusher.request import Candidate, Confirm, PushRequest
from components.pusher.rollback import quarantine_entry
from components.records import Finding, PushedModel, Refusal, Run
from components.serving_folder import WARM_UP_FILE, Version
from components.serving_records import Confirmation, VersionRecord, Withdrawal, WithdrawalCause
from components.version_files import MODEL_FILES

_log = logging.getLogger(__name__)


def check_bytes(manifest: Manifest, candidate: Candidate) -> Finding | None:
    """Compare what is there with what was trained, and prove that only warm-up was added.

    Raises:
        InvalidModelError: the source's bytes aren't those of its record.
    """
    if manifest.digest != candidate.digest:
        raise InvalidModelError(
            f"{str(candidate.source)!r} has the digest {manifest.digest}; its record says "
            f"{candidate.digest}: files were changed, lost or added since; train again"
        )
    proven = manifest.without(WARM_UP_FILE).digest == candidate.trained_digest
    if candidate.digest == candidate.trained_digest or proven:
        return None
    message = (
        f"without {WARM_UP_FILE} the served model isn't the trained one, {candidate.trained_digest}"
        "; nothing but warm-up requests may be added to a model after its training"
    )
    return Finding("other_bytes", False, message)


def publish(
    request: PushRequest,
    candidate: Candidate,
    folder: LockedFolder,
    facts: decision.Facts,
    go: decision.Go,
) -> PushedModel | Refusal:
    """Publish a candidate, under the folder's lock.

    Raises:
        ConfigurationError: the number that was asked for was used before.
        InvalidModelError: the source isn't what its record says, or no model; or a server failed to
            load it.
        ServerUnavailableError: a server to confirm by doesn't answer.
        PushError: the folder can't be written.
    """
    options = request.options
    number = next_number(
        window=candidate.model.window, highest=folder.highest_number(), wanted=options.version
    )
    with commit.staging(folder, number) as staged:
        manifest = commit.copy_model(candidate.source, staged, folder.modes)
        objection = check_bytes(manifest, candidate)
        if objection is not None:
            return decision.refusal(request, facts, objection)
        if not any(file.path in MODEL_FILES for file in manifest.files):
            raise InvalidModelError(
                f"{str(candidate.source)!r} holds none of {', '.join(MODEL_FILES)}; "
                "TensorFlow Serving can't load it"
            )
        if options.confirm is not None:
            confirmation.check_reachable(options.confirm, first=facts.live is None)
        if options.model_signer is not None:
            options.model_signer.sign(folder, staged, number)
        record = _record(request, candidate, facts, staged, manifest)
        commit.commit(folder, staged, record)
    record = _confirm(folder, record, options.confirm, options.run)
    retain(folder, options.keep_versions)
    return pushed(folder, record, findings=go.findings)


def _record(
    request: PushRequest,
    candidate: Candidate,
    facts: decision.Facts,
    staged: Path,
    manifest: Manifest,
) -> VersionRecord:
    return VersionRecord(
        version=staged.name,
        state="committed",
        digest=manifest.digest,
        trained_digest=candidate.trained_digest,
        manifest=manifest.text,
        staging=commit.staging_name(staged),
        pushed_at=records.now(),
        recipe=candidate.recipe,
        window=candidate.model.window,
        model=candidate.model,
        blessings=request.blessings,
        previous_version=str(facts.live.number) if facts.live is not None else None,
        run=request.options.run,
    )


def replay(request: PushRequest, folder: LockedFolder, record: VersionRecord) -> PushedModel:
    """Return what an earlier try pushed; confirm it if that was asked for and not done.

    Not if something newer took its place: then no server serves it any more.

    Raises:
        InvalidModelError: its files aren't whole any more.
    """
    _log.info("this task pushed %s already, in an earlier try", record.version)
    if all(whole.number != record.number for whole in folder.versions()):
        raise InvalidModelError(
            f"this task pushed version {record.version} in an earlier try, but {record.version} in "
            f"{str(folder.base_directory)!r} was damaged since; see 'pusher lint', and roll back"
        )
    live = folder.live()
    if record.state != "confirmed" and live is not None and live.number == record.number:
        record = _confirm(folder, record, request.options.confirm, request.options.run)
    retain(folder, request.options.keep_versions)
    return pushed(folder, record, replayed=True)


def _confirm(
    folder: LockedFolder, record: VersionRecord, confirm: Confirm | None, run: Run | None
) -> VersionRecord:
    """Wait until the servers serve the version, or take it back.

    Raises:
        InvalidModelError: a server failed to load it; it is in quarantine.
        ServerUnavailableError: a server can't be reached or is still loading at the deadline.
    """
    if confirm is None:
        return record
    answer = confirmation.wait_until_served(confirm, record.number)
    if answer.state == "served":
        confirmed = Confirmation(confirm.model_name, confirm.urls, records.now())
        record = dataclasses.replace(record, state="confirmed", confirmation=confirmed)
        folder.write_record(record)
        return record
    if answer.state == "failed":
        _withdraw(folder, record, "failed_in_serving", answer.message, run)
        raise InvalidModelError(
            f"version {record.version} was withdrawn and is in quarantine: {answer.message}"
        )
    _withdraw(folder, record, "unconfirmed", answer.message, run)
    late = f" within {confirm.timeout_seconds:g} s" if answer.state == "waiting" else ""
    raise ServerUnavailableError(
        f"version {record.version} was withdrawn: not confirmed{late}: {answer.message}"
    )


def _withdraw(
    folder: LockedFolder,
    record: VersionRecord,
    cause: WithdrawalCause,
    reason: str,
    run: Run | None,
) -> None:
    withdrawal = Withdrawal(
        cause=cause,
        reason=reason,
        at=records.now(),
        to_version=record.previous_version,
        run=run,
    )
    if cause != "unconfirmed":
        folder.add_to_quarantine(quarantine_entry(record, withdrawal))
    folder.withdraw(folder.path(record.number), record, withdrawal)
    retention.remove_old_withdrawn(folder)


def retain(folder: LockedFolder, keep_versions: int) -> None:
    """Remove old versions; what fails there doesn't undo a push."""
    try:
        retention.remove_old_versions(folder, keep_versions)
    except (OSError, ImprimaturError) as error:
        _log.warning("old versions could not be removed: %s", error)


def pushed(
    folder: LockedFolder,
    record: VersionRecord,
    *,
    replayed: bool = False,
    findings: tuple[Finding, ...] = (),
) -> PushedModel:
    """Return what was published."""
    return PushedModel(
        outcome="pushed",
        version=record.version,
        uri=str(folder.path(record.number)),
        digest=record.digest,
        trained_digest=record.trained_digest,
        previous_version=record.previous_version,
        window=record.window,
        blessings=record.blessings,
        replayed=replayed,
        run=record.run,
        findings=findings,
    )


def already_live(version: Version, run: Run | None) -> PushedModel:
    """Return that nothing was to be done."""
    record = version.record
    digest = version.read_digest()
    return PushedModel(
        outcome="already_live",
        version=str(version.number),
        uri=str(version.path),
        digest=digest,
        trained_digest=version.trained_digest or digest,
        previous_version=record.previous_version if record is not None else None,
        window=version.window,
        blessings=record.blessings if record is not None else (),
        run=run,
    )
