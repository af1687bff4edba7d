"""ExampleGen: rows of one data window as tf.Examples."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.errors import ConfigurationError
from components.example_gen import DATABASE_URL_VARIABLE
from components.records import Examples, Refusal
from operators import metrics
from operators._component_task import json_object, run_component, skip_refused, task_boundary
from operators._connection import database_url
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
        source: CSV, JSON Lines, Parquet or TFRecord: a file, a folder, a glob, a URL that fsspec
            knows, or TFX's pattern with ``{SPAN}`` or ``{YYYY}-{MM}-{DD}``; or a list of them.
            (templated)
        sql: instead of `source`, a SELECT whose parameters ``:window_start`` and ``:window_end``
            the window is bound to; a path that ends in ``.sql`` is read. (templated)
        conn_id: of `sql`: Airflow's connection. Its password reaches the component by its
            environment alone. (templated)
        time_column: the column that a row's time stands in. Without one the window is a label and
            drops no row, but for those in folders of another time. (templated)
        interval: cron expression of whole intervals, for runs that name no window: the newest one
            that the data covers is taken. (templated)
        timezone: that `interval`, `lookback` and dates in paths are meant in. (templated)
        lookback: ISO 8601 duration by which the window begins earlier, ``P90D``. (templated)
        allowed_lateness: ISO 8601 duration: folders of times up to this much after the window are
            read too, since rows of it may have come late. (templated)
        range_config: which spans, as TFX's RangeConfig; default the newest, or the days of the
            window. (templated)
        splits: name → weight, rows being assigned by hash; or as the component documents.
            (templated)
        features: the columns to keep; default all. (templated)
        max_duplicates: the greatest share of rows that may be copies of others; default any,
            unless every row is there several times over; or, where their times are known, most.
            (templated)
        num_shards: files per split. (templated)
        compression: ``gzip`` or ``none``. (templated)

    Returns the `Examples` record.
    """

    template_fields: Sequence[str] = (
        "source",
        "sql",
        "conn_id",
        "time_column",
        "interval",
        "timezone",
        "lookback",
        "allowed_lateness",
        "range_config",
        "splits",
        "features",
        "max_duplicates",
        "num_shards",
        "compression",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "sql": "sql",
        "range_config": "json",
        "splits": "json",
        "features": "json",
    }
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        source: str | Sequence[str] | None = None,
        sql: str | None = None,
        conn_id: str | None = None,
        time_column: str | None = None,
        interval: str | None = None,
        timezone: str = "UTC",
        lookback: str | None = None,
        allowed_lateness: str | None = None,
        range_config: Mapping[str, Any] | None = None,
        splits: Mapping[str, Any] | None = None,
        features: Sequence[str] | None = None,
        max_duplicates: float | None = None,
        num_shards: int = 1,
        compression: str = "gzip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.sql = sql
        self.conn_id = conn_id
        self.time_column = time_column
        self.interval = interval
        self.timezone = timezone
        self.lookback = lookback
        self.allowed_lateness = allowed_lateness
        self.range_config = range_config
        self.splits = splits
        self.features = features
        self.max_duplicates = max_duplicates
        self.num_shards = num_shards
        self.compression = compression
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Resolve the window and write the examples."""
        with task_boundary():
            resolution = resolve(run_shape(context))
            self.log.info("Window: %s", resolution.rule)
            context["ti"].xcom_push(key=WINDOW_RULE_KEY, value=resolution.rule)
            record = run_component(
                self._child,
                "example_gen",
                self._flags(resolution),
                context,
                secrets=self._secrets(),
            )
            if isinstance(record, Refusal):
                skip_refused(record, context)
            examples = Examples.from_json(record.to_json())
            for name, split in examples.splits.items():
                metrics.gauge(
                    "imprimatur.examples",
                    split.num_examples,
                    dag_id=context["ti"].dag_id,
                    split=name,
                )
            return examples.to_json()

    def on_kill(self) -> None:
        """Kill the child's process group."""
        self._child.kill()

    def _secrets(self) -> dict[str, str]:
        if (self.source is None) == (self.sql is None):
            raise ConfigurationError(
                f"source is {self.source!r} and sql is {self.sql!r}; give one of them"
            )
        if (self.sql is None) != (self.conn_id is None):
            raise ConfigurationError(
                f"conn_id is {self.conn_id!r}; give it with sql, and only then"
            )
        return {} if self.conn_id is None else {DATABASE_URL_VARIABLE: database_url(self.conn_id)}

    def _flags(self, resolution: Resolution) -> dict[str, Any]:
        flags: dict[str, Any] = {
            "source": self.source if self.source is None else _list(self.source),
            "sql": self.sql,
            "time_column": self.time_column,
            "lookback": self.lookback,
            "allowed_lateness": self.allowed_lateness,
            "range_config": json_object("range_config", self.range_config),
            "splits": json_object("splits", self.splits),
            "features": ",".join(self.features) if self.features else None,
            "max_duplicates": self.max_duplicates,
            "num_shards": self.num_shards,
            "compression": self.compression,
            "timezone": self.timezone,
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
            "ends_by": resolution.ends_by and resolution.ends_by.isoformat(),
        }


def _list(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
