"""What a model is asked: rows of real examples, in batches and alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import ConfigurationError, DataError
from components.records import Examples
from components.tfrecord import read_records

_BATCH_SIZE = 32
_PREFERRED_SPLIT = "eval"


@dataclass(frozen=True)
class Question:
    """One request: rows `start` to `stop` to one signature."""

    signature_name: str
    start: int
    stop: int

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        return self.stop - self.start


def make_questions(signature_names: Sequence[str], num_rows: int) -> list[Question]:
    """Ask each signature every row in batches, and the first row alone.

    A model that drops a dimension answers batches and fails with one row, or the other way round.
    """
    questions = []
    for name in signature_names:
        questions += [
            Question(name, start, min(start + _BATCH_SIZE, num_rows))
            for start in range(0, num_rows, _BATCH_SIZE)
        ]
        if num_rows > 1:
            questions.append(Question(name, 0, 1))
    return questions


def read_rows(examples: Examples, split_name: str | None, num_examples: int) -> list[bytes]:
    """Return the first serialized examples of a split.

    Args:
        examples: where they are.
        split_name: None means ``eval`` where there is one, else the first by name.
        num_examples: how many at most.

    Raises:
        ConfigurationError: no such split, or no rows in it.
        DataError: a file that can't be read.
    """
    name = split_name or _default_split(examples)
    if name not in examples.splits:
        raise ConfigurationError(
            f"request_spec.split_name is {name!r}; the examples have the splits "
            f"{sorted(examples.splits)}"
        )
    rows: list[bytes] = []
    for row in _read_split(Path(examples.uri), examples.splits[name].file_pattern):
        rows.append(row)
        if len(rows) == num_examples:
            break
    if not rows:
        raise ConfigurationError(
            f"split {name!r} of the examples in {examples.uri!r} has no rows, and nothing is "
            "blessed for merely loading: give examples that the model can be asked"
        )
    return rows


def _default_split(examples: Examples) -> str:
    if not examples.splits:
        raise ConfigurationError(
            f"the examples in {examples.uri!r} have no splits; the model must be asked something"
        )
    splits = examples.splits
    return _PREFERRED_SPLIT if _PREFERRED_SPLIT in splits else min(splits)


def _read_split(directory: Path, pattern: str) -> Iterator[bytes]:
    files = sorted(directory.glob(pattern))
    if not files:
        raise DataError(f"no file in {str(directory)!r} matches {pattern!r}")
    for file in files:
        yield from read_records(file)
