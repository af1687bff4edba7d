"""Something that serves a model, and a client for it.

`Runner` starts a server: `LocalProcess` the one that comes with this project, `Docker` any that
takes TensorFlow Serving's flags, in a container. `ModelClient` asks it. Our own server
(``python -m components.model_server``) speaks TensorFlow Serving's gRPC and REST APIs and lives in
a process of its own: nothing that is imported here loads TensorFlow, and only `Docker` Docker's
client.
"""

from typing import TYPE_CHECKING, Any

from components.model_server.client import ModelClient, wait_until_available
from components.model_server.docker_settings import DockerSettings
from components.model_server.local_process import LocalProcess
from components.model_server.runner import Endpoints, Runner, RunningServer

if TYPE_CHECKING:
    from components.model_server.docker_runner import Docker

__all__ = [
    "Docker",
    "DockerSettings",
    "Endpoints",
    "LocalProcess",
    "ModelClient",
    "Runner",
    "RunningServer",
    "wait_until_available",
]


def __getattr__(name: str) -> Any:
    if name == "Docker":
        from components.model_server.docker_runner import Docker

        return Docker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
