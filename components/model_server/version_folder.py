"""Which folders below a base path are versions, by TensorFlow Serving's rules.

Source: `sources/storage_path/file_system_storage_path_source.cc`.
"""

import logging
import re
from pathlib import Path

_INT64 = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_log = logging.getLogger(__name__)


def find_newest(base_path: Path, model_name: str) -> tuple[int, Path] | None:
    """Return the highest version number and its path; None where there is no version.

    Whatever has a whole number of 64 bits for its name is a version, a plain file too.

    Raises:
        OSError: the base path can't be read; what is loaded then stays.
    """
    found: dict[int, Path] = {}
    for path in sorted(base_path.iterdir()):
        number = _number(path.name)
        if number is None:
            continue
        if number in found:
            _log.warning("Duplicate version directories: %s and %s", found[number], path)
        found[number] = path
    if not found:
        _log.warning(
            "No versions of servable %s found under base path %s. Did you forget to name your "
            "leaf directory as a number (eg. '/1/')?",
            model_name,
            base_path,
        )
        return None
    newest = max(found)
    return newest, found[newest]


def _number(name: str) -> int | None:
    if not _INT64.fullmatch(name):
        return None
    number = int(name)
    return number if -(1 << 63) <= number < 1 << 63 else None
