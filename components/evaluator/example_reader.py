"""Reads TFRecords of `tf.Example`s in batches: the bytes for the model, and what metrics need."""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError

from components.errors import DataError
from components.evaluator.exact_sum import Array
from components.evaluator.feature_value import Place, Values
from components.evaluator.input_feature import InputFeature
from components.evaluator.slice_key import SliceValue
from components.evaluator.slicing import Column

BATCH_SIZE = 2048
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_SEARCHED = 100_000
"""Examples that are looked through for the type of a feature."""
_TYPES = {"bytes_list": tf.string, "float_list": tf.float32, "int64_list": tf.int64}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """The features that are parsed, besides what a model parses itself.

    Attributes:
        labels: in every example, as many values in each.
        weights: a number; an example without it counts as 1, as in TFMA.
        slices: features to slice by.
        numbers: one number in every example.
        names: one text or number in every example, read as text.
        inputs: what models are fed.
        serialized: whether a model takes the examples themselves.
    """

    labels: tuple[str, ...]
    weights: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    inputs: tuple[InputFeature, ...] = ()
    serialized: bool = True

    @property
    def plain(self) -> list[str]:
        """All but those to slice by, without repetition."""
        fed = (feature.name for feature in self.inputs)
        return list(dict.fromkeys([*self.labels, *self.weights, *self.numbers, *self.names, *fed]))

    @property
    def features(self) -> list[str]:
        """All of them, without repetition."""
        return list(dict.fromkeys([*self.plain, *self.slices]))


@dataclass(frozen=True)
class ExampleBatch:
    """Some examples.

    Attributes:
        start: how many came before.
        size: how many these are.
        serialized: `(num_examples,)`, bytes objects; None if no model takes them.
        labels: by feature, `(num_examples,)` or `(num_examples, num_values)`, float64.
        weights: by feature, `(num_examples,)`, float64.
        features: by feature, `(num_examples,)`: what metrics need besides.
        inputs: what models are fed.
        columns: by feature to slice by.
    """

    start: int
    size: int
    serialized: Array | None
    labels: Mapping[str, Array]
    weights: Mapping[str, Array]
    features: Mapping[str, Array]
    inputs: Mapping[InputFeature, Array]
    columns: Mapping[str, Column]


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
        self._files = [str(file) for file in files]
        self._compression = _compression(files)
        self._wanted = wanted
        self._batch_size = batch_size
        self._types = self._find_types()

    def __iter__(self) -> Iterator[ExampleBatch]:
        """Read, parse and yield batches; the next two are prepared meanwhile.

        Raises:
            DataError: a broken file, or a feature that is missing or doesn't fit.
        """
        dataset = self._records().batch(self._batch_size).map(self._parse).prefetch(2)
        start = 0
        for serialized, parsed in _translated(dataset, self._files):
            batch = self._batch(serialized, parsed, start)
            start += batch.size
            yield batch

    def _records(self) -> Any:
        # Two threads of its own instead of tf.data's search for a better number: a tenth less CPU.
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.max_intra_op_parallelism = 1
        options.threading.private_threadpool_size = 2
        records = tf.data.TFRecordDataset(self._files, compression_type=self._compression)
        return records.with_options(options)

    def _find_types(self) -> dict[str, Any]:
        """Return the types of the wanted features, as the examples have them."""
        missing = set(self._wanted.features)
        types: dict[str, Any] = {}
        seen: set[str] = set()
        records = _translated(self._records().take(_MAX_SEARCHED), self._files)
        count = 0
        for record in records:
            count += 1
            features = _features(record.numpy())
            seen.update(features)
            for name in missing & features.keys():
                if kind := features[name].WhichOneof("kind"):
                    types[name] = _TYPES[kind]
            missing -= types.keys()
            if not missing:
                break
        self._check_found(missing, seen, count)
        return types

    def _check_found(self, missing: set[str], seen: set[str], count: int) -> None:
        if count == 0:
            raise DataError(
                f"there are no examples in {', '.join(self._files) or 'no files'}; a model can't "
                "be judged on nothing"
            )
        there = ", ".join(sorted(seen)) or "none"
        wanted = self._wanted
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

    def _parse(self, serialized: Any) -> Any:
        spec = {name: tf.io.RaggedFeature(dtype) for name, dtype in self._types.items()}
        parsed = tf.io.parse_example(serialized, spec) if spec else {}
        wanted = self._wanted.plain
        return serialized, {
            "plain": {name: (parsed[name].row_splits, parsed[name].values) for name in wanted},
            "columns": {
                name: _distinct(parsed[name]) for name in self._wanted.slices if name in parsed
            },
        }

    def _batch(self, serialized: Any, parsed: Any, start: int) -> ExampleBatch:
        place = Place(start, int(serialized.shape[0]))
        plain = {
            name: Values(splits.numpy(), values.numpy())
            for name, (splits, values) in parsed["plain"].items()
        }
        wanted = self._wanted
        return ExampleBatch(
            start,
            place.size,
            serialized.numpy() if wanted.serialized else None,
            {name: place.labels(name, plain[name]) for name in wanted.labels},
            {name: place.weights(name, plain[name]) for name in wanted.weights},
            {name: place.numbers(name, plain[name]) for name in wanted.numbers}
            | {name: place.names(name, plain[name]) for name in wanted.names},
            {feature: feature.tensor(plain[feature.name], start) for feature in wanted.inputs},
            {
                name: Column(Values(splits.numpy(), ids).rows, ids.numpy(), _values(values.numpy()))
                for name, (splits, ids, values) in parsed["columns"].items()
            },
        )


def _compression(files: Sequence[Path]) -> str:
    kinds = set()
    for file in files:
        with file.open("rb") as stream:
            kinds.add("GZIP" if stream.read(2) == _GZIP_MAGIC else "")
    if len(kinds) > 1:
        raise DataError(
            f"some of {', '.join(map(str, files))} are compressed and some aren't; expected one or "
            "the other"
        )
    return kinds.pop() if kinds else ""


def _translated(dataset: Any, files: Sequence[str]) -> Iterator[Any]:
    """Yield a dataset's elements; say what a broken file means."""
    iterator = iter(dataset)
    while True:
        try:
            element = next(iterator)
        except StopIteration:
            return
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


def _distinct(ragged: Any) -> Any:
    """Return row splits, ids and distinct values: few cross from TensorFlow to Python."""
    values, ids = tf.unique(ragged.values, tf.int64)
    return ragged.row_splits, ids, values


def _values(values: Array) -> list[SliceValue]:
    if values.dtype == object:
        return [value.decode("utf-8", "backslashreplace") for value in values]
    return ["nan" if value != value else value for value in values.tolist()]


def split_files(root: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files that match, sorted."""
    found = itertools.chain.from_iterable(root.glob(pattern) for pattern in patterns)
    return sorted({path for path in found if path.is_file()})
