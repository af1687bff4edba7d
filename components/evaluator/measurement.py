"""Measures a candidate, and what it is compared with, on examples. Loads TensorFlow."""

import contextlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from components.errors import DataError
from components.evaluator.baseline import Comparison, verify
from components.evaluator.engine import tally_examples, wanted_features
from components.evaluator.eval_config import EvalConfig
from components.evaluator.example_reader import ExampleReader, split_files
from components.evaluator.judgement import BASELINE, CANDIDATE
from components.evaluator.model_spec import ModelSpec
from components.evaluator.predictor import Predictor
from components.evaluator.tally import Measurements
from components.records import Examples, Model

_log = logging.getLogger(__name__)


def measure(
    config: EvalConfig,
    candidate: Model,
    comparison: Comparison,
    examples: Examples,
    splits: Sequence[str],
) -> Measurements:
    """Load the models, ask them for all examples, and compute the metrics.

    Raises:
        InvalidModelError: a model that can't be asked, answers what doesn't fit, or changes
            meanwhile.
        DataError: no examples, another number than recorded, or they don't fit.
    """
    patterns = [examples.splits[name].file_pattern for name in splits]
    models: dict[str, tuple[str, Path, ModelSpec]] = {
        CANDIDATE: ("the model", Path(candidate.uri), config.candidate)
    }
    if comparison.directory is not None:
        models[BASELINE] = (f"the {comparison.title}", comparison.directory, config.baseline)
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        predictors = {
            key: stack.enter_context(Predictor(*arguments, config.outputs))
            for key, arguments in models.items()
        }
        wanted = wanted_features(config, predictors.values())
        reader = ExampleReader(split_files(Path(examples.uri), patterns), wanted)
        tally, count = tally_examples(config, reader, predictors)
    verify(candidate, "the model, which changed while it was evaluated,")
    expected = sum(examples.splits[name].num_examples for name in splits)
    if count != expected:
        raise DataError(
            f"the splits {list(splits)!r} hold {count:,} examples, but their record says "
            f"{expected:,}; make them again"
        )
    measurements = tally.measure()
    _log.info(
        "measured %d model(s) on %s examples in %d slice(s) in %.1f s",
        len(models),
        f"{count:,}",
        len(measurements.slices),
        time.monotonic() - started,
    )
    return measurements
