"""### Is what is live trained on data that are young enough?

Hourly. How old the data of a model may be, in hours, stands in `IMPRIMATUR_MAX_DATA_AGE_HOURS`, for
instance `{"flight_delays": 1080}`. A model whose data are older fails this DAG's run, whatever the
reason: refused, on hold, no data, or a scheduler that stands still.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, task

from operators import settings
from operators.freshness import FreshnessOperator
from operators.pipeline import DEFAULT_ARGUMENTS

TIMEOUT = timedelta(minutes=5)


@task(execution_timeout=TIMEOUT)
def read_bounds() -> list[dict[str, str | float]]:
    """Return the models that have a bound, with it."""
    bounds = settings.max_data_age_hours()
    return [{"model": name, "max_age_hours": hours} for name, hours in sorted(bounds.items())]


with DAG(
    dag_id="imprimatur_freshness",
    schedule=CronTriggerTimetable("@hourly", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULT_ARGUMENTS, "owner": "imprimatur"},
    tags=["imprimatur", "control"],
    doc_md=__doc__,
) as dag:
    FreshnessOperator.partial(
        task_id="freshness",
        execution_timeout=TIMEOUT,
        map_index_template=FreshnessOperator.map_index_template,
    ).expand_kwargs(read_bounds())
