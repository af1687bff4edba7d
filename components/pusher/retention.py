"""How many versions are kept: enough to go back, never none, and no foreign one is touched."""

import logging

from components.errors import RecordError
from components.pusher.locked_folder import LockedFolder

KEEP_WITHDRAWN = 2
_log = logging.getLogger(__name__)


def remove_old_versions(folder: LockedFolder, keep: int) -> None:
    """Keep the newest versions that have a record, the live one, and those that are pinned."""
    pinned = _pinned(folder)
    ours = [version for version in folder.versions() if version.record is not None]
    for version in ours[:-keep]:
        if version.record is not None and version.number not in pinned:
            _log.info("removing %s: %s newer versions are kept", version.number, keep)
            folder.remove_version(version.record, version.path)


def remove_old_withdrawn(folder: LockedFolder, keep: int = KEEP_WITHDRAWN) -> None:
    """Keep the newest withdrawn folders, and those that are pinned.

    Where pins can't be read all are kept: that is no reason not to go back.
    """
    there = set(folder.withdrawn())
    surplus = [record for record in folder.withdrawals() if record.number in there][:-keep]
    try:
        pinned = _pinned(folder) if surplus else set()
    except RecordError as error:
        _log.warning("withdrawn versions are not removed: %s", error)
        return
    for record in surplus:
        if record.number not in pinned:
            _log.info("removing %s: %s newer withdrawn versions are kept", record.version, keep)
            folder.remove_version(record, folder.withdrawn_path(record.number))


def _pinned(folder: LockedFolder) -> set[int]:
    return {int(pin.version) for pin in folder.pins().entries}
