"""Gets the image that a container is made of; pulls it where the engine hasn't got it."""

import logging
import time
from collections.abc import Iterable
from typing import Any

import docker
from docker.errors import ImageNotFound
from docker.models.images import Image
from docker.utils import parse_repository_tag

from components.errors import ServerUnavailableError
from components.model_server.docker_engine import translated
from components.model_server.docker_settings import Pull

_PROGRESS_SECONDS = 5.0
_MEGABYTE = 1e6
_BEGIN = "Pulling from"
"""Of the event that names the tag; all others with an id are of layers."""
_log = logging.getLogger(__name__)


def ensure_image(client: docker.DockerClient, name: str, pull: Pull) -> Image:
    """Return an image that the engine has now; the progress of a pull is logged.

    Args:
        client: of the engine.
        name: ``name``, ``name:tag`` or ``name@sha256:…``; without a tag it is ``latest``.
        pull: see `DockerSettings`.

    Raises:
        ServerUnavailableError: it isn't there and can't be pulled, or mustn't be.
    """
    if pull != "always":
        image = _find(client, name)
        if image is not None:
            return image
    if pull == "never":
        raise ServerUnavailableError(
            f"the Docker engine has no image {name!r}, and pulling is off; load it there "
            "(docker load, docker build), or allow pull"
        )
    _pull(client, name)
    image = _find(client, name)
    if image is None:
        raise ServerUnavailableError(f"the image {name!r} was pulled and isn't there; pull again")
    return image


def image_digest(image: Image) -> str:
    """Return what pins the image: the digest in its registry, or that of its configuration.

    The second one is all there is for an image that was built here and never pushed.
    """
    for reference in image.attrs.get("RepoDigests") or ():
        return str(reference).rpartition("@")[2]
    return str(image.id)


def _find(client: docker.DockerClient, name: str) -> Image | None:
    with translated(f"the Docker engine can't look for the image {name!r}"):
        try:
            return client.images.get(name)
        except ImageNotFound:
            return None


def _pull(client: docker.DockerClient, name: str) -> None:
    repository, tag = parse_repository_tag(name)
    _log.info("Pulling the image %s.", name)
    with translated(f"the image {name!r} can't be pulled"):
        events = client.api.pull(repository, tag=tag, stream=True, decode=True)
        _follow(name, events)
    _log.info("Pulled the image %s.", name)


def _follow(name: str, events: Iterable[dict[str, Any]]) -> None:
    layers: dict[str, dict[str, Any]] = {}
    reported = time.monotonic()
    for event in events:
        if "error" in event:
            raise ServerUnavailableError(
                f"the image {name!r} can't be pulled: {event['error']}; give one that the engine "
                "can reach, or load it there"
            )
        if "id" in event and not event.get("status", "").startswith(_BEGIN):
            layers[event["id"]] = event
        if time.monotonic() - reported >= _PROGRESS_SECONDS:
            reported = time.monotonic()
            _log.info("Pulling %s: %s", name, _progress(layers.values()))


def _progress(events: Iterable[dict[str, Any]]) -> str:
    by_status: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_status.setdefault(event.get("status", "?"), []).append(event)
    return ", ".join(f"{len(those)} × {_amount(status, those)}" for status, those in
                     by_status.items())  # fmt: skip


def _amount(status: str, events: list[dict[str, Any]]) -> str:
    details = [event.get("progressDetail") or {} for event in events]
    total = sum(detail.get("total", 0) for detail in details)
    if not total:
        return status
    done = sum(detail.get("current", 0) for detail in details)
    return f"{status} ({done / _MEGABYTE:.0f} of {total / _MEGABYTE:.0f} MB)"
