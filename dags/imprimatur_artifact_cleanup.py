"""### Remove what old runs left behind, and nothing refers to.

Daily, once it is unpaused. The artifacts of a run stay as long as a serving folder's record names
it: its model is live, kept for a rollback, withdrawn or in quarantine. So do those of the last
*Keep days*, and of runs that aren't over, as those that wait for an answer. If one record can't be
read, nothing is removed. Only serving folders in `IMPRIMATUR_SERVING_ROOT` are asked.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param

from operators.artifact_cleanup import ArtifactCleanupOperator
from operators.pipeline import DEFAULT_ARGUMENTS

PARAMS = {
    "keep_days": Param(
        30,
        type="integer",
        minimum=1,
        section="Retention",
        title="Keep days",
        description="Runs in which something was written since stay, whatever names them.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        section="Retention",
        title="Dry run",
        description="Only say what would be removed.",
    ),
}

with DAG(
    dag_id="imprimatur_artifact_cleanup",
    schedule=CronTriggerTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULT_ARGUMENTS, "owner": "imprimatur"},
    params=PARAMS,
    tags=["imprimatur", "control"],
    doc_md=__doc__,
) as dag:
    ArtifactCleanupOperator(
        task_id="artifact_cleanup",
        keep_days="{{ params.keep_days }}",
        is_dry_run="{{ params.dry_run }}",
        execution_timeout=timedelta(hours=2),
    )
