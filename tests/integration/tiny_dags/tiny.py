"""DAGs for tests on a real Airflow: the whole pipeline, with what takes TensorFlow faked.

example_gen, approval, pusher and report are the real ones. The rest is `fake_component`, which
makes real bytes and real records, so that a run takes seconds.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param

from operators import _component_task, _process, settings
from operators.form import PUBLISHING_FIELDS, WINDOW_FIELDS
from operators.pipeline import DEFAULT_ARGUMENTS, ModelSettings, training_pipeline

FAKES = Path(__file__).resolve().parents[2] / "operators"


def command(name: str, arguments: list[str]) -> list[str]:
    if name == "example_gen":
        return _process.component_command(name, arguments)
    if name == "pusher":
        return [sys.executable, str(FAKES / "pusher_with_fake_evaluator.py"), *arguments]
    return [sys.executable, str(FAKES / "fake_component.py"), name, *arguments]


_component_task.component_command = command

PARAMS = {
    "window_start": Param(None, type=["null", "string"], format="date-time"),
    "window_end": Param(None, type=["null", "string"], format="date-time"),
    "refused_by": Param("", type="string", description="The component that finds it too bad."),
    "push_policy": Param("auto", enum=["auto", "never", "ask"]),
    "backfill_push": Param("never", enum=["never", "newer"]),
}


def model(name: str) -> ModelSettings:
    return ModelSettings(
        name=name,
        source=str(settings.data_root() / "rows.parquet"),
        time_column="at",
        interval="@monthly",
        module_file="tests/operators/fake_component.py",
        hyperparameters={"refused_by": "{{ params.refused_by }}"},
        eval_config={},
    )


SHARED = {
    "start_date": datetime(2013, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 16,
    "default_args": {**DEFAULT_ARGUMENTS, "retry_delay": timedelta(seconds=1)},
    "params": PARAMS,
    "render_template_as_native_obj": True,
}
MONTHLY = CronDataIntervalTimetable("@monthly", timezone="UTC")
for dag_id in ("tiny", "tiny_backfill", "tiny_killed", "tiny_year", "tiny_stages"):
    with DAG(dag_id=dag_id, schedule=MONTHLY, **SHARED) as dag:
        training_pipeline(model(dag_id))
    globals()[dag_id] = dag

with DAG(dag_id="tiny_on_data", schedule=[Asset("tiny_data")], **SHARED):
    training_pipeline(model("tiny_on_data"))

FORM = {
    **WINDOW_FIELDS,
    "refused_by": Param(
        None,
        type=["null", "string"],
        pattern="^[a-z_]*$",
        section="Training",
        title="Refused by",
        description="The component that finds the model too bad.",
    ),
    "epochs": Param(
        3,
        type="integer",
        minimum=1,
        maximum=100,
        section="Training",
        title="Epochs",
        description="Passes over the data.",
    ),
    **PUBLISHING_FIELDS,
}
with DAG(dag_id="tiny_form", schedule=MONTHLY, **{**SHARED, "params": FORM}):
    training_pipeline(model("tiny_form"))
