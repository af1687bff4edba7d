"""Puts `RestApi` behind an HTTP server in a thread of its own."""

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from components.model_server.rest_api import RestApi

_BACKLOG = 512


class RestServer:
    """Serves until it is stopped.

    Args:
        api: what answers.
        host: address to bind.
        port: 0 lets the kernel choose.
        num_threads: how many requests are worked on at once; more wait.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, api: RestApi, host: str, port: int, num_threads: int) -> None:
        self._socket = socket.create_server((host, port), backlog=_BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        pool = ThreadPoolExecutor(num_threads, thread_name_prefix="rest")
        config = uvicorn.Config(
            _application(api, pool),
            access_log=False,
            lifespan="off",
            log_config=None,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def start(self) -> None:
        """Begin to answer; connections that came before wait in the backlog."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Answer what is running, then end."""
        self._server.should_exit = True
        self._thread.join(timeout_seconds)


def _application(api: RestApi, pool: ThreadPoolExecutor) -> ASGIApp:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        with contextlib.suppress(ClientDisconnect):
            response = await _respond(api, pool, request, scope)
            await response(scope, receive, send)

    return application


async def _respond(
    api: RestApi, pool: ThreadPoolExecutor, request: Request, scope: Scope
) -> Response:
    if request.method == "OPTIONS":
        origin = request.headers.get("origin", "")
        return Response(status_code=200 if origin.startswith(("http://", "https://")) else 400)
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    gzipped = "gzip" in request.headers.get("content-encoding", "")
    body = await request.body()
    answer = await asyncio.get_running_loop().run_in_executor(
        pool, lambda: api.answer(request.method, target, body, gzipped=gzipped)
    )
    return Response(
        answer.body, status_code=answer.status, headers={"Content-Type": answer.content_type}
    )
