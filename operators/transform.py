"""Transform: one graph of preprocessing for training and for serving."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components import records
from components.artifacts import RECORD_FILE
from components.records import Examples, Schema, TransformGraph
from components.transform.request import EXAMPLES_DIRECTORY
from operators._component_task import (
    json_object,
    resolve_path,
    run_component,
    task_boundary,
    upstream_record,
)
from operators._process import ChildProcess
from operators.data_gate import check_data

TRANSFORMED_EXAMPLES_KEY = "transformed_examples"
"""Of the XCom with the record of what was written transformed."""


class TransformOperator(BaseOperator):
    """Run a user's ``preprocessing_fn`` by tf.Transform, or adapt ``preprocessing_layers``.

    Args:
        examples: an `Examples` record. (templated)
        schema: a `Schema` record, or a ``schema.pbtxt`` relative to the DAG bundle. (templated)
        module_file: Python file with ``preprocessing_fn``, for tf.Transform on Beam, or
            ``preprocessing_layers``, Keras' layers without it; relative to the DAG bundle.
            (templated)
        data_blessing: the output of `ExampleValidatorOperator`; if given, nothing is done unless
            the data are blessed. (templated)
        analyze_splits: what vocabularies and means are computed from; default ``train``.
            (templated)
        transform_splits: splits to write transformed; default: none. (templated)
        custom_config: handed to the function. (templated)
        beam_pipeline_args: Beam's options; default: its runner within the process. (templated)
        analyzer_cache: a directory where tf.Transform's analyzers keep what they found in each
            window. (templated)
        earlier_examples: `Examples` records of other windows, analyzed as well. (templated)

    Returns the `TransformGraph` record. Where splits are transformed, their `Examples` record is
    pushed as ``transformed_examples``.
    """

    template_fields: Sequence[str] = (
        "examples",
        "schema",
        "module_file",
        "data_blessing",
        "analyze_splits",
        "transform_splits",
        "custom_config",
        "beam_pipeline_args",
        "analyzer_cache",
        "earlier_examples",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            *("examples", "schema", "data_blessing", "custom_config", "beam_pipeline_args"),
            "earlier_examples",
        ),
        "json",
    )
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        examples: Any,
        schema: Any,
        module_file: str,
        data_blessing: Any = None,
        analyze_splits: Sequence[str] | None = None,
        transform_splits: Sequence[str] | None = None,
        custom_config: Mapping[str, Any] | None = None,
        beam_pipeline_args: Sequence[str] | None = None,
        analyzer_cache: str | None = None,
        earlier_examples: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.examples = examples
        self.schema = schema
        self.module_file = module_file
        self.data_blessing = data_blessing
        self._is_gated = data_blessing is not None
        self.analyze_splits = analyze_splits
        self.transform_splits = transform_splits
        self.custom_config = custom_config
        self.beam_pipeline_args = beam_pipeline_args
        self.analyzer_cache = analyzer_cache
        self.earlier_examples = earlier_examples
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Transform."""
        with task_boundary():
            examples = upstream_record("examples", self.examples, Examples)
            check_data(
                self.data_blessing, is_wired=self._is_gated, examples=examples, context=context
            )
            flags = {
                "examples": examples,
                "schema": self._schema(context),
                "module_file": resolve_path(self.module_file, context),
                "analyze_splits": list(self.analyze_splits or ()),
                "transform_splits": list(self.transform_splits or ()),
                "custom_config": json_object("custom_config", self.custom_config),
                "beam_pipeline_args": list(self.beam_pipeline_args or ()),
                "analyzer_cache": self.analyzer_cache,
                "earlier_examples": [
                    upstream_record("earlier_examples", value, Examples)
                    for value in self.earlier_examples or ()
                    if value is not None
                ],
            }
            record = run_component(self._child, "transform", flags, context)
            graph = TransformGraph.from_json(record.to_json())
            if self.transform_splits:
                transformed = records.load(str(_transformed_examples(graph))).to_json()
                context["ti"].xcom_push(key=TRANSFORMED_EXAMPLES_KEY, value=transformed)
            return graph.to_json()

    def on_kill(self) -> None:
        """Kill the process group."""
        self._child.kill()

    def _schema(self, context: Context) -> str | Schema:
        if isinstance(self.schema, str):
            return resolve_path(self.schema, context)
        return upstream_record("schema", self.schema, Schema)


def _transformed_examples(graph: TransformGraph) -> Path:
    return Path(graph.uri).with_name(EXAMPLES_DIRECTORY) / RECORD_FILE
