"""Examples and users' modules for the trainer's tests."""

import textwrap

import pytest

from components import artifacts
from components.records import Examples, Split, Window


@pytest.fixture
def examples(tmp_path):
    """A record of files that no test here reads as TFRecord."""
    directory = tmp_path / "examples"
    for split in ("train", "eval"):
        (directory / f"Split-{split}").mkdir(parents=True)
        (directory / f"Split-{split}" / "data_tfrecord-00000-of-00001").write_bytes(b"")
    return Examples(
        uri=str(directory),
        splits={name: Split(f"Split-{name}/*", 1) for name in ("train", "eval")},
        digest=artifacts.digest(directory),
        window=Window("2013-01-01", "2013-02-01"),
    )


@pytest.fixture
def write_module(tmp_path):
    """Write a user's module, and return its path."""

    def write(source, name="taxi.py"):
        path = tmp_path / "user" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    return write
