"""Brings what a bucket points to into a local serving folder, whole and verified."""

import dataclasses
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from components import artifacts, records, signing
from components.artifacts import FileEntry, Manifest
from components.errors import ArtifactError, InvalidModelError, PushError
from components.pusher import commit, disk, publication, quarantine
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

_NUM_CONNECTIONS = 8
_log = logging.getLogger(__name__)


def pull(
    *,
    source: str,
    base_directory: str,
    keep_versions: int = 5,
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
        run: who asks.
        signing_key: if given, each recorded blessing must be signed with it.
        lock_timeout_seconds: how long to wait for another writer.

    Returns:
        What is live now; or a refusal: the folder is on hold, or the bytes are in quarantine here.

    Raises:
        ConfigurationError: an argument is wrong.
        RecordError: the bucket's pointer or record is malformed.
        InvalidModelError: what the bucket holds isn't what its record says, or isn't signed.
        PushError: the bucket is empty or can't be used, or the folder can't.
    """
    base = requests.read_destination({"filesystem": {"base_directory": base_directory}})
    keep = requests.read_keep_versions(keep_versions)
    bucket = open_bucket(source)
    pointer = read_pointer(bucket)
    if pointer is None:
        raise PushError(
            f"{source!r} points to nothing yet; run 'pusher mirror' where models go live"
        )
    with locked(base, create=True, timeout_seconds=lock_timeout_seconds) as folder:
        live = folder.live()
        if live is not None and live.digest == pointer.digest:
            return publication.already_live(live, run)
        record = _read_record(bucket, pointer, signing_key)
        refused = _refuse(folder, record, live)
        if refused is not None:
            return refused
        kept = _kept_below(folder, record, live)
        if kept is not None:
            _go_back(folder, kept, f"{source} points to {pointer.version}")
            return publication.already_live(kept, run)
        published = _publish(bucket, folder, record, live)
        publication.retain(folder, keep)
        return publication.pushed(folder, published)


def _read_record(bucket: Bucket, pointer: Pointer, signing_key: bytes | None) -> VersionRecord:
    data = bucket.read(pointer.record)
    if data is None or hashlib.sha256(data).hexdigest() != pointer.record_sha256:
        raise InvalidModelError(
            f"{bucket.url}/{pointer.record} isn't what the pointer names; mirror again"
        )
    record = VersionRecord.from_json(requests.read_object(data.decode()))
    requests.read_version(record.version)
    manifest = parse_manifest(record.manifest)
    if not manifest.digest == record.digest == pointer.digest:
        raise InvalidModelError(
            f"{bucket.url}/{pointer.record} describes {manifest.digest}, not {pointer.digest}"
        )
    for file in manifest.files:
        _check_path(file.path)
    if signing_key is not None:
        _check_signatures(record, signing_key)
    return record


def _check_path(path: str) -> None:
    parts = path.split("/")
    for part in parts:
        artifacts.check_name(part, path)
    if any(part in ("", ".") for part in parts):
        raise ArtifactError(f"the record names a file {path!r}; expected a relative path")


def _check_signatures(record: VersionRecord, key: bytes) -> None:
    unsigned = [b.kind for b in record.blessings if not signing.is_signed(b, key)]
    if unsigned or not record.blessings:
        what = f"the {', '.join(unsigned)} blessing of" if unsigned else "no blessing is in"
        raise InvalidModelError(
            f"{what} {record.version} isn't signed with this installation's key; nothing is pulled"
        )


def _refuse(folder: LockedFolder, record: VersionRecord, live: Version | None) -> Refusal | None:
    hold = folder.hold()
    digests = (record.digest, record.trained_digest)
    entry = quarantine.find(folder.quarantine().active, digests=digests, recipe=None)
    if hold is not None:
        message = f"this folder is on hold since {hold.at}: {hold.reason}; see 'pusher resume'"
        finding = Finding("hold", False, message)
    elif entry is not None:
        message = f"{record.version} is in quarantine here since {entry.at}: {entry.reason}"
        finding = Finding("quarantined", False, message)
    else:
        return None
    return Refusal(
        findings=(finding,),
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
    withdraw_above(folder, target, withdrawal)


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
            "mirror again"
        )
    for directory in [*sorted(directories, reverse=True), ""]:
        disk.sync(staged / directory)
