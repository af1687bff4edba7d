"""What a serving folder keeps about itself under ``.imprimatur/``.

Internal to one folder, unlike `components.records`: these never travel between tasks.
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from components.artifacts import FileEntry, Manifest
from components.errors import RecordError
from components.record_parts import Part
from components.records import Blessing, Model, Run, Window

WithdrawalCause = Literal["rollback", "failed_in_serving", "unconfirmed", "damaged", "by_hand"]


@dataclass(frozen=True)
class FolderRecord(Part):
    """Written with its type and schema version, as the records of `components.records` are."""

    has_envelope: ClassVar[bool] = True
    is_record: ClassVar[bool] = True


@dataclass(frozen=True)
class Withdrawal(Part):
    """Why a version was taken out of service."""

    cause: WithdrawalCause
    reason: str
    at: str
    sequence: int = 0
    """The how manyth withdrawal in this folder; the greatest is the newest."""
    to_version: str | None = None
    """What became live instead."""
    by: str | None = None
    run: Run | None = None
    released: bool = False
    """True once its quarantine was lifted: then the same bytes may be pushed again."""


@dataclass(frozen=True)
class Confirmation(Part):
    """Which servers said that they serve the version."""

    model_name: str
    urls: tuple[str, ...]
    at: str


@dataclass(frozen=True)
class VersionRecord(FolderRecord):
    """One version: written before its folder appears, kept after its folder is gone."""

    version: str
    state: Literal["committed", "confirmed", "withdrawn", "removed"]
    digest: str
    trained_digest: str
    manifest: str
    """The lines of `artifacts.Manifest.text`; their SHA-256 is `digest`."""
    staging: str
    """The name under ``.imprimatur/`` that the folder was renamed from."""
    pushed_at: str
    recipe: str | None = None
    """What the model was trained from (`recipe_digest`); null where that isn't known."""
    window: Window | None = None
    model: Model | None = None
    blessings: tuple[Blessing, ...] = ()
    previous_version: str | None = None
    run: Run | None = None
    confirmation: Confirmation | None = None
    withdrawal: Withdrawal | None = None

    def __post_init__(self) -> None:
        """Check the number and the manifest, which others rely on.

        Raises:
            RecordError: the version is no positive number, or a manifest's line is malformed.
        """
        super().__post_init__()
        check_version(self.version)
        parse_manifest(self.manifest)

    @property
    def number(self) -> int:
        """The version as TensorFlow Serving reads it."""
        return int(self.version)

    def files(self) -> tuple[FileEntry, ...]:
        """Return what the version's folder holds."""
        return parse_manifest(self.manifest).files


@dataclass(frozen=True)
class Quarantined(Part):
    """A model that may not be pushed, and whatever is trained from the same recipe."""

    digest: str | None
    trained_digest: str | None
    recipe: str | None
    version: str
    reason: str
    at: str
    window: Window | None = None
    by: str | None = None
    run: Run | None = None
    released_at: str | None = None
    released_by: str | None = None
    released_for: str | None = None
    """The reason of the release."""
    released_in: Run | None = None
    """The task instance that released it."""


@dataclass(frozen=True)
class Quarantine(FolderRecord):
    """``quarantine.json``: also those released, for the history."""

    entries: tuple[Quarantined, ...] = ()

    @property
    def active(self) -> tuple[Quarantined, ...]:
        """Those not released."""
        return tuple(entry for entry in self.entries if entry.released_at is None)


@dataclass(frozen=True)
class Hold(FolderRecord):
    """``hold.json``: while it is there, nothing is pushed."""

    reason: str
    at: str
    by: str | None = None
    run: Run | None = None


@dataclass(frozen=True)
class Pin(Part):
    """A version that retention never removes."""

    version: str
    reason: str
    at: str
    by: str | None = None

    def __post_init__(self) -> None:
        """Check the number.

        Raises:
            RecordError: the version is no positive number.
        """
        super().__post_init__()
        check_version(self.version)


@dataclass(frozen=True)
class Pins(FolderRecord):
    """``pins.json``."""

    entries: tuple[Pin, ...] = ()


def check_version(text: str) -> None:
    """Check a version's name.

    Raises:
        RecordError: it isn't a positive number without leading zeros.
    """
    if not re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", text, re.ASCII):
        raise RecordError(f"the version is {text!r}; expected a whole number")


def parse_manifest(text: str) -> Manifest:
    """Read `Manifest.text` back.

    Raises:
        RecordError: a line isn't ``<sha256> <size> <path>``.
    """
    return Manifest(tuple(_parse_line(line) for line in text.split("\n")[:-1]))


def _parse_line(line: str) -> FileEntry:
    parts: Any = line.split(" ", 2)
    if len(parts) != 3 or not parts[1].isdecimal():
        raise RecordError(f"the manifest line {line!r} isn't '<sha256> <size> <path>'")
    return FileEntry(parts[2], int(parts[1]), parts[0])
