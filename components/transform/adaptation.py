"""Adapts Keras' preprocessing layers: all that can be in one pass over the examples."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from components.errors import DataError
from components.tfrecord import is_compressed
from components.transform.preprocessing_model import adaptation_stages

BATCH_SIZE = 4096
_log = logging.getLogger(__name__)


class _Adapter(Protocol):
    """One layer while batches stream by."""

    def add(self, values: Any) -> None:
        """Look at what the layer gets of one batch."""

    def finish(self) -> None:
        """Set the layer's state."""


def adapt(model: Any, batches: Iterable[Mapping[str, Any]]) -> int:
    """Adapt a preprocessing model's layers, in one pass for each stage; usually there is one.

    Args:
        model: see `components.transform.preprocessing_model.build_model`.
        batches: of parsed features by name; can be gone through again.

    Returns:
        The number of passes.

    Raises:
        DataError: no examples, or values that aren't finite before a layer that computes a mean.
    """
    stages = adaptation_stages(model)
    for stage in stages:
        _adapt_stage(model, stage, batches)
    for layer in (layer for stage in stages for layer in stage):
        _log.info("adapted %s", layer.name)
    return len(stages)


def parsed_batches(files: Sequence[Path], spec: Mapping[str, Any]) -> Any:
    """Return batches of parsed features, the files' records in their order.

    Args:
        files: TFRecords of serialized `tf.Example`s, compressed with gzip or not.
        spec: as for `tf.io.parse_example`.
    """
    compression = "GZIP" if files and is_compressed(files[0]) else ""
    records = tf.data.TFRecordDataset([str(file) for file in files], compression)
    return records.batch(BATCH_SIZE).map(
        lambda serialized: tf.io.parse_example(serialized, dict(spec)), tf.data.AUTOTUNE
    )


class Moments:
    """Mean and variance of each position of some axes, in double precision.

    Batches are merged by Chan's formula (Chan, Golub and LeVeque, 1979), so that what is far from
    zero keeps its variance, which Keras' own sums in single precision lose.
    """

    def __init__(self, kept_axes: Sequence[int]) -> None:
        self._kept_axes = tuple(kept_axes)
        self._count = 0
        self._mean: Any = 0.0
        self._squares: Any = 0.0

    def add(self, values: Any) -> None:
        """Add a batch."""
        numbers = np.asarray(values, np.float64)
        kept = {axis % numbers.ndim for axis in self._kept_axes}
        reduced = tuple(axis for axis in range(numbers.ndim) if axis not in kept)
        count = int(np.prod([numbers.shape[axis] for axis in reduced]))
        if count == 0:
            return
        mean = numbers.mean(axis=reduced)
        squares = np.square(numbers - numbers.mean(axis=reduced, keepdims=True)).sum(axis=reduced)
        total = self._count + count
        shift = mean - self._mean
        self._mean = self._mean + shift * count / total
        self._squares = self._squares + squares + shift**2 * self._count * count / total
        self._count = total

    @property
    def mean(self) -> Any:
        """Of each kept position."""
        return self._mean

    @property
    def variance(self) -> Any:
        """Of the population, as Keras and NumPy compute it."""
        return self._squares / max(self._count, 1)


class _NormalizationAdapter:
    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._moments = Moments(layer.axis)

    def add(self, values: Any) -> None:
        self._moments.add(values)

    def finish(self) -> None:
        mean, variance = self._moments.mean, self._moments.variance
        if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(variance))):
            raise DataError(
                f"the layer {self._layer.name!r} gets values that aren't finite, so that it has no "
                "mean; fill or clip them before it, or have the schema refuse them"
            )
        self._layer.adapt_mean.assign(mean)
        self._layer.adapt_variance.assign(variance)
        self._layer.finalize_state()


class _StateAdapter:
    """Layers with the state that Keras' own `adapt` uses: lookups, discretization, vectorizers."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        layer.reset_state()

    def add(self, values: Any) -> None:
        self._layer.update_state(values)

    def finish(self) -> None:
        self._layer.finalize_state()


class _WholeAdapter:
    """A layer of the user's own that has nothing but `adapt`: it gets its values at once."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._values: list[Any] = []

    def add(self, values: Any) -> None:
        self._values.append(values)

    def finish(self) -> None:
        self._layer.adapt(self._values)


def _adapter(layer: Any) -> _Adapter:
    if isinstance(layer, keras.layers.Normalization):
        return _NormalizationAdapter(layer)
    if hasattr(layer, "update_state") and hasattr(layer, "finalize_state"):
        return _StateAdapter(layer)
    return _WholeAdapter(layer)


def _adapt_stage(model: Any, layers: Sequence[Any], batches: Iterable[Mapping[str, Any]]) -> None:
    adapters = [_adapter(layer) for layer in layers]
    before = keras.Model(model.input, {str(i): layer.input for i, layer in enumerate(layers)})
    compute = tf.function(lambda features: before(features), autograph=False)
    count = 0
    try:
        for features in batches:
            count += 1
            inputs = compute(features)
            for index, adapter in enumerate(adapters):
                adapter.add(inputs[str(index)])
    except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
        raise DataError(
            f"the examples can't be read as the schema says: {error.message}"
        ) from error
    if count == 0:
        raise DataError("there are no examples to adapt the layers on")
    for adapter in adapters:
        adapter.finish()
