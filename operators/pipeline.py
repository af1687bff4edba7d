"""The wiring of a training pipeline: once, for every DAG.

::

    example_gen → trainer ─┬→ evaluator ───────┬→ pusher → report
                           └→ infra_validator ─┘

With a schema, what stands before the trainer judges the data; a refusal skips all that follows::

    example_gen → statistics_gen → schema_gen → example_validator → trainer
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset

from operators import settings
from operators.artifact_path import encode
from operators.evaluator import EvaluatorOperator
from operators.example_gen import ExampleGenOperator
from operators.example_validator import ExampleValidatorOperator
from operators.infra_validator import InfraValidatorOperator
from operators.pusher import PusherOperator
from operators.report import ReportOperator
from operators.schema_gen import SchemaGenOperator
from operators.statistics_gen import StatisticsGenOperator
from operators.trainer import TrainerOperator

DEFAULT_ARGUMENTS: Mapping[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=60),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=30),
}
"""``default_args`` of a DAG with such a pipeline. A failure that a retry can't help isn't
retried whatever they say."""


@dataclass(frozen=True)
class Timeouts:
    """How long each task may take before it is stopped, and retried."""

    example_gen: timedelta = timedelta(hours=1)
    data_validation: timedelta = timedelta(hours=1)
    trainer: timedelta = timedelta(hours=6)
    evaluator: timedelta = timedelta(hours=1)
    infra_validator: timedelta = timedelta(minutes=30)
    pusher: timedelta = timedelta(minutes=30)
    report: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What makes one model's pipeline; strings may be Jinja templates, as in the operators."""

    name: str
    """Of the serving folder and the asset: what a model server calls the model."""
    source: str
    """Of the data; see `ExampleGenOperator`."""
    time_column: str | None
    interval: str
    """Cron expression of the data intervals: those of the DAG's timetable."""
    timezone: str = "UTC"
    splits: Mapping[str, Any] | None = None
    features: Sequence[str] | None = None
    module_file: str
    """With ``run_fn``; relative to the DAG bundle."""
    schema_file: str | None = None
    """A ``schema.pbtxt`` that the data must be as; relative to the DAG bundle. None: no such
    check."""
    train_args: Mapping[str, Any] = field(default_factory=dict)
    eval_args: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    eval_config: str | Mapping[str, Any]
    """TFMA's EvalConfig; a path is relative to the DAG bundle."""
    first_run: str = "bless"
    """Or ``refuse``, where nothing is live yet."""
    serving_spec: Mapping[str, Any] = field(default_factory=lambda: {"local_process": {}})
    validation_spec: Mapping[str, Any] | None = None
    request_spec: Mapping[str, Any] | None = None
    confirm: Mapping[str, Any] | None = None
    """Servers that must say that they serve a new version; see `PusherOperator`."""
    keep_versions: int = 5
    timeouts: Timeouts = field(default_factory=Timeouts)

    @property
    def base_directory(self) -> str:
        """The serving folder, on the machine that asks."""
        return str(settings.serving_root() / encode(self.name))

    @property
    def asset(self) -> Asset:
        """The model as other DAGs see it: an event for each push."""
        return Asset(name=f"model/{self.name}", uri=f"x-imprimatur://model/{encode(self.name)}")


def training_pipeline(model: ModelSettings) -> ReportOperator:
    """Make the tasks of a model's pipeline in the DAG that is being defined.

    Returns:
        The last task; what comes before hangs on it.
    """
    examples = _example_gen(model)
    data_blessing = _data_blessing(model, examples.output)
    trainer = _trainer(model, examples.output, data_blessing)
    blessings = [
        *([] if data_blessing is None else [data_blessing]),
        _evaluator(model, trainer.output, examples.output).output,
        _infra_validator(model, trainer.output, examples.output).output,
    ]
    pusher = _pusher(model, trainer.output, examples.output, blessings)
    report = ReportOperator(task_id="report", execution_timeout=model.timeouts.report)
    pusher >> report
    return report


def _example_gen(model: ModelSettings) -> ExampleGenOperator:
    return ExampleGenOperator(
        task_id="example_gen",
        source=model.source,
        time_column=model.time_column,
        interval=model.interval,
        timezone=model.timezone,
        splits=model.splits,
        features=model.features,
        execution_timeout=model.timeouts.example_gen,
    )


def _data_blessing(model: ModelSettings, examples: Any) -> Any:
    if model.schema_file is None:
        return None
    shared = {
        "examples": examples,
        "baseline": model.base_directory,
        "execution_timeout": model.timeouts.data_validation,
    }
    statistics = StatisticsGenOperator(task_id="statistics_gen", **shared)
    schema = SchemaGenOperator(
        task_id="schema_gen",
        statistics=statistics.output,
        schema_file=model.schema_file,
        execution_timeout=model.timeouts.data_validation,
    )
    validator = ExampleValidatorOperator(
        task_id="example_validator",
        statistics=statistics.output,
        schema=schema.output,
        **shared,
    )
    return validator.output


def _trainer(model: ModelSettings, examples: Any, data_blessing: Any) -> TrainerOperator:
    return TrainerOperator(
        task_id="trainer",
        module_file=model.module_file,
        examples=examples,
        train_args=model.train_args,
        eval_args=model.eval_args,
        hyperparameters=model.hyperparameters,
        data_blessing=data_blessing,
        execution_timeout=model.timeouts.trainer,
        **settings.training_placement(),
    )


def _evaluator(model: ModelSettings, trained: Any, examples: Any) -> EvaluatorOperator:
    return EvaluatorOperator(
        task_id="evaluator",
        model=trained,
        examples=examples,
        eval_config=model.eval_config,
        baseline=model.base_directory,
        first_run=model.first_run,
        execution_timeout=model.timeouts.evaluator,
    )


def _infra_validator(model: ModelSettings, trained: Any, examples: Any) -> InfraValidatorOperator:
    return InfraValidatorOperator(
        task_id="infra_validator",
        model=trained,
        examples=examples,
        serving_spec=model.serving_spec,
        validation_spec=model.validation_spec,
        request_spec=model.request_spec,
        execution_timeout=model.timeouts.infra_validator,
    )


def _pusher(
    model: ModelSettings, trained: Any, examples: Any, blessings: Sequence[Any]
) -> PusherOperator:
    """Make the pusher, one at a time: it would wait for the serving folder's lock anyway."""
    return PusherOperator(
        task_id="pusher",
        model=trained,
        blessings=blessings,
        push_destination={"filesystem": {"base_directory": model.base_directory}},
        push_policy="{{ params.push_policy }}",
        backfill_push="{{ params.backfill_push }}",
        keep_versions=model.keep_versions,
        confirm=model.confirm,
        reevaluate_with={
            "examples": examples,
            "eval_config": model.eval_config,
            "first_run": model.first_run,
        },
        outlets=[model.asset],
        max_active_tis_per_dag=1,
        execution_timeout=model.timeouts.pusher,
    )
