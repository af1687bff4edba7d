"""The plugin's web application, below Airflow's own address."""

from functools import cache
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse

from imprimatur_ui import model_routes, report_routes, run_routes
from imprimatur_ui.access import authenticated

STATIC = Path(__file__).parent / "static"


@cache
def build() -> FastAPI:
    """Return the application; nothing of it is answered to who isn't logged in."""
    application = FastAPI(
        title="Imprimatur",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[authenticated],
    )
    application.include_router(model_routes.router)
    application.include_router(run_routes.router)
    application.include_router(report_routes.router)
    application.add_api_route("/static/{name}", _script)
    return application


def _script(name: str) -> FileResponse:
    """Return one of the views' modules, or 404."""
    if name not in {path.name for path in STATIC.glob("*.js")}:
        raise HTTPException(404, f"there is no script {name!r}")
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return FileResponse(STATIC / name, media_type="text/javascript", headers=headers)
