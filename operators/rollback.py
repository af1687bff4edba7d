"""Rollback: withdraws the live version of a model."""

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.records import Refusal, Run
from operators import metrics
from operators._component_task import run_of, skip_refused, task_boundary, word_flag
from operators.model_asset import model_name, tell_outlets
from operators.published_data import publishing_run
from operators.report_link import PreviousVersionLink


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

    Assets among the outlets get an event with outcome ``rolled_back``.

    Returns the `PushedModel` record of what is live now.
    """

    template_fields: Sequence[str] = ("base_directory", "reason", "from_version", "by", "hold")
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    operator_extra_links = (PreviousVersionLink(),)
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
        self.previous_run: Run | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Roll back, or skip with the reason."""
        from components import pusher

        with task_boundary():
            record = pusher.rollback(
                base_directory=self.base_directory,
                reason=self.reason,
                from_version=self.from_version,
                by=self.by or context["dag_run"].triggering_user_name or "airflow",
                hold=word_flag("hold", self.hold),
                run=run_of(context),
            )
            if isinstance(record, Refusal):
                skip_refused(record, context)
            self.previous_run = publishing_run(self.base_directory, record.previous_version)
            tell_outlets(self.outlets, record, self.base_directory, context, "rolled_back")
            metrics.count(
                context,
                "imprimatur.rollbacks",
                str(record.previous_version),
                model=model_name(self.base_directory),
            )
            metrics.serving_folder(self.base_directory)
            return record.to_json()
