"""How model servers in containers are started: engine, image, limits, and ways between them."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, get_args

from components.errors import ConfigurationError

Pull = Literal["missing", "never", "always"]
DEFAULT_IMAGE = "tensorflow/serving"
"""The one place that names it; ``docker/model_server/`` builds another that is started alike."""
MIN_MEMORY_BYTES = 6 << 20
"""What Docker asks for at least."""
_NO_NETWORKS = ("host", "none")
_BASE_URL = re.compile(r"(unix|tcp|http|https|ssh)://.+")
_API_VERSION = re.compile(r"\d+\.\d+|auto")


@dataclass(frozen=True)
class DockerSettings:
    """What to start, where, and within which limits.

    Attributes:
        image: any that takes TensorFlow Serving's flags; ``name``, ``name:tag`` or
            ``name@sha256:…``.
        client_base_url: of the engine; None: as the environment says (``DOCKER_HOST``), or the
            socket of this machine.
        client_timeout_seconds: how long the engine may take for one answer.
        client_api_version: of Docker's API; None: the one that the engine has.
        memory_bytes: of the container, swap included; None: no limit.
        cpus: how many; None: no limit.
        pids_limit: how many threads and processes; TensorFlow starts some for each CPU.
        network: a network of the engine that this process is on too, joined instead of a network
            of its own. For when this process runs in a container itself. Make it ``--internal``:
            else the model can reach whatever the network can.
        host_path_map: ``(path here, path on the engine's machine)``; for when they differ. The
            longest that fits counts.
        host_name: publish the ports on the engine's machine, which has this name or address
            here; for when neither a network is shared nor its containers' addresses are reachable.
        pull: ``missing``: an image that the engine hasn't is pulled; ``always``: also one that may
            have changed; ``never``.
        model_server_arguments: appended to the command line of the server.
        max_seconds: the container is killed after that, whatever happens.
        labels: for whoever looks at the engine: (name, value); each name gets the prefix
            ``imprimatur.``.

    Raises:
        ConfigurationError: a value that can't be.
    """

    image: str = DEFAULT_IMAGE
    client_base_url: str | None = None
    client_timeout_seconds: int = 60
    client_api_version: str | None = None
    memory_bytes: int | None = None
    cpus: float | None = None
    pids_limit: int = 512
    network: str | None = None
    host_path_map: tuple[tuple[str, str], ...] = field(default=())
    host_name: str | None = None
    pull: Pull = "missing"
    model_server_arguments: tuple[str, ...] = ()
    max_seconds: float = 7200.0
    labels: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.image.strip() or self.image != self.image.strip():
            raise ConfigurationError(
                f"image is {self.image!r}; expected for instance {DEFAULT_IMAGE!r}"
            )
        if self.pull not in get_args(Pull):
            raise ConfigurationError(
                f"pull is {self.pull!r}; expected one of {', '.join(get_args(Pull))}"
            )
        self._check_client()
        self._check_limits()
        self._check_ways()

    def _check_client(self) -> None:
        url, version = self.client_base_url, self.client_api_version
        if url is not None and not _BASE_URL.fullmatch(url):
            raise ConfigurationError(
                f"client_base_url is {url!r}; expected for instance 'unix:///var/run/docker.sock' "
                "or 'tcp://engine:2376'"
            )
        if version is not None and not _API_VERSION.fullmatch(version):
            raise ConfigurationError(
                f"client_api_version is {version!r}; expected for instance '1.41' or 'auto'"
            )

    def _check_limits(self) -> None:
        for name in ("client_timeout_seconds", "cpus", "pids_limit", "max_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name} is {value!r}; expected more than 0")
        if self.memory_bytes is not None and self.memory_bytes < MIN_MEMORY_BYTES:
            raise ConfigurationError(
                f"memory_bytes is {self.memory_bytes!r}; expected {MIN_MEMORY_BYTES} or more"
            )

    def _check_ways(self) -> None:
        for pair in self.host_path_map:
            if len(pair) != 2 or not all(PurePosixPath(path).is_absolute() for path in pair):
                raise ConfigurationError(
                    f"host_path_map has {pair!r}; expected (absolute path here, absolute path on "
                    "the engine's machine)"
                )
        if self.network in _NO_NETWORKS or str(self.network).startswith("container:"):
            raise ConfigurationError(
                f"network is {self.network!r}; expected one that isolates, made by "
                "docker network create --internal"
            )
        if self.network is not None and self.host_name is not None:
            raise ConfigurationError(
                f"network is {self.network!r} and host_name is {self.host_name!r}; give one: the "
                "server is reached over a shared network, or at published ports"
            )
