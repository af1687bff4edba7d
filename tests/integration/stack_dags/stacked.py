"""A DAG for tests of the stack: the whole pipeline with a model that takes no time to train.

``wait_for``: the training goes on once that file is gone.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from operators import settings
from operators.pipeline import DEFAULT_ARGUMENTS, ModelSettings, training_pipeline

MODEL = ModelSettings(
    name="stacked",
    source=str(settings.data_root() / "rows.parquet"),
    time_column="at",
    interval="@monthly",
    module_file=str(Path(__file__).with_name("module.py")),
    hyperparameters={"factor": "{{ params.factor }}", "wait_for": "{{ params.wait_for }}"},
    eval_config={
        "model_specs": [{"label_key": "label", "signature_name": "serving_default"}],
        "metrics_specs": [
            {
                "metrics": [
                    {
                        "class_name": "ExampleCount",
                        "threshold": {"value_threshold": {"lower_bound": 1}},
                    }
                ]
            }
        ],
    },
    request_spec={"num_examples": 10},
)

with DAG(
    dag_id=MODEL.name,
    schedule=None,
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    is_paused_upon_creation=False,
    default_args={**DEFAULT_ARGUMENTS, "retries": 6, "retry_delay": timedelta(seconds=5)},
    params={
        "window_start": Param(None, type=["null", "string"], format="date-time"),
        "window_end": Param(None, type=["null", "string"], format="date-time"),
        "factor": Param(0.5, type="number"),
        "wait_for": Param("", type="string"),
        "push_policy": Param("auto", enum=["auto", "never", "ask"]),
        "backfill_push": Param("never", enum=["never", "newer"]),
    },
    render_template_as_native_obj=True,
):
    training_pipeline(MODEL)
