"""ExampleGen: rows of one data window as tf.Examples."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.errors import ConfigurationError
from components.records import Examples, Refusal
from operators._component_task import json_object, run_component, skip_refused, task_boundary
from operators._process import ChildProcess
from operators.run_shape import run_shape
from operators.window import Resolution, resolve

WINDOW_RULE_KEY = "window_rule"
"""XCom key of the sentence that says which rule gave the window."""


class ExampleGenOperator(BaseOperator):
    """Read the rows of the run's data window and write them as tf.Examples.

    Which window that is, `operators.window` says; the rule that applied is logged and pushed to
    XCom under ``window_rule``. A window without rows is no failure: the task is skipped, and with
    it all that follow but the report.

    Args:
        source: CSV, Parquet or TFRecord: a file, a folder or a glob. (templated)
        time_column: the column that a row's time stands in. Without one the window is a label and
            drops no row. (templated)
        interval: cron expression of whole intervals, for runs that name no window: the newest one
            that the data covers is taken. (templated)
        timezone: that `interval` is meant in. (templated)
        splits: name → weight, rows being assigned by hash; or as the component documents.
            (templated)
        features: the columns to keep; default all. (templated)

    Returns the `Examples` record.
    """

    template_fields: Sequence[str] = (
        "source",
        "time_column",
        "interval",
        "timezone",
        "splits",
        "features",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"splits": "json", "features": "json"}
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        source: str,
        time_column: str | None = None,
        interval: str | None = None,
        timezone: str = "UTC",
        splits: Mapping[str, Any] | None = None,
        features: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.time_column = time_column
        self.interval = interval
        self.timezone = timezone
        self.splits = splits
        self.features = features
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Resolve the window and write the examples."""
        with task_boundary():
            resolution = resolve(run_shape(context))
            self.log.info("Window: %s", resolution.rule)
            context["ti"].xcom_push(key=WINDOW_RULE_KEY, value=resolution.rule)
            record = run_component(self._child, "example_gen", self._flags(resolution), context)
            if isinstance(record, Refusal):
                skip_refused(record, context)
            return Examples.from_json(record.to_json()).to_json()

    def on_kill(self) -> None:
        """Kill the child's process group."""
        self._child.kill()

    def _flags(self, resolution: Resolution) -> dict[str, Any]:
        flags: dict[str, Any] = {
            "source": self.source,
            "time_column": self.time_column,
            "splits": json_object("splits", self.splits),
            "features": ",".join(self.features) if self.features else None,
        }
        if resolution.window is not None:
            return {**flags, "window": str(resolution.window)}
        if self.interval is None:
            raise ConfigurationError(
                "this run names no window, and the operator has no interval to find one by; "
                "trigger it with window_start and window_end, or give interval='@monthly'"
            )
        return {
            **flags,
            "newest_interval": self.interval,
            "timezone": self.timezone,
            "ends_by": resolution.ends_by and resolution.ends_by.isoformat(),
        }
