"""A context with what operators read of Airflow's."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tests.airflow_home import REPOSITORY

# isort: split
from airflow.sdk.execution_time.context import OutletEventAccessors


class FakeTaskInstance(SimpleNamespace):
    """Keeps XComs in memory: ``xcoms[task_id][key]``."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms.setdefault(self.task_id, {})[key] = value

    def xcom_pull(self, task_ids: Any, key: str = "return_value", **_: Any) -> Any:
        if isinstance(task_ids, str):
            return self.xcoms.get(task_ids, {}).get(key)
        return [self.xcoms.get(task_id, {}).get(key) for task_id in task_ids]


def make_context(task_id: str, *, run_type: str = "manual", **changes: Any) -> dict[str, Any]:
    ti = FakeTaskInstance(
        dag_id="flight_delays",
        run_id="manual__2013-01-01T00:00:00+00:00",
        task_id=task_id,
        map_index=-1,
        try_number=1,
        xcoms=changes.pop("xcoms", {}),
        bundle_instance=SimpleNamespace(path=REPOSITORY / "dags", version=None),
        dag_version_id=None,
    )
    dag_run = SimpleNamespace(
        run_type=run_type,
        data_interval_start=changes.pop("interval_start", None),
        data_interval_end=changes.pop("interval_end", None),
        run_after=datetime(2013, 2, 1, tzinfo=UTC),
        triggering_user_name=changes.pop("user", None),
    )
    return {
        "ti": ti,
        "dag_run": dag_run,
        "params": {},
        "outlet_events": OutletEventAccessors(),
        "triggering_asset_events": {},
        **changes,
    }
