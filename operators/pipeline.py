"""The wiring of a training pipeline: once, for every DAG.

::

    example_gen → trainer ─┬→ evaluator ───────┬→ approval → pusher → report
                           └→ infra_validator ─┘

With a schema, what stands before the trainer judges the data; a refusal skips all that follows.
With a preprocessing module too, the trainer gets the graph that it makes; and where there is a
budget for it, hyperparameters are searched, now and then::

    example_gen → statistics_gen → schema_gen → example_validator → transform → tuner → trainer
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from airflow.sdk import XComArg

from operators import settings
from operators.approval import ModelApprovalOperator
from operators.evaluator import EvaluatorOperator
from operators.example_gen import ExampleGenOperator
from operators.example_validator import ExampleValidatorOperator
from operators.infra_validator import InfraValidatorOperator
from operators.model_asset import hyperparameters_asset
from operators.model_settings import ModelSettings, Timeouts
from operators.notification import NOTICES, QuestionNotifier
from operators.pusher import PusherOperator
from operators.report import ReportOperator
from operators.schema_gen import SchemaGenOperator
from operators.statistics_gen import StatisticsGenOperator
from operators.trainer import TrainerOperator
from operators.transform import TRANSFORMED_EXAMPLES_KEY, TransformOperator
from operators.tuner import TunerOperator

__all__ = ["DEFAULT_ARGUMENTS", "ModelSettings", "Timeouts", "training_pipeline"]

DEFAULT_ARGUMENTS: Mapping[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=60),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=30),
    **NOTICES,
}
"""``default_args`` of a DAG with such a pipeline. A failure that a retry can't help isn't
retried whatever they say."""


def training_pipeline(model: ModelSettings) -> ReportOperator:
    """Make the tasks of a model's pipeline in the DAG that is being defined.

    Returns:
        The last task; what comes before hangs on it.
    """
    examples = _example_gen(model)
    data = _data(model, examples.output)
    trainer = _trainer(model, data, _hyperparameters(model, data))
    blessings = [
        *([] if data.blessing is None else [data.blessing]),
        _evaluator(model, trainer.output, examples.output).output,
        _infra_validator(model, trainer.output, examples.output).output,
    ]
    approval = _approval(model, trainer.output, blessings)
    pusher = _pusher(model, trainer.output, examples.output, blessings, approval.output)
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
        **model.example_gen_arguments,
    )


@dataclass(frozen=True)
class _Data:
    """What a model is trained on: outputs of tasks, None of those that there aren't."""

    examples: Any
    schema: Any = None
    blessing: Any = None
    transform_graph: Any = None
    transformed_examples: Any = None


def _data(model: ModelSettings, examples: Any) -> _Data:
    if model.schema_file is None:
        return _Data(examples)
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
    return _transformed(model, _Data(examples, schema.output, validator.output))


def _transformed(model: ModelSettings, data: _Data) -> _Data:
    if model.preprocessing_file is None:
        return data
    transform = TransformOperator(
        task_id="transform",
        examples=data.examples,
        schema=data.schema,
        module_file=model.preprocessing_file,
        data_blessing=data.blessing,
        transform_splits=model.transformed_splits,
        execution_timeout=model.timeouts.transform,
    )
    is_written = len(model.transformed_splits) > 0
    examples = XComArg(transform, TRANSFORMED_EXAMPLES_KEY) if is_written else None
    return replace(data, transform_graph=transform.output, transformed_examples=examples)


def _hyperparameters(model: ModelSettings, data: _Data) -> Any:
    if model.tune_args is None:
        return model.hyperparameters
    tuner = TunerOperator(
        task_id="tuner",
        module_file=model.module_file,
        examples=_trained_on(data)["examples"],
        raw_examples=data.examples,
        data_blessing=data.blessing,
        enabled="{{ params.tuning == 'now' }}",
        reuse="{{ params.tuning == 'newest' }}",
        asset=hyperparameters_asset(model.name),
        hyperparameters=model.hyperparameters,
        train_args=model.train_args,
        eval_args=model.eval_args,
        tune_args=model.tune_args,
        schema=data.schema,
        transform_graph=data.transform_graph,
        execution_timeout=model.timeouts.tuner,
        **settings.training_placement(),
    )
    return tuner.output


def _trainer(model: ModelSettings, data: _Data, hyperparameters: Any) -> TrainerOperator:
    return TrainerOperator(
        task_id="trainer",
        module_file=model.module_file,
        **_trained_on(data),
        train_args=model.train_args,
        eval_args=model.eval_args,
        hyperparameters=hyperparameters,
        schema=data.schema,
        transform_graph=data.transform_graph,
        data_blessing=data.blessing,
        execution_timeout=model.timeouts.trainer,
        **settings.training_placement(),
    )


def _trained_on(data: _Data) -> dict[str, Any]:
    if data.transformed_examples is None:
        return {"examples": data.examples}
    return {"examples": data.transformed_examples, "serving_examples": data.examples}


def _evaluator(model: ModelSettings, trained: Any, examples: Any) -> EvaluatorOperator:
    return EvaluatorOperator(
        task_id="evaluator",
        model=trained,
        examples=examples,
        eval_config=model.eval_config,
        baseline=model.base_directory,
        first_run=model.first_run,
        missing_slice=model.missing_slice,
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


def _approval(
    model: ModelSettings, trained: Any, blessings: Sequence[Any]
) -> ModelApprovalOperator:
    return ModelApprovalOperator(
        task_id="approval",
        model=trained,
        blessings=blessings,
        push_policy="{{ params.push_policy }}",
        response_timeout=model.timeouts.approval,
        assigned_users=[dict(user) for user in model.approvers],
        notifiers=[QuestionNotifier()],
        execution_timeout=model.timeouts.report,
    )


def _pusher(
    model: ModelSettings, trained: Any, examples: Any, blessings: Sequence[Any], approval: Any
) -> PusherOperator:
    """Make the pusher, one at a time: it would wait for the serving folder's lock anyway."""
    return PusherOperator(
        task_id="pusher",
        model=trained,
        blessings=blessings,
        approval=approval,
        push_destination={"filesystem": {"base_directory": model.base_directory}},
        push_policy="{{ params.push_policy }}",
        backfill_push="{{ params.backfill_push }}",
        keep_versions=model.keep_versions,
        confirm=model.confirm,
        reevaluate_with={
            "examples": examples,
            "eval_config": model.eval_config,
            "first_run": model.first_run,
            "missing_slice": model.missing_slice,
        },
        outlets=[model.outlet],
        max_active_tis_per_dag=1,
        execution_timeout=model.timeouts.pusher,
    )
