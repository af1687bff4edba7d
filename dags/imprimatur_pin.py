"""### Keep a version of a model from being removed by retention, or end that.

A pinned version isn't served because of its pin; it is there to be rolled back to.
"""

from airflow.sdk import Param

from operators.control_dag import control_dag, serving_folder_template, version_field
from operators.serving_control import PinOperator

FIELDS = {
    "version": version_field("Version", "Its number."),
    "remove": Param(
        False,
        type="boolean",
        section="Model",
        title="Remove the pin",
        description="Let retention remove the version again.",
    ),
}

with control_dag("imprimatur_pin", __doc__, FIELDS) as dag:
    PinOperator(
        task_id="pin",
        base_directory=serving_folder_template(),
        version="{{ params.version }}",
        reason="{{ params.reason }}",
        remove="{{ params.remove }}",
    )
