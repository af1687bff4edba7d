"""A batch of labels and predictions, and how classes of it are seen as yes or no."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from components.evaluator.exact_sum import Array


@dataclass(frozen=True)
class View:
    """Which classes are looked at, as TFMA's `SubKey` and `AggregationType`.

    The plain one takes every class of every example as a pair of label and prediction, so a model
    with one probability for each example as it is. Otherwise one of:

    Attributes:
        class_id: this class against all others.
        k: the class with the k-th highest prediction.
        top_k: all classes, but only the `top_k` highest predictions count as made (others -inf).
        is_aggregated: of several classes; then with `top_k` others are left out.
        class_weights: (class, factor) pairs; classes that aren't named weigh 0. Empty: all weigh 1.
    """

    class_id: int | None = None
    k: int | None = None
    top_k: int | None = None
    is_aggregated: bool = False
    class_weights: tuple[tuple[int, float], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing was asked for."""
        return self == PLAIN

    @property
    def num_classes(self) -> int:
        """How many classes there must be at least."""
        weighed = [number + 1 for number, _ in self.class_weights]
        return max([(self.class_id or 0) + 1, self.k or 1, self.top_k or 1, *weighed])


PLAIN = View()


@dataclass(frozen=True)
class Batch:
    """Some examples and which slices they belong to.

    Attributes:
        labels: `(num_examples,)` or, for several classes, `(num_examples, num_classes)`, float64.
        predictions: `(num_examples,)` or `(num_examples, num_classes)`, float64.
        weights: `(num_examples,)`, float64; None where each example counts once.
        rows: `(num_pairs,)`, int64: which example; one belongs to several slices.
        slices: `(num_pairs,)`, int64: which slice, below `num_slices`.
        num_slices: so far.
        features: other features that metrics look at, `(num_examples,)` each.
    """

    labels: Array
    predictions: Array
    weights: Array | None
    rows: Array
    slices: Array
    num_slices: int
    features: Mapping[str, Array] = field(default_factory=dict)
    _seen: dict[tuple[View | None, bool], "Batch"] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def one_hot_labels(self) -> Array:
        """Labels as `(num_examples, num_classes)`; a class number that isn't one gives zeros."""
        if self.labels.ndim == self.predictions.ndim:
            return self.labels
        hot = self.labels[:, None] == np.arange(self.predictions.shape[1])
        return np.asarray(hot, dtype=np.float64)

    @property
    def class_ids(self) -> Array:
        """The labels' classes, `(num_examples,)`, int64; of several the first."""
        chosen = self.labels if self.labels.ndim == 1 else np.argmax(self.labels, axis=1)
        return np.asarray(chosen, dtype=np.int64)

    def seen(self, view: View | None, *, weighted: bool) -> "Batch":
        """Return pairs of a label and a prediction, one-dimensional, as a view has them.

        Args:
            view: None returns the examples as they are.
            weighted: if not, the weights of examples (but not of classes) are left out.
        """
        if (view, weighted) not in self._seen:
            batch = self if weighted or self.weights is None else replace(self, weights=None)
            flat = view is None or self.predictions.ndim == 1
            self._seen[view, weighted] = batch if flat else batch._select(view or PLAIN)
        return self._seen[view, weighted]

    @cached_property
    def has_fractions(self) -> bool:
        """Whether a label is neither 0 nor 1."""
        return bool(((self.labels != 0) & (self.labels != 1)).any())

    def split_fractions(self) -> "Batch":
        """Take an example with label y for a negative of weight 1 - y and a positive of weight y.

        Those of weight 0 are left out. So TFMA treats labels such as 0.3.
        """
        size = len(self.labels)
        weights = np.ones(size) if self.weights is None else self.weights
        shares = np.concatenate([weights * (1 - self.labels), weights * self.labels])
        pairs = np.concatenate([self.rows, self.rows + size])
        kept = shares[pairs] != 0
        return replace(
            self,
            labels=np.repeat([0.0, 1.0], size),
            predictions=np.tile(self.predictions, 2),
            weights=shares,
            rows=pairs[kept],
            slices=np.tile(self.slices, 2)[kept],
        )

    def _select(self, view: View) -> "Batch":
        labels, predictions = self.one_hot_labels, self.predictions
        if view.class_id is not None:
            return self._column(labels[:, view.class_id], predictions[:, view.class_id])
        if view.k is not None:
            chosen = _highest(predictions, view.k)[:, view.k - 1 :]
            return self._column(_take(labels, chosen)[:, 0], _take(predictions, chosen)[:, 0])
        if view.top_k is not None:
            chosen = _highest(predictions, view.top_k)
            if view.is_aggregated:
                labels, predictions = _take(labels, chosen), _take(predictions, chosen)
            else:
                kept = np.full_like(predictions, -np.inf)
                np.put_along_axis(kept, chosen, _take(predictions, chosen), axis=1)
                predictions = kept
        return self._flat(labels, predictions, view)

    def _column(self, labels: Array, predictions: Array) -> "Batch":
        return replace(self, labels=labels, predictions=predictions)

    def _flat(self, labels: Array, predictions: Array, view: View) -> "Batch":
        size = predictions.shape[1]
        weights = None if self.weights is None else np.repeat(self.weights, size)
        if view.class_weights:
            factors = np.zeros(size)
            for class_id, factor in view.class_weights:
                factors[class_id] = factor
            factors = np.tile(factors, len(predictions))
            weights = factors if weights is None else weights * factors
        return replace(
            self,
            labels=labels.ravel(),
            predictions=predictions.ravel(),
            weights=weights,
            rows=(self.rows[:, None] * size + np.arange(size)).ravel(),
            slices=np.repeat(self.slices, size),
        )


def _highest(predictions: Array, count: int) -> Array:
    """Return the classes with the highest predictions, the first of equal ones first."""
    return np.argsort(-predictions, axis=1, kind="stable")[:, :count]


def _take(values: Array, chosen: Array) -> Array:
    return np.take_along_axis(values, chosen, axis=1)
