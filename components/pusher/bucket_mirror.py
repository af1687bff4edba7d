"""Brings what is live in a serving folder to a bucket, from which other machines pull it."""

import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from components import artifacts, records
from components.errors import ArtifactError, ConfigurationError, InvalidModelError, PushError
from components.pusher import request as requests
from components.pusher.bucket import POINTER_FILE, Bucket, Pointer, open_bucket
from components.serving_folder import ServingFolder, Version
from components.serving_records import FolderRecord, VersionRecord

MAX_ROUNDS = 10
_NUM_CONNECTIONS = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mirrored(FolderRecord):
    """What a bucket points to now."""

    outcome: Literal["mirrored", "already_mirrored"]
    url: str
    version: str
    digest: str


def mirror(*, base_directory: str, to: str, again: bool = False) -> Mirrored:
    """Upload the live version to a bucket, and move the bucket's pointer to it.

    After a rollback the pointer goes back too. What retention removed from the folder is removed
    from the bucket. Nothing is locked: if something else becomes live
    meanwhile, or another machine moves the pointer, it begins again with what is live then.

    Args:
        base_directory: the serving folder.
        again: upload everything anew, whatever the bucket says: it was damaged.
        to: ``s3://BUCKET/PREFIX``; credentials and endpoint come from where the AWS tools look.

    Raises:
        ConfigurationError: nothing is live, or it was not pushed by Imprimatur.
        InvalidModelError: the live version's bytes aren't those recorded.
        PushError: the bucket can't be used.
    """
    base = requests.read_destination({"filesystem": {"base_directory": base_directory}})
    folder, bucket = ServingFolder(base), open_bucket(to)
    for _ in range(MAX_ROUNDS):
        tag = bucket.tag(POINTER_FILE)
        pointer = None if again else read_pointer(bucket)
        version, record = _live(folder)
        if pointer is not None and _is_mirrored(bucket, pointer, record):
            return Mirrored("already_mirrored", to, record.version, record.digest)
        try:
            moved = _upload(folder, bucket, version, record, again=again)
        except (ArtifactError, InvalidModelError, PushError):
            if _is_live(folder, version):
                raise
            continue
        if not _is_live(folder, version):
            continue
        if bucket.replace(POINTER_FILE, _json(moved), tag):
            _log.info("%s points to %s now", to, record.version)
            _remove_old_versions(folder, bucket)
            return Mirrored("mirrored", to, record.version, record.digest)
    raise PushError(f"{to!r} or {str(base)!r} changed {MAX_ROUNDS} times meanwhile; try again")


def _is_live(folder: ServingFolder, version: Version) -> bool:
    live = folder.live()
    return live is not None and live.number == version.number


def read_pointer(bucket: Bucket) -> Pointer | None:
    """Return what a bucket points to, None if it is empty.

    Raises:
        RecordError: ``live.json`` is damaged.
        PushError: the bucket can't be used.
    """
    return bucket.read_record(POINTER_FILE, Pointer)


def _live(folder: ServingFolder) -> tuple[Version, VersionRecord]:
    live = folder.live()
    if live is None:
        raise ConfigurationError(
            f"nothing is live in {str(folder.base_directory)!r}; push a model first"
        )
    if live.record is None:
        raise ConfigurationError(
            f"the live version {live.number} was not pushed by Imprimatur, so there is no record "
            "to verify it by; push a blessed model first"
        )
    return live, live.record


def _is_mirrored(bucket: Bucket, pointer: Pointer, record: VersionRecord) -> bool:
    """Whether the pointer is to this version, and all of it is still there."""
    if (pointer.version, pointer.digest) != (record.version, record.digest):
        return False
    data = bucket.read(pointer.record)
    if data is None or hashlib.sha256(data).hexdigest() != pointer.record_sha256:
        return False
    return _has_files(bucket, record)


def _has_files(bucket: Bucket, record: VersionRecord) -> bool:
    there = bucket.sizes(f"versions/{record.digest}")
    return all(there.get(file.path) == file.num_bytes for file in record.files())


def _upload(
    folder: ServingFolder,
    bucket: Bucket,
    version: Version,
    record: VersionRecord,
    *,
    again: bool,
) -> Pointer:
    """Upload files, then the record: where the record is, all files are."""
    data = _json(record)
    name = f"records/{record.version}.json"
    if again or bucket.read(name) != data or not _has_files(bucket, record):
        found = artifacts.digest(version.path)
        if found != record.digest:
            raise InvalidModelError(
                f"version {record.version} has the digest {found}, its record says "
                f"{record.digest}; see 'pusher lint'"
            )
        _upload_files(bucket, version, record)
        signature = folder.signature_path(record.number)
        if signature.exists():
            bucket.write(f"signatures/{record.version}.sig", signature.read_bytes())
        bucket.write(name, data)
    return Pointer(
        version=record.version,
        digest=record.digest,
        record=name,
        record_sha256=hashlib.sha256(data).hexdigest(),
        moved_at=records.now(),
    )


def _upload_files(bucket: Bucket, version: Version, record: VersionRecord) -> None:
    def upload(path: str) -> None:
        target = bucket.path(f"versions/{record.digest}/{path}")
        bucket.file_system.put_file(str(version.path / path), target)

    _log.info("uploading %s to %s", record.version, bucket.url)
    with bucket.faults(), ThreadPoolExecutor(_NUM_CONNECTIONS) as pool:
        list(pool.map(upload, (file.path for file in record.files())))


def _remove_old_versions(folder: ServingFolder, bucket: Bucket) -> None:
    """Remove what retention removed here; what fails there doesn't undo a mirroring."""
    gone = folder.records(lambda record: record.get("state") == "removed")
    there = folder.records(lambda record: record.get("state") != "removed")
    kept = {record.digest for record in there}
    try:
        for record in gone:
            if bucket.read(f"records/{record.version}.json") is not None:
                _log.info("removing %s from %s", record.version, bucket.url)
                if record.digest not in kept:
                    bucket.remove_folder(f"versions/{record.digest}")
                bucket.remove(f"records/{record.version}.json")
    except PushError as error:
        _log.warning("old versions could not be removed: %s", error)


def _json(record: FolderRecord) -> bytes:
    return json.dumps(record.to_json(), allow_nan=False, ensure_ascii=False).encode()
