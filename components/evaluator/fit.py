"""Whether labels and predictions are what the metrics are about."""

from collections.abc import Mapping, Sequence

import numpy as np

from components.errors import ConfigurationError, DataError, InvalidModelError
from components.evaluator.exact_sum import Array
from components.evaluator.metric import Metric, Takes

_ROUNDING = 1e-6
_PROBABILITIES = (Takes.PROBABILITIES, Takes.CLASSES)
_CLASSES = (Takes.SCORES, Takes.CLASSES)


class Fit:
    """Checks batches for some metrics of one output.

    Args:
        metrics: that are computed of it.
        label_name: of the feature.
    """

    def __init__(self, metrics: Sequence[Metric], label_name: str) -> None:
        self._metrics = tuple(
            {
                (m.takes, m.view, m.least_classes, m.is_plot): m
                for m in metrics
                if m.takes is not Takes.ANYTHING
            }.values()
        )
        self._label_name = label_name

    def check(self, labels: Array, predictions: Mapping[str, Array], start: int) -> None:
        """Check a batch.

        Args:
            labels: `(num_examples,)` or `(num_examples, num_classes)`.
            predictions: name for messages → `(num_examples,)` or `(num_examples, num_classes)`;
                the candidate's first, whose classes the labels must be of. Another model may have
                fewer: to `Takes.SCORES` a label beyond them is a miss, losses and what is counted
                over all classes refuse the model.
            start: how many examples came before, for messages.

        Raises:
            DataError: labels that don't fit.
            InvalidModelError: predictions that don't fit.
            ConfigurationError: a metric of the k highest where there are no more classes.
        """
        self._refuse(~np.isfinite(labels), labels, start, "every label must be a number")
        for metric in self._metrics:
            for name, values in predictions.items():
                _check_shapes(metric, labels, values, name)
                if metric.takes in _PROBABILITIES:
                    _check_probabilities(metric, values, name)
            _check_is_a_choice(metric, predictions)
            self._check_labels(metric, labels, predictions, start)
            for name, values in predictions.items():
                _check_has_classes(metric, labels, values, name)

    def _check_labels(
        self, metric: Metric, labels: Array, predictions: Mapping[str, Array], start: int
    ) -> None:
        if metric.takes is Takes.NUMBERS and metric.view.is_plain:
            return
        shape = next(iter(predictions.values())).shape
        if labels.ndim == len(shape):
            if metric.takes not in _CLASSES:
                wrong = (labels < 0) | (labels > 1)
                self._refuse(wrong, labels, start, f"{metric.title} takes 0, 1 or what is between")
            else:
                wrong = (labels != 0) & (labels != 1)
                self._refuse(wrong, labels, start, f"{metric.title} takes 0 or 1")
                several = labels.sum(axis=1) != 1
                self._refuse(
                    np.broadcast_to(several[:, None], labels.shape), labels, start,
                    f"{metric.title} takes exactly one class that is 1",
                )  # fmt: skip
        else:
            wrong = (labels != np.trunc(labels)) | (labels < 0) | (labels >= shape[1])
            self._refuse(
                wrong, labels, start,
                f"{metric.title} takes the number of a class, from 0 to {shape[1] - 1}",
            )  # fmt: skip

    def _refuse(self, wrong: Array, labels: Array, start: int, why: str) -> None:
        if not wrong.any():
            return
        row = int(np.flatnonzero(wrong.reshape(len(labels), -1).any(axis=1))[0])
        shown = labels[row] if labels.ndim == 1 else labels[row].tolist()
        raise DataError(
            f"the label {self._label_name!r} of example {start + row + 1} is {shown}; {why}"
        )


def _check_shapes(metric: Metric, labels: Array, predictions: Array, name: str) -> None:
    size = len(labels)
    if metric.takes in _CLASSES or not metric.view.is_plain:
        least = max(2, metric.view.num_classes)
        if predictions.ndim != 2 or predictions.shape[1] < least:
            raise InvalidModelError(
                f"the output of {name} has shape {predictions.shape} for {size} examples; "
                f"{metric.title} takes at least {least} classes, so shape ({size}, {least})"
            )
        if labels.shape not in ((size,), predictions.shape):
            raise DataError(
                f"the labels have shape {labels.shape} and the predictions {predictions.shape} of "
                f"{name}; expected one class number for each example, or a label for each class"
            )
    elif predictions.shape != labels.shape:
        hint = (
            "; for one or all of its classes give metrics_specs binarize or aggregate"
            if predictions.ndim == 2 and labels.ndim == 1
            else ""
        )
        raise InvalidModelError(
            f"the output of {name} has shape {predictions.shape} for {size} examples with labels "
            f"of shape {labels.shape}; {metric.title} takes {metric.takes.value}{hint}"
        )


def _check_is_a_choice(metric: Metric, predictions: Mapping[str, Array]) -> None:
    """Look at the candidate alone: a baseline that is always right only makes it harder."""
    name, values = next(iter(predictions.items()))
    if metric.least_classes and values.shape[1] < metric.least_classes:
        k, size = metric.least_classes - 1, values.shape[1]
        raise ConfigurationError(
            f"{metric.title} counts the {k} highest of {size} classes that {name} has, so it is "
            f"always 1; give it a k below {size}"
        )


def _check_has_classes(metric: Metric, labels: Array, predictions: Array, name: str) -> None:
    if labels.ndim != 1 or predictions.ndim != 2:
        return
    is_loss = metric.takes is Takes.CLASSES and not metric.is_plot
    counts_all = not metric.view.is_plain and metric.view.class_id is None and metric.view.k is None
    if (is_loss or counts_all) and (labels >= predictions.shape[1]).any():
        raise InvalidModelError(
            f"{name} has {predictions.shape[1]} classes, but there are examples of class "
            f"{labels.max():g}, of which {metric.title} needs its answer; compare by metrics of "
            "hits, such as SparseCategoricalAccuracy, until a model with all classes is live"
        )


def _check_probabilities(metric: Metric, predictions: Array, name: str) -> None:
    outside = np.isfinite(predictions) & (np.abs(predictions - 0.5) > 0.5 + _ROUNDING)
    if outside.any():
        raise InvalidModelError(
            f"the output of {name} is {predictions[outside][0]} for some examples; {metric.title} "
            "takes a probability from 0 to 1. If these are logits, export the model with a sigmoid "
            "or softmax, or name another output as prediction_key"
        )
