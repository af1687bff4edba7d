"""Where a DAG's models are served from unless it says otherwise."""

from pathlib import Path

from airflow.sdk import Context

from operators import settings
from operators.artifact_path import encode


def serving_folder(context: Context) -> Path:
    """Return IMPRIMATUR_SERVING_ROOT/<dag id>."""
    return settings.serving_root() / encode(context["ti"].dag_id)


def push_destination(context: Context) -> dict[str, dict[str, str]]:
    """Return the same as TFX's PushDestination."""
    return {"filesystem": {"base_directory": str(serving_folder(context))}}
