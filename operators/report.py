"""Report: what happened in a run, and why, in one table."""

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context, TriggerRule
from tabulate import tabulate

from components import records
from operators._component_task import REFUSAL_KEY, task_boundary
from operators.example_gen import WINDOW_RULE_KEY
from operators.report_row import Row, row_of


class ReportOperator(BaseOperator):
    """Say in the log, and return for XCom, what each task before it did.

    It runs after a refusal too, and not after a fault, so that a failed run stays failed.

    Args:
        stages: task ids in the order to show; default: all upstream tasks, in the DAG's order.
            (templated)

    Returns ``{"outcome", "headline", "stages": [{"task_id", "result", "why"}]}``.
    """

    template_fields: Sequence[str] = ("stages",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"stages": "json"}
    ui_color = "#f1f3f4"

    def __init__(
        self,
        *,
        stages: Sequence[str] | None = None,
        trigger_rule: str = TriggerRule.NONE_FAILED,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=trigger_rule, **kwargs)
        self.stages = stages

    def execute(self, context: Context) -> dict[str, Any]:
        """Collect and print the table."""
        with task_boundary():
            rows = [
                row for task_id in self._task_ids(context) for row in _read_rows(task_id, context)
            ]
        headline = _headline(rows)
        table = tabulate(
            [[row.task_id, row.result, row.why] for row in rows],
            headers=["task", "result", "what and why"],
            maxcolwidths=[None, None, 90],
            tablefmt="simple",
        )
        self.log.info("%s\n%s", headline, table)
        return {
            "outcome": _deciding(rows).result if rows else "nothing",
            "headline": headline,
            "stages": [row.to_json() for row in rows],
        }

    def _task_ids(self, context: Context) -> list[str]:
        if self.stages is not None:
            return list(self.stages)
        before = self.get_flat_relative_ids(upstream=True)
        dag: Any = context["dag"]
        return [task.task_id for task in dag.topological_sort() if task.task_id in before]


def _read_rows(task_id: str, context: Context) -> list[Row]:
    rule = _pull(task_id, WINDOW_RULE_KEY, context)[0]
    refusals = [value for value in _pull(task_id, REFUSAL_KEY, context) if value is not None]
    results = refusals or _pull(task_id, "return_value", context)
    return [row_of(task_id, value and records.from_json(value), rule) for value in results]


def _pull(task_id: str, key: str, context: Context) -> list[Any]:
    """Return the values of all map indexes, or ``[None]``."""
    values: list[Any] = context["ti"].xcom_pull(task_ids=[task_id], key=key)
    return values or [None]


def _deciding(rows: Sequence[Row]) -> Row:
    """Return the row that says how the run ended: the first refusal, else the last task's."""
    return next((row for row in rows if row.result == "refused"), rows[-1])


def _headline(rows: Sequence[Row]) -> str:
    if not rows:
        return "No task ran before this one."
    row = _deciding(rows)
    return f"{row.result.upper()} by {row.task_id}: {row.why}"
