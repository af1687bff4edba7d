"""Who may see and do what: all that is asked of Airflow's internals for that stands here.

Airflow promises nothing about ``airflow.api_fastapi.core_api.security``, but a plugin's application
has no authentication of its own.
"""

from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dag import DagModel
from fastapi import Depends

User: TypeAlias = Annotated[Any, Depends(get_user)]
"""Whoever asks; anonymous requests end with 401 before the handler runs."""

authenticated = Depends(get_user)


def may_read_any(user: Any, dag_ids: Iterable[str]) -> bool:
    """Return whether the user may see the runs of at least one of the DAGs."""
    return any(may_read(user, dag_id, DagAccessEntity.RUN) for dag_id in dag_ids)


def may_read_results(user: Any, dag_id: str) -> bool:
    """Return whether the user may see what the tasks of a DAG returned, their reports among it."""
    return may_read(user, dag_id, DagAccessEntity.XCOM)


def may_read(user: Any, dag_id: str, entity: DagAccessEntity) -> bool:
    """Return whether the user may see a part of a DAG."""
    return _is_authorized("GET", user, dag_id, entity)


def may_trigger(user: Any, dag_id: str) -> bool:
    """Return whether the user may start a run of a DAG."""
    return _is_authorized("POST", user, dag_id, DagAccessEntity.RUN)


def _is_authorized(method: Any, user: Any, dag_id: str, entity: DagAccessEntity) -> bool:
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return bool(
        get_auth_manager().is_authorized_dag(
            method=method, user=user, access_entity=entity, details=details
        )
    )
