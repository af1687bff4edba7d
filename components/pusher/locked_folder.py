"""A serving folder that may be changed, because this process holds its lock."""

import dataclasses
import json
import os
import uuid
from pathlib import Path

from components.pusher import disk
from components.record_parts import Part
from components.serving_folder import WITHDRAWN_SUFFIX, ServingFolder
from components.serving_records import (
    Hold,
    Pins,
    Quarantine,
    Quarantined,
    VersionRecord,
    Withdrawal,
)


class LockedFolder(ServingFolder):
    """Adds the writes to `ServingFolder`; made by `lock.locked`."""

    def __init__(self, base_directory: Path) -> None:
        super().__init__(base_directory)
        self.modes = disk.Modes.of(base_directory)

    def write_record(self, record: VersionRecord) -> None:
        """Write the record of a version, in place of any older one."""
        self._write(self.record_path(record.number), record)

    def drop_record(self, number: int) -> None:
        """Delete the record of a commit that never took place."""
        disk.remove(self.record_path(number))

    def write_hold(self, hold: Hold | None) -> None:
        """Put pushes on hold, or end that."""
        path = self.state_directory / "hold.json"
        if hold is None:
            disk.remove(path)
        else:
            self._write(path, hold)

    def write_quarantine(self, quarantine: Quarantine) -> None:
        """Replace the list of what may not be pushed."""
        self._write(self.state_directory / "quarantine.json", quarantine)

    def add_to_quarantine(self, entry: Quarantined) -> None:
        """Quarantine one model, unless that very version is in quarantine already."""
        quarantine = self.quarantine()
        if all(active.version != entry.version for active in quarantine.active):
            self.write_quarantine(Quarantine((*quarantine.entries, entry)))

    def write_signature(self, number: int, text: str) -> None:
        """Keep a version's OpenSSF model signature."""
        path = self.signature_path(number)
        if not path.parent.is_dir():
            disk.make_directory(path.parent, self.modes)
            disk.sync(path.parent.parent)
        disk.write_text(path, text, self.modes)

    def write_pins(self, pins: Pins) -> None:
        """Replace the list of versions that retention keeps."""
        self._write(self.state_directory / "pins.json", pins)

    def withdrawals(self) -> list[VersionRecord]:
        """Return the records of what was withdrawn, the newest last."""
        found = self.records(
            lambda record: record.get("withdrawal") is not None, pass_over_damaged=True
        )
        return sorted(found, key=lambda record: _sequence(record.withdrawal))

    def mark_withdrawn(self, record: VersionRecord, withdrawal: Withdrawal) -> None:
        """Record why a version is out of service, as the newest withdrawal."""
        newest = self.withdrawals()[-1:]
        sequence = _sequence(newest[0].withdrawal) + 1 if newest else 1
        withdrawal = dataclasses.replace(withdrawal, sequence=sequence)
        self.write_record(dataclasses.replace(record, state="withdrawn", withdrawal=withdrawal))

    def withdraw(self, path: Path, record: VersionRecord, withdrawal: Withdrawal) -> None:
        """Take a version out of service: first the record that says why, then the rename.

        A crash between the two is completed by the next writer.
        """
        self.mark_withdrawn(record, withdrawal)
        target = self.withdrawn_path(record.number)
        if os.path.lexists(target):  # a second folder of that number, set aside by hand or by us
            disk.rename(target, self._unused_path(record.number))
        disk.rename(path, target)

    def set_aside(self, number: int, path: Path) -> None:
        """Move what nobody recorded out of the server's sight.

        Its number's own name is left to the version that was recorded under that number.
        """
        target = self.withdrawn_path(number)
        if os.path.lexists(target) or self.record_path(number).exists():
            target = self._unused_path(number)
        disk.rename(path, target)

    def _unused_path(self, number: int) -> Path:
        return self.base_directory / f"{number}.{uuid.uuid4().hex[:8]}{WITHDRAWN_SUFFIX}"

    def remove_version(self, record: VersionRecord, path: Path) -> None:
        """Delete a version's folder, renamed away first so that nobody sees a part of it.

        Its record stays, without the manifest.
        """
        record = dataclasses.replace(record, state="removed")
        self.write_record(record)
        trash = self.state_directory / f"trash-{uuid.uuid4().hex[:8]}"
        disk.rename(path, trash)
        disk.remove_tree(trash)
        if self.signature_path(record.number).exists():
            disk.remove(self.signature_path(record.number))
        self.write_record(dataclasses.replace(record, manifest=""))

    def _write(self, path: Path, record: Part) -> None:
        text = json.dumps(record.to_json(), allow_nan=False, ensure_ascii=False, indent=1)
        disk.write_text(path, text + "\n", self.modes)


def _sequence(withdrawal: Withdrawal | None) -> int:
    return 0 if withdrawal is None else withdrawal.sequence
