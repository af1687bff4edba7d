"""Freshness: fails where the data of a live model is older than it may be."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from components.artifact_path import encode
from components.records import Finding
from operators import metrics, settings
from operators._component_task import task_boundary

FINDING_KEY = "finding"
"""XCom key of the `Finding`, read by the notifiers."""
_SECONDS_AN_HOUR = 3600


class FreshnessOperator(BaseOperator):
    """Compare the end of the live version's data window with the clock.

    Args:
        model: the name of the model. (templated)
        max_age_hours: how old its data may be; and how far in the future they may end, since a
            wrong clock or a mistyped window would hide their age for ever. (templated)

    Returns the age in hours.
    """

    template_fields: Sequence[str] = ("model", "max_age_hours")
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    map_index_template = "{{ task.model }}"
    ui_color = "#fce8b2"

    def __init__(self, *, model: str, max_age_hours: float, **kwargs: Any) -> None:
        super().__init__(**{"map_index_template": self.map_index_template, **kwargs})
        self.model = model
        self.max_age_hours = max_age_hours

    def execute(self, context: Context) -> float:
        """Return the age of the data in hours.

        Raises:
            AirflowFailException: they are too old, or it can't be told how old they are.
        """
        with task_boundary():
            folder = str(settings.serving_root() / encode(self.model))
            age = _age_hours(folder)
            metrics.serving_folder(folder)
            if age is not None:
                seconds = age * _SECONDS_AN_HOUR
                metrics.gauge("imprimatur.live_data_age_seconds", seconds, model=self.model)
        problem = self._problem(age)
        if problem is not None:
            finding = Finding("freshness", False, f"{self.model}: {problem}", observed=age)
            context["ti"].xcom_push(key=FINDING_KEY, value=finding.to_json())
            raise AirflowFailException(finding.message)
        self.log.info("%s: the live data end %.1f hours ago", self.model, age)
        return age or 0.0

    def _problem(self, age: float | None) -> str | None:
        if age is None:
            return "nothing is live, or its data window isn't known"
        if age > self.max_age_hours:
            return (
                f"the data of the live version end {age:.1f} hours ago; at most "
                f"{self.max_age_hours:g} are allowed: see why no newer model went live"
            )
        if age < -self.max_age_hours:
            return (
                f"the data of the live version end {-age:.1f} hours from now, so their age can't "
                "be told: this machine's clock, or the window that the model was trained on, is "
                "wrong; until then no model of older data goes live"
            )
        return None


def _age_hours(base_directory: str) -> float | None:
    from components.serving_folder import ServingFolder  # not when Airflow reads the DAG file

    live = ServingFolder(base_directory).live()
    if live is None or live.window is None:
        return None
    return (datetime.now(UTC) - live.window.end_time).total_seconds() / _SECONDS_AN_HOUR
