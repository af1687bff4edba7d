"""The verdicts of a run, as JSON."""

from typing import Any

from fastapi import APIRouter, HTTPException

from components.installation import artifacts_root, serving_root
from components.model_catalog import read_run
from imprimatur_ui.access import User, may_read_results

router = APIRouter(prefix="/runs")


@router.get("/{dag_id}/{run_id:path}")
def run(user: User, dag_id: str, run_id: str) -> dict[str, Any]:
    """Return the models, blessings and published versions of a run."""
    if not may_read_results(user, dag_id):
        raise HTTPException(403, f"you may not see what the tasks of {dag_id} returned")
    return read_run(artifacts_root(), serving_root(), dag_id, run_id).to_json()
