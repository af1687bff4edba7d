"""Where a task instance's artifact lies.

::

    artifacts/
      flight_delays/                                    dag_id
        scheduled__2013-01-01T00%3A00%3A00%2B00%3A00/   run_id, percent-encoded
          trainer/                                      task_id
            [0/]                                        map_index of a mapped task
              1-4f1c09ab/                               try_number, and 8 random hex digits

The digits keep a try that Airflow has given up, but that still runs, apart from the next one.
"""

import hashlib
import uuid
from pathlib import Path
from urllib.parse import quote

from components.records import Run

_MAX_NAME_BYTES = 255
_HASH_DIGITS = 16


def artifact_directory(root: Path, run: Run) -> Path:
    """Return a new path for what this try of a task makes; nothing is created."""
    parts = [run.dag_id, run.run_id, run.task_id]
    if run.map_index >= 0:
        parts.append(str(run.map_index))
    attempt = f"{run.try_number}-{uuid.uuid4().hex[:8]}"
    return root.joinpath(*map(encode, parts), attempt)


def encode(part: str) -> str:
    """Return a part as one file name: percent-encoded, shortened by a hash if it is too long."""
    name = quote(part, safe="")
    if not name.strip("."):
        name = name.replace(".", "%2E")
    if len(name) <= _MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(part.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{name[: _MAX_NAME_BYTES - _HASH_DIGITS - 1]}~{digest}"
