"""A model server that speaks TensorFlow Serving's gRPC and REST APIs.

Like TensorFlow Serving it opens its ports only when the first version answers, ends with exit code
255 if that can't be loaded, and then polls for newer ones. Source of order and log lines:
`model_servers/server.cc`, `model_servers/main.cc`.
"""

import json
import logging
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from components.model_server import grpc_api
from components.model_server.catalog import Catalog
from components.model_server.rest_api import RestApi
from components.model_server.rest_server import RestServer
from components.model_server.servable import Servable
from components.model_server.served_model import ServedModel, State
from components.model_server.warmup import warm_up

EXIT_START_FAILED = 255
_GRACE_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the command line says. Port 0 lets the kernel choose; None leaves REST off."""

    model_name: str
    model_base_path: Path
    host: str = "127.0.0.1"
    grpc_port: int = 8500
    rest_port: int | None = None
    poll_seconds: float = 1.0
    ports_fd: int | None = None


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        The exit code: 0 after a signal, 255 if the server couldn't be started.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    model = ServedModel(settings.model_name, settings.model_base_path, _load)
    _log.info(
        "Building single TensorFlow model file config: model_name: %s model_base_path: %s",
        settings.model_name,
        settings.model_base_path,
    )
    first = model.poll_until_settled(stop, settings.poll_seconds)
    if first is None:
        return 0
    if first.state is State.END:
        _log.error(
            "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
            "{{name: %s version: %d} due to error: %s}, }",
            model.name,
            first.number,
            first.message,
        )
        return EXIT_START_FAILED
    try:
        _answer_until(stop, model, settings)
    except OSError as error:
        _log.error("Failed to start server. Error: %s", error)
        return EXIT_START_FAILED
    return 0


def _load(directory: Path, number: int) -> Servable:
    servable = Servable(directory, number)
    try:
        warm_up(servable)
    except BaseException:
        servable.close()
        raise
    return servable


def _answer_until(stop: threading.Event, model: ServedModel, settings: Settings) -> None:
    num_threads = 4 * (os.cpu_count() or 1)
    catalog = Catalog(model)
    address = f"{settings.host}:{settings.grpc_port}"
    grpc_server, grpc_port = grpc_api.start(catalog, address, num_threads)
    _log.info("Running gRPC ModelServer at %s:%d ...", settings.host, grpc_port)
    rest = _start_rest(catalog, settings, num_threads)
    _announce(settings.ports_fd, {"grpc": grpc_port, "rest": rest.port if rest else None})
    while not stop.wait(settings.poll_seconds):
        model.poll()
    stopped = grpc_server.stop(_GRACE_SECONDS)
    if rest:
        rest.stop(_GRACE_SECONDS)
    stopped.wait(_GRACE_SECONDS)


def _start_rest(catalog: Catalog, settings: Settings, num_threads: int) -> RestServer | None:
    if settings.rest_port is None:
        return None
    try:
        server = RestServer(RestApi(catalog), settings.host, settings.rest_port, num_threads)
    except OSError as error:
        _log.error(
            "Failed to start HTTP Server at %s:%d: %s", settings.host, settings.rest_port, error
        )
        return None
    server.start()
    _log.info("Exporting HTTP/REST API at:%s:%d ...", settings.host, server.port)
    return server


def _announce(ports_fd: int | None, ports: dict[str, int | None]) -> None:
    if ports_fd is not None:
        with os.fdopen(ports_fd, "w", encoding="utf-8") as pipe:
            pipe.write(json.dumps(ports) + "\n")
