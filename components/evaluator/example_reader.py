"""Reads TFRecords of `tf.Example`s in batches: the bytes for the model, and what metrics need."""

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import tensorflow as tf
from google.protobuf.message import DecodeError

from components import tfrecord
from components.errors import DataError
from components.evaluator.example_parser import ExampleBatch, ExampleParser, Wanted

BATCH_SIZE = 2048
_MAX_SEARCHED = 100_000
"""Examples that are looked through for the type of a feature."""
_TYPES = {"bytes_list": "string", "float_list": "float32", "int64_list": "int64"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Files:
    """TFRecord files.

    Attributes:
        paths: in the order of reading.
        compression: TensorFlow's name for it: ``GZIP``, or empty.
    """

    paths: tuple[str, ...]
    compression: str

    @classmethod
    def of(cls, files: Sequence[Path]) -> Self:
        """Look how they are compressed.

        Raises:
            DataError: some are and some aren't.
        """
        return cls(tuple(map(str, files)), _compression(files))

    def read_one(self, path: str, batch_size: int) -> Iterator[list[bytes]]:
        """Yield the serialized examples of one of them, so many at a time.

        Raises:
            DataError: a broken file.
        """
        dataset = _records([path], self.compression).batch(batch_size)
        for batch in translated(dataset, [path]):
            yield batch.numpy().tolist()


class ExampleReader:
    """The examples of some files, each read once a pass.

    Args:
        files: TFRecords, compressed with gzip or not.
        wanted: what to parse of them.
        batch_size: how many examples at a time.

    Raises:
        DataError: no examples; no label among the features; a broken file.
    """

    def __init__(
        self, files: Sequence[Path], wanted: Wanted, *, batch_size: int = BATCH_SIZE
    ) -> None:
        self.files = Files.of(files)
        self._batch_size = batch_size
        self.parser = ExampleParser(wanted, self._find_types(wanted))

    def __iter__(self) -> Iterator[ExampleBatch]:
        """Read, parse and yield batches; the next two are prepared meanwhile.

        Raises:
            DataError: a broken file, or a feature that is missing or doesn't fit.
        """
        dataset = _records(self.files.paths, self.files.compression).batch(self._batch_size)
        start = 0
        for serialized, parsed in translated(
            dataset.map(self.parser.parse).prefetch(2), self.files.paths
        ):
            batch = self.parser.batch(serialized, parsed, start)
            start += batch.size
            yield batch

    def _find_types(self, wanted: Wanted) -> dict[str, str]:
        """Return the types of the wanted features, as the examples have them."""
        missing = set(wanted.features)
        types: dict[str, str] = {}
        seen: set[str] = set()
        records = _records(self.files.paths, self.files.compression).take(_MAX_SEARCHED)
        count = 0
        for record in translated(records, self.files.paths):
            count += 1
            features = _features(record.numpy())
            seen.update(features)
            for name in missing & features.keys():
                if kind := features[name].WhichOneof("kind"):
                    types[name] = _TYPES[kind]
            missing -= types.keys()
            if not missing:
                break
        self._check_found(wanted, missing, seen, count)
        return types

    def _check_found(self, wanted: Wanted, missing: set[str], seen: set[str], count: int) -> None:
        if count == 0:
            raise DataError(
                f"there are no examples in {', '.join(self.files.paths) or 'no files'}; a model "
                "can't be judged on nothing"
            )
        there = ", ".join(sorted(seen)) or "none"
        needed = {
            "label": wanted.labels,
            "example weight": wanted.weights,
            "feature": (*wanted.numbers, *wanted.names),
            "model's input": tuple(feature.name for feature in wanted.inputs),
        }
        for what, names in needed.items():
            for name in names:
                if name in missing:
                    raise DataError(
                        f"the {what} {name!r} isn't in the examples (the first {count:,} were "
                        f"looked through); their features are: {there}"
                    )
        for name in sorted(missing):
            _log.warning(
                "no example has the feature %r to slice by; their features are: %s", name, there
            )


def _compression(files: Sequence[Path]) -> str:
    kinds = {"GZIP" if tfrecord.is_compressed(file) else "" for file in files}
    if len(kinds) > 1:
        raise DataError(
            f"some of {', '.join(map(str, files))} are compressed and some aren't; expected one or "
            "the other"
        )
    return kinds.pop() if kinds else ""


def _records(files: Sequence[str], compression: str) -> Any:
    # Two threads of its own instead of tf.data's search for a better number: a tenth less CPU.
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.max_intra_op_parallelism = 1
    options.threading.private_threadpool_size = 2
    records = tf.data.TFRecordDataset(list(files), compression_type=compression)
    return records.with_options(options)


def translated(dataset: Iterable[Any], files: Sequence[str]) -> Iterator[Any]:
    """Yield a dataset's elements.

    Raises:
        DataError: what TensorFlow raised means that a file is broken.
    """
    iterator = iter(dataset)
    while True:
        try:
            element = next(iterator)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            # TensorFlow quotes the record, and its binding can't raise what isn't UTF-8.
            said = error.object.decode("utf-8", errors="replace")
            raise DataError(
                f"the examples in {', '.join(files)} can't be read: {said[:500]}; expected "
                "serialized tf.Examples"
            ) from error
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            raise DataError(
                f"the examples in {', '.join(files)} can't be read: {error.message}; a file is "
                "truncated or damaged, or a feature isn't of the same type everywhere"
            ) from error
        yield element


def _features(record: bytes) -> Mapping[str, Any]:
    try:
        features: Mapping[str, Any] = tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise DataError(f"a record isn't a tf.Example: {error}") from error
    return features


def split_files(root: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files that match, sorted."""
    found = itertools.chain.from_iterable(root.glob(pattern) for pattern in patterns)
    return sorted({path for path in found if path.is_file()})
