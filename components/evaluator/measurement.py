"""Measures a candidate, and what it is compared with, on examples. Loads TensorFlow."""

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.errors import DataError
from components.evaluator.baseline import Comparison, verify
from components.evaluator.engine import tally_examples, wanted_features
from components.evaluator.engine_choice import EngineChoice
from components.evaluator.eval_config import EvalConfig
from components.evaluator.example_reader import ExampleReader, split_files
from components.evaluator.judgement import BASELINE, CANDIDATE
from components.evaluator.model_spec import ModelSpec
from components.evaluator.predictor import Predictor
from components.evaluator.tally import Measurements, Tally
from components.records import Examples, Model

_Arguments = Mapping[str, tuple[str, Path, ModelSpec]]
_log = logging.getLogger(__name__)


def measure(
    config: EvalConfig,
    candidate: Model,
    comparison: Comparison,
    examples: Examples,
    splits: Sequence[str],
    *,
    engine: EngineChoice,
    scratch: Path,
) -> Measurements:
    """Load the models, ask them for all examples, and compute the metrics.

    Args:
        config: metrics and slices.
        candidate: the model.
        comparison: what it is compared with.
        examples: what both are asked.
        splits: which of them.
        engine: who asks and counts.
        scratch: an empty directory; with Beam, one that its workers see.

    Raises:
        InvalidModelError: a model that can't be asked, answers what doesn't fit, or changes
            meanwhile.
        DataError: no examples, another number than recorded, or they don't fit.
        EvaluationError: Beam failed.
    """
    patterns = [examples.splits[name].file_pattern for name in splits]
    files = split_files(Path(examples.uri), patterns)
    models: dict[str, tuple[str, Path, ModelSpec]] = {
        CANDIDATE: ("the model", Path(candidate.uri), config.candidate)
    }
    if comparison.directory is not None:
        models[BASELINE] = (f"the {comparison.title}", comparison.directory, config.baseline)
    started = time.monotonic()
    tally, count = _tally(config, models, files, engine, scratch)
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


def _tally(
    config: EvalConfig,
    models: _Arguments,
    files: Sequence[Path],
    engine: EngineChoice,
    scratch: Path,
) -> tuple[Tally, int]:
    with contextlib.ExitStack() as stack:
        predictors = {
            key: stack.enter_context(Predictor(*arguments, config.outputs))
            for key, arguments in models.items()
        }
        reader = ExampleReader(files, wanted_features(config, predictors))
        if engine.name == "local":
            return tally_examples(config, reader, predictors)
    # Beam's import takes a second, and its workers load the models for themselves.
    from components.evaluator.beam_engine import tally_by_beam
    from components.evaluator.beam_sums import Models

    return tally_by_beam(
        config,
        reader,
        Models(models, config.outputs),
        beam_pipeline_args=engine.beam_pipeline_args,
        scratch=scratch,
    )
