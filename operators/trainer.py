"""Trainer: the user's run_fn, in a child process."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from airflow.sdk import BaseOperator, Context

from components.records import Examples, Model, Record, Schema, TransformGraph
from operators._component_task import (
    flag,
    json_object,
    resolve_path,
    run_component,
    task_boundary,
    upstream_record,
)
from operators._process import ChildProcess
from operators.data_gate import check_data

T = TypeVar("T", bound=Record)
_TEMPLATED = (
    "module_file",
    "examples",
    "data_blessing",
    "train_args",
    "eval_args",
    "schema",
    "transform_graph",
    "base_model",
    "hyperparameters",
    "custom_config",
    "serving_examples",
    "keras",
    "seed",
    "deterministic",
    "process",
)
_OBJECTS = ("train_args", "eval_args", "hyperparameters", "custom_config", "process")
_RECORDS = {
    "examples": Examples,
    "schema": Schema,
    "transform_graph": TransformGraph,
    "serving_examples": Examples,
}


class TrainerOperator(BaseOperator):
    """Run a user's ``run_fn`` on examples and check that it left a servable SavedModel.

    A retry finds ``fn_args.model_run_dir`` as the failed try left it.

    Args:
        module_file: Python file with ``run_fn(fn_args)``; relative to the DAG bundle. (templated)
        examples: an `Examples` record, the output of `ExampleGenOperator`. (templated)
        data_blessing: the output of `ExampleValidatorOperator`; if given, nothing is trained
            unless the data are blessed. (templated)
        train_args: ``{"num_steps": N, "splits": […]}``, as TFX's. (templated)
        eval_args: the same for evaluation while training. (templated)
        schema: a `Schema` record; becomes ``fn_args.schema_path``. (templated)
        transform_graph: a `TransformGraph` record; becomes ``fn_args.transform_graph_path``.
            (templated)
        base_model: what to start from: a `Model` record, or the path of a model or of a serving
            folder, which means the version that is live there. (templated)
        hyperparameters: what ``fn_args.hyperparameters`` holds: values by name, KerasTuner's
            configuration, or a `HyperParameters` record. (templated)
        custom_config: what ``fn_args.custom_config`` holds. (templated)
        serving_examples: where `examples` are transformed already, the `Examples` record of the
            raw ones: a data blessing must be for these, the model's record names these, and the
            finished model is asked one of them. (templated)
        keras: 2 (or ``legacy``) or 3; by default what the module's source was written for.
            (templated)
        seed: of random numbers. (templated)
        deterministic: the same weights each time on the same machine; slower. (templated)
        process: ``log_level``, ``environment``, ``memory_limit_bytes``, ``cpus``, ``gpus`` and
            ``num_workers`` of the process that trains. (templated)

    Returns the `Model` record.
    """

    template_fields: Sequence[str] = _TEMPLATED
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        (*_OBJECTS, *_RECORDS, "base_model", "data_blessing"), "json"
    )
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        module_file: str,
        examples: Any,
        data_blessing: Any = None,
        train_args: Mapping[str, Any] | None = None,
        eval_args: Mapping[str, Any] | None = None,
        schema: Any = None,
        transform_graph: Any = None,
        base_model: Any = None,
        hyperparameters: Mapping[str, Any] | None = None,
        custom_config: Mapping[str, Any] | None = None,
        serving_examples: Any = None,
        keras: int | str | None = None,
        seed: int | str | None = None,
        deterministic: bool = False,
        process: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.module_file = module_file
        self.examples = examples
        self.data_blessing = data_blessing
        self._is_gated = data_blessing is not None
        self.train_args = train_args
        self.eval_args = eval_args
        self.schema = schema
        self.transform_graph = transform_graph
        self.base_model = base_model
        self.hyperparameters = hyperparameters
        self.custom_config = custom_config
        self.serving_examples = serving_examples
        self.keras = keras
        self.seed = seed
        self.deterministic = deterministic
        self.process = process
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Train."""
        with task_boundary():
            examples = upstream_record("examples", self.examples, Examples)
            judged = self._record("serving_examples", Examples) or examples
            check_data(
                self.data_blessing, is_wired=self._is_gated, examples=judged, context=context
            )
            flags = {
                "module_file": resolve_path(self.module_file, context),
                **{name: json_object(name, getattr(self, name)) for name in _OBJECTS},
                **{name: self._record(name, kind) for name, kind in _RECORDS.items()},
                "base_model": self._base_model(),
                "keras": self.keras,
                "seed": self.seed,
                "deterministic": flag("deterministic", self.deterministic),
            }
            record = run_component(self._child, "trainer", flags, context)
            return Model.from_json(record.to_json()).to_json()

    def _record(self, name: str, kind: type[T]) -> T | None:
        value = getattr(self, name)
        if value is None and name != "examples":
            return None
        return upstream_record(name, value, kind)

    def _base_model(self) -> Model | str | None:
        value = self.base_model
        if value is None or isinstance(value, str):
            return value
        return upstream_record("base_model", value, Model)

    def on_kill(self) -> None:
        """Kill the training's process group."""
        self._child.kill()
