"""ExampleValidator: are the data as they shall be?"""

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.records import Blessing, Examples, Schema, Statistics
from operators._component_task import (
    resolve_path,
    run_component,
    task_boundary,
    upstream_record,
)
from operators._process import ChildProcess
from operators._signing import signed
from operators.destination import serving_folder
from operators.published_data import published_statistics
from operators.verdict import tell_verdict


class ExampleValidatorOperator(BaseOperator):
    """Judge examples by a schema, and by how far they moved from the published model's data.

    "Not blessed" is a result: the task succeeds, and what takes the blessing is skipped.

    Args:
        examples: an `Examples` record. (templated)
        statistics: the `Statistics` record of these examples. (templated)
        schema: a `Schema` record, or a ``schema.pbtxt`` relative to the DAG bundle. (templated)
        baseline: a serving folder: drift is measured from the data of its live version. Default:
            IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
        environment: of the schema's environments. (templated)
        exclude_splits: splits that aren't judged. (templated)

    Returns the `Blessing` record.
    """

    template_fields: Sequence[str] = (
        "examples",
        "statistics",
        "schema",
        "baseline",
        "environment",
        "exclude_splits",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        ("examples", "statistics", "schema", "exclude_splits"), "json"
    )
    ui_color = "#fef7e0"

    def __init__(
        self,
        *,
        examples: Any,
        statistics: Any,
        schema: Any,
        baseline: str | None = None,
        environment: str | None = None,
        exclude_splits: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.examples = examples
        self.statistics = statistics
        self.schema = schema
        self.baseline = baseline
        self.environment = environment
        self.exclude_splits = exclude_splits
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Validate."""
        with task_boundary():
            flags = {
                "examples": upstream_record("examples", self.examples, Examples),
                "statistics": upstream_record("statistics", self.statistics, Statistics),
                "schema": self._schema(context),
                "baseline": published_statistics(self.baseline or serving_folder(context)),
                "environment": self.environment,
                "exclude_splits": list(self.exclude_splits or ()),
            }
            record = run_component(self._child, "data_validation", flags, context, verb="validate")
            blessing = signed(Blessing.from_json(record.to_json()))
            tell_verdict(blessing, context)
            return blessing.to_json()

    def on_kill(self) -> None:
        """Kill the process group."""
        self._child.kill()

    def _schema(self, context: Context) -> str | Schema:
        if isinstance(self.schema, str):
            return resolve_path(self.schema, context)
        return upstream_record("schema", self.schema, Schema)
