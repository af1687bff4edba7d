"""What an installation tells of itself: counters, gauges and timers, by Airflow's own metrics.

Airflow sends them by StatsD or OpenTelemetry, or nowhere, as ``[metrics]`` in its configuration
says. Every name stands in `METRICS`; docs/observability.md says what each is good for. Plain StatsD
knows no tags: there their values follow the name, in the order of the table, as in
``imprimatur.refusals.flight_delays.not_blessed``.

Whatever goes wrong here is a warning in the task's log, and never the end of a task.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.sdk import Context
from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

from operators.model_asset import model_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metric:
    """What stands behind a name."""

    kind: str
    """``counter``, ``gauge`` or ``timer``."""
    tags: tuple[str, ...]
    meaning: str


METRICS: Mapping[str, Metric] = {
    "imprimatur.pushes": Metric(
        "counter", ("model", "outcome"), "pushes that were allowed: `pushed` or `already_live`"
    ),
    "imprimatur.refusals": Metric(
        "counter", ("dag_id", "reason"), "refusals, by the check that decided"
    ),
    "imprimatur.rollbacks": Metric("counter", ("model",), "live versions that were withdrawn"),
    "imprimatur.verdicts": Metric(
        "counter",
        ("dag_id", "kind", "verdict"),
        "blessings by kind (`data`, `evaluation`, `infra`, `approval`): `blessed`, `not_blessed`",
    ),
    "imprimatur.component_duration": Metric(
        "timer", ("dag_id", "component"), "how long a component ran that came to a result"
    ),
    "imprimatur.candidate_metric": Metric(
        "gauge", ("dag_id", "metric"), "what the newest model got in each metric with a bound"
    ),
    "imprimatur.examples": Metric(
        "gauge", ("dag_id", "split"), "how many examples the newest window has"
    ),
    "imprimatur.live_data_end_seconds": Metric(
        "gauge", ("model",), "end of the live version's data, in seconds since 1970"
    ),
    "imprimatur.live_data_age_seconds": Metric(
        "gauge", ("model",), "how long ago that was when it was looked at last"
    ),
    "imprimatur.on_hold": Metric("gauge", ("model",), "1 while pushes are on hold, else 0"),
}


def count(context: Context, name: str, about: str, **tags: str) -> None:
    """Add one to a counter, once for a task instance, also if it is retried.

    Args:
        context: of the task instance, whose state store remembers what was counted: a retry that
            finds its work done comes to the same result again.
        name: in `METRICS`.
        about: what is counted, beside the tags: a version, a digest.
        tags: of the metric.
    """
    with _harmless(name):
        if _is_on() and _is_first(context, ":".join([name, *tags.values(), about])):
            sent_name, sent_tags = _sent(name, tags)
            stats.incr(sent_name, tags=sent_tags)


def gauge(name: str, value: float, **tags: str) -> None:
    """Set a gauge."""
    with _harmless(name):
        if _is_on():
            sent_name, sent_tags = _sent(name, tags)
            stats.gauge(sent_name, value, tags=sent_tags)


def timing(name: str, seconds: float, **tags: str) -> None:
    """Add a measured time to a timer."""
    with _harmless(name):
        if _is_on():
            sent_name, sent_tags = _sent(name, tags)
            stats.timing(sent_name, timedelta(seconds=seconds), tags=sent_tags)


def serving_folder(base_directory: str) -> None:
    """Set what a serving folder's gauges say: until when its live data go, and whether it holds."""
    with _harmless(base_directory):
        if not _is_on():
            return
        from components.serving_folder import ServingFolder  # not when Airflow reads the DAG file

        folder, model = ServingFolder(base_directory), model_name(base_directory)
        gauge("imprimatur.on_hold", float(folder.hold() is not None), model=model)
        live = folder.live()
        if live is not None and live.window is not None:
            end = live.window.end_time.timestamp()
            gauge("imprimatur.live_data_end_seconds", end, model=model)


@contextmanager
def _harmless(what: str) -> Iterator[None]:
    """Let no fault of a backend, or of what is measured, become one of the task."""
    try:
        yield
    except Exception as error:
        _log.warning("the metric of %s wasn't sent: %s: %s", what, type(error).__name__, error)


def _is_on() -> bool:
    switches = ("statsd_datadog_enabled", "statsd_on", "otel_on")
    return any(conf.getboolean("metrics", switch) for switch in switches)


def _is_first(context: Context, key: str) -> bool:
    store: Any = context.get("task_state_store")
    if store is None:
        return True
    if store.get(key) is not None:
        return False
    store.set(key, True)
    return True


def _sent(name: str, tags: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return name and tags as the backend takes them, which drops what holds other characters."""
    sent = {
        tag: stats.normalize_name_for_stats(tags[tag], log_warning=False)
        for tag in METRICS[name].tags
    }
    if _keeps_tags():
        return name, sent
    return ".".join([name, *(value.replace(".", "__") for value in sent.values())]), sent


def _keeps_tags() -> bool:
    """Return whether the backend knows tags; Airflow looks for them in this order."""
    if conf.getboolean("metrics", "statsd_datadog_enabled"):
        return True
    if conf.getboolean("metrics", "statsd_on"):
        return bool(conf.getboolean("metrics", "statsd_influxdb_enabled"))
    return True
