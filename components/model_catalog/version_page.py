"""The versions of one model and what became of them, newest first, some at a time.

A folder may have thousands, so only the records of those that are asked for are read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.errors import RecordError
from components.looking import Look
from components.record_parts import Override, Part
from components.records import Blessing, Run, Window
from components.serving_folder import ServingFolder
from components.serving_records import Pin, VersionRecord, Withdrawal

Fate = Literal["live", "kept", "withdrawn", "removed", "aborted", "damaged"]
MAX_PAGE = 200


@dataclass(frozen=True)
class VersionEntry(Part):
    """One version, whether or not its folder is still there."""

    version: str
    fate: Fate
    """``kept``: superseded, and may be rolled back to; ``removed``: by retention; ``aborted``: its
    push never ended, the next writer clears it up; ``damaged``: its files or its record are."""
    foreign: bool = False
    """Pushed by something else, so that nothing is recorded of it."""
    digest: str | None = None
    trained_digest: str | None = None
    num_bytes: int | None = None
    window: Window | None = None
    pushed_at: str | None = None
    previous_version: str | None = None
    run: Run | None = None
    confirmed_at: str | None = None
    pin: Pin | None = None
    withdrawal: Withdrawal | None = None
    blessings: tuple[Blessing, ...] = ()
    problem: str | None = None

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The failed findings that a person let pass."""
        return tuple(override for blessing in self.blessings for override in blessing.overrides)


@dataclass(frozen=True)
class VersionPage(Part):
    """Some versions of a model."""

    versions: tuple[VersionEntry, ...]
    """Newest first."""
    total: int
    """How many there are in all."""
    offset: int = 0
    problems: tuple[str, ...] = ()


def read_versions(base_directory: Path, *, offset: int = 0, limit: int = 50) -> VersionPage:
    """Return the versions from place `offset`, counted from the newest.

    Args:
        base_directory: the serving folder.
        offset: how many to leave out; from 0.
        limit: how many to read; from 1 to `MAX_PAGE`.

    Raises:
        ValueError: offset or limit is out of its range.
        PushError: the serving folder can't be read.
    """
    if offset < 0 or not 1 <= limit <= MAX_PAGE:
        raise ValueError(
            f"offset is {offset} and limit is {limit}; "
            f"expected an offset from 0 and a limit from 1 to {MAX_PAGE}"
        )
    return _Reader(ServingFolder(base_directory)).page(offset, limit)


class _Reader:
    """What is read once for all versions of a page."""

    def __init__(self, folder: ServingFolder) -> None:
        self._folder = folder
        self._look = Look()
        self._paths = {number: path for number, path in folder.numbered()[::-1]}
        self._withdrawn = set(folder.withdrawn())
        live = self._look.attempt(folder.live, None)
        self._live = live.number if live is not None else None
        pins: tuple[Pin, ...] = ()
        self._pins = {
            pin.version: pin for pin in self._look.attempt(lambda: folder.pins().entries, pins)
        }

    def page(self, offset: int, limit: int) -> VersionPage:
        everything = {*self._paths, *self._withdrawn, *self._folder.recorded()}
        numbers = sorted(everything, reverse=True)
        return VersionPage(
            versions=tuple(map(self._entry, numbers[offset : offset + limit])),
            total=len(numbers),
            offset=offset,
            problems=self._look.problems,
        )

    def _entry(self, number: int) -> VersionEntry:
        pin = self._pins.get(str(number))
        try:
            record = self._folder.record(number)
        except RecordError as error:
            return VersionEntry(str(number), "damaged", pin=pin, problem=str(error))
        if record is None:
            return self._foreign(number, pin)
        return VersionEntry(
            version=record.version,
            fate=self._fate(record),
            digest=record.digest,
            trained_digest=record.trained_digest,
            num_bytes=sum(file.num_bytes for file in record.files()),
            window=record.window,
            pushed_at=record.pushed_at,
            previous_version=record.previous_version,
            run=record.run,
            confirmed_at=record.confirmation.at if record.confirmation is not None else None,
            pin=pin,
            withdrawal=record.withdrawal,
            blessings=record.blessings,
        )

    def _foreign(self, number: int, pin: Pin | None) -> VersionEntry:
        fate: Fate = "live" if number == self._live else "kept"
        if number in self._withdrawn and number not in self._paths:
            fate = "withdrawn"
        return VersionEntry(str(number), fate, foreign=True, pin=pin)

    def _fate(self, record: VersionRecord) -> Fate:
        if record.number == self._live:
            return "live"
        if record.state == "withdrawn" or record.withdrawal is not None:
            return "withdrawn"
        if record.state == "removed":
            return "removed"
        path = self._paths.get(record.number)
        if path is None:
            return "aborted"
        return "kept" if self._folder.whole_version(record.number, path) else "damaged"
