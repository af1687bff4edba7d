"""Runs models over examples on this machine: one read, all models, all slices in one pass."""

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from components.evaluator.case import CANDIDATE
from components.evaluator.counting import Counter, Predictions
from components.evaluator.eval_config import EvalConfig
from components.evaluator.example_parser import ExampleBatch, Wanted
from components.evaluator.example_reader import ExampleReader
from components.evaluator.predictor import Predictor
from components.evaluator.slicing import Slicer
from components.evaluator.tally import Tally

_SECONDS_PER_REPORT = 10.0
_log = logging.getLogger(__name__)
_Predicted = tuple[ExampleBatch, Predictions]


def tally_examples(
    config: EvalConfig, reader: ExampleReader, predictors: Mapping[str, Predictor]
) -> tuple[Tally, int]:
    """Measure all models on all examples.

    Args:
        config: metrics and slices.
        reader: the examples.
        predictors: model's name → model.

    Returns:
        The sums, and the number of examples.

    Raises:
        DataError: examples that can't be read, or labels that don't fit the metrics.
        InvalidModelError: predictions that don't fit the metrics.
    """
    counter = Counter(config, {key: model.name for key, model in predictors.items()})
    tally = counter.new_tally()
    started = reported = time.monotonic()
    count = 0
    for batch, predictions in _predicted(reader, predictors):
        counter.add(tally, batch, predictions)
        count += batch.size
        if time.monotonic() - reported > _SECONDS_PER_REPORT:
            reported = time.monotonic()
            _log.info("%s examples, %.0f/s", f"{count:,}", count / (reported - started))
    return tally, count


def wanted_features(config: EvalConfig, predictors: Mapping[str, Predictor]) -> Wanted:
    """Return what is parsed of the examples; what the candidate makes of them isn't."""
    models = list(predictors.values())
    made = predictors[CANDIDATE].preprocessing.features
    spec = config.candidate
    groups = dict.fromkeys(m.query_key for m in config.metrics if m.query_key)
    others = dict.fromkeys(name for m in config.metrics for name in m.features)
    return Wanted(
        labels=_not_in(made, map(spec.label_of, config.outputs)),
        weights=_not_in(made, filter(None, map(spec.weight_of, config.outputs))),
        slices=Slicer(config.slicing_specs).features,
        numbers=tuple(name for name in others if name not in groups),
        names=tuple(groups),
        inputs=tuple(dict.fromkeys(feature for model in models for feature in model.inputs)),
        serialized=bool(made) or not all(model.inputs for model in models),
    )


def _not_in(made: Collection[str], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name not in made))


def _predicted(reader: ExampleReader, predictors: Mapping[str, Predictor]) -> Iterator[_Predicted]:
    """Yield batches with their predictions; the next is predicted while one is counted."""

    def predict(batch: ExampleBatch) -> _Predicted:
        answers = {name: model.predict(batch) for name, model in predictors.items()}
        return predictors[CANDIDATE].complete(batch), answers

    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: Future[_Predicted] | None = None
        for batch in reader:
            following = pool.submit(predict, batch)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
