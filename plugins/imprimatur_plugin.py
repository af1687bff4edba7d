"""What Airflow's page shows of the models: a view of its own, tabs on DAGs and runs; reports.

Every process of Airflow imports this file, each task's too, so it holds names and nothing else;
`imprimatur_ui` is loaded by the api-server, with the first request. Addresses are relative, so that
they work below any prefix that Airflow is served under.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

PREFIX = "imprimatur"

_Message = MutableMapping[str, Any]


async def application(
    scope: _Message,
    receive: Callable[[], Awaitable[_Message]],
    send: Callable[[_Message], Awaitable[None]],
) -> None:
    """Answer a request: an ASGI application that is built when it is first asked."""
    from imprimatur_ui.application import build

    await build()(scope, receive, send)


def _view(name: str, destination: str, route: str, module: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "destination": destination,
        "url_route": route,
        "bundle_url": f"{PREFIX}/static/{module}",
        **more,
    }


class ImprimaturPlugin(AirflowPlugin):
    """Reads serving folders and artifacts, and writes nothing: its buttons trigger DAGs."""

    name = "imprimatur"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"name": "Imprimatur", "app": application, "url_prefix": f"/{PREFIX}"}
    ]
    react_apps: ClassVar[list[dict[str, Any]]] = [
        _view("Models", "nav", "imprimatur-models", "models.js", nav_top_level=True),
        _view("Model", "dag", "imprimatur-model", "dag.js"),
        _view("Verdicts", "dag_run", "imprimatur-run", "run.js"),
    ]
