"""The reports of blessings, as pages of their own.

A report was written by a run, so it isn't trusted: the browser gives it an origin of its own
(``sandbox``), from where neither Airflow's cookies nor its API can be reached.
"""

from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response

from components import records
from components.artifact_path import encode
from components.blessing_page import blessing_page
from components.errors import RecordError
from components.installation import artifacts_root
from components.records import Blessing
from imprimatur_ui.access import User, may_read_results

router = APIRouter(prefix="/reports")

HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
_REPORT = "report.html"


@router.get("/{dag_id}/{run_id}/{task_id}/{map_index}/{attempt}")
def report(
    user: User, dag_id: str, run_id: str, task_id: str, map_index: int, attempt: str
) -> Response:
    """Return the report that a try of a task left, or a page that is made of its blessing."""
    if not may_read_results(user, dag_id):
        raise HTTPException(403, f"you may not see what the tasks of {dag_id} returned")
    directory = _directory(dag_id, run_id, task_id, map_index, attempt)
    page = directory / _REPORT
    if page.is_file() and not page.is_symlink():
        return FileResponse(page, media_type="text/html", headers=HEADERS)
    return HTMLResponse(blessing_page(_blessing(directory), directory), headers=HEADERS)


def _directory(dag_id: str, run_id: str, task_id: str, map_index: int, attempt: str) -> Path:
    mapped = [] if map_index < 0 else [str(map_index)]
    parts = [encode(part) for part in (dag_id, run_id, task_id, *mapped, attempt)]
    return artifacts_root().joinpath(*parts)


def _blessing(directory: Path) -> Blessing:
    try:
        record = records.load(directory / "record.json")
    except RecordError as error:
        raise HTTPException(404, "this task left no report, or it was cleaned up") from error
    if not isinstance(record, Blessing):
        raise HTTPException(404, "this task left no blessing")
    return record
