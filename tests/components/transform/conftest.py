"""Small examples with their schema and record, and modules as a user writes them."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from components import artifacts
from components.records import Examples, Split, Window
from components.tfrecord import frame

SCHEMA = """
feature { name: "miles" type: FLOAT shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "carrier" type: BYTES shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "is_late" type: INT shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "delays" type: FLOAT value_count { min: 0 } }
"""
WINDOW = Window("2013-01-01", "2013-02-01")


def write_split(directory: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write one gzipped TFRecord file; a value's type says which list it goes to."""
    from tensorflow.core.example import example_pb2

    directory.mkdir(parents=True)
    data = b""
    for row in rows:
        example = example_pb2.Example()
        for name, value in row.items():
            values = value if isinstance(value, list) else [value]
            feature = example.features.feature[name]
            if isinstance(values[0], str):
                feature.bytes_list.value.extend(text.encode() for text in values)
            elif isinstance(values[0], float):
                feature.float_list.value.extend(values)
            else:
                feature.int64_list.value.extend(values)
        data += frame(example.SerializeToString())
    (directory / "data.gz").write_bytes(gzip.compress(data))


def write_examples(directory: Path, window: Window = WINDOW, **splits: Any) -> Examples:
    """Write splits and their record."""
    for name, rows in splits.items():
        write_split(directory / f"Split-{name}", rows)
    counts = {name: Split(f"Split-{name}/*", len(rows)) for name, rows in splits.items()}
    record = Examples(str(directory), counts, artifacts.digest(directory), window)
    artifacts.write_record(record, directory)
    return record


@pytest.fixture
def user_module(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Write a module under a name that no other test has; return its path."""
    count = 0

    def write(text: str) -> str:
        nonlocal count
        count += 1
        name = "".join(c if c.isalnum() else "_" for c in request.node.name)
        folder = tmp_path / f"user{count}"
        folder.mkdir()
        file = folder / f"{name}_{count}.py"
        file.write_text(text)
        return str(file)

    return write


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    file = tmp_path / "schema.pbtxt"
    file.write_text(SCHEMA)
    return file
