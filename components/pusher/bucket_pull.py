"""Brings what a bucket points to into a local serving folder, whole and verified."""

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from components import artifacts, records
from components.artifacts import FileEntry, Manifest
from components.errors import ArtifactError, InvalidModelError, PushError
from components.pusher import blessings, commit, disk, publication, quarantine
from components.pusher import request as requests
from components.pusher.bucket import Bucket, Pointer, open_bucket
from components.pusher.bucket_mirror import read_pointer
from components.pusher.lock import TIMEOUT_SECONDS, locked
from components.pusher.locked_folder import LockedFolder
from components.pusher.numbering import next_number
from components.pusher.rollback import record_of_foreign, withdraw_above
from components.records import Finding, PushedModel, Refusal, Run
from components.serving_folder import Version
from components.serving_records import VersionRecord, Withdrawal, parse_manifest
from components.version_files import MAX_VERSION

_NUM_CONNECTIONS = 8
_MAX_VERSION = MAX_VERSION - 2**32
_log = logging.getLogger(__name__)


def pull(
    *,
    source: str,
    base_directory: str,
    keep_versions: int = 5,
    required_kinds: Sequence[str] = requests.REQUIRED_KINDS,
    run: Run | None = None,
    signing_key: bytes | None = None,
    lock_timeout_seconds: float = TIMEOUT_SECONDS,
) -> PushedModel | Refusal:
    """Make what a bucket points to the live version of a local serving folder.

    What is newer there is downloaded, verified and published as by a push; where the pointer went
    back, the local versions above it are withdrawn.

    Args:
        source: ``s3://BUCKET/PREFIX``, filled by `mirror`.
        base_directory: the local serving folder; made if it doesn't exist.
        keep_versions: how many versions stay, at least 2.
        required_kinds: the kinds of blessing that the version must have been pushed with.
        run: who asks.
        signing_key: if given, each recorded blessing must be signed with it.
        lock_timeout_seconds: how long to wait for another writer.

    Returns:
        What is live now; or a refusal: the folder is on hold, the bytes are in quarantine here, or
        the recorded blessings don't allow exactly these bytes.

    Raises:
        ConfigurationError: an argument is wrong.
        RecordError: the bucket's pointer or record is malformed.
        InvalidModelError: what the bucket holds isn't what its record says.
        PushError: the bucket is empty or can't be used, or the folder can't.
    """
    base = requests.read_destination({"filesystem": {"base_directory": base_directory}})
    keep = requests.read_keep_versions(keep_versions)
    kinds = requests.read_required_kinds(required_kinds)
    options = requests.Options(required_kinds=kinds, run=run, signing_key=signing_key)
    bucket = open_bucket(source)
    _read_pointer(bucket)
    with locked(base, create=True, timeout_seconds=lock_timeout_seconds) as folder:
        pointer = _read_pointer(bucket)  # not the one from before the wait
        live = folder.live()
        if live is not None and live.digest == pointer.digest:
            return publication.already_live(live, run)
        record = _read_record(bucket, pointer)
        refused = _refuse(folder, record, live, _objections(record, options))
        if refused is not None:
            return refused
        kept = _kept_below(folder, record, live)
        if kept is not None:
            _go_back(folder, kept, f"{source} points to {pointer.version}")
            return publication.already_live(kept, run)
        published = _publish(bucket, folder, record, live)
        publication.retain(folder, keep)
        return publication.pushed(folder, published)


def _read_pointer(bucket: Bucket) -> Pointer:
    pointer = read_pointer(bucket)
    if pointer is None:
        raise PushError(
            f"{bucket.url!r} points to nothing yet; run 'pusher mirror' where models go live"
        )
    return pointer


def _read_record(bucket: Bucket, pointer: Pointer) -> VersionRecord:
    data = bucket.read(pointer.record)
    if data is None or hashlib.sha256(data).hexdigest() != pointer.record_sha256:
        raise InvalidModelError(
            f"{bucket.url}/{pointer.record} isn't what the pointer names; "
            "run 'pusher mirror --again'"
        )
    record = bucket.decode(pointer.record, data, VersionRecord)
    if requests.read_version(record.version, "the bucket's version") > _MAX_VERSION:  # type: ignore[operator]
        raise InvalidModelError(
            f"{bucket.url} calls its version {record.version}, which would leave no number for a "
            "later one; nothing is pulled"
        )
    manifest = parse_manifest(record.manifest)
    if not manifest.digest == record.digest == pointer.digest:
        raise InvalidModelError(
            f"{bucket.url}/{pointer.record} describes {manifest.digest}, not {pointer.digest}"
        )
    for file in manifest.files:
        _check_path(file.path)
    return record


def _check_path(path: str) -> None:
    parts = path.split("/")
    for part in parts:
        artifacts.check_name(part, path)
    if any(part in ("", ".") for part in parts):
        raise ArtifactError(f"the record names a file {path!r}; expected a relative path")


def _objections(record: VersionRecord, options: requests.Options) -> list[Finding]:
    """Judge the recorded blessings as a push does, but for which folder they were issued for.

    Whoever can write to the bucket could replace files, record and pointer together.
    """
    model = record.model
    if model is None:
        message = f"the record of {record.version} names no model, so no blessing is for it"
        return [Finding("blessing_missing", False, message)]
    source = Path(model.uri)
    candidate = requests.Candidate(source, model, record.digest, record.trained_digest)
    request = requests.PushRequest(source, model, record.blessings, (), options)
    unproven = publication.check_bytes(parse_manifest(record.manifest), candidate)
    found = blessings.objections(request, candidate, None)
    return found if unproven is None else [*found, unproven]


def _refuse(
    folder: LockedFolder, record: VersionRecord, live: Version | None, objections: list[Finding]
) -> Refusal | None:
    hold = folder.hold()
    digests = (record.digest, record.trained_digest)
    active = folder.quarantine().active
    entry = quarantine.find(active, digests=digests, recipe=record.recipe)
    if objections:
        findings = objections
    elif hold is not None:
        message = f"this folder is on hold since {hold.at}: {hold.reason}; see 'pusher resume'"
        findings = [Finding("hold", False, message)]
    elif entry is not None:
        message = (
            f"{record.version}, or what it was trained from, is in quarantine here since "
            f"{entry.at}: {entry.reason}"
        )
        findings = [Finding("quarantined", False, message)]
    else:
        return None
    return Refusal(
        findings=tuple(findings),
        model_digest=record.trained_digest,
        live_version=str(live.number) if live is not None else None,
    )


def _go_back(folder: LockedFolder, target: Version, reason: str) -> None:
    """Withdraw all versions above one, the live one last."""
    withdrawal = Withdrawal(
        cause="rollback", reason=reason, at=records.now(), to_version=str(target.number)
    )
    above = [version for version in folder.versions() if version.number > target.number]
    for version in above[:-1]:
        record = version.record or record_of_foreign(version)
        folder.withdraw(version.path, record, withdrawal)
    withdraw_above(folder, folder.live(), target, withdrawal)


def _kept_below(
    folder: LockedFolder, record: VersionRecord, live: Version | None
) -> Version | None:
    """Return the local version with these bytes, if it is still here and whole."""
    for version in reversed(folder.versions()):
        lower = live is not None and version.number < live.number
        if lower and version.digest == record.digest:
            return version if artifacts.digest(version.path) == record.digest else None
    return None


def _publish(
    bucket: Bucket, folder: LockedFolder, record: VersionRecord, live: Version | None
) -> VersionRecord:
    highest = folder.highest_number()
    wanted = record.number if record.number > highest else None
    number = next_number(window=None, highest=highest, wanted=wanted)
    with commit.staging(folder, number) as staged:
        _download(bucket, record, staged, folder.modes)
        signature = bucket.read(f"signatures/{record.version}.sig")
        if signature is not None:
            folder.write_signature(number, signature.decode())
        record = dataclasses.replace(
            record,
            version=str(number),
            state="committed",
            staging=commit.staging_name(staged),
            pushed_at=records.now(),
            previous_version=str(live.number) if live is not None else None,
            confirmation=None,
            withdrawal=None,
        )
        commit.commit(folder, staged, record)
    return record


def _download(bucket: Bucket, record: VersionRecord, staged: Path, modes: disk.Modes) -> None:
    files = record.files()
    directories = {str(p) for f in files for p in list(PurePosixPath(f.path).parents)[:-1]}
    for directory in sorted(directories):
        disk.make_directory(staged / directory, modes)

    def download(file: FileEntry) -> FileEntry:
        remote = bucket.path(f"versions/{record.digest}/{file.path}")
        with bucket.faults(), bucket.file_system.open(remote, "rb") as reader:
            return disk.copy_stream(reader, staged, file, modes)

    with ThreadPoolExecutor(_NUM_CONNECTIONS) as pool:
        found = Manifest(tuple(pool.map(download, files)))
    if found.digest != record.digest:
        wrong = sorted({f.path for f in set(found.files) ^ set(files)})
        raise InvalidModelError(
            f"{bucket.url} holds other bytes than its record says in {', '.join(wrong[:5])}; "
            "run 'pusher mirror --again'"
        )
    for directory in [*sorted(directories, reverse=True), ""]:
        disk.sync(staged / directory)
