"""What is added up over examples: a number for each, as functions of a batch.

A term takes pairs of one label and one prediction (`Batch.seen`) where a statistic has a view, else
the batch as it is. None stands for ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.evaluator.batch import Batch
from components.evaluator.exact_sum import Array

_EPSILON = np.float32(1e-7)
"""Keras' `backend.epsilon()`."""


def count(batch: Batch) -> Array | None:
    """Return 1 for each example."""
    return None


def label(batch: Batch) -> Array:
    """Return the labels."""
    return batch.labels


def prediction(batch: Batch) -> Array:
    """Return the predictions."""
    return batch.predictions


def label_times_prediction(batch: Batch) -> Array:
    """Return y · p."""
    return _floats(batch.labels * batch.predictions)


def not_finite(batch: Batch) -> Array:
    """Return 1 where a prediction is NaN or infinite, of any class."""
    broken = ~np.isfinite(batch.predictions)
    return _floats(broken if broken.ndim == 1 else broken.any(axis=1))


def squared_error(batch: Batch) -> Array:
    """Return (y - p)²; of a probability that is Brier's score."""
    return _floats(np.square(batch.labels - batch.predictions))


def absolute_error(batch: Batch) -> Array:
    """Return abs(y - p)."""
    return _floats(np.abs(batch.labels - batch.predictions))


def percentage_error(batch: Batch) -> Array:
    """Return 100 · abs((y - p) / y), and 0 where y is 0: TFMA leaves those examples out."""
    error = np.zeros(len(batch.labels))
    np.divide(batch.labels - batch.predictions, batch.labels, out=error, where=batch.labels != 0)
    return _floats(100 * np.abs(error))


def label_is_not_zero(batch: Batch) -> Array:
    """Return 1 where y isn't 0."""
    return _floats(batch.labels != 0)


def squared_logarithmic_error(batch: Batch) -> Array:
    """Return (log(y + 1) - log(p + 1))²; NaN or infinite where y or p are -1 or less."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return _floats(np.square(np.log(batch.labels + 1) - np.log(batch.predictions + 1)))


def log_loss(batch: Batch) -> Array:
    """Return the binary cross-entropy of each example as TFMA does, in float32.

    That is tf_keras': predictions clipped to `[1e-7, 1 - 1e-7]`, logarithm of them plus 1e-7. Keras
    3 leaves out the latter; it matters only where a model is certain and wrong (15.4 against 16.1).
    """
    clipped = np.clip(batch.predictions.astype(np.float32), _EPSILON, np.float32(1) - _EPSILON)
    if batch.has_fractions:
        labels = batch.labels.astype(np.float32)
        rest = (np.float32(1) - labels) * np.log(np.float32(1) - clipped + _EPSILON)
        return _floats(-(labels * np.log(clipped + _EPSILON) + rest))
    hit = np.where(batch.labels > 0.5, clipped, np.float32(1) - clipped)
    return _floats(-np.log(hit + _EPSILON))


def categorical_log_loss(batch: Batch) -> Array:
    """Return -log of the share that the true class has of the sum of predictions.

    As tf_keras: normalised, then clipped to `[1e-7, 1 - 1e-7]`.
    """
    total = batch.predictions.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = batch.predictions / total
    low = float(_EPSILON)
    logarithms = np.log(np.clip(shares, low, 1 - low))
    return _floats(-(batch.one_hot_labels * logarithms).sum(axis=1))


def sparse_categorical_log_loss(batch: Batch) -> Array:
    """Return the same in tf_keras' other order: clipped, then normalised."""
    low = float(_EPSILON)
    clipped = np.clip(batch.predictions, low, 1 - low)
    hit = np.take_along_axis(clipped, batch.class_ids[:, None], axis=1)[:, 0]
    return _floats(np.log(clipped.sum(axis=1)) - np.log(hit))


def hits_class(batch: Batch) -> Array:
    """Return 1 where the class with the highest prediction, the first of equals, is the label's."""
    return _floats(np.argmax(batch.predictions, axis=1) == batch.class_ids)


@dataclass(frozen=True)
class HitsTopK:
    """1 where the label's class is among the `k` highest; equals share a place, as in Keras.

    A class that the model doesn't have is none of them.
    """

    k: int

    def __call__(self, batch: Batch) -> Array:
        """Return the hits."""
        last = batch.predictions.shape[1] - 1
        known = np.minimum(batch.class_ids, last)
        own = np.take_along_axis(batch.predictions, known[:, None], axis=1)
        hits = (batch.predictions > own).sum(axis=1) < self.k
        return _floats(hits & (batch.class_ids <= last))


def _floats(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)
