"""### Flight delays: will a flight arrive 15 minutes late or more?

Each month's flights out of New York City train a model; it is judged against the model that is
live, started in a model server, and published only if both bless exactly its bytes.
A refusal ends in a skipped *pusher*; the *report* says why.

* **By hand**: *Trigger*. Left as it is, the form takes the newest whole month of the data. To
  choose, give *Window start* and *Window end*. *Shuffle labels* spoils the training, to see a
  refusal.
* **By schedule**: monthly. The data is that of 2013, so a month of today has no flights, and its
  run is skipped from the first task on.
* **Backfill**: trains and judges each month, and publishes nothing unless *Backfill push* is
  `newer`: then a month goes live unless the live one has newer data.

The data: `python -m models.flight_delays.data --output $AIRFLOW_HOME/data/flights.parquet`.
"""

from datetime import UTC, datetime

from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from operators import settings
from operators.form import PUBLISHING_FIELDS, WINDOW_FIELDS
from operators.pipeline import DEFAULT_ARGUMENTS, ModelSettings, training_pipeline

MODEL = ModelSettings(
    name="flight_delays",
    source=str(settings.data_root() / "flights.parquet"),
    time_column="time_hour",
    interval="@monthly",
    module_file="models/flight_delays/module.py",
    schema_file="models/flight_delays/schema.pbtxt",
    preprocessing_file="models/flight_delays/preprocessing.py",
    train_args={"num_steps": "{{ params.train_steps }}"},
    tune_args={"max_trials": 10, "max_seconds": 3600},
    hyperparameters={
        "learning_rate": "{{ params.learning_rate }}",
        "epochs": "{{ params.epochs }}",
        "shuffle_labels": "{{ params.shuffle_labels }}",
    },
    eval_config="models/flight_delays/eval_config.json",
    first_run="bless",
)

PARAMS = {
    **WINDOW_FIELDS,
    "train_steps": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        section="Training",
        title="Training steps",
        description="Number of batches. Empty: as many as the epochs below need.",
    ),
    "epochs": Param(
        3,
        type="integer",
        minimum=1,
        maximum=100,
        section="Training",
        title="Epochs",
        description="Passes over the flights, where no number of steps is given.",
    ),
    "learning_rate": Param(
        0.005,
        type="number",
        exclusiveMinimum=0,
        maximum=1,
        section="Training",
        title="Learning rate",
        description="Of Adam, at the start.",
    ),
    "tuning": Param(
        "newest",
        enum=["newest", "now", "off"],
        section="Training",
        title="Tuning",
        description="now searches hyperparameters first, for up to an hour; newest takes those of "
        "the last search, if there was one, in place of this form's; off takes this form's.",
    ),
    "shuffle_labels": Param(
        False,
        type="boolean",
        section="Training",
        title="Shuffle labels",
        description="Spoil the training on purpose, to see the model refused.",
    ),
    **PUBLISHING_FIELDS,
}

with DAG(
    dag_id=MODEL.name,
    schedule=CronDataIntervalTimetable(MODEL.interval, timezone=MODEL.timezone),
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=3,
    default_args={**DEFAULT_ARGUMENTS, "owner": "imprimatur"},
    params=PARAMS,
    render_template_as_native_obj=True,
    tags=["imprimatur", "example"],
    doc_md=__doc__,
):
    training_pipeline(MODEL)
