"""Trainer: the user's run_fn, in a child process."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.records import Examples, Model
from operators._component_task import (
    json_object,
    resolve_path,
    run_component,
    task_boundary,
    upstream_record,
)
from operators._process import ChildProcess
from operators.data_gate import check_data


class TrainerOperator(BaseOperator):
    """Run a user's ``run_fn`` on examples and check that it left a servable SavedModel.

    Args:
        module_file: Python file with ``run_fn(fn_args)``; relative to the DAG bundle. (templated)
        examples: an `Examples` record, the output of `ExampleGenOperator`. (templated)
        train_args: ``{"num_steps": N, "splits": […]}``, as TFX's. (templated)
        eval_args: the same for evaluation while training. (templated)
        hyperparameters: what ``fn_args.hyperparameters`` holds. (templated)
        custom_config: what ``fn_args.custom_config`` holds. (templated)
        base_model: a `Model` record to start from. (templated)
        data_blessing: the output of `ExampleValidatorOperator`; if given, nothing is trained
            unless it is positive and for these examples. (templated)

    Returns the `Model` record.
    """

    template_fields: Sequence[str] = (
        "module_file",
        "examples",
        "train_args",
        "eval_args",
        "hyperparameters",
        "custom_config",
        "base_model",
        "data_blessing",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            "examples",
            "train_args",
            "eval_args",
            "hyperparameters",
            "custom_config",
            "base_model",
            "data_blessing",
        ),
        "json",
    )
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        module_file: str,
        examples: Any,
        train_args: Mapping[str, Any] | None = None,
        eval_args: Mapping[str, Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        custom_config: Mapping[str, Any] | None = None,
        base_model: Any = None,
        data_blessing: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.module_file = module_file
        self.examples = examples
        self.train_args = train_args
        self.eval_args = eval_args
        self.hyperparameters = hyperparameters
        self.custom_config = custom_config
        self.base_model = base_model
        self.data_blessing = data_blessing
        self._is_gated = data_blessing is not None
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Train."""
        with task_boundary():
            base = self.base_model
            examples = upstream_record("examples", self.examples, Examples)
            check_data(
                self.data_blessing, is_wired=self._is_gated, examples=examples, context=context
            )
            flags = {
                "module_file": resolve_path(self.module_file, context),
                "examples": examples,
                "train_args": json_object("train_args", self.train_args),
                "eval_args": json_object("eval_args", self.eval_args),
                "hyperparameters": json_object("hyperparameters", self.hyperparameters),
                "custom_config": json_object("custom_config", self.custom_config),
                "base_model": None if base is None else upstream_record("base_model", base, Model),
            }
            record = run_component(self._child, "trainer", flags, context)
            return Model.from_json(record.to_json()).to_json()

    def on_kill(self) -> None:
        """Kill the training's process group."""
        self._child.kill()
