"""What Beam's workers hold: models, predictions, sums that can be merged, and faults as values.

A fault is a value, so that a runner doesn't try again what can't succeed, and so that of several
the first example's is told.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam.utils.shared import Shared

from components.errors import ConfigurationError, DataError, ImprimaturError, InvalidModelError
from components.evaluator.case import CANDIDATE
from components.evaluator.counting import Counter, Predictions
from components.evaluator.eval_config import EvalConfig
from components.evaluator.example_parser import ExampleBatch
from components.evaluator.model_spec import ModelSpec
from components.evaluator.predictor import Predictor
from components.evaluator.tally import Tally

_TOLD = (ConfigurationError, DataError, InvalidModelError)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Fault:
    """What is wrong, instead of a result.

    Attributes:
        start: how many examples came before; -1 is before all.
        kind: of exception.
        message: of it.
    """

    start: int
    kind: type[ImprimaturError]
    message: str


@dataclass(frozen=True)
class Predicted:
    """A batch, and what the models say of it."""

    batch: ExampleBatch
    predictions: Predictions


@dataclass(frozen=True)
class Models:
    """How models are loaded, where a process has not done so yet.

    Attributes:
        arguments: model → name for messages, directory, and how it is asked.
        outputs: that are measured.
    """

    arguments: Mapping[str, tuple[str, Path, ModelSpec]]
    outputs: tuple[str, ...]
    _shared: Shared = field(default_factory=Shared, repr=False, compare=False)

    @property
    def titles(self) -> dict[str, str]:
        """How messages call each."""
        return {key: name for key, (name, _, _) in self.arguments.items()}

    def load(self) -> "LoadedModels":
        """Return the models of this process."""
        loaded: LoadedModels = self._shared.acquire(lambda: LoadedModels(self))
        return loaded


class LoadedModels:
    """Models in sessions, for all threads of a process."""

    def __init__(self, models: Models) -> None:
        self._predictors = {
            key: Predictor(*arguments, models.outputs)
            for key, arguments in models.arguments.items()
        }

    def predict(self, batch: ExampleBatch) -> Predictions:
        """Ask all of them."""
        return {key: model.predict(batch) for key, model in self._predictors.items()}

    def complete(self, batch: ExampleBatch) -> ExampleBatch:
        """Add the labels and weights that the candidate makes."""
        return self._predictors[CANDIDATE].complete(batch)


@dataclass
class Sums:
    """What was added up so far, or the first fault."""

    tally: Tally
    num_examples: int = 0
    fault: Fault | None = None

    def note(self, fault: Fault | None) -> None:
        """Keep the fault that comes first."""
        if fault is not None and (self.fault is None or fault.start < self.fault.start):
            self.fault = fault


def faults_as_values(work: Callable[[], _T], start: int) -> _T | Fault:
    """Return what a function returns, or the error that it raises on purpose."""
    try:
        return work()
    except _TOLD as error:
        return Fault(start, type(error), str(error))


class SumsFn(beam.CombineFn):  # type: ignore[misc]  # Beam has no types
    """Adds up batches."""

    def __init__(self, config: EvalConfig, models: Models) -> None:
        self._config = config
        self._titles = models.titles
        self._counter: Counter | None = None

    def create_accumulator(self) -> Sums:
        """Return empty sums."""
        return Sums(self._counting.new_tally())

    def add_input(self, sums: Sums, element: Predicted | Fault) -> Sums:
        """Add a batch. After a fault too: another that comes before it may be found."""
        if isinstance(element, Fault):
            sums.note(element)
        else:
            batch, predictions = element.batch, element.predictions
            sums.note(
                faults_as_values(
                    lambda: self._counting.add(sums.tally, batch, predictions), batch.start
                )
            )
            sums.num_examples += batch.size
        return sums

    def merge_accumulators(self, accumulators: Iterable[Sums]) -> Sums:
        """Add up sums."""
        merged = self.create_accumulator()
        for each in accumulators:
            merged.note(each.fault)
            if merged.fault is None:
                merge = partial(merged.tally.merge, each.tally)
                merged.note(faults_as_values(merge, sys.maxsize))
            merged.num_examples += each.num_examples
        return merged

    def extract_output(self, sums: Sums) -> Sums:
        """Return them."""
        return sums

    @property
    def _counting(self) -> Counter:
        """A counter of this process: it isn't sent along."""
        if self._counter is None:
            self._counter = Counter(self._config, self._titles)
        return self._counter

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_counter": None}
