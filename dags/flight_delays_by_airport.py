"""### Flight delays, a model for each airport of departure.

One pipeline, mapped over the airports: each has its own data, serving folder, blessings and asset,
and its own verdict. What is refused for one airport is published for another; the report has one
index for each.

The data: for each of EWR, JFK and LGA
`python -m models.flight_delays.data --origin EWR --output $AIRFLOW_HOME/data/flights_EWR.parquet`.
"""

from datetime import UTC, datetime

from airflow.sdk import DAG, CronDataIntervalTimetable, task_group

from operators import settings
from operators.form import PUBLISHING_FIELDS, WINDOW_FIELDS
from operators.pipeline import DEFAULT_ARGUMENTS, ModelSettings, training_pipeline

AIRPORTS = ["EWR", "JFK", "LGA"]
OWN = "{{ airport(ti) }}"
MODEL = ModelSettings(
    name="flight_delays_by_airport",
    serving_folder=str(settings.serving_root() / f"flight_delays_{OWN}"),
    source=str(settings.data_root() / f"flights_{OWN}.parquet"),
    time_column="time_hour",
    interval="@monthly",
    module_file="models/flight_delays/module.py",
    schema_file="models/flight_delays/schema.pbtxt",
    preprocessing_file="models/flight_delays/preprocessing.py",
    hyperparameters={"learning_rate": 0.005, "epochs": 3},
    eval_config="models/flight_delays/eval_config.json",
)


@task_group
def airport(code: str) -> None:
    """Train, judge and publish the model of one airport."""
    del code  # the templates take it by the map index
    training_pipeline(MODEL)


with DAG(
    dag_id=MODEL.name,
    schedule=CronDataIntervalTimetable(MODEL.interval, timezone=MODEL.timezone),
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULT_ARGUMENTS, "owner": "imprimatur"},
    params={**WINDOW_FIELDS, **PUBLISHING_FIELDS},
    user_defined_macros={"airport": lambda ti: AIRPORTS[ti.map_index]},
    render_template_as_native_obj=True,
    tags=["imprimatur", "example"],
    doc_md=__doc__,
):
    airport.expand(code=AIRPORTS)
