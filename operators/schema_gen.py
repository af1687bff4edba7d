"""SchemaGen: what the data shall be."""

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.records import Schema, Statistics
from operators._component_task import (
    resolve_path,
    run_component,
    task_boundary,
    upstream_record,
)
from operators._process import ChildProcess


class SchemaGenOperator(BaseOperator):
    """Take the schema that somebody keeps, or infer one from statistics.

    An inferred schema blesses whatever the data are: keep it beside the model, correct it, and
    give it as `schema_file`.

    Args:
        statistics: a `Statistics` record. (templated)
        schema_file: a ``schema.pbtxt``, relative to the DAG bundle; default: infer. (templated)
        split: the split to infer from; default ``train``. (templated)
        max_domain_size: texts with more different values get no domain. (templated)

    Returns the `Schema` record.
    """

    template_fields: Sequence[str] = ("statistics", "schema_file", "split", "max_domain_size")
    template_fields_renderers: ClassVar[dict[str, str]] = {"statistics": "json"}
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        statistics: Any,
        schema_file: str | None = None,
        split: str | None = None,
        max_domain_size: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.statistics = statistics
        self.schema_file = schema_file
        self.split = split
        self.max_domain_size = max_domain_size
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Infer the schema, or read the one that is kept."""
        with task_boundary():
            kept = self.schema_file
            flags = {
                "statistics": upstream_record("statistics", self.statistics, Statistics),
                "curated": None if kept is None else resolve_path(kept, context),
                "split": self.split,
                "max_domain_size": self.max_domain_size,
            }
            record = run_component(self._child, "data_validation", flags, context, verb="schema")
            return Schema.from_json(record.to_json()).to_json()

    def on_kill(self) -> None:
        """Kill the process group."""
        self._child.kill()
