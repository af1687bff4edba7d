"""A user's own metric: a Keras metric, or a function, by the dotted name of its module."""

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import ConfigurationError, DataError, UserCodeError
from components.evaluator import term
from components.evaluator.batch import Batch
from components.evaluator.exact_sum import Array, ExactSums
from components.evaluator.metric.kind import Asked, Computation, Kind, divide_unless_tiny
from components.evaluator.statistic import Sum


def make_kind(module: str, name: str, config: Mapping[str, Any]) -> Kind:
    """Return the kind of a metric that isn't ours. Nothing is imported yet.

    A function takes labels and predictions of a batch, `(num_examples,)` or
    `(num_examples, num_classes)`, and returns a number for each example, whose weighted mean is the
    metric. A class is a `keras.metrics.Metric` whose variables are sums, so that those of two
    batches may be added; it takes one number for each example as `(num_examples, 1)`, because most
    of Keras' metrics take the last axis for that of the classes.

    Args:
        module: dotted, importable where the evaluation runs.
        name: of the function or class within.
        config: arguments of the class.
    """
    arguments = {key: value for key, value in config.items() if key != "name"}

    def make(asked: Asked) -> Computation:
        if name[:1].isupper():
            state = KerasState(module, name, json.dumps(arguments, sort_keys=True), asked.weighted)
            return Computation((state,), state.compute)
        if arguments:
            raise ConfigurationError(
                f"the metric {module}.{name} is a function and has the config {arguments!r}; only "
                "'name' may be given"
            )
        values = Sum(Values(module, name), asked.weighted)
        return Computation((values, Sum(term.count, asked.weighted)), divide_unless_tiny)

    return Kind(name, make, {key: None for key in arguments})


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
            UserCodeError: it raises.
        """
        function = load(self.module, self.name)
        if not inspect.isfunction(function):
            raise ConfigurationError(
                f"{self.module}.{self.name} is {function!r}; expected a function of labels and "
                "predictions, or the class of a Keras metric, whose name begins with a capital"
            )
        returned = _call(self, function, batch.labels, batch.predictions)
        try:
            values = np.asarray(returned, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the metric {self.module}.{self.name} returned {returned!r}; expected a number "
                "for each example"
            ) from error
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
        arguments: for its constructor, as JSON: hashable whatever is in them.
        weighted: by the examples' weights.
    """

    module: str
    name: str
    arguments: str = "{}"
    weighted: bool = False

    def new(self) -> Any:
        """Return an instance.

        Raises:
            ConfigurationError: it isn't a Keras metric, or doesn't take these arguments.
        """
        kind = load(self.module, self.name)
        arguments = json.loads(self.arguments)
        if not inspect.isclass(kind) or not hasattr(kind, "update_state"):
            raise ConfigurationError(
                f"{self.module}.{self.name} is {kind!r}; expected a subclass of "
                "keras.metrics.Metric, or a function, whose name begins with a small letter"
            )
        try:
            return kind(**arguments)
        except Exception as error:  # Keras checks its arguments in many ways
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
                values[position] = self._number(_call(self, metric.result))
        return values

    def _number(self, result: Any) -> float:
        try:
            return float(np.asarray(result))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the metric {self.module}.{self.name} is {result!r} for a slice; expected one "
                "number, for instance by an average over classes"
            ) from error


class _KerasAccumulator:
    """Sums by slice and number of the state: exact, so the same in any order of batches."""

    def __init__(self, statistic: KerasState) -> None:
        self._statistic = statistic
        self._metric = statistic.new()
        self._metric.reset_state()
        self._initial = _state(self._metric)
        self._totals = ExactSums()
        self._seen: set[int] = set()

    def add(self, batch: Batch) -> None:
        seen = batch.seen(None, weighted=self._statistic.weighted)
        order = np.argsort(seen.slices, kind="stable")
        occurring, starts = np.unique(seen.slices[order], return_index=True)
        if not len(occurring):
            return
        changes = [
            self._change(seen, rows) for rows in np.split(seen.rows[order], starts[1:].tolist())
        ]
        if seen.weights is not None:  # what weighs nothing isn't seen
            weighing = seen.slices[seen.weights[seen.rows] != 0]
            self._seen.update(np.unique(weighing).tolist())
        else:
            self._seen.update(occurring.tolist())
        self._totals.add(
            self._positions(occurring), np.concatenate(changes), seen.num_slices * self._size
        )

    def merge(self, other: "_KerasAccumulator", slices: Array, num_slices: int) -> None:
        self._totals.add_totals(other._totals, self._positions(slices), num_slices * self._size)
        self._seen.update(slices[sorted(other._seen)].tolist())

    def result(self, num_slices: int) -> Array:
        states = self._totals.result(num_slices * self._size).reshape(num_slices, self._size)
        seen = np.zeros(num_slices, bool)
        seen[sorted(self._seen)] = True
        return np.where(seen[:, None], states, np.nan)

    @property
    def _size(self) -> int:
        return len(self._initial)

    def _positions(self, slices: Array) -> Array:
        return (slices[:, None] * self._size + np.arange(self._size)).ravel()

    def _change(self, batch: Batch, rows: Array) -> Array:
        """Return what some examples add to the metric's variables."""
        self._metric.reset_state()
        weights = None if batch.weights is None else batch.weights[rows]
        labels, predictions = (_in_columns(of[rows]) for of in (batch.labels, batch.predictions))
        update = self._metric.update_state
        _call(self._statistic, update, labels, predictions, sample_weight=weights)
        state = _state(self._metric)
        if state.shape != self._initial.shape:
            raise ConfigurationError(
                f"the metric {self._statistic.module}.{self._statistic.name} makes variables when "
                "it is first updated; expected one that makes all of them in its constructor"
            )
        return state - self._initial

    def __getstate__(self) -> dict[str, Any]:
        """Leave the metric behind, which can't be pickled."""
        return {name: value for name, value in self.__dict__.items() if name != "_metric"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._metric = self._statistic.new()


def _call(metric: Values | KerasState, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """Call what a user wrote.

    Raises:
        UserCodeError: it raised, which may be anything.
    """
    try:
        return function(*args, **kw)
    except Exception as error:
        raise UserCodeError(
            f"the metric {metric.module}.{metric.name} raised {type(error).__name__}: {error}"
        ) from error


def _in_columns(values: Array) -> Array:
    """Return `(num_examples, num_classes)`, of one number for each example `(num_examples, 1)`."""
    return values[:, None] if values.ndim == 1 else values


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
