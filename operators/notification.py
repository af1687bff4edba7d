"""Tells people of refusals, failures and data that are too old.

Who is told stands in one setting: ``IMPRIMATUR_NOTIFY`` holds Apprise URLs, separated by blanks,
for instance ``mailtos://user:password@mail.example?to=oncall@example`` or ``slack://…``. Without it
nobody is told. A notice that can't be sent is a warning in the task's log, and changes nothing
else.
"""

import logging
from typing import Any

from airflow.sdk import BaseNotifier, Context

from components.records import Finding, Refusal
from operators import settings
from operators._component_task import REFUSAL_KEY
from operators.freshness import FINDING_KEY
from operators.report_link import run_address

_MAX_FINDINGS = 3
_QUIET = ("policy",)
"""Refusals that somebody asked for."""
_log = logging.getLogger(__name__)


class ImprimaturNotifier(BaseNotifier):
    """Send a notice with the first three findings, and a link to the task in Airflow's page.

    As ``on_failure_callback`` and ``on_skipped_callback``: a failure is told when no retry is left,
    a skip if the task itself refused, for another reason than the push policy.
    """

    def notify(self, context: Context) -> None:
        """Send it, if there is something to say and somebody to be told."""
        if settings.notification_urls() and (message := message_of(context)):
            send(*message)


class QuestionNotifier(BaseNotifier):
    """Tell that a model waits for a person's answer, and where that is given."""

    def notify(self, context: Context) -> None:
        """Send it, if somebody is to be told."""
        if settings.notification_urls():
            task: Any = context["task"]
            where = f"{run_address(context)}/required_actions"
            send(f"{context['ti'].dag_id}: {task.subject}", f"Your answer is asked for.\n\n{where}")


def send(title: str, body: str) -> None:
    """Send a notice to everybody in ``IMPRIMATUR_NOTIFY``; log a warning where that fails."""
    import apprise

    urls, notices = settings.notification_urls(), apprise.Apprise()
    rejected = [url for url in urls if not notices.add(url)]
    if rejected or not notices.notify(title=title, body=body):
        _log.warning(
            "not everybody in IMPRIMATUR_NOTIFY was told (%s of its %s URLs aren't Apprise's): %s",
            len(rejected),
            len(urls),
            title,
        )


NOTICES = {
    "on_failure_callback": [ImprimaturNotifier()],
    "on_skipped_callback": [ImprimaturNotifier()],
}
"""Operator arguments, for a DAG's ``default_args``."""


def message_of(context: Any) -> tuple[str, str] | None:
    """Return title and body of the notice; None where nobody needs to be told."""
    ti, error = context["ti"], context.get("exception")
    refusal = _pull(ti, REFUSAL_KEY)
    if refusal is not None:
        record = Refusal.from_json(refusal)
        if record.check in _QUIET:
            return None
        what, lines = f"refused ({record.check})", [one.message for one in record.findings]
    else:
        finding = _pull(ti, FINDING_KEY)
        what = "data too old" if finding is not None else "failed"
        said = Finding.from_json(finding).message if finding is not None else str(error or "")
        lines = [said or "it ended without an error; see its log"]
    more = len(lines) - _MAX_FINDINGS
    shown = [f"- {line}" for line in lines[:_MAX_FINDINGS]] + ([f"- and {more} more"] * (more > 0))
    return f"{ti.dag_id}: {ti.task_id} {what}", "\n".join([*shown, "", run_address(context)])


def _pull(ti: Any, key: str) -> Any:
    """Return what the task left under a key; None outside a task's process."""
    if not hasattr(ti, "xcom_pull"):  # Airflow itself tells of a task whose process was lost
        return None
    found = ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=ti.map_index)
    return found[0] if isinstance(found, list) and found else found or None
