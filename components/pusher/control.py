"""What a person decides about a serving folder: hold, resume, release, pin."""

import dataclasses

from components import records
from components.errors import ConfigurationError
from components.pusher import request as requests
from components.pusher.decision import same_task
from components.pusher.lock import TIMEOUT_SECONDS, locked
from components.pusher.status import FolderStatus, status
from components.records import Run
from components.serving_records import Hold, Pin, Pins, Quarantine, Quarantined


def hold(
    *,
    base_directory: str,
    reason: str,
    by: str | None = None,
    run: Run | None = None,
    lock_timeout_seconds: float = TIMEOUT_SECONDS,
) -> FolderStatus:
    """Refuse all pushes until `resume`.

    Raises:
        ConfigurationError: no such folder.
        PushError: it can't be used, or its lock can't be had.
    """
    with locked(_base(base_directory), timeout_seconds=lock_timeout_seconds) as folder:
        folder.write_hold(Hold(reason, records.now(), by, run))
    return status(base_directory=base_directory)


def resume(*, base_directory: str, lock_timeout_seconds: float = TIMEOUT_SECONDS) -> FolderStatus:
    """End a hold; nothing happens if there is none.

    Raises:
        ConfigurationError: no such folder.
        PushError: it can't be used, or its lock can't be had.
    """
    with locked(_base(base_directory), timeout_seconds=lock_timeout_seconds) as folder:
        if folder.hold() is not None:
            folder.write_hold(None)
    return status(base_directory=base_directory)


def release(
    *,
    base_directory: str,
    version: int | str,
    reason: str | None = None,
    by: str | None = None,
    run: Run | None = None,
    lock_timeout_seconds: float = TIMEOUT_SECONDS,
) -> FolderStatus:
    """Lift the quarantine of a withdrawn version; pushed again, it gets a new number.

    Args:
        base_directory: the serving folder.
        version: its number when it was withdrawn.
        reason: kept with the quarantine.
        by: who decides.
        run: the task instance that asks; asked again by the same, nothing happens.
        lock_timeout_seconds: how long to wait for another writer.

    Raises:
        ConfigurationError: no such folder, or that version isn't in quarantine.
        PushError: the folder can't be used, or its lock can't be had.
    """
    number = requests.read_version(version)
    with locked(_base(base_directory), timeout_seconds=lock_timeout_seconds) as folder:
        record = folder.record(number) if number is not None else None
        quarantine = folder.quarantine()
        listed = any(entry.version == str(number) for entry in quarantine.active)
        withdrawal = record.withdrawal if record is not None else None
        if not listed and _released_by(quarantine, str(number), run):
            return status(base_directory=base_directory)
        if not listed and (withdrawal is None or withdrawal.released):
            known = ", ".join(entry.version for entry in quarantine.active) or "none"
            raise ConfigurationError(f"{number} isn't in quarantine; in quarantine: {known}")
        if record is not None and withdrawal is not None:
            released = dataclasses.replace(withdrawal, released=True)
            folder.write_record(dataclasses.replace(record, withdrawal=released))
        folder.write_quarantine(_without(quarantine, str(number), reason, by, run))
    return status(base_directory=base_directory)


def pin(
    *,
    base_directory: str,
    version: int | str,
    reason: str = "",
    by: str | None = None,
    remove: bool = False,
    lock_timeout_seconds: float = TIMEOUT_SECONDS,
) -> FolderStatus:
    """Keep a version from being removed by retention, or end that.

    Args:
        base_directory: the serving folder.
        version: its number.
        reason: shown by `status`.
        by: who decides.
        remove: end it.
        lock_timeout_seconds: how long to wait for another writer.

    Raises:
        ConfigurationError: no such folder or version.
        PushError: the folder can't be used, or its lock can't be had.
    """
    number = requests.read_version(version)
    with locked(_base(base_directory), timeout_seconds=lock_timeout_seconds) as folder:
        kept = tuple(entry for entry in folder.pins().entries if entry.version != str(number))
        if not remove:
            there = [whole.number for whole in folder.versions()]
            if number not in there:
                raise ConfigurationError(f"there is no version {number}; there are {there}")
            kept += (Pin(str(number), reason, records.now(), by),)
        folder.write_pins(Pins(kept))
    return status(base_directory=base_directory)


def _released_by(quarantine: Quarantine, version: str, run: Run | None) -> bool:
    return any(
        entry.version == version and same_task(entry.released_in, run)
        for entry in quarantine.entries
    )


def _without(
    quarantine: Quarantine, version: str, reason: str | None, by: str | None, run: Run | None
) -> Quarantine:
    def released(entry: Quarantined) -> Quarantined:
        if entry.version != version or entry.released_at is not None:
            return entry
        return dataclasses.replace(
            entry, released_at=records.now(), released_by=by, released_for=reason, released_in=run
        )

    return Quarantine(tuple(released(entry) for entry in quarantine.entries))


def _base(base_directory: str) -> str:
    return str(requests.read_destination({"filesystem": {"base_directory": base_directory}}))
