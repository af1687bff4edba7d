"""Rollback: withdraws the live version of a model."""

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.records import PushedModel, Refusal
from operators._component_task import flag, run_of, skip_refused, task_boundary


class RollbackOperator(BaseOperator):
    """Take the live version of a serving folder back, so that the one before it is served.

    Args:
        base_directory: the serving folder. (templated)
        reason: why; kept in the folder's records. (templated)
        from_version: the version that is meant to be withdrawn. If another is live, nothing
            happens and the task is skipped. (templated)
        by: who asks; default: the user who triggered the run. (templated)
        hold: whether to refuse all pushes until somebody resumes them: the next run would publish
            the same defect. (templated)

    Returns the `PushedModel` record of what is live now.
    """

    template_fields: Sequence[str] = ("base_directory", "reason", "from_version", "by", "hold")
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    ui_color = "#fad2cf"

    def __init__(
        self,
        *,
        base_directory: str,
        reason: str,
        from_version: str | None = None,
        by: str | None = None,
        hold: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.base_directory = base_directory
        self.reason = reason
        self.from_version = from_version
        self.by = by
        self.hold = hold

    def execute(self, context: Context) -> dict[str, Any]:
        """Roll back, or skip with the reason."""
        from components import pusher

        with task_boundary():
            record = pusher.rollback(
                base_directory=self.base_directory,
                reason=self.reason,
                from_version=self.from_version,
                by=self.by or context["dag_run"].triggering_user_name or "airflow",
                hold=flag("hold", self.hold),
                run=run_of(context),
            )
            if isinstance(record, Refusal):
                skip_refused(record, context)
            return PushedModel.from_json(record.to_json()).to_json()
