"""Removes the containers and networks of validations that were killed."""

import logging
import time
from collections.abc import Iterable, Mapping

import docker
from docker.errors import APIError, NotFound

from components.model_server.docker_engine import translated
from components.model_server.docker_owner import Owner

OWNER_LABEL = "imprimatur.owner"
DEADLINE_LABEL = "imprimatur.deadline"
"""Seconds since 1970, by the owner's clock: nothing of ours outlives it."""
_CLOCK_SKEW_SECONDS = 300.0
_GOING = (403, 409)
"""A network that a container still is on; something that is being removed."""
_log = logging.getLogger(__name__)


def reap(client: docker.DockerClient) -> list[str]:
    """Remove what carries our label and belongs to no live process.

    An owner on another machine can't be seen from here: what it started is removed after its
    deadline.

    Returns:
        The names of what was removed.

    Raises:
        ServerUnavailableError: the engine can't be reached.
    """
    filters = {"label": OWNER_LABEL}
    with translated("leftover containers can't be listed"):
        containers = [
            item["Names"][0].lstrip("/")
            for item in client.api.containers(all=True, filters=filters)
            if _is_left_over(client, item.get("Labels") or {})
        ]
        networks = [
            item["Name"]
            for item in client.api.networks(filters=filters)
            if _is_left_over(client, item.get("Labels") or {})
        ]
        remove(client, containers, networks)
    names = sorted({*containers, *networks})
    for name in names:
        _log.warning("Removed %s, which an earlier validation left behind.", name)
    return names


def kill(client: docker.DockerClient, name: str) -> None:
    """End a container at once; one that has ended already, or is gone, is no error."""
    try:
        client.api.kill(name)
    except APIError as error:
        _pass_if_gone(error)


def remove(client: docker.DockerClient, containers: Iterable[str], networks: Iterable[str]) -> None:
    """Kill and remove by name; what is gone already, or going, is no error."""
    for name in containers:
        try:
            client.api.remove_container(name, force=True, v=True)
        except APIError as error:
            _pass_if_gone(error)
    for name in networks:
        try:
            client.api.remove_network(name)
        except APIError as error:
            _pass_if_gone(error)


def _pass_if_gone(error: APIError) -> None:
    if not is_gone(error):
        raise error


def is_gone(error: APIError) -> bool:
    """Return whether the engine says that something isn't there, or is about to be removed."""
    is_going = error.response is not None and error.response.status_code in _GOING
    return isinstance(error, NotFound) or is_going


def _is_left_over(client: docker.DockerClient, labels: Mapping[str, str]) -> bool:
    owner = Owner.from_label(labels.get(OWNER_LABEL, ""))
    life = owner.life(client) if owner is not None else "unknown"
    if life == "unknown":
        return _is_past(labels.get(DEADLINE_LABEL, ""))
    return life == "dead"


def _is_past(deadline: str) -> bool:
    return deadline.isdecimal() and time.time() > int(deadline) + _CLOCK_SKEW_SECONDS
