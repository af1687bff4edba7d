"""A model server that speaks TensorFlow Serving's gRPC and REST APIs.

Like TensorFlow Serving it opens its ports only when the first version answers, ends with exit code
255 if that can't be loaded, and then polls for newer ones. Source of order and log lines:
`model_servers/server.cc`, `model_servers/main.cc`. Unlike it, it answers what is running before a
signal ends it.
"""

import functools
import json
import logging
import os
import queue
import signal
import threading
import time
from pathlib import Path
from typing import Any

from components.model_server import grpc_api
from components.model_server.catalog import Catalog
from components.model_server.rest_api import RestApi
from components.model_server.rest_server import RestServer
from components.model_server.servable import Servable
from components.model_server.served_model import LoadRetries, ServedModel, State, VersionStatus
from components.model_server.settings import Loading, Settings
from components.model_server.warmup import warm_up

EXIT_START_FAILED = 255
_GRACE_SECONDS = 5.0
_TICK_SECONDS = 1.0
_log = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; then answer what is running, for 5 seconds at most.

    Loads and polls in a thread of its own, so that a signal is heard while a model loads: nothing
    is answered yet then, and it ends at once.

    Returns:
        The exit code: 0 after a signal, 255 if the server couldn't be started. Threads may still
        be in TensorFlow: end the process by `os._exit`.
    """
    events: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: events.put(0))
    server = ModelServer(settings)
    worker = threading.Thread(target=_work, args=(server, events), name="loader", daemon=True)
    worker.start()
    exit_code = events.get()
    for number in (signal.SIGTERM, signal.SIGINT):  # a second one ends it at once
        signal.signal(number, signal.SIG_DFL)
    server.stop(_GRACE_SECONDS)
    return exit_code


def _work(server: "ModelServer", events: "queue.SimpleQueue[int]") -> None:
    try:
        server.run()
    finally:
        events.put(EXIT_START_FAILED)


class ModelServer:
    """Loads, answers, and follows the versions of one model."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        loading = settings.loading
        self._model = ServedModel(
            settings.model_name,
            settings.model_base_path,
            functools.partial(_load, loading=loading),
            retries=LoadRetries(loading.max_num_retries, loading.retry_interval_seconds),
        )
        self._stopping = threading.Event()
        self._grpc: Any = None
        self._rest: RestServer | None = None

    def run(self) -> None:
        """Return when the server is stopped, or couldn't be started: the log says why."""
        _log.info(
            "Building single TensorFlow model file config: model_name: %s model_base_path: %s",
            self._model.name,
            self._model.base_path,
        )
        first = self._wait_for_first()
        if first is None:
            return
        if first.state is State.END:
            _log.error(
                "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
                "{{name: %s version: %d} due to error: %s}, }",
                self._model.name,
                first.number,
                first.message,
            )
            return
        try:
            self._open_ports()
        except OSError as error:
            _log.error("Failed to start server. Error: %s", error)
            return
        while not self._stopping.wait(self._pause()):
            self._follow()

    def stop(self, grace_seconds: float) -> None:
        """Refuse new requests, and wait for the answers of those that run."""
        self._stopping.set()
        deadline = time.monotonic() + grace_seconds
        drained = self._grpc.stop(grace_seconds) if self._grpc else None
        if self._rest:
            self._rest.stop(max(0.0, deadline - time.monotonic()))
        if drained:
            drained.wait(max(0.0, deadline - time.monotonic()))
            _log.info("Stopped")

    def _wait_for_first(self) -> VersionStatus | None:
        if self._settings.loading.poll_seconds >= 0:
            self._model.poll()
        while (first := self._model.settled()) is None:
            if self._stopping.wait(self._pause()):
                return None
            self._follow()
        return first

    def _pause(self) -> float:
        seconds = self._settings.loading.poll_seconds
        return seconds if seconds > 0 else _TICK_SECONDS

    def _follow(self) -> None:
        if self._settings.loading.poll_seconds > 0:
            self._model.poll()
        else:
            self._model.retry()

    def _open_ports(self) -> None:
        settings = self._settings
        catalog = Catalog(self._model)
        grpc_server, grpc_port = grpc_api.start(
            catalog,
            _address(settings.host, settings.grpc_port),
            settings.limits,
            settings.grpc_channel_arguments,
        )
        self._grpc = grpc_server
        _log.info("Running gRPC ModelServer at %s ...", _address(settings.host, grpc_port))
        self._rest = _start_rest(catalog, settings, grpc_port)
        ports = {"grpc": grpc_port, "rest": self._rest.port if self._rest else None}
        _announce(settings.ports_fd, ports)


def _load(directory: Path, number: int, *, loading: Loading) -> Servable:
    servable = Servable(
        directory,
        number,
        tags=loading.tags,
        checks_method_names=loading.checks_method_names,
    )
    try:
        if loading.warms_up:
            warm_up(servable, num_iterations=loading.num_warmup_iterations)
    except BaseException:
        servable.close()
        raise
    return servable


def _start_rest(catalog: Catalog, settings: Settings, grpc_port: int) -> RestServer | None:
    if settings.rest_port is None:
        return None
    if settings.rest_port == grpc_port:
        _log.error(
            "The REST port can't be the gRPC port %d. Skipped exporting HTTP/REST API: "
            "choose another.",
            grpc_port,
        )
        return None
    address = _address(settings.host, settings.rest_port)
    api = RestApi(catalog, timeout_seconds=settings.limits.rest_timeout_seconds)
    try:
        server = RestServer(
            api,
            settings.host,
            settings.rest_port,
            settings.limits,
            allows_any_origin=settings.allows_any_origin,
        )
    except OSError as error:
        _log.error("Failed to start HTTP Server at %s: %s", address, error)
        return None
    server.start()
    _log.info("Exporting HTTP/REST API at:%s ...", _address(settings.host, server.port))
    return server


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _announce(ports_fd: int | None, ports: dict[str, int | None]) -> None:
    if ports_fd is not None:
        with os.fdopen(ports_fd, "w", encoding="utf-8") as pipe:
            pipe.write(json.dumps(ports) + "\n")
