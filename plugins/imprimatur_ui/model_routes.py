"""Models, their versions and what became of them, as JSON; only what the user's rights cover.

A model that the user may not see is answered like one that doesn't exist.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from components import model_catalog
from components.artifact_path import encode
from components.errors import ImprimaturError
from components.evaluator.model_history import History, read_history
from components.installation import artifacts_root, serving_root
from components.model_catalog.version_page import MAX_PAGE
from components.pusher import lint
from imprimatur_ui.access import User, may_read_any, may_read_results, may_trigger

router = APIRouter(prefix="/models")

NEWEST_RUNS = 60
"""Of a DAG, whose evaluations are shown; the others shows ``components.evaluator history``."""
ACTION_DAGS = {
    "rollback": "imprimatur_rollback",
    "release": "imprimatur_release",
    "pin": "imprimatur_pin",
    "resume": "imprimatur_resume",
}
"""The DAGs that do what the buttons ask for, with the rights of who presses them."""


@router.get("")
def models(user: User, dag_id: str | None = None) -> dict[str, Any]:
    """Return the models that the user may see: all, or those of a DAG."""
    found = model_catalog.list_models(serving_root())
    if dag_id is not None:
        found = [model for model in found if dag_id in model.dag_ids]
    return {
        "now": datetime.now(UTC).isoformat(),
        "serving_root": str(serving_root()),
        "models": [model.to_json() for model in found if may_read_any(user, model.dag_ids)],
    }


@router.get("/{name}")
def model(
    user: User,
    name: str,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> dict[str, Any]:
    """Return one model with some of its versions, and which buttons the user may press."""
    summary = _find(user, name)
    try:
        page = model_catalog.read_versions(_path(name), offset=offset, limit=limit).to_json()
    except ImprimaturError as error:
        page = {"versions": [], "total": 0, "offset": offset, "problems": [str(error)]}
    return {
        "now": datetime.now(UTC).isoformat(),
        "model": summary.to_json(),
        "page": page,
        "actions": {
            action: {"dag_id": dag_id, "allowed": may_trigger(user, dag_id)}
            for action, dag_id in ACTION_DAGS.items()
        },
    }


@router.get("/{name}/history")
def history(user: User, name: str) -> dict[str, Any]:
    """Return the newest evaluations of all examples by the model's DAGs that the user may see."""
    summary = _find(user, name)
    allowed = sorted(dag_id for dag_id in summary.dag_ids if may_read_results(user, dag_id))
    histories = [_history(dag_id, name) for dag_id in _with_artifacts(allowed)]
    evaluations = [
        {"dag_id": found.dag_id, **evaluation.to_json()}
        for found in histories
        for evaluation in found.evaluations
    ]
    return {
        "is_allowed": bool(allowed),
        "evaluations": evaluations,
        "metrics": list(dict.fromkeys(name for found in histories for name in found.metrics)),
        "problems": [problem for found in histories for problem in found.problems],
    }


@router.get("/{name}/lint")
def lint_report(user: User, name: str) -> dict[str, Any]:
    """Return what will go wrong in the serving folder; reads every byte of every version."""
    _find(user, name)
    try:
        return lint(base_directory=str(_path(name))).to_json()
    except ImprimaturError as error:
        raise HTTPException(500, str(error)) from error


def _find(user: Any, name: str) -> model_catalog.ModelSummary:
    found = model_catalog.find_model(serving_root(), name)
    if found is None or not may_read_any(user, found.dag_ids):
        raise HTTPException(404, f"there is no model {name!r} that you may see")
    return found


def _with_artifacts(dag_ids: list[str]) -> list[str]:
    """Return the DAGs that have artifacts; if none has, one, for the serving folder's records."""
    return [name for name in dag_ids if (artifacts_root() / encode(name)).is_dir()] or dag_ids[:1]


def _history(dag_id: str, name: str) -> History:
    return read_history(
        artifacts_root=artifacts_root(),
        dag_id=dag_id,
        base_directory=_path(name),
        newest=NEWEST_RUNS,
    )


def _path(name: str) -> Path:
    return serving_root() / name
