"""Talks to a Docker engine; turns what fails there into our errors, with a remedy."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import requests
import urllib3
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from components.errors import ConfigurationError, ServerUnavailableError
from components.model_server.docker_settings import DockerSettings

DEFAULT_URL = "unix:///var/run/docker.sock"
_UNIX = "unix://"
_BAD_REQUEST = 400
_REMEDIES = (
    ("no space left on device", "make room on the engine's disk (docker system prune)"),
    ("port is already allocated", "end what holds the port"),
    ("address already in use", "end what holds the port"),
    ("non-overlapping ipv4", "remove networks that nobody uses (docker network prune)"),
    ("pool of addresses", "remove networks that nobody uses (docker network prune)"),
    (
        "bind source path does not exist",
        "say by host_path_map what the model's path is on the engine's machine",
    ),
    ("permission denied", "let this user use the engine (group docker)"),
    ("connection refused", "start the engine, or give its address (DOCKER_HOST)"),
    ("no such file or directory", "start the engine, or give its address (DOCKER_HOST)"),
)
_log = logging.getLogger(__name__)


def engine_url(settings: DockerSettings) -> str:
    """Return the engine's address."""
    url = settings.client_base_url or kwargs_from_env().get("base_url")
    return str(url or DEFAULT_URL)


def connect(settings: DockerSettings) -> docker.DockerClient:
    """Return a client of the engine, which answered.

    Raises:
        ServerUnavailableError: it can't be reached, or is too old or too new for the client.
    """
    url, seconds = engine_url(settings), settings.client_timeout_seconds
    arguments: dict[str, Any] = {**kwargs_from_env(), "base_url": url, "timeout": seconds}
    with translated(f"the Docker engine at {url} can't be used"):
        _knock(url, seconds)
        version = settings.client_api_version
        if version in (None, "auto"):
            version = _offered_version(arguments)
        client = docker.DockerClient(version=version, **arguments)
        try:
            client.ping()
        except BaseException:
            client.close()
            raise
    return client


def _knock(url: str, timeout_seconds: float) -> None:
    """Connect to a socket of this machine; the client leaves its own end open if that fails."""
    if not url.startswith(_UNIX):
        return
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(timeout_seconds)
        try:
            end.connect(url.removeprefix(_UNIX))
        except OSError as error:
            raise DockerException(str(error)) from error


def _offered_version(arguments: dict[str, Any]) -> str:
    """Ask the engine; a client that asks by itself leaves its connections open if that fails."""
    client = docker.APIClient(version=MINIMUM_DOCKER_API_VERSION, **arguments)
    try:
        return str(client.version(api_version=False)["ApiVersion"])
    except (KeyError, TypeError) as error:
        raise DockerException("what answers there is no Docker engine") from error
    finally:
        client.close()


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise our errors instead of those of the client.

    Args:
        what: what doesn't go; begins the message.

    Raises:
        ConfigurationError: the engine says that the request is wrong.
        ServerUnavailableError: all else.
    """
    try:
        yield
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        message = f"{what}: {_explain(error)}{_remedy(error)}"
        if isinstance(error, APIError) and error.response is not None:
            is_wrong = error.response.status_code == _BAD_REQUEST
            if is_wrong and not _remedy(error):
                raise ConfigurationError(message) from error
        raise ServerUnavailableError(message) from error


def _explain(error: Exception) -> str:
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation)
    return str(error) or type(error).__name__


def _remedy(error: Exception) -> str:
    text = _explain(error).lower()
    for fragment, remedy in _REMEDIES:
        if fragment in text:
            return f"; {remedy}"
    return ""
