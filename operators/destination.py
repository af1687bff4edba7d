"""Where a DAG's models are served from unless it says otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import Context

from components.artifact_path import encode
from components.errors import ConfigurationError
from operators import settings


def serving_folder(context: Context) -> Path:
    """Return IMPRIMATUR_SERVING_ROOT/<dag id>."""
    return settings.serving_root() / encode(context["ti"].dag_id)


def push_destination(context: Context) -> dict[str, dict[str, str]]:
    """Return the same as TFX's PushDestination."""
    return {"filesystem": {"base_directory": str(serving_folder(context))}}


def base_directory_of(destination: Mapping[str, Any]) -> str:
    """Return the serving folder of a PushDestination.

    Raises:
        ConfigurationError: it has another shape.
    """
    try:
        return str(destination["filesystem"]["base_directory"])
    except (KeyError, TypeError) as error:
        raise ConfigurationError(
            f"push_destination is {dict(destination)!r}; "
            "expected {'filesystem': {'base_directory': DIR}}"
        ) from error
