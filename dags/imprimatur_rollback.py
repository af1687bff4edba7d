"""### Withdraw the live version of a model, so that the one before it is served.

Nothing happens unless *From version* is what is live: so a second click, or a retry, doesn't go
back twice. The withdrawn bytes, and whatever is trained from the same code, data and settings, are
put in quarantine. *Hold* refuses all pushes until `imprimatur_resume`: without it the next run
may publish the same defect.
"""

from airflow.sdk import Param

from operators.control_dag import control_dag, serving_folder_template, version_field
from operators.model_asset import ALIAS
from operators.rollback import RollbackOperator

FIELDS = {
    "from_version": version_field(
        "From version", "The version to withdraw. If another is live, nothing happens."
    ),
    "hold": Param(
        True,
        type="boolean",
        section="Model",
        title="Hold",
        description="Refuse all pushes until somebody resumes them.",
    ),
}

with control_dag("imprimatur_rollback", __doc__, FIELDS) as dag:
    RollbackOperator(
        task_id="rollback",
        base_directory=serving_folder_template(),
        from_version="{{ params.from_version }}",
        reason="{{ params.reason }}",
        hold="{{ params.hold }}",
        outlets=[ALIAS],
    )
