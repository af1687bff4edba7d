"""What a server could serve of a folder, whether or not its records can be read."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.errors import RecordError
from components.serving_folder import ServingFolder, Version
from components.version_files import is_servable


@dataclass(frozen=True)
class SeenVersions:
    """The versions of a folder, as far as they can be seen."""

    versions: tuple[Version, ...]
    """The highest first."""
    damaged: Mapping[int, str]
    """Number → why its record can't be read; that version then has none."""

    @property
    def live(self) -> Version | None:
        """What TensorFlow Serving's default policy serves."""
        return next(iter(self.versions), None)


def look(folder: ServingFolder) -> SeenVersions:
    """Look at the versions that are there; one whose record is damaged hides no other."""
    found: dict[int, Version] = {}
    damaged: dict[int, str] = {}
    for number, path in folder.numbered():
        try:
            version = folder.whole_version(number, path)
        except RecordError as error:
            damaged[number] = str(error)
            version = Version(number, path) if is_servable(path) else None
        if version is not None:
            found.setdefault(number, version)
    return SeenVersions(tuple(found.values()), damaged)
