"""The way to a server in a container, and no way out of it.

Three ways, the first that fits:

1. ``settings.network``: a network that this process is on too.
2. ``settings.host_name``, or an engine whose containers' addresses can't be reached from here
   (another machine, rootless, a virtual machine): ports are published there.
3. Else an ``--internal`` network of the container's own: it has a route to this machine only, and
   none further. Docker publishes no ports on such a network, its address is asked directly.
"""

import ipaddress
import logging
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import docker

from components.errors import ServerUnavailableError
from components.model_server.docker_engine import translated
from components.model_server.docker_sandbox import GRPC_PORT, REST_PORT
from components.model_server.docker_settings import DockerSettings
from components.model_server.runner import Endpoints

_LOOPBACK = "127.0.0.1"
_NO_WAY_OUT = {
    "com.docker.network.bridge.enable_ip_masquerade": "false",
    "com.docker.network.bridge.enable_icc": "false",
}
_log = logging.getLogger(__name__)


class Joined:
    """A network that exists, and that this process is on."""

    def __init__(self, client: docker.DockerClient, network: str) -> None:
        self._client = client
        self._network = network

    def create(self, labels: Mapping[str, str]) -> dict[str, Any]:
        """Return the options of a container on it.

        Raises:
            ServerUnavailableError: the engine has no such network.
        """
        with translated(f"the network {self._network!r} can't be joined"):
            found = self._client.networks.get(self._network)
        if not found.attrs.get("Internal"):
            _log.warning(
                "The network %s isn't internal: the model can reach what the network reaches.",
                self._network,
            )
        return {"network": self._network}

    def endpoints(self, attributes: Mapping[str, Any]) -> Endpoints | None:
        """Return where a container is reached, given what the engine says of it."""
        return _address(attributes, self._network)


class Internal:
    """A network of the container's own, from which nothing but this machine is reached."""

    def __init__(self, client: docker.DockerClient, name: str) -> None:
        self._client = client
        self._name = name

    def create(self, labels: Mapping[str, str]) -> dict[str, Any]:
        """Make it, and return the options of a container on it.

        Raises:
            ServerUnavailableError: the engine can't.
        """
        with translated("a network for the model server can't be made"):
            self._client.networks.create(
                self._name, internal=True, labels=dict(labels), check_duplicate=True
            )
        return {"network": self._name}

    def endpoints(self, attributes: Mapping[str, Any]) -> Endpoints | None:
        """Return where a container is reached, given what the engine says of it."""
        return _address(attributes, self._name)


class Published:
    """Ports of the engine's machine that the engine chooses.

    The network is one of the container's own without address translation, so that answers from
    elsewhere don't find the way back.
    """

    def __init__(self, client: docker.DockerClient, name: str, host_name: str) -> None:
        self._client = client
        self._name = name
        self._host_name = host_name

    def create(self, labels: Mapping[str, str]) -> dict[str, Any]:
        """Make the network, and return the options of a container on it.

        Raises:
            ServerUnavailableError: the engine can't.
        """
        address = _resolve(self._host_name)
        with translated("a network for the model server can't be made"):
            self._client.networks.create(
                self._name, labels=dict(labels), options=_NO_WAY_OUT, check_duplicate=True
            )
        ports = {f"{port}/tcp": (address, None) for port in (GRPC_PORT, REST_PORT)}
        return {"network": self._name, "ports": ports}

    def endpoints(self, attributes: Mapping[str, Any]) -> Endpoints | None:
        """Return where a container is reached, given what the engine says of it."""
        ports = attributes["NetworkSettings"]["Ports"] or {}
        grpc, rest = (ports.get(f"{port}/tcp") for port in (GRPC_PORT, REST_PORT))
        if not grpc or not rest:
            return None
        return Endpoints(self._host_name, int(grpc[0]["HostPort"]), int(rest[0]["HostPort"]))


Way = Joined | Internal | Published


def choose_way(
    client: docker.DockerClient,
    settings: DockerSettings,
    name: str,
    engine_info: Mapping[str, Any],
    engine_url: str,
) -> Way:
    """Return the way to a container that will have this name."""
    if settings.network is not None:
        return Joined(client, settings.network)
    host_name = settings.host_name or _far_host(engine_url, engine_info)
    if host_name is not None:
        return Published(client, name, host_name)
    return Internal(client, name)


def _far_host(engine_url: str, engine_info: Mapping[str, Any]) -> str | None:
    """Return the engine's machine if its containers' addresses mean nothing here."""
    parts = urlsplit(engine_url)
    if parts.scheme in ("tcp", "http", "https", "ssh") and parts.hostname is not None:
        return parts.hostname
    is_rootless = any("rootless" in str(o) for o in engine_info.get("SecurityOptions") or ())
    is_virtual = engine_info.get("OperatingSystem") == "Docker Desktop"
    return _LOOPBACK if is_rootless or is_virtual else None


def _resolve(host_name: str) -> str:
    try:
        return str(ipaddress.ip_address(host_name))
    except ValueError:
        pass
    try:
        return socket.gethostbyname(host_name)
    except OSError as error:
        raise ServerUnavailableError(
            f"the engine's machine {host_name!r} can't be found: {error}; give its address as "
            "host_name"
        ) from error


def _address(attributes: Mapping[str, Any], network: str) -> Endpoints | None:
    networks = attributes["NetworkSettings"]["Networks"] or {}
    for name, found in networks.items():
        if name == network or found.get("NetworkID", "").startswith(network):
            address = found.get("IPAddress")
            return Endpoints(address, GRPC_PORT, REST_PORT) if address else None
    return None
