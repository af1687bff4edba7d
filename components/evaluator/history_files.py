"""What earlier runs left, read once: it stays in memory until its file changes.

A server is asked for the same history again and again, and artifacts don't change.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from components import records
from components.errors import DataError, RecordError
from components.serving_folder import ServingFolder
from components.serving_records import VersionRecord

_MAX_KEPT = 4096
_CANDIDATE = "candidate"


def load(file: Path) -> records.Record:
    """Read a record of an artifact.

    Raises:
        RecordError: it is damaged, or no record; the message names the file.
    """
    try:
        return _parsed(file, *_stamp(file))
    except RecordError as error:
        raise RecordError(f"{str(file)!r} can't be read: {error}") from error


@lru_cache(maxsize=_MAX_KEPT)
def _parsed(file: Path, modified: int, num_bytes: int) -> records.Record:
    return records.load(file)


def _stamp(file: Path) -> tuple[int, int]:
    """Return what changes with a file: when it was written, in nanoseconds, and its size."""
    try:
        status = file.stat()
    except OSError:
        return (0, 0)  # reading it says what is wrong
    return (status.st_mtime_ns, status.st_size)


def directories(root: Path, newest: int | None) -> list[Path]:
    """Return what is there, or those that changed last; nothing if the root isn't."""
    if not root.is_dir():
        return []
    paths = [path for path in root.iterdir() if path.is_dir()]
    if newest is not None:
        paths = sorted(paths, key=_stamp)[-newest:]
    return sorted(paths)


def read_table(file: Path, where: Mapping[str, Any]) -> dict[str, Any]:
    """Return number of examples and metrics of a slice; nothing if it isn't in the table.

    Raises:
        DataError: there is no such table, or it is damaged.
    """
    name = json.dumps(dict(where), ensure_ascii=False)
    return _parsed_table(file, name, *_stamp(file))


@lru_cache(maxsize=_MAX_KEPT)
def _parsed_table(file: Path, name: str, modified: int, num_bytes: int) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ["slice", "model", "metric", "value", "num_examples"]
    try:
        # Not `read_table`: its filters import pandas, for which the first page would wait a second.
        with pq.ParquetFile(file) as table:
            rows = _rows_of(name, table.read(columns, use_threads=False).select(columns))
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(f"the metrics in {str(file)!r} can't be read: {error}") from error
    if not rows:
        return {}
    of_model: dict[bool, dict[str, float | None]] = {True: {}, False: {}}
    for row in rows:
        of_model[row["model"] == _CANDIDATE][str(row["metric"])] = row["value"]
    return {
        "num_examples": rows[0]["num_examples"],
        "metrics": of_model[True],
        "baseline_metrics": of_model[False],
    }


def _rows_of(name: str, table: Any) -> list[dict[str, Any]]:
    """Return the rows of a slice. Its name is compared as Arrow's: a `str` would import pandas."""
    import pyarrow as pa
    import pyarrow.compute as pc

    slices = table["slice"].cast(pa.string())
    wanted = next((value for value in pc.unique(slices) if value.as_py() == name), None)
    if wanted is None:
        return []
    rows: list[dict[str, Any]] = table.filter(pc.equal(slices, wanted)).to_pylist()
    return rows


@lru_cache(maxsize=_MAX_KEPT)
def _recorded(
    base_directory: Path, number: int, modified: int, num_bytes: int
) -> VersionRecord | None:
    return ServingFolder(base_directory).record(number)


def version_record(folder: ServingFolder, number: int) -> VersionRecord | None:
    """Return what a serving folder recorded of a version; None if it didn't.

    Raises:
        RecordError: it is damaged.
    """
    return _recorded(folder.base_directory, number, *_stamp(folder.record_path(number)))
