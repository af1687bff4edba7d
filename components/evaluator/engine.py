"""Runs models over examples on this machine: one read, all models, all slices in one pass."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from components.evaluator.eval_config import EvalConfig
from components.evaluator.exact_sum import Array
from components.evaluator.example_reader import ExampleBatch, ExampleReader, Wanted
from components.evaluator.fit import Fit
from components.evaluator.predictor import Predictor
from components.evaluator.slicing import Slicer
from components.evaluator.tally import Tally, Truth

_SECONDS_PER_REPORT = 10.0
_log = logging.getLogger(__name__)
_Predicted = tuple[ExampleBatch, Mapping[str, Mapping[str, Array]]]


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
    tally = Tally(config.metrics, list(predictors), min_slice_size=config.min_slice_size)
    slicer = Slicer(config.slicing_specs)
    label_of = config.candidate.label_of
    fits = {
        output: Fit([m for m in config.metrics if m.output == output], label_of(output))
        for output in config.outputs
    }
    started = reported = time.monotonic()
    count = 0
    for batch, predictions in _predicted(reader, predictors):
        truth = _truth(config, batch)
        for output, fit in fits.items():
            answers = {model.name: predictions[key][output] for key, model in predictors.items()}
            fit.check(truth.labels[output], answers, batch.start)
        tally.add(truth, predictions, slicer.slice(batch.size, batch.columns))
        count += batch.size
        if time.monotonic() - reported > _SECONDS_PER_REPORT:
            reported = time.monotonic()
            _log.info("%s examples, %.0f/s", f"{count:,}", count / (reported - started))
    return tally, count


def wanted_features(config: EvalConfig, predictors: Iterable[Predictor]) -> Wanted:
    """Return what is parsed of the examples."""
    models = list(predictors)
    spec = config.candidate
    groups = dict.fromkeys(m.query_key for m in config.metrics if m.query_key)
    others = dict.fromkeys(name for m in config.metrics for name in m.features)
    return Wanted(
        labels=tuple(dict.fromkeys(spec.label_of(output) for output in config.outputs)),
        weights=tuple(
            dict.fromkeys(filter(None, (spec.weight_of(output) for output in config.outputs)))
        ),
        slices=Slicer(config.slicing_specs).features,
        numbers=tuple(name for name in others if name not in groups),
        names=tuple(groups),
        inputs=tuple(dict.fromkeys(feature for model in models for feature in model.inputs)),
        serialized=not all(model.inputs for model in models),
    )


def _truth(config: EvalConfig, batch: ExampleBatch) -> Truth:
    spec = config.candidate
    return Truth(
        {output: batch.labels[spec.label_of(output)] for output in config.outputs},
        {output: batch.weights.get(spec.weight_of(output)) for output in config.outputs},
        batch.features,
    )


def _predicted(reader: ExampleReader, predictors: Mapping[str, Predictor]) -> Iterator[_Predicted]:
    """Yield batches with their predictions; the next is predicted while one is counted."""

    def predict(batch: ExampleBatch) -> _Predicted:
        return batch, {name: model.predict(batch) for name, model in predictors.items()}

    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: Future[_Predicted] | None = None
        for batch in reader:
            following = pool.submit(predict, batch)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
