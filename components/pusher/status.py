"""What is live in a serving folder, what may not be pushed, and why: for people and programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from tabulate import tabulate

from components.errors import RecordError
from components.looking import Look
from components.pusher import request as requests
from components.pusher.seen_versions import look
from components.records import Override, Run, Window
from components.serving_folder import ServingFolder, Version
from components.serving_records import (
    Confirmation,
    FolderRecord,
    Hold,
    Pin,
    Pins,
    Quarantine,
    Quarantined,
    VersionRecord,
    Withdrawal,
)


@dataclass(frozen=True)
class VersionStatus(FolderRecord):
    """One version, in service or withdrawn."""

    version: str
    state: str
    """``live``, ``kept`` or ``withdrawn``."""
    digest: str | None = None
    trained_digest: str | None = None
    num_bytes: int | None = None
    window: Window | None = None
    pushed_at: str | None = None
    run: Run | None = None
    pinned: bool = False
    confirmation: Confirmation | None = None
    withdrawal: Withdrawal | None = None
    overrides: tuple[Override, ...] = ()
    """Missed thresholds that a person let pass."""
    signature: str | None = None
    """The path of its OpenSSF model signature."""
    problem: str | None = None
    """Why its record can't be read; then nothing else is known of it."""


@dataclass(frozen=True)
class FolderStatus(FolderRecord):
    """A serving folder at one moment."""

    base_directory: str
    live_version: str | None
    versions: tuple[VersionStatus, ...]
    """Newest first; foreign ones have no digest."""
    withdrawn: tuple[VersionStatus, ...] = ()
    hold: Hold | None = None
    quarantine: tuple[Quarantined, ...] = ()
    """Those not released."""
    pins: tuple[Pin, ...] = ()
    problems: tuple[str, ...] = ()
    """What can't be read of the folder's own records. Each of them blocks pushes."""


def status(*, base_directory: str) -> FolderStatus:
    """Look at a serving folder, without its lock.

    What is damaged is named, and hides nothing else: whoever is on call needs the rest.

    Raises:
        PushError: it can't be read.
    """
    base = requests.read_destination({"filesystem": {"base_directory": base_directory}})
    folder = ServingFolder(base)
    looking, no_hold = Look(), cast(Hold | None, None)
    seen = look(folder)
    pins = looking.attempt(folder.pins, Pins()).entries
    pinned = {pin.version for pin in pins}
    return FolderStatus(
        base_directory=str(folder.base_directory),
        live_version=None if seen.live is None else str(seen.live.number),
        versions=tuple(
            _of_version(folder, version, "kept" if place else "live", pinned, seen.damaged)
            for place, version in enumerate(seen.versions)
        ),
        withdrawn=tuple(_of_withdrawn(folder, number) for number in folder.withdrawn()[::-1]),
        hold=looking.attempt(folder.hold, no_hold),
        quarantine=looking.attempt(folder.quarantine, Quarantine()).active,
        pins=pins,
        problems=looking.problems,
    )


def table(shown: FolderStatus) -> str:
    """Return what a person reads."""
    rows = [_row(version) for version in (*shown.versions, *shown.withdrawn)]
    headers = ("version", "state", "data until", "size", "pushed", "by run", "digest")
    text = tabulate(rows, headers, tablefmt="simple", disable_numparse=True)
    lines = [shown.base_directory, "", text if rows else "nothing is live here"]
    if shown.hold is not None:
        by = f" by {shown.hold.by}" if shown.hold.by else ""
        lines += ["", f"ON HOLD since {shown.hold.at}{by}: {shown.hold.reason}"]
    lines += _overrides(shown)
    lines += _problems(shown)
    if shown.quarantine:
        lines += ["", "in quarantine:"]
        lines += [
            f"  {entry.version} since {entry.at}: {entry.reason}" for entry in shown.quarantine
        ]
    return "\n".join(lines)


def overrides_of(record: VersionRecord) -> tuple[Override, ...]:
    """Return the missed thresholds of a version that a person let pass."""
    return tuple(override for blessing in record.blessings for override in blessing.overrides)


def override_sentence(override: Override) -> str:
    """Say who let which missed threshold pass, and why."""
    where = ", ".join(f"{name}={value}" for name, value in override.slice.items()) or "overall"
    return (
        f"{override.by} let {override.metric} of {where} pass at {override.observed}: "
        f"{override.reason}"
    )


def _overrides(shown: FolderStatus) -> list[str]:
    said = [
        f"  {version.version}: {override_sentence(override)}"
        for version in (*shown.versions, *shown.withdrawn)
        for override in version.overrides
    ]
    return ["", "missed thresholds that a person let pass:", *said] if said else []


def _problems(shown: FolderStatus) -> list[str]:
    of_versions = [each.problem for each in (*shown.versions, *shown.withdrawn) if each.problem]
    said = [f"  {problem}" for problem in (*of_versions, *shown.problems)]
    return ["", "damaged, and so nothing can be pushed:", *said] if said else []


def _of_version(
    folder: ServingFolder,
    version: Version,
    state: str,
    pinned: set[str],
    damaged: Mapping[int, str],
) -> VersionStatus:
    if version.record is None:
        name = str(version.number)
        problem = damaged.get(version.number)
        return VersionStatus(name, state, pinned=name in pinned, problem=problem)
    return _of_record(folder, version.record, state, pinned)


def _of_withdrawn(folder: ServingFolder, number: int) -> VersionStatus:
    try:
        record = folder.record(number)
    except RecordError as error:
        return VersionStatus(str(number), "withdrawn", problem=str(error))
    if record is None:
        return VersionStatus(str(number), "withdrawn")
    return _of_record(folder, record, "withdrawn", set())


def _of_record(
    folder: ServingFolder, record: VersionRecord, state: str, pinned: set[str]
) -> VersionStatus:
    signature = folder.signature_path(record.number)
    return VersionStatus(
        version=record.version,
        state=state,
        digest=record.digest,
        trained_digest=record.trained_digest,
        num_bytes=sum(file.num_bytes for file in record.files()),
        window=record.window,
        pushed_at=record.pushed_at,
        run=record.run,
        pinned=record.version in pinned,
        confirmation=record.confirmation,
        withdrawal=record.withdrawal,
        overrides=overrides_of(record),
        signature=str(signature) if signature.exists() else None,
    )


def _row(version: VersionStatus) -> tuple[str, ...]:
    marks = [version.state]
    marks += ["pinned"] if version.pinned else []
    marks += ["confirmed"] if version.confirmation is not None else []
    marks += ["overridden"] if version.overrides else []
    marks += ["signed"] if version.signature is not None else []
    marks += ["damaged"] if version.problem is not None else []
    marks += ["foreign"] if version.digest is None and version.problem is None else []
    return (
        version.version,
        ", ".join(marks),
        version.window.end if version.window is not None else "",
        _size(version.num_bytes),
        version.pushed_at or "",
        version.run.run_id if version.run is not None else "",
        (version.digest or "")[:19],
    )


def _size(num_bytes: int | None) -> str:
    if num_bytes is None:
        return ""
    size, units = float(num_bytes), iter(("B", "KiB", "MiB", "GiB"))
    unit = next(units)
    while size >= 1024 and (larger := next(units, None)) is not None:
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
