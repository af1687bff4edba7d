"""What a version's folder is called and holds, as TensorFlow Serving reads it."""

import re
from pathlib import Path

from components.serving_records import VersionRecord

MAX_VERSION = 2**63 - 1
MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt", "model.tflite")

_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*", re.ASCII)
_SHARD = re.compile(r"variables\.data-([0-9]{5})-of-([0-9]{5})", re.ASCII)


def version_number(name: str) -> int | None:
    """Return the number that TensorFlow Serving reads in a name, or None.

    It takes whatever absl's SimpleAtoi takes as a 64-bit integer: leading zeros, a sign, blanks.
    """
    if not _NUMBER.fullmatch(name):
        return None
    number = int(name)
    return number if -MAX_VERSION - 1 <= number <= MAX_VERSION else None


def is_servable(path: Path) -> bool:
    """Return whether a folder looks whole without a record to compare it with.

    True for a readable model file with, if there are variables, their index and all shards.
    """
    try:
        if not any(
            (path / name).stat().st_size > 0 for name in MODEL_FILES if (path / name).is_file()
        ):
            return False
        variables = path / "variables"
        return not variables.is_dir() or _has_variables(variables)
    except OSError:
        return False


def has_files(path: Path, record: VersionRecord) -> bool:
    """Return whether a folder holds the files of its record, by name and size."""
    try:
        return path.is_dir() and all(
            (path / file.path).stat().st_size == file.num_bytes for file in record.files()
        )
    except OSError:
        return False


def _has_variables(directory: Path) -> bool:
    names = {path.name for path in directory.iterdir()}
    if not names:
        return True
    shards = [match for name in names if (match := _SHARD.fullmatch(name))]
    counts = {int(match[2]) for match in shards}
    return "variables.index" in names and counts == {len(shards)}
