"""What a person decides about a serving folder, as tasks: hold, resume, release, pin, status, lint.

For a DAG that the person on call triggers from Airflow's page; `components.pusher` does the work.
"""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from operators import metrics
from operators._component_task import reasons, run_of, task_boundary, word_flag
from operators.destination import serving_folder


class _ServingFolderOperator(BaseOperator):
    """One call of the pusher on one serving folder, in the task's own process.

    Args:
        base_directory: the serving folder; default: IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
    """

    template_fields: Sequence[str] = ("base_directory",)
    ui_color = "#fce8b2"

    def __init__(self, *, base_directory: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.base_directory = base_directory

    def _folder(self, context: Context) -> str:
        return self.base_directory or str(serving_folder(context))


class HoldOperator(_ServingFolderOperator):
    """Refuse all pushes to a serving folder until `ResumeOperator`.

    Args:
        base_directory: the serving folder; default: IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
        reason: shown to whoever is refused. (templated)
        by: who asks; default: the user who triggered the run. (templated)

    Returns the folder's status.
    """

    template_fields: Sequence[str] = ("base_directory", "reason", "by")

    def __init__(self, *, reason: str, by: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reason = reason
        self.by = by

    def execute(self, context: Context) -> dict[str, Any]:
        """Put the folder on hold."""
        from components import pusher

        with task_boundary():
            status = pusher.hold(
                base_directory=self._folder(context),
                reason=self.reason,
                by=self.by or _who(context),
                run=run_of(context),
            )
            metrics.serving_folder(self._folder(context))
            return status.to_json()


class ResumeOperator(_ServingFolderOperator):
    """End a hold; nothing happens if there is none. Returns the folder's status.

    Args:
        base_directory: the serving folder; default: IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
        reason: for the log. (templated)
    """

    template_fields: Sequence[str] = ("base_directory", "reason")

    def __init__(self, *, reason: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reason = reason

    def execute(self, context: Context) -> dict[str, Any]:
        """End the hold."""
        from components import pusher

        self.log.info("%s ends the hold: %s", _who(context), self.reason or "no reason given")
        with task_boundary():
            status = pusher.resume(base_directory=self._folder(context))
            metrics.serving_folder(self._folder(context))
            return status.to_json()


class ReleaseOperator(_ServingFolderOperator):
    """Lift the quarantine of a withdrawn version. Returns the folder's status.

    Args:
        base_directory: the serving folder; default: IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
        version: its number when it was withdrawn. (templated)
        reason: kept with the quarantine. (templated)
        by: who decides; default: the user who triggered the run. (templated)
    """

    template_fields: Sequence[str] = ("base_directory", "version", "reason", "by")

    def __init__(
        self,
        *,
        version: int | str,
        reason: str | None = None,
        by: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.reason = reason
        self.by = by

    def execute(self, context: Context) -> dict[str, Any]:
        """Release the version."""
        from components import pusher

        with task_boundary():
            return pusher.release(
                base_directory=self._folder(context),
                version=self.version,
                reason=self.reason,
                by=self.by or _who(context),
                run=run_of(context),
            ).to_json()


class PinOperator(_ServingFolderOperator):
    """Keep a version from being removed by retention, or end that. Returns the folder's status.

    Args:
        base_directory: the serving folder; default: IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
        version: its number. (templated)
        reason: shown by the folder's status. (templated)
        by: who decides; default: the user who triggered the run. (templated)
        remove: end the pin. (templated)
    """

    template_fields: Sequence[str] = ("base_directory", "version", "reason", "by", "remove")

    def __init__(
        self,
        *,
        version: int | str,
        reason: str = "",
        by: str | None = None,
        remove: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.reason = reason
        self.by = by
        self.remove = remove

    def execute(self, context: Context) -> dict[str, Any]:
        """Pin the version, or end its pin."""
        from components import pusher

        with task_boundary():
            return pusher.pin(
                base_directory=self._folder(context),
                version=self.version,
                reason=self.reason,
                by=self.by or _who(context),
                remove=word_flag("remove", self.remove),
            ).to_json()


class ServingStatusOperator(_ServingFolderOperator):
    """Return what is live in a serving folder, what was withdrawn, and what is on hold.

    Args:
        base_directory: the serving folder; default: IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Look, without the folder's lock."""
        from components import pusher
        from components.pusher.status import table

        with task_boundary():
            status = pusher.status(base_directory=self._folder(context))
            self.log.info("%s", table(status))
            return status.to_json()


class ServingLintOperator(_ServingFolderOperator):
    """Look for what will go wrong in a serving folder; the task fails if there is anything.

    The report stands in XCom under ``lint_report`` either way.

    Args:
        base_directory: the serving folder; default: IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
    """

    def execute(self, context: Context) -> None:
        """Check names, files, modes, leftovers and records.

        Raises:
            AirflowFailException: something is wrong; a retry can't help.
        """
        from components import pusher

        with task_boundary():
            report = pusher.lint(base_directory=self._folder(context))
        context["ti"].xcom_push(key="lint_report", value=report.to_json())
        for finding in report.findings:
            self.log.error("%s: %s", finding.check, finding.message)
        if report.findings:
            raise AirflowFailException(f"{report.base_directory}: {reasons(report.findings)}")


def _who(context: Context) -> str:
    return context["dag_run"].triggering_user_name or "airflow"
