"""Puts right what a killed writer left; every writer does this first, under the lock.

==========================================  ======================================================
what is found                               what it means, and what is done
==========================================  ======================================================
``.*.tmp``                                  a small file half-written: deleted
record committed, no folder, its staging    a commit that never took place: record dropped
record committed, no folder, no staging     the folder was removed by hand: recorded as removed
record withdrawn, folder still there        a withdrawal half-done: the rename is made now
record removed, folder still there          a removal not done, or undone by hand: kept, until
                                            retention comes again; withdrawn if its bytes changed
record committed, only ``N.withdrawn``      withdrawn by hand: recorded as such
``staging-*`` and ``trash-*``               half-written, half-deleted: deleted
``signatures/N.sig`` without a record       of a commit that never took place: deleted
==========================================  ======================================================
"""

import dataclasses
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from components import artifacts
from components.errors import RecordError
from components.pusher import disk
from components.pusher.locked_folder import LockedFolder
from components.records import now
from components.serving_records import VersionRecord, Withdrawal
from components.version_files import version_number

_IN_SERVICE = ("committed", "confirmed")
_log = logging.getLogger(__name__)


def recover(folder: LockedFolder) -> None:
    """Complete or undo what was begun; then sweep.

    A damaged record is passed over: it must not keep anybody from rolling back.
    """
    _sweep_temporary_files(folder)
    present = dict(folder.numbered())
    unsettled = folder.records(
        lambda record: not _is_settled(record, present), pass_over_damaged=True
    )
    for record in unsettled:
        if record.state in _IN_SERVICE:
            _settle_missing(folder, record)
        else:
            _settle_present(folder, record, present[record.number])
    _sweep_directories(folder)
    _sweep_signatures(folder)


def _is_settled(record: Mapping[str, Any], present: Collection[int]) -> bool:
    in_service = record.get("state") in _IN_SERVICE
    return in_service == (version_number(str(record.get("version"))) in present)


def _settle_missing(folder: LockedFolder, record: VersionRecord) -> None:
    if (folder.state_directory / record.staging).exists():
        _log.warning("dropping the record of %s: its commit never took place", record.version)
        folder.drop_record(record.number)
    elif folder.withdrawn_path(record.number).exists():
        _log.warning("%s was withdrawn by hand; recording that", record.version)
        withdrawal = Withdrawal(cause="by_hand", reason="renamed by hand", at=now())
        folder.mark_withdrawn(record, withdrawal)
    else:
        _log.warning("the folder of %s was removed by hand; recording that", record.version)
        folder.write_record(dataclasses.replace(record, state="removed"))


def _settle_present(folder: LockedFolder, record: VersionRecord, path: Path) -> None:
    if record.withdrawal is None:
        _settle_unremoved(folder, record, path)
        return
    only = all(other.number == record.number for other in folder.versions())
    if only and record.withdrawal.cause == "rollback":
        _log.warning("%s is the only version left; it stays in service", record.version)
        folder.write_record(dataclasses.replace(record, state="committed", withdrawal=None))
        return
    _log.warning("completing the withdrawal of %s", record.version)
    if folder.withdrawn_path(record.number).exists():  # copied back by hand
        folder.set_aside(record.number, path)
    else:
        disk.rename(path, folder.withdrawn_path(record.number))


def _settle_unremoved(folder: LockedFolder, record: VersionRecord, path: Path) -> None:
    """Keep a version that came back, if it is what was recorded."""
    manifest = artifacts.read_foreign_manifest(path)
    if manifest.digest == record.digest:
        _log.warning("%s was to be removed and is still there; keeping it", record.version)
        kept = dataclasses.replace(record, state="committed", manifest=manifest.text)
        folder.write_record(kept)
        return
    _log.warning("%s was removed, and is there with other bytes; withdrawing it", record.version)
    withdrawal = Withdrawal(cause="damaged", reason="came back with other bytes", at=now())
    folder.withdraw(path, record, withdrawal)


def _sweep_signatures(folder: LockedFolder) -> None:
    """Remove the signatures of what never appeared, and of what was removed.

    The next model of that number would be credited with them.
    """
    for path in folder.state_directory.glob("signatures/*.sig"):
        if _has_no_version(folder, version_number(path.stem)):
            disk.remove(path)


def _has_no_version(folder: LockedFolder, number: int | None) -> bool:
    try:
        record = None if number is None else folder.record(number)
    except RecordError:
        return False  # damaged: nobody can tell
    return record is None or record.state == "removed"


def _sweep_temporary_files(folder: LockedFolder) -> None:
    for pattern in (".*.tmp", "versions/.*.tmp", "signatures/.*.tmp"):
        for path in folder.state_directory.glob(pattern):
            disk.remove(path)


def _sweep_directories(folder: LockedFolder) -> None:
    for pattern in ("staging-*", "trash-*"):
        for path in folder.state_directory.glob(pattern):
            _log.warning("sweeping %s, which a crash left", path.name)
            disk.remove_tree(path)
