"""Parses serialized `tf.Example`s: what metrics need of them, and what models are fed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from components.evaluator.exact_sum import Array
from components.evaluator.feature_value import Place, Values
from components.evaluator.input_feature import InputFeature
from components.evaluator.slice_key import SliceValue
from components.evaluator.slicing import Column


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


@dataclass(frozen=True)
class ExampleParser:
    """Makes batches of serialized examples. It can be sent to another process.

    Attributes:
        wanted: what to parse.
        types: feature → name of TensorFlow's type; one that isn't there isn't parsed.
    """

    wanted: Wanted
    types: Mapping[str, str]

    def parse(self, serialized: Any) -> Any:
        """Parse a vector of serialized examples; tensors in, tensors out.

        Raises:
            tensorflow.errors.InvalidArgumentError: no `tf.Example`, or a feature of another type.
        """
        spec = {name: tf.io.RaggedFeature(tf.as_dtype(kind)) for name, kind in self.types.items()}
        parsed = tf.io.parse_example(serialized, spec) if spec else {}
        wanted = self.wanted.plain
        return serialized, {
            "plain": {name: (parsed[name].row_splits, parsed[name].values) for name in wanted},
            "columns": {
                name: _distinct(parsed[name]) for name in self.wanted.slices if name in parsed
            },
        }

    def batch(self, serialized: Any, parsed: Any, start: int) -> ExampleBatch:
        """Return what `parse` gave as a batch, `start` examples having come before.

        Raises:
            DataError: a feature that is missing or doesn't fit.
        """
        place = Place(start, int(serialized.shape[0]))
        plain = {
            name: Values(splits.numpy(), values.numpy())
            for name, (splits, values) in parsed["plain"].items()
        }
        wanted = self.wanted
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


def _distinct(ragged: Any) -> Any:
    """Return row splits, ids and distinct values: few cross from TensorFlow to Python."""
    values, ids = tf.unique(ragged.values, tf.int64)
    return ragged.row_splits, ids, values


def _values(values: Array) -> list[SliceValue]:
    if values.dtype == object:
        return [value.decode("utf-8", "backslashreplace") for value in values]
    # As text: NaN isn't equal to itself, and JSON has no name for what isn't finite.
    return [value if math.isfinite(value) else str(value) for value in values.tolist()]
