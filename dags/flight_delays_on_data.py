"""### Flight delays, trained when data arrive instead of by the clock.

Whoever delivers flights says so by an event of the asset `data/flights`, with the window of the
data in its *extra*: `{"window": {"start": "2013-05-01T00:00:00Z", "end": "2013-06-01T00:00:00Z"}}`.
Several events that arrive while a run goes on make one run, from the first start to the last end; a
gap between them fails it. By hand the form takes any window, or the newest whole month. A backfill
is of intervals, so there is none.
"""

from datetime import UTC, datetime

from airflow.sdk import DAG, Asset

from operators import settings
from operators.form import PUBLISHING_FIELDS, WINDOW_FIELDS
from operators.pipeline import DEFAULT_ARGUMENTS, ModelSettings, training_pipeline

FLIGHTS = Asset(name="data/flights", uri="x-imprimatur://data/flights")
MODEL = ModelSettings(
    name="flight_delays_on_data",
    source=str(settings.data_root() / "flights.parquet"),
    time_column="time_hour",
    interval="@monthly",
    module_file="models/flight_delays/module.py",
    schema_file="models/flight_delays/schema.pbtxt",
    preprocessing_file="models/flight_delays/preprocessing.py",
    hyperparameters={"learning_rate": 0.005, "epochs": 3},
    eval_config="models/flight_delays/eval_config.json",
)

with DAG(
    dag_id=MODEL.name,
    schedule=[FLIGHTS],
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    max_active_runs=3,
    default_args={**DEFAULT_ARGUMENTS, "owner": "imprimatur"},
    params={**WINDOW_FIELDS, **PUBLISHING_FIELDS},
    render_template_as_native_obj=True,
    tags=["imprimatur", "example"],
    doc_md=__doc__,
):
    training_pipeline(MODEL)
