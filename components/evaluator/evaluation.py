"""Evaluates one model: verify, snapshot, measure, judge, report."""

import dataclasses
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components import __version__, artifacts, example_files
from components.errors import ConfigurationError
from components.evaluator import baseline as baselines
from components.evaluator.engine_choice import EngineChoice, EngineName
from components.evaluator.eval_config import (
    FirstRun,
    check_can_bless,
    read_eval_config,
)
from components.evaluator.judgement import Case, MissingSlice, judge
from components.evaluator.report import REPORT_FILE, write_report
from components.evaluator.report_metrics import write_metrics, write_table
from components.evaluator.verdict_log import log_verdict
from components.records import (
    Baseline,
    Blessing,
    Examples,
    Inputs,
    Model,
    Run,
    Subject,
    Validator,
    now,
)
from components.serving_folder import ServingFolder

DEFAULT_SPLIT = "eval"
_SNAPSHOT = "baseline"
_SCRATCH = "scratch"
_log = logging.getLogger(__name__)


def evaluate(
    *,
    model: Model | str | Path,
    examples: Examples,
    eval_config: str | Path | Mapping[str, Any],
    baseline: Model | str | Path | None = None,
    first_run: FirstRun = "bless",
    missing_slice: MissingSlice = "fail",
    without_thresholds: bool = False,
    example_splits: Sequence[str] | None = None,
    engine: EngineName = "local",
    beam_pipeline_args: Sequence[str] = (),
    output_dir: str | Path,
    run: Run | None = None,
) -> Blessing:
    """Measure a model on examples, compare it with a baseline, and judge it by thresholds.

    Args:
        model: the record, or the directory of a SavedModel.
        examples: with the label, and what to slice and weigh by.
        eval_config: TFMA's EvalConfig: a file, JSON text or a dict.
        baseline: a serving folder, whose live version counts; or a model. None compares nothing.
        first_run: where there is nothing to compare with, ``bless`` lets change thresholds pass
            (the others must hold), ``refuse`` blesses nothing.
        missing_slice: where no example belongs to a threshold's slices, it fails (``fail``) or
            passes (``pass``).
        without_thresholds: whether it is on purpose that there are none; then nothing is judged.
        example_splits: which splits to measure on; ``eval``, or the only one there is.
        engine: ``local`` measures on this machine, ``beam`` by Apache Beam, to the same numbers.
        beam_pipeline_args: Beam's options, for instance ``--runner=FlinkRunner``; default: its
            runner within this process. Its workers must see the examples, the models and
            `output_dir` by the same paths.
        output_dir: gets ``record.json``, ``metrics.json``, ``metrics.parquet`` and ``report.html``.
        run: which task instance asks.

    Raises:
        ConfigurationError: the configuration is wrong or could never bless a model, or there is
            no such split.
        InvalidModelError: the model's bytes aren't those of its record, or it can't be asked.
        DataError: no examples, other bytes than their record's, or they don't fit.
        EvaluationError: Beam failed.
    """
    chosen = EngineChoice(engine, tuple(beam_pipeline_args))
    config = read_eval_config(eval_config)
    check_can_bless(config, without_thresholds=without_thresholds)
    candidate = _read_model(model)
    comparand = _read_baseline(baseline, first_run)
    splits = _choose_splits(examples, example_splits)
    with artifacts.new_directory(output_dir) as staging:
        comparison = baselines.take_snapshot(comparand, staging / _SNAPSHOT)
        if comparison.directory is None:
            check_can_bless(config, first_run, without_thresholds=without_thresholds)
        example_files.check_unchanged(examples)
        baselines.verify(candidate, "the model")
        # Only now: it takes TensorFlow, and what is wrong so far is said without it.
        from components.evaluator.measurement import measure

        scratch = staging / _SCRATCH
        scratch.mkdir()
        measurements = measure(
            config, candidate, comparison, examples, splits, engine=chosen, scratch=scratch
        )
        for temporary in (scratch, staging / _SNAPSHOT):
            shutil.rmtree(temporary, ignore_errors=True)
        is_same = comparison.record is not None and comparison.record.digest == candidate.digest
        case = Case(config, measurements, comparison.title, first_run, missing_slice, is_same)
        report_uri = str(Path(output_dir).absolute() / REPORT_FILE)
        blessing = _bless(case, candidate, examples, comparison.record)
        blessing = dataclasses.replace(blessing, report_uri=report_uri, run=run)
        write_metrics(case, blessing, staging)
        write_table(case, blessing, staging)
        write_report(case, blessing, staging)
        artifacts.write_record(blessing, staging)
    log_verdict(blessing)
    return blessing


def _bless(case: Case, candidate: Model, examples: Examples, baseline: Baseline | None) -> Blessing:
    findings = judge(case)
    return Blessing(
        kind="evaluation",
        blessed=all(finding.passed for finding in findings),
        subject=Subject(type="model", digest=candidate.digest),
        findings=findings,
        validator=Validator(name="imprimatur.evaluator", version=__version__),
        issued_at=now(),
        inputs=Inputs(examples_digest=examples.digest, eval_config_digest=case.config.digest),
        baseline=baseline,
    )


def _read_baseline(
    source: Model | str | Path | None, first_run: FirstRun
) -> Model | ServingFolder | None:
    baseline = baselines.read_baseline(source)
    if baseline is None and first_run == "refuse":
        raise ConfigurationError(
            "first_run is 'refuse' and no baseline is given, so no model could ever be blessed; "
            "give a baseline, or first_run 'bless'"
        )
    return baseline


def _read_model(source: Model | str | Path) -> Model:
    model = source if isinstance(source, Model) else baselines.read_model_if_any(source)
    if model is None:
        raise ConfigurationError(
            f"the model is {str(source)!r}; expected a Model record or a SavedModel directory"
        )
    if model.format != "saved_model":
        raise ConfigurationError(
            f"the model in {model.uri!r} has the format {model.format!r}; only a saved_model can "
            "be evaluated yet"
        )
    return model


def _choose_splits(examples: Examples, wanted: Sequence[str] | None) -> list[str]:
    names = list(examples.splits)
    if wanted is None:
        wanted = [DEFAULT_SPLIT] if DEFAULT_SPLIT in names or len(names) != 1 else names
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        raise ConfigurationError(
            f"example_splits is {list(wanted)!r}, but the examples have the splits {names!r}; "
            "name some of these"
        )
    return list(dict.fromkeys(wanted))
