"""Reads the shape of a DAG run from Airflow's context, for `operators.window`."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Context

from operators.window import RunShape


def run_shape(context: Context) -> RunShape:
    """Return what of the run decides its window.

    The context has no ``data_interval_*`` at all where the run has no logical date, so the run
    itself is asked.
    """
    dag_run: Any = context["dag_run"]
    return RunShape(
        run_type=run_type_of(context),
        params=dict(context.get("params") or {}),
        interval_start=dag_run.data_interval_start,
        interval_end=dag_run.data_interval_end,
        event_extras=_event_extras(context.get("triggering_asset_events") or {}),
    )


def run_type_of(context: Context) -> str:
    """Return the run type as text; its enumeration differs between Airflow's parts."""
    run_type: Any = context["dag_run"].run_type
    return str(getattr(run_type, "value", run_type))


def _event_extras(events_by_asset: Mapping[Any, Any]) -> tuple[dict[str, Any], ...]:
    return tuple(dict(event.extra or {}) for events in events_by_asset.values() for event in events)
