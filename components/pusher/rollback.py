"""Going back to the version before, in one step, so that what was wrong doesn't come again."""

import dataclasses
import logging
from pathlib import Path

from components import artifacts, records
from components.errors import ArtifactError, RecordError
from components.pusher import request as requests
from components.pusher import retention
from components.pusher.decision import same_task
from components.pusher.lock import TIMEOUT_SECONDS, locked
from components.pusher.locked_folder import LockedFolder
from components.pusher.seen_versions import SeenVersions, look
from components.records import Finding, PushedModel, Refusal, Run
from components.serving_folder import Version
from components.serving_records import Hold, Quarantined, VersionRecord, Withdrawal

_log = logging.getLogger(__name__)


def rollback(
    *,
    base_directory: str,
    reason: str,
    from_version: int | str | None = None,
    by: str | None = None,
    hold: bool = True,
    run: Run | None = None,
    lock_timeout_seconds: float = TIMEOUT_SECONDS,
) -> PushedModel | Refusal:
    """Withdraw the live version in favour of the one below it, and put it in quarantine.

    Args:
        base_directory: the serving folder.
        reason: kept in the records, and shown to whoever is refused because of it.
        from_version: what must be live; default is whatever is. With it, a second call by the same
            `run` returns the first one's result.
        by: who asks.
        hold: whether to refuse all pushes until `resume`. Without it the next scheduled run may
            publish the same defect, trained from newer data.
        run: the task instance that asks.
        lock_timeout_seconds: how long to wait for another writer.

    A record that can't be read keeps nobody from going back: the version is withdrawn as one that
    something else pushed, or passed over as a target; pushes wait until it is restored.

    Returns:
        What is live now, with ``previous_version`` what was; or a refusal: `from_version` isn't
        live (``live_changed``), or no other whole version is left (``policy``).

    Raises:
        ConfigurationError: no such folder, or `from_version` is no version.
        PushError: the folder can't be used, or its lock can't be had.
    """
    wanted = requests.read_version(from_version, "from_version")
    base = requests.read_destination({"filesystem": {"base_directory": base_directory}})
    withdrawal = Withdrawal(cause="rollback", reason=reason, at=records.now(), by=by, run=run)
    with locked(base, timeout_seconds=lock_timeout_seconds) as folder:
        return _roll_back(folder, wanted, withdrawal, hold=hold)


def _roll_back(
    folder: LockedFolder, wanted: int | None, withdrawal: Withdrawal, *, hold: bool
) -> PushedModel | Refusal:
    seen, run = look(folder), withdrawal.run
    live = seen.live
    earlier = _earlier_try(folder, live, wanted, run)
    if earlier is not None:
        return earlier
    if live is None or wanted not in (None, live.number):
        return _live_changed(folder, live, wanted)
    target, findings = _find_target(seen)
    if target is None:
        return _refuse_last(live, findings)
    if live.number in seen.damaged:
        _log.warning("a new record replaces one that can't be read: %s", seen.damaged[live.number])
    withdrawal = dataclasses.replace(withdrawal, to_version=str(target.number))
    _withdraw(folder, live, target, withdrawal, hold=hold)
    return _now_live(target, live.number, run, findings)


def quarantine_entry(record: VersionRecord, withdrawal: Withdrawal) -> Quarantined:
    """Return what keeps a withdrawn version's bytes and recipe from coming back."""
    return Quarantined(
        digest=record.digest,
        trained_digest=record.trained_digest,
        recipe=record.recipe,
        version=record.version,
        reason=withdrawal.reason,
        at=withdrawal.at,
        window=record.window,
        by=withdrawal.by,
        run=withdrawal.run,
    )


def _earlier_try(
    folder: LockedFolder, live: Version | None, wanted: int | None, run: Run | None
) -> PushedModel | None:
    newest = folder.withdrawals()[-1:]
    withdrawal = newest[0].withdrawal if newest else None
    if live is None or withdrawal is None or not same_task(withdrawal.run, run):
        return None
    if wanted not in (None, newest[0].number) or withdrawal.cause != "rollback":
        return None
    retention.remove_old_withdrawn(folder)
    went_to = _recorded(folder, withdrawal.to_version) or live
    result = _now_live(went_to, newest[0].number, run, ())
    return dataclasses.replace(result, replayed=True)


def _recorded(folder: LockedFolder, version: str | None) -> Version | None:
    """Return a version of ours as it was recorded, whether or not it is still live or there."""
    try:
        record = None if version is None else folder.record(int(version))
    except RecordError:
        return None
    if record is None:
        there = (whole for whole in look(folder).versions if str(whole.number) == version)
        return next(there, None)
    path = folder.path(record.number)
    return Version(record.number, path, record.digest, record.trained_digest, record.window, record)


def _find_target(seen: SeenVersions) -> tuple[Version | None, tuple[Finding, ...]]:
    """Return the highest lower version that is whole, and what is to be said about the search."""
    findings: list[Finding] = []
    for version in seen.versions[1:]:
        problem = seen.damaged.get(version.number)
        if problem is None and version.record is None:
            message = (
                f"version {version.number} was not pushed by Imprimatur: there is no digest to "
                "verify it by"
            )
            findings.append(Finding("unverified", True, message))
            return version, tuple(findings)
        problem = problem or _damage(version)
        if problem is None:
            return version, tuple(findings)
        message = f"version {version.number} is damaged and was passed over: {problem}"
        findings.append(Finding("damaged", False, message))
    return None, tuple(findings)


def _damage(version: Version) -> str | None:
    try:
        found = artifacts.digest(version.path)
    except (ArtifactError, OSError) as error:
        return str(error)
    return None if found == version.digest else f"its digest is {found}, not {version.digest}"


def withdraw_above(
    folder: LockedFolder, live: Version | None, target: Version, withdrawal: Withdrawal
) -> None:
    """Take everything above a version out of the server's sight, the live version last."""
    for number, path in folder.numbered():
        if live is not None and number > target.number and path != live.path:
            _set_aside(folder, number, path)
    if live is not None and live.number > target.number:
        record = live.record or record_of_foreign(live)
        folder.withdraw(live.path, record, withdrawal)
    retention.remove_old_withdrawn(folder)


def _withdraw(
    folder: LockedFolder, live: Version, target: Version, withdrawal: Withdrawal, *, hold: bool
) -> None:
    """First what keeps the defect out, then the renames.

    A quarantine or hold that can't be read blocks all pushes by itself.
    """
    record = live.record or record_of_foreign(live)
    try:
        folder.add_to_quarantine(quarantine_entry(record, withdrawal))
        if hold and folder.hold() is None:
            text = f"rolled back from {live.number} to {target.number}: {withdrawal.reason}"
            folder.write_hold(Hold(text, withdrawal.at, withdrawal.by, withdrawal.run))
    except RecordError as error:
        _log.warning("rolling back without it: %s", error)
    withdraw_above(folder, live, target, withdrawal)
    _log.info("rolled back from %s to %s", live.number, target.number)


def _set_aside(folder: LockedFolder, number: int, path: Path) -> None:
    """Take what isn't whole away: once the live version is gone, the server would try it."""
    _log.warning("%s isn't whole; moving it out of the server's sight", path)
    try:
        record = folder.record(number) if path == folder.path(number) else None
    except RecordError:
        record = None
    if record is None:
        folder.set_aside(number, path)
        return
    withdrawal = Withdrawal(cause="damaged", reason="found damaged", at=records.now())
    folder.withdraw(path, record, withdrawal)


def record_of_foreign(version: Version) -> VersionRecord:
    """Return a record for a version that has none, so that it may be withdrawn."""
    manifest = artifacts.read_foreign_manifest(version.path)
    return VersionRecord(
        version=str(version.number),
        state="committed",
        digest=manifest.digest,
        trained_digest=manifest.digest,
        manifest=manifest.text,
        staging="",
        pushed_at=records.now(),
    )


def _now_live(
    live: Version, previous: int, run: Run | None, findings: tuple[Finding, ...]
) -> PushedModel:
    digest = live.read_digest()
    return PushedModel(
        outcome="already_live",
        version=str(live.number),
        uri=str(live.path),
        digest=digest,
        trained_digest=live.trained_digest or digest,
        previous_version=str(previous),
        window=live.window,
        blessings=live.record.blessings if live.record is not None else (),
        run=run,
        findings=findings,
    )


def _live_changed(folder: LockedFolder, live: Version | None, wanted: int | None) -> Refusal:
    now = f"{live.number} is live" if live is not None else "nothing is live"
    expected = f"{wanted} isn't live" if wanted is not None else "there is nothing to roll back"
    gone = [record for record in folder.withdrawals() if record.number == wanted]
    withdrawal = gone[-1].withdrawal if gone else None
    since = f" (withdrawn on {withdrawal.at}: {withdrawal.reason})" if withdrawal else ""
    message = f"{expected} in {str(folder.base_directory)!r}{since}: {now}; see 'pusher status'"
    return Refusal(
        findings=(Finding("live_changed", False, message),),
        live_version=str(live.number) if live is not None else None,
    )


def _refuse_last(live: Version, findings: tuple[Finding, ...]) -> Refusal:
    message = (
        f"{live.number} is the only whole version: without it the server would have nothing to "
        "serve; push another model first"
    )
    return Refusal(
        findings=(Finding("policy", False, message), *findings),
        model_digest=live.trained_digest,
        live_version=str(live.number),
    )
