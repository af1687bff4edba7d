"""### Lift the quarantine of a version that was withdrawn.

Its bytes may be pushed again then, under a new number. Nothing is served because of
this alone.
A hold stays: `imprimatur_resume` ends it. By hand only, from Airflow's page or its API.
"""

from operators.control_dag import control_dag, serving_folder_template, version_field
from operators.serving_control import ReleaseOperator

FIELDS = {"version": version_field("Version", "Its number when it was withdrawn.")}

with control_dag("imprimatur_release", __doc__, FIELDS) as dag:
    ReleaseOperator(
        task_id="release",
        base_directory=serving_folder_template(),
        version="{{ params.version }}",
        reason="{{ params.reason }}",
    )
