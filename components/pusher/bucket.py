"""A copy of a serving folder's live version in an object store, and the pointer to it.

::

    s3://models/flight_delays/
      live.json                      `Pointer`: moved by a conditional write when all is there
      records/20130901000000.json    `VersionRecord`, written after the files
      versions/sha256:2c26b4…/       the files of one version, by the digest of its bytes

A bucket is no serving folder: a version number would be visible with its first object, and there is
no rename. So nothing here has a number for a name that a server would poll.
"""

import contextlib
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import filelock
import fsspec

from components.errors import ConfigurationError, PushError, RecordError
from components.pusher import request as requests
from components.serving_records import FolderRecord

POINTER_FILE = "live.json"
R = TypeVar("R", bound=FolderRecord)
_NEVER = '"00000000000000000000000000000000"'


@dataclass(frozen=True)
class Pointer(FolderRecord):
    """``live.json``: which version is live, and the record that describes it."""

    version: str
    digest: str
    record: str
    """Relative to the root."""
    record_sha256: str
    moved_at: str


@dataclass(frozen=True)
class Bucket:
    """A root in an fsspec file system."""

    file_system: Any
    root: str
    url: str

    def path(self, name: str) -> str:
        """Return the file system's path of something below the root."""
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, None if there is none.

        Raises:
            PushError: the store can't be reached, or refuses.
        """
        with self.faults():
            try:
                data: bytes = self.file_system.cat_file(self.path(name))
            except FileNotFoundError:
                return None
            return data

    def sizes(self, name: str) -> dict[str, int]:
        """Return the sizes of all objects below a name, by their path below it.

        Raises:
            PushError: the store can't be reached, or refuses.
        """
        root = self.path(name)
        with self.faults():
            found = self.file_system.find(root, detail=True)
        return {path[len(root) + 1 :]: int(info["size"]) for path, info in found.items()}

    def read_record(self, name: str, kind: type[R]) -> R | None:
        """Return a record, None if there is no such object.

        Raises:
            RecordError: it is damaged; the message names it.
            PushError: the store can't be reached, or refuses.
        """
        data = self.read(name)
        return None if data is None else self.decode(name, data, kind)

    def decode(self, name: str, data: bytes, kind: type[R]) -> R:
        """Return the record that an object's bytes hold.

        Raises:
            RecordError: they hold none; the message names the object.
        """
        try:
            return kind.from_json(requests.read_object(data.decode()))
        except (UnicodeDecodeError, ConfigurationError, RecordError) as error:
            raise RecordError(
                f"{self.url}/{name} is damaged: {error}; 'pusher mirror --again' writes it anew"
            ) from error

    def tag(self, name: str) -> str | None:
        """Return what changes with an object's content: its ETag; None if there is no object.

        Raises:
            PushError: the store can't be reached, or refuses.
        """
        with self.faults():
            if self._is_local:
                data = self.read(name)
                return None if data is None else hashlib.sha256(data).hexdigest()
            try:
                found: str = self.file_system.info(self.path(name), refresh=True)["ETag"]
            except FileNotFoundError:
                return None
            return found

    def write(self, name: str, data: bytes) -> None:
        """Write an object.

        Raises:
            PushError: the store can't be reached, or refuses.
        """
        with self.faults():
            self.file_system.pipe_file(self.path(name), data)

    def remove(self, name: str) -> None:
        """Delete an object.

        Raises:
            PushError: the store can't be reached, or refuses.
        """
        with self.faults():
            self.file_system.rm_file(self.path(name))

    def remove_folder(self, name: str) -> None:
        """Delete all objects below a name; nothing happens if there is none.

        Raises:
            PushError: the store can't be reached, or refuses.
        """
        with self.faults(), contextlib.suppress(FileNotFoundError):
            self.file_system.rm(self.path(name), recursive=True)

    def replace(self, name: str, data: bytes, tag: str | None) -> bool:
        """Write an object if its tag is still the one given (None: if there still is none).

        Returns:
            Whether it was written.

        Raises:
            PushError: the store can't be reached, refuses, or doesn't know conditional writes.
        """
        with self.faults():
            if self._is_local:
                return self._replace_locally(name, data, tag)
            self._check_conditions_count(name)
            try:
                self._write_if(name, data, tag)
            except _faults():
                if self.tag(name) == tag:
                    raise
                return False
            return True

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """Turn what an object store raises into a fault of ours."""
        try:
            yield
        except FileNotFoundError as error:
            raise PushError(
                f"the bucket {self.url!r} can't be used: {error}; check its name. If objects were "
                "lost, 'pusher mirror --again' uploads them anew"
            ) from error
        except _faults() as error:
            raise PushError(
                f"the bucket {self.url!r} can't be used: {error}; check its name, the network and "
                "the credentials"
            ) from error

    @property
    def _is_local(self) -> bool:
        return "file" in _protocols(self.file_system)

    def _write_if(self, name: str, data: bytes, tag: str | None) -> None:
        if tag is None:
            self.file_system.pipe_file(self.path(name), data, mode="create")
        else:
            self.file_system.pipe_file(self.path(name), data, IfMatch=tag)

    def _check_conditions_count(self, name: str) -> None:
        """A store that ignores conditions would take a write that can't be right."""
        probe = f"{name}.probe"
        try:
            self._write_if(probe, b"", _NEVER)
        except _faults():
            return
        self.remove(probe)
        raise PushError(
            f"the bucket {self.url!r} ignores conditional writes (If-Match), so two mirrors could "
            "undo each other's work; use a store that knows them, as Amazon S3 and MinIO do"
        )

    def _replace_locally(self, name: str, data: bytes, tag: str | None) -> bool:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", fallback_to_soft=False):
            if self.tag(name) != tag:
                return False
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_bytes(data)
            temporary.replace(path)
            return True


def open_bucket(url: str) -> Bucket:
    """Open ``s3://BUCKET/PREFIX`` (or ``file://…``), as fsspec and the AWS tools are configured.

    Raises:
        ConfigurationError: a scheme without conditional writes, or whose library isn't installed.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in ("s3", "s3a", "file"):
        raise ConfigurationError(
            f"the bucket is {url!r}; expected s3://BUCKET/PREFIX (or file://DIR): the pointer "
            "needs conditional writes"
        )
    try:
        file_system, root = fsspec.url_to_fs(url.rstrip("/"), **_options(scheme))
    except ImportError as error:
        raise ConfigurationError(f"{url!r} needs the package s3fs: {error}; install it") from error
    return Bucket(file_system, root, url)


def _faults() -> tuple[type[Exception], ...]:
    """Return what reading and writing may raise; s3fs lets some of botocore's errors through."""
    botocore = sys.modules.get("botocore.exceptions")
    raised: tuple[type[Exception], ...] = (OSError, ImportError)
    return raised if botocore is None else (*raised, botocore.BotoCoreError, botocore.ClientError)


def _options(scheme: str) -> dict[str, Any]:
    if scheme == "file":
        return {"auto_mkdir": True}
    # Every read must see what another machine wrote a moment ago.
    return {"use_listings_cache": False}


def _protocols(file_system: Any) -> tuple[str, ...]:
    protocol = file_system.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
