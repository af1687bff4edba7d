"""### End a hold, so that models are published again.

A rollback holds all pushes, because the next run would publish the same defect. Resume when that
is mended. The quarantine of what was withdrawn stays: `imprimatur_release` lifts it.
By hand only, from Airflow's page or its API.
"""

from operators.control_dag import control_dag, reason_field, serving_folder_template
from operators.serving_control import ResumeOperator

FIELDS = {"reason": reason_field("Kept in the log of this run.")}

with control_dag("imprimatur_resume", __doc__, FIELDS) as dag:
    ResumeOperator(
        task_id="resume",
        base_directory=serving_folder_template(),
        reason="{{ params.reason }}",
    )
