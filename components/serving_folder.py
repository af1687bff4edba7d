"""The read side of a serving folder: what is live in it, and what it knows about itself.

::

    flight_delays/                       what TensorFlow Serving polls
      20130801000000/                    a version: the end of its data window, YYYYMMDDhhmmss, UTC
      20130901000000/
      20131001000000.withdrawn/          rolled back: kept, not served
      .imprimatur/
        lock                             held by whoever changes the folder
        versions/20130901000000.json     `VersionRecord`, written before the folder appears
        quarantine.json hold.json pins.json
        signatures/20130901000000.sig    OpenSSF model signatures, where they are asked for
        staging-*/ trash-*/              being written, being deleted; swept under the lock

Nothing here takes the lock or writes. A reader may look at any moment: a folder that is renamed
away meanwhile counts as not there.
"""

import json
import logging
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from components import artifacts
from components.errors import PushError, RecordError
from components.record_parts import Part
from components.records import Window
from components.serving_records import Hold, Pins, Quarantine, VersionRecord
from components.version_files import has_files, is_servable, version_number

STATE_DIRECTORY = ".imprimatur"
WITHDRAWN_SUFFIX = ".withdrawn"
WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"

_log = logging.getLogger(__name__)
_P = TypeVar("_P", bound=Part)


@dataclass(frozen=True)
class Version:
    """A whole version. One without a record is foreign: pushed by TFX, or by hand."""

    number: int
    path: Path
    digest: str | None = None
    """Of the served bytes, as recorded; null if foreign: `read_digest` computes it."""
    trained_digest: str | None = None
    window: Window | None = None
    record: VersionRecord | None = None

    def read_digest(self) -> str:
        """Return the digest of the served bytes: as recorded, else from hashing them.

        Never raises for what a foreign version holds: it is served whatever we think of it.
        """
        if self.digest is not None:
            return self.digest
        return artifacts.read_foreign_manifest(self.path).digest


class ServingFolder:
    """A serving folder as a reader sees it. One that doesn't exist has nothing live.

    Attributes:
        base_directory: absolute.
        state_directory: ``.imprimatur`` in it.
    """

    def __init__(self, base_directory: str | Path) -> None:
        self.base_directory = Path(base_directory).absolute()
        self.state_directory = self.base_directory / STATE_DIRECTORY

    @cached_property
    def identity(self) -> str:
        """The real path: what a blessing's baseline and destination are compared with.

        Raises:
            PushError: no path at all: a loop of symlinks, a NUL in it.
        """
        try:
            return str(self.base_directory.resolve())
        except (OSError, RuntimeError, ValueError) as error:
            raise PushError(
                f"{str(self.base_directory)!r} is no serving folder: {error}"
            ) from error

    def versions(self) -> list[Version]:
        """Return the whole versions, by ascending number.

        Raises:
            PushError: the base directory is a file or can't be read.
            RecordError: the record of a version is damaged.
        """
        return list(self._whole_versions(self.numbered()))[::-1]

    def live(self) -> Version | None:
        """Return what TensorFlow Serving's default policy serves: the highest whole version.

        Raises:
            PushError: the base directory is a file or can't be read.
            RecordError: the record of that version is damaged.
        """
        return next(self._whole_versions(self.numbered()), None)

    def numbered(self) -> list[tuple[int, Path]]:
        """Return every entry whose name TensorFlow Serving reads as a version, highest first."""
        numbers = ((version_number(name), name) for name in self.names())
        found = [
            (number, self.base_directory / name) for number, name in numbers if number is not None
        ]
        return sorted(found, key=lambda item: (item[0], item[1].name), reverse=True)

    def names(self) -> list[str]:
        """Return the names in the base directory; none if it doesn't exist.

        Raises:
            PushError: it is a file or can't be read.
        """
        try:
            return sorted(path.name for path in self.base_directory.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise PushError(
                f"the serving folder {str(self.base_directory)!r} can't be read: {error}; "
                "expected a directory"
            ) from error

    def withdrawn(self) -> list[int]:
        """Return the numbers of withdrawn folders, ascending."""
        stems = (name.removesuffix(WITHDRAWN_SUFFIX) for name in self.names() if _withdrawn(name))
        return sorted(number for stem in stems if (number := version_number(stem)) is not None)

    def recorded(self) -> list[int]:
        """Return the numbers that have a record, ascending."""
        directory = self.state_directory / "versions"
        stems = (path.stem for path in directory.glob("*.json")) if directory.is_dir() else ()
        return sorted(number for stem in stems if (number := version_number(stem)) is not None)

    def highest_number(self) -> int:
        """Return the highest number ever used here; 0 if none."""
        used = [number for number, _ in self.numbered()]
        return max([0, *used, *self.withdrawn(), *self.recorded()])

    def record(self, number: int) -> VersionRecord | None:
        """Return what was recorded of a version, whether or not its folder is still there.

        Raises:
            RecordError: the file is damaged.
        """
        value = read_json(self.record_path(number))
        return None if value is None else self._decode(number, value)

    def records(
        self,
        wanted: Callable[[Mapping[str, Any]], bool] = lambda record: True,
        *,
        pass_over_damaged: bool = False,
    ) -> list[VersionRecord]:
        """Return the records, by ascending number.

        Args:
            wanted: chooses by the record's JSON; a folder may have thousands, and reading each
                field of each takes its time.
            pass_over_damaged: warn of those that are, and leave them out.

        Raises:
            RecordError: one is damaged.
        """
        found = []
        for number in self.recorded():
            try:
                value = read_json(self.record_path(number))
                if value is not None and wanted(value):
                    found.append(self._decode(number, value))
            except RecordError as error:
                if not pass_over_damaged:
                    raise
                _log.warning("%s", error)
        return found

    def _decode(self, number: int, value: Mapping[str, Any]) -> VersionRecord:
        path = self.record_path(number)
        record = _decoded(value, VersionRecord, path)
        if record.version != str(number):
            raise _damaged(path, f"it is of version {record.version}")
        return record

    def quarantine(self) -> Quarantine:
        """Return what may not be pushed."""
        return read(self.state_directory / "quarantine.json", Quarantine) or Quarantine()

    def hold(self) -> Hold | None:
        """Return the hold, if pushes are on hold."""
        return read(self.state_directory / "hold.json", Hold)

    def pins(self) -> Pins:
        """Return the versions that retention keeps."""
        return read(self.state_directory / "pins.json", Pins) or Pins()

    def path(self, number: int) -> Path:
        """Return where our version of this number stands."""
        return self.base_directory / str(number)

    def withdrawn_path(self, number: int) -> Path:
        """Return where it stands once withdrawn."""
        return self.base_directory / f"{number}{WITHDRAWN_SUFFIX}"

    def record_path(self, number: int) -> Path:
        """Return where its record stands."""
        return self.state_directory / "versions" / f"{number}.json"

    def signature_path(self, number: int) -> Path:
        """Return where its OpenSSF model signature stands, if it has one."""
        return self.state_directory / "signatures" / f"{number}.sig"

    def _whole_versions(self, numbered: list[tuple[int, Path]]) -> Iterator[Version]:
        seen: set[int] = set()
        for number, path in numbered:
            version = self.whole_version(number, path) if number not in seen else None
            if version is not None:
                seen.add(number)
                yield version

    def whole_version(self, number: int, path: Path) -> Version | None:
        """Return one of `numbered` if its files are all there, else None.

        Raises:
            RecordError: its record is damaged.
        """
        record = self.record(number) if path.name == str(number) else None
        if record is None:
            return Version(number, path) if is_servable(path) else None
        if not has_files(path, record):
            return None
        return Version(number, path, record.digest, record.trained_digest, record.window, record)


def read(path: Path, kind: type[_P]) -> _P | None:
    """Read one of the folder's own records; None where there is no such file.

    Raises:
        RecordError: it is damaged; the message names the file.
    """
    value = read_json(path)
    return None if value is None else _decoded(value, kind, path)


def read_json(path: Path) -> Mapping[str, Any] | None:
    """Read a JSON object; None where there is no such file.

    Raises:
        RecordError: it is damaged; the message names the file.
    """
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return None
    if not is_file:  # to open a pipe would wait for its other end
        raise _damaged(path, "it is no file")
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    if not isinstance(value, dict):
        raise _damaged(path, "it holds no JSON object")
    return value


def _decoded(value: Mapping[str, Any], kind: type[_P], path: Path) -> _P:
    try:
        return kind.from_json(value)
    except RecordError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, reason: object) -> RecordError:
    return RecordError(
        f"{str(path)!r} is damaged: {reason}; restore it from a backup before anything is pushed"
    )


def _withdrawn(name: str) -> bool:
    return name.endswith(WITHDRAWN_SUFFIX)
