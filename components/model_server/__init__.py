"""Something that serves a model, and a client for it.

`Runner` starts a server, `LocalProcess` is the one that comes with this project, `ModelClient` asks
it. Our own server (``python -m components.model_server``) speaks TensorFlow Serving's gRPC and
REST APIs and lives in a process of its own: nothing that is imported here loads TensorFlow.
"""

from components.model_server.client import ModelClient, wait_until_available
from components.model_server.local_process import LocalProcess
from components.model_server.runner import Endpoints, Runner, RunningServer

__all__ = [
    "Endpoints",
    "LocalProcess",
    "ModelClient",
    "Runner",
    "RunningServer",
    "wait_until_available",
]
