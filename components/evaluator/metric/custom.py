"""A user's own metric: a Keras metric, or a function, by the dotted name of its module."""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import ConfigurationError, DataError
from components.evaluator import term
from components.evaluator.batch import Batch
from components.evaluator.exact_sum import Array
from components.evaluator.metric.kind import Asked, Computation, Kind, divide_unless_tiny
from components.evaluator.statistic import Sum


def make_kind(module: str, name: str, config: Mapping[str, Any]) -> Kind:
    """Return the kind of a metric that isn't ours. Nothing is imported yet.

    A function takes labels and predictions of a batch, `(num_examples,)` or
    `(num_examples, num_classes)`, and returns a number for each example, whose weighted mean is the
    metric. A class is a `keras.metrics.Metric` whose variables are sums, so that those of two
    batches may be added.

    Args:
        module: dotted, importable where the evaluation runs.
        name: of the function or class within.
        config: arguments of the class.
    """
    arguments = {key: value for key, value in config.items() if key != "name"}

    def make(asked: Asked) -> Computation:
        if name[:1].isupper():
            frozen = tuple(sorted((key, _frozen(value)) for key, value in arguments.items()))
            state = KerasState(module, name, frozen, asked.weighted)
            return Computation((state,), state.compute)
        if arguments:
            raise ConfigurationError(
                f"the metric {module}.{name} is a function and has the config {arguments!r}; only "
                "'name' may be given"
            )
        values = Sum(Values(module, name), asked.weighted)
        return Computation((values, Sum(term.count, asked.weighted)), divide_unless_tiny)

    return Kind(name, make, {key: None for key in arguments})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def load(module: str, name: str) -> Any:
    """Return what a dotted name means.

    Raises:
        ConfigurationError: there is no such module, or nothing of that name in it.
    """
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"the metric {name!r} of the module {module!r} can't be loaded: {error}; expected the "
            "dotted name of a module that can be imported here, and a function or a Keras metric "
            "in it"
        ) from error


@dataclass(frozen=True)
class Values:
    """What a function says of each example."""

    module: str
    name: str

    def __call__(self, batch: Batch) -> Array:
        """Return a number for each example.

        Raises:
            ConfigurationError: it isn't a function.
            DataError: it returns something else.
        """
        function = load(self.module, self.name)
        if not inspect.isfunction(function):
            raise ConfigurationError(
                f"{self.module}.{self.name} is {function!r}; expected a function of labels and "
                "predictions, or the class of a Keras metric, whose name begins with a capital"
            )
        values = np.asarray(function(batch.labels, batch.predictions), dtype=np.float64)
        if values.shape != (len(batch.labels),):
            raise DataError(
                f"the metric {self.module}.{self.name} returned an array of shape {values.shape} "
                f"for {len(batch.labels)} examples; expected a number for each"
            )
        return values


@dataclass(frozen=True)
class KerasState:
    """The variables of a Keras metric, added up; the result is `(num_slices, num_numbers)`.

    Exact as far as the metric itself is: within a batch Keras adds in its own precision.

    Attributes:
        module: of the class.
        name: of the class.
        arguments: for its constructor, sorted.
        weighted: by the examples' weights.
    """

    module: str
    name: str
    arguments: tuple[tuple[str, Any], ...]
    weighted: bool = False

    def new(self) -> Any:
        """Return an instance.

        Raises:
            ConfigurationError: it isn't a Keras metric, or doesn't take these arguments.
        """
        kind = load(self.module, self.name)
        arguments = dict(self.arguments)
        if not inspect.isclass(kind) or not hasattr(kind, "update_state"):
            raise ConfigurationError(
                f"{self.module}.{self.name} is {kind!r}; expected a subclass of "
                "keras.metrics.Metric, or a function, whose name begins with a small letter"
            )
        try:
            return kind(**arguments)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the metric {self.module}.{self.name} can't be made with {arguments!r}: {error}"
            ) from error

    def accumulator(self) -> "_KerasAccumulator":
        """Return an empty accumulator."""
        return _KerasAccumulator(self)

    def compute(self, states: Array) -> Array:
        """Return the metric of each slice; NaN where it saw nothing."""
        metric = self.new()
        values = np.full(len(states), np.nan)
        for position, state in enumerate(states):
            if state.size and not np.isnan(state).all():
                metric.reset_state()
                _restore(metric, _state(metric) + state)
                values[position] = float(np.asarray(metric.result()))
        return values


class _KerasAccumulator:
    def __init__(self, statistic: KerasState) -> None:
        self._weighted = statistic.weighted
        self._metric = statistic.new()
        self._metric.reset_state()
        self._initial = _state(self._metric)
        self._sums: dict[int, Array] = {}

    def add(self, batch: Batch) -> None:
        seen = batch.seen(None, weighted=self._weighted)
        order = np.argsort(seen.slices, kind="stable")
        occurring, starts = np.unique(seen.slices[order], return_index=True)
        for number, rows in zip(
            occurring.tolist(), np.split(seen.rows[order], starts[1:]), strict=True
        ):
            self._metric.reset_state()
            weights = None if seen.weights is None else seen.weights[rows]
            self._metric.update_state(
                seen.labels[rows], seen.predictions[rows], sample_weight=weights
            )
            self._add(number, _state(self._metric) - self._initial)

    def merge(self, other: "_KerasAccumulator", slices: Array, num_slices: int) -> None:
        for number, state in other._sums.items():
            self._add(int(slices[number]), state)

    def result(self, num_slices: int) -> Array:
        size = max((len(state) for state in self._sums.values()), default=0)
        states = np.full((num_slices, size), np.nan)
        for number, state in self._sums.items():
            states[number] = state
        return states

    def _add(self, number: int, state: Array) -> None:
        self._sums[number] = self._sums[number] + state if number in self._sums else state


def _state(metric: Any) -> Array:
    parts = [np.asarray(variable, np.float64).ravel() for variable in metric.variables]
    return np.concatenate(parts) if parts else np.zeros(0)


def _restore(metric: Any, state: Array) -> None:
    start = 0
    for variable in metric.variables:
        shape = tuple(variable.shape)
        size = int(np.prod(shape))
        variable.assign(state[start : start + size].reshape(shape))
        start += size
