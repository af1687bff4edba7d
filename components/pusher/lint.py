"""Looks for what will go wrong in a serving folder: names, broken versions, modes, leftovers."""

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components import artifacts
from components.errors import EXIT_DONE, EXIT_REFUSED, ArtifactError, RecordError
from components.pusher import disk
from components.pusher import request as requests
from components.pusher.status import override_sentence, overrides_of
from components.records import Finding
from components.serving_folder import WITHDRAWN_SUFFIX, ServingFolder
from components.serving_records import FolderRecord, VersionRecord
from components.version_files import MAX_VERSION, is_servable, version_number

_KNOWN = frozenset({"lock", "versions", "quarantine.json", "hold.json", "pins.json", "signatures"})


@dataclass(frozen=True)
class LintReport(FolderRecord):
    """What is wrong with a serving folder; nothing if there are no findings."""

    base_directory: str
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...] = ()
    """What isn't wrong, but should be known: thresholds of versions that a person let pass."""

    @property
    def exit_code(self) -> int:
        """3 if something is wrong."""
        return EXIT_REFUSED if self.findings else EXIT_DONE


def lint(*, base_directory: str) -> LintReport:
    """Check a serving folder, without its lock; reads every byte of every version.

    Raises:
        PushError: it can't be read.
    """
    base = requests.read_destination({"filesystem": {"base_directory": base_directory}})
    folder = ServingFolder(base)
    findings = [finding for check in _CHECKS for finding in check(folder)]
    return LintReport(str(folder.base_directory), tuple(findings), tuple(_notes(folder)))


def _names(folder: ServingFolder) -> Iterator[Finding]:
    seen: dict[int, str] = {}
    for number, path in folder.numbered():
        name = path.name
        if number in seen:
            yield _finding(
                "duplicate_version",
                f"{name!r} and {seen[number]!r} are both version {number} to TensorFlow Serving, "
                "which serves one of them; remove the other",
            )
        seen[number] = name
        if not path.is_dir():
            yield _finding(
                "accidental_version",
                f"{name!r} is no directory, but TensorFlow Serving reads it as version {number} "
                "and will fail to load it; rename or remove it",
            )
        elif name != str(number) or not 0 < number <= MAX_VERSION:
            yield _finding(
                "accidental_version",
                f"{name!r} is version {number} to TensorFlow Serving; a version's name is a "
                "positive number without sign, blanks or leading zeros: rename it",
            )


def _set_aside(folder: ServingFolder) -> Iterator[Finding]:
    for name in folder.names():
        number, _, rest = name.partition(".")
        if (
            version_number(number) is not None
            and f".{rest}".count(".") == 2
            and (name.endswith(WITHDRAWN_SUFFIX))
        ):
            yield _finding(
                "leftover",
                f"{name!r} was moved out of the server's sight because nobody recorded it; "
                "remove it when you have looked at it",
            )


def _versions(folder: ServingFolder) -> Iterator[Finding]:
    whole = True
    for number, path in folder.numbered():
        problem = _problem(folder, number, path) if path.is_dir() else None
        if problem is not None:
            bomb = "; a server that starts now would try it first" if whole else ""
            yield _finding("incomplete_version", f"version {path.name} {problem}{bomb}")
        else:
            whole = False


def _problem(folder: ServingFolder, number: int, path: Path) -> str | None:
    try:
        record = folder.record(number) if path == folder.path(number) else None
    except (RecordError, OSError) as error:
        return f"has a damaged record: {error}"
    if record is None:
        return None if is_servable(path) else "lacks its model file, variables index or a shard"
    if record.state in ("withdrawn", "removed"):
        return f"is there although it is recorded as {record.state}; the next writer settles that"
    try:
        found = artifacts.digest(path)
    except (ArtifactError, OSError) as error:
        return f"can't be read: {error}"
    return None if found == record.digest else f"has the digest {found}, not {record.digest}"


def _modes(folder: ServingFolder) -> Iterator[Finding]:
    base = folder.base_directory
    if not base.is_dir():
        return
    modes = disk.Modes.of(base)
    if not modes.directory & stat.S_IXOTH and modes.group is None:
        yield _finding(
            "wrong_mode",
            f"{str(base)!r} has mode {modes.directory:o}: a server under another user can't read "
            "it; chmod 755, or setgid with the server's group",
        )
    for _, version in folder.numbered():
        wrong = next(_unreadable(version, modes), None) if version.is_dir() else None
        if wrong is not None:
            mode = stat.S_IMODE(wrong.stat().st_mode)
            wanted = modes.directory if wrong.is_dir() else modes.file
            path = wrong.relative_to(base)
            message = f"{str(path)!r} has mode {mode:o}, expected {wanted:o} as the folder has"
            yield _finding("wrong_mode", message)


def _unreadable(version: Path, modes: disk.Modes) -> Iterator[Path]:
    """Yield what some user may not read who may read the base directory."""
    for path in (version, *version.rglob("*")):
        found = path.lstat().st_mode
        wanted = (modes.directory if stat.S_ISDIR(found) else modes.file) & 0o555
        if found & wanted != wanted and not stat.S_ISLNK(found):
            yield path


def _leftovers(folder: ServingFolder) -> Iterator[Finding]:
    if not folder.state_directory.is_dir():
        return
    for path in sorted(folder.state_directory.iterdir()):
        if path.name.startswith(("staging-", "trash-")) or path.name.endswith(".tmp"):
            yield _leftover(f"{path.parent.name}/{path.name}")
        elif path.name not in _KNOWN:
            message = f"{f'.imprimatur/{path.name}'!r} isn't ours; nobody reads it: remove it"
            yield _finding("unknown_file", message)
    present = {number for number, _ in folder.numbered()} | set(folder.withdrawn())
    for record in _readable_records(folder):
        if record.state in ("committed", "confirmed") and record.number not in present:
            yield _leftover(f".imprimatur/versions/{record.version}.json, without its version")


def _orphans(folder: ServingFolder) -> Iterator[Finding]:
    for directory in ("versions", "signatures"):
        for path in sorted((folder.state_directory / directory).glob(".*.tmp")):
            yield _leftover(f".imprimatur/{directory}/{path.name}")
    recorded = set(folder.recorded())
    for path in sorted((folder.state_directory / "signatures").glob("*.sig")):
        if version_number(path.stem) not in recorded:
            yield _leftover(f".imprimatur/signatures/{path.name}, without its version")


def _leftover(path: str) -> Finding:
    message = f"{path!r} was left by a crash, or a push is running; the next push sweeps it"
    return _finding("leftover", message)


def _records(folder: ServingFolder) -> Iterator[Finding]:
    checks: list[Callable[[], object]] = [folder.quarantine, folder.hold, folder.pins]
    checks += [partial(folder.record, number) for number in folder.recorded()]
    for check in checks:
        try:
            check()
        except (RecordError, OSError) as error:
            yield _finding("damaged_record", str(error))


def _quarantined(folder: ServingFolder) -> Iterator[Finding]:
    try:
        live, active = folder.live(), folder.quarantine().active
    except (RecordError, OSError):
        return
    digests = {entry.digest for entry in active} | {entry.trained_digest for entry in active}
    if live is not None and live.record is not None and live.digest in digests:
        message = f"version {live.number} is live although its bytes are in quarantine; roll back"
        yield _finding("quarantined_live", message)


def _notes(folder: ServingFolder) -> Iterator[Finding]:
    """Yield the overrides of the versions that are there."""
    there = {number for number, _ in folder.numbered()}
    for record in _readable_records(folder):
        for override in overrides_of(record) if record.number in there else ():
            message = f"version {record.version}: {override_sentence(override)}"
            yield Finding("override", True, message, metric=override.metric, slice=override.slice)


def _readable_records(folder: ServingFolder) -> Iterator[VersionRecord]:
    for number in folder.recorded():
        try:
            record = folder.record(number)
        except (RecordError, OSError):
            continue
        if record is not None:
            yield record


def _finding(check: str, message: str) -> Finding:
    return Finding(check, False, message)


_CHECKS: tuple[Callable[[ServingFolder], Iterator[Finding]], ...] = (
    _names,
    _versions,
    _modes,
    _leftovers,
    _orphans,
    _set_aside,
    _records,
    _quarantined,
)
