"""What the DAGs for the person on call have in common: by hand only, and a reason is asked for."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from operators import settings
from operators.pipeline import DEFAULT_ARGUMENTS

TIMEOUT = timedelta(minutes=30)
PRIORITY = 1000
"""Above that of a pipeline's tasks, which is how many come after each: a backfill's wait."""
MODEL_FOLDER = "{{ params.model }}"


def control_dag(dag_id: str, doc: str, fields: Mapping[str, Param]) -> DAG:
    """Return a DAG that is started by hand alone, with a form of model, these fields and reason.

    It isn't paused when Airflow first sees it: who needs it needs it at once.
    """
    return DAG(
        dag_id=dag_id,
        schedule=None,
        allowed_run_types=_BY_HAND,
        is_paused_upon_creation=False,
        default_args={
            **DEFAULT_ARGUMENTS,
            "owner": "imprimatur",
            "execution_timeout": TIMEOUT,
            "priority_weight": PRIORITY,
            **settings.control_placement(),
        },
        params={"model": _MODEL, **fields, "reason": fields.get("reason", reason_field(_KEPT))},
        render_template_as_native_obj=False,
        tags=["imprimatur", "control"],
        doc_md=doc,
    )


def serving_folder_template() -> str:
    """Return the template of the serving folder that the form names."""
    return f"{settings.serving_root()}/{MODEL_FOLDER}"


def version_field(title: str, description: str) -> Param:
    """Return a form field for a version's number, which must be filled in."""
    return Param(
        type="string",
        pattern="^[1-9][0-9]{0,18}$",
        section="Model",
        title=title,
        description=description,
    )


def reason_field(description: str) -> Param:
    """Return a form field that asks why, and must be filled in."""
    return Param(
        type="string",
        minLength=3,
        pattern=r"\S",
        section="Why",
        title="Reason",
        description=description,
    )


_BY_HAND: Any = ("manual",)
"""Airflow takes the words; its enumeration isn't public."""
_MODEL = Param(
    type="string",
    pattern="^[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]*$",
    section="Model",
    title="Model",
    description="The name of its serving folder, as the model server calls it.",
)
_KEPT = "Kept in the serving folder's records, and shown to whoever is refused by it."
