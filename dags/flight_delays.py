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
from operators.pipeline import DEFAULT_ARGUMENTS, ModelSettings, training_pipeline

MODEL = ModelSettings(
    name="flight_delays",
    source=str(settings.data_root() / "flights.parquet"),
    time_column="time_hour",
    interval="@monthly",
    module_file="models/flight_delays/module.py",
    schema_file="models/flight_delays/schema.pbtxt",
    train_args={"num_steps": "{{ params.train_steps }}"},
    hyperparameters={
        "learning_rate": "{{ params.learning_rate }}",
        "epochs": "{{ params.epochs }}",
        "shuffle_labels": "{{ params.shuffle_labels }}",
    },
    eval_config="models/flight_delays/eval_config.json",
    first_run="bless",
)

PARAMS = {
    "window_start": Param(
        None,
        type=["null", "string"],
        format="date-time",
        section="Data",
        title="Window start",
        description="First moment of the flights to train on. Empty: the newest whole month.",
    ),
    "window_end": Param(
        None,
        type=["null", "string"],
        format="date-time",
        section="Data",
        title="Window end",
        description="First moment after the flights to train on. Give both or neither.",
    ),
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
    "shuffle_labels": Param(
        False,
        type="boolean",
        section="Training",
        title="Shuffle labels",
        description="Spoil the training on purpose, to see the model refused.",
    ),
    "push_policy": Param(
        "auto",
        enum=["auto", "never"],
        section="Publishing",
        title="Push policy",
        description="auto publishes a blessed model; never trains and judges only.",
    ),
    "backfill_push": Param(
        "never",
        enum=["never", "newer"],
        section="Publishing",
        title="Backfill push",
        description="The only policy that counts in a backfill: newer publishes a blessed model "
        "unless its window ends before that of the live one.",
    ),
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
