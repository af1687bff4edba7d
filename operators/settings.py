"""Settings of an installation, from the environment.

Where things lie says `components.installation`.

- ``IMPRIMATUR_TRAINING_QUEUE``, ``IMPRIMATUR_TRAINING_POOL``: where training runs, and what it
  takes its slots from; default: Airflow's
- ``IMPRIMATUR_CONTROL_POOL``: what the DAGs for the person on call take their slots from
- ``IMPRIMATUR_SERVING_SPEC``: how candidates are validated where a DAG doesn't say, as JSON; see
  `InfraValidatorOperator`; default: as a process of the worker
- ``IMPRIMATUR_NOTIFY``: who is told of refusals, failures and data that are too old; see
  `operators.notification`
- ``IMPRIMATUR_MAX_DATA_AGE_HOURS``: how old the data of a live model may be, as JSON,
  ``{"flight_delays": 1080}``

Each is read when it is asked for, so that a worker's own environment counts.
"""

import json
import os
from typing import Any

from components.errors import ConfigurationError
from components.installation import artifacts_root, data_root, serving_root

__all__ = [
    "artifacts_root",
    "control_placement",
    "data_root",
    "max_data_age_hours",
    "notification_urls",
    "serving_root",
    "serving_spec",
    "training_placement",
]
_MAX_AGE = "IMPRIMATUR_MAX_DATA_AGE_HOURS"
_SERVING_SPEC = "IMPRIMATUR_SERVING_SPEC"
_IN_THE_WORKER: dict[str, Any] = {"local_process": {}}


def training_placement() -> dict[str, Any]:
    """Return the operator arguments ``queue`` and ``pool`` of training, those that are set."""
    chosen = {
        "queue": os.environ.get("IMPRIMATUR_TRAINING_QUEUE"),
        "pool": os.environ.get("IMPRIMATUR_TRAINING_POOL"),
    }
    return {name: value for name, value in chosen.items() if value}


def control_placement() -> dict[str, Any]:
    """Return the operator argument ``pool`` of the DAGs for the person on call, if it is set."""
    pool = os.environ.get("IMPRIMATUR_CONTROL_POOL")
    return {"pool": pool} if pool else {}


def notification_urls() -> list[str]:
    """Return the Apprise URLs of who is told, from a list separated by blanks."""
    return os.environ.get("IMPRIMATUR_NOTIFY", "").split()


def serving_spec() -> dict[str, Any]:
    """Return the infra validator's ``serving_spec`` of pipelines that name none.

    Raises:
        ConfigurationError: it isn't a JSON object.
    """
    return _json_object(_SERVING_SPEC, _IN_THE_WORKER)


def max_data_age_hours() -> dict[str, float]:
    """Return how old the data of a live model may be, by the name of its serving folder.

    Raises:
        ConfigurationError: it isn't a JSON object of positive numbers.
    """
    value = _json_object(_MAX_AGE, {})
    if not all(map(_is_positive, value.values())):
        raise ConfigurationError(
            f"{_MAX_AGE} is {value!r}; expected hours by model, for instance "
            '{"flight_delays": 48}'
        )
    return {name: float(hours) for name, hours in value.items()}


def _json_object(name: str, default: dict[str, Any]) -> dict[str, Any]:
    """Return what a variable holds as JSON; `default` where it is empty or not set."""
    text = os.environ.get(name, "").strip()
    try:
        value = json.loads(text) if text else default
    except ValueError as error:
        raise ConfigurationError(f"{name} is {text!r}, which isn't JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{name} is {text!r}; expected a JSON object")
    return value


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
