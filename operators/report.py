"""Report: what happened in a run, and why, in one table."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context, TriggerRule

from components import records
from operators._component_task import REFUSAL_KEY, task_boundary
from operators.approval import NOT_ASKED_KEY
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
        from tabulate import tabulate  # not when Airflow reads the DAG file

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
    not_asked = _pull(task_id, NOT_ASKED_KEY, context)[0]
    if not_asked is not None:
        return [Row(task_id, "not asked", not_asked)]
    refusals = [value for value in _pull(task_id, REFUSAL_KEY, context) if value is not None]
    results = refusals or _pull(task_id, "return_value", context)
    return [_row(task_id, value, rule) for value in results]


def _row(task_id: str, value: Any, rule: str | None) -> Row:
    if isinstance(value, Mapping) and "type" not in value:  # no record: as a tuner's choice
        return Row(task_id, "done", ", ".join(f"{name} {one}" for name, one in value.items()))
    return row_of(task_id, value and records.from_json(value), rule)


def _pull(task_id: str, key: str, context: Context) -> list[Any]:
    """Return the values of all map indexes, of a mapped report's own index, or ``[None]``."""
    own = context["ti"].map_index
    only: Any = {} if own is None or own < 0 else {"map_indexes": [own]}
    values: list[Any] = context["ti"].xcom_pull(task_ids=[task_id], key=key, **only)
    return values or [None]


def _deciding(rows: Sequence[Row]) -> Row:
    """Return the row that says how the run ended: the first refusal, else the last task's."""
    return next((row for row in rows if row.result == "refused"), rows[-1])


def _headline(rows: Sequence[Row]) -> str:
    if not rows:
        return "No task ran before this one."
    row = _deciding(rows)
    return f"{row.result.upper()} by {row.task_id}: {row.why}"
