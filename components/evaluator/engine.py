"""Runs models over examples on this machine: one read, all models, all slices in one pass."""

import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from components.evaluator.eval_config import EvalConfig
from components.evaluator.exact_sum import Array
from components.evaluator.example_reader import ExampleBatch, ExampleReader
from components.evaluator.predictor import Predictor
from components.evaluator.slicing import Slicer
from components.evaluator.tally import Tally

_SECONDS_PER_REPORT = 10.0
_log = logging.getLogger(__name__)
_Predicted = tuple[ExampleBatch, Mapping[str, Array]]


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
    """
    tally = Tally(config.metrics, list(predictors), min_slice_size=config.min_slice_size)
    slicer = Slicer(config.slicing_specs)
    started = reported = time.monotonic()
    count = 0
    for batch, predictions in _predicted(reader, predictors):
        size = len(batch.labels)
        membership = slicer.slice(size, batch.columns)
        tally.add(batch.labels, predictions, batch.weights, membership)
        count += size
        if time.monotonic() - reported > _SECONDS_PER_REPORT:
            reported = time.monotonic()
            _log.info("%s examples, %.0f/s", f"{count:,}", count / (reported - started))
    return tally, count


def _predicted(reader: ExampleReader, predictors: Mapping[str, Predictor]) -> Iterator[_Predicted]:
    """Yield batches with their predictions; the next is predicted while one is counted."""

    def predict(batch: ExampleBatch) -> _Predicted:
        return batch, {name: model.predict(batch.serialized) for name, model in predictors.items()}

    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: Future[_Predicted] | None = None
        for batch in reader:
            following = pool.submit(predict, batch)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
