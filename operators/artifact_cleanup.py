"""ArtifactCleanup: removes what old runs left and nothing refers to."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowRuntimeError

from operators import settings
from operators._component_task import task_boundary, word_flag

_ENDED = ("success", "failed")


class ArtifactCleanupOperator(BaseOperator):
    """Remove the artifacts of old runs that are over, and that no serving folder's record names.

    Args:
        keep_days: runs in which something was written since stay, whatever names them. (templated)
        is_dry_run: only say what would be removed. (templated)

    Returns what was removed, and what is kept because something names it.
    """

    template_fields: Sequence[str] = ("keep_days", "is_dry_run")
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    ui_color = "#f1f3f4"

    def __init__(
        self, *, keep_days: float | str = 30, is_dry_run: bool | str = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.keep_days = keep_days
        self.is_dry_run = is_dry_run

    def execute(self, context: Context) -> dict[str, Any]:
        """Clean up."""
        from components.artifact_cleanup import clean_up

        with task_boundary():
            return clean_up(
                artifacts=settings.artifacts_root(),
                serving_root=settings.serving_root(),
                keep_days=float(self.keep_days),
                dry_run=word_flag("is_dry_run", self.is_dry_run),
                is_active=partial(_is_active, context["ti"]),
            ).to_json()


def _is_active(ti: Any, dag_id: str, run_id: str) -> bool:
    """Return whether Airflow knows the run, and it isn't over: its artifacts may be needed."""
    try:
        return ti.get_dagrun_state(dag_id, run_id) not in _ENDED
    except AirflowRuntimeError as error:
        if (error.error.detail or {}).get("status_code") == HTTPStatus.NOT_FOUND:
            return False
        raise
