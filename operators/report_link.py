"""Links of tasks in Airflow's page: their reports, and the version that a push replaced.

Airflow asks for a link in the worker, when the task has ended, and keeps it as an XCom; the page
shows it on the task instance's details. Reports are served by the plugin, to whoever may read the
DAG's XComs.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs
from airflow.sdk import BaseOperatorLink

from components.records import Blessing

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

REPORTS = "imprimatur/reports"
"""Where the plugin serves reports, below Airflow's address."""


def page_address() -> str:
    """Return Airflow's address as people's browsers know it, without a slash at its end."""
    from airflow.sdk.configuration import conf

    return str(conf.get("api", "base_url", fallback="http://localhost:8080")).rstrip("/")


def run_address(context: Any) -> str:
    """Return the address of a task instance in Airflow's page."""
    ti = context["ti"]
    names = (("dags", ti.dag_id), ("runs", ti.run_id), ("tasks", ti.task_id))
    run = "/".join(f"{kind}/{quote(name, safe='')}" for kind, name in names)
    is_mapped = ti.map_index is not None and ti.map_index >= 0
    return f"{page_address()}/{run}" + (f"/mapped/{ti.map_index}" if is_mapped else "")


def report_address(blessing: Blessing) -> str | None:
    """Return the address of a blessing's report; None where there is none, or no run made it."""
    run, uri = blessing.run, blessing.report_uri
    if run is None or uri is None:
        return None
    path = Path(uri)
    attempt = path.parent.name if path.suffix else path.name
    parts = (run.dag_id, run.run_id, run.task_id, str(run.map_index), attempt)
    return "/".join([page_address(), REPORTS, *(quote(part, safe="") for part in parts)])


@attrs.define()
class ReportLink(BaseOperatorLink):
    """The report of the blessing that the task left."""

    name: str = "Report"

    def get_link(self, operator: Any, *, ti_key: "TaskInstanceKey") -> str:
        """Return its address; empty if the task left no blessing, and the page shows no button."""
        blessing: Blessing | None = getattr(operator, "left_blessing", None)
        return (blessing and report_address(blessing)) or ""


@attrs.define()
class EvaluationReportLink(ReportLink):
    """The evaluator's."""

    name: str = "Evaluation report"


@attrs.define()
class InfraReportLink(ReportLink):
    """The infra validator's."""

    name: str = "Infra report"


@attrs.define()
class PreviousVersionLink(BaseOperatorLink):
    """The run that published the version which a push or a rollback replaced."""

    name: str = "Previous version"

    def get_link(self, operator: Any, *, ti_key: "TaskInstanceKey") -> str:
        """Return the address of that run; empty if there was none, or it isn't known."""
        run = getattr(operator, "previous_run", None)
        if run is None:
            return ""
        return (
            f"{page_address()}/dags/{quote(run.dag_id, safe='')}/runs/{quote(run.run_id, safe='')}"
        )
