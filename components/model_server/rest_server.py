"""Puts `RestApi` behind an HTTP server in a thread of its own."""

import asyncio
import re
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from components.model_server.json_response import write_error
from components.model_server.rest_api import Answer, RestApi
from components.model_server.settings import Limits

_BACKLOG = 512
_KEEP_ALIVE_SECONDS = 75
_NUM_BODIES = 4
"""So many of the biggest bodies fit into the memory for all."""
_ORIGIN = re.compile("^https?://[^/?#]*")
"""Stands before the path where a proxy is asked."""
_CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


class RestServer:
    """Serves until it is stopped.

    Args:
        api: what answers.
        host: address to bind; ``::`` means all of IPv6 and IPv4.
        port: 0 lets the kernel choose.
        limits: what requests may cost.
        allows_any_origin: whether answers carry CORS headers.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        api: RestApi,
        host: str,
        port: int,
        limits: Limits,
        *,
        allows_any_origin: bool = False,
    ) -> None:
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            _Application(api, limits, _CORS_HEADERS if allows_any_origin else {}),
            access_log=False,
            lifespan="off",
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            # What uvicorn always has; others would be taken where they are installed.
            http="h11",
            loop="asyncio",
            ws="none",
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


def _listen(host: str, port: int) -> socket.socket:
    if ":" not in host:
        return socket.create_server((host, port), backlog=_BACKLOG)
    return socket.create_server(
        (host, port),
        family=socket.AF_INET6,
        backlog=_BACKLOG,
        dualstack_ipv6=socket.has_dualstack_ipv6(),
    )


class _TooLargeError(Exception):
    """A body above the limit."""


class _BusyError(Exception):
    """More than the server holds at once; a later try may find room."""


class _Application:
    """The ASGI application. All but the answering runs on the one thread of the event loop."""

    def __init__(self, api: RestApi, limits: Limits, headers: Mapping[str, str]) -> None:
        self._api = api
        self._limits = limits
        self._headers = headers
        self._pool = ThreadPoolExecutor(limits.num_rest_threads, thread_name_prefix="rest")
        self._num_requests = 0
        self._num_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        self._num_requests += 1
        try:
            response = await self._respond(request, scope)
        except ClientDisconnect:
            return
        finally:
            self._num_requests -= 1
        await response(scope, receive, send)

    async def _respond(self, request: Request, scope: Scope) -> Response:
        if request.method == "OPTIONS":
            origin = request.headers.get("origin", "")
            allowed = "http://" in origin or "https://" in origin
            return Response(status_code=200 if allowed else 400, headers=dict(self._headers))
        body = bytearray()
        try:
            await self._read(request, body)
            return self._response(await self._answer(request, scope, body))
        except _TooLargeError as error:
            return self._refusal(413, str(error))
        except _BusyError as error:
            return self._refusal(429, str(error))
        finally:
            self._release(body)

    async def _read(self, request: Request, body: bytearray) -> None:
        refusal = self._refuse_early(request)
        if refusal and request.headers.get("expect", "").lower() == "100-continue":
            raise refusal
        more = True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            more = message.get("more_body", False)
            # What is refused is still read, or the client, which is busy sending, would see a
            # broken connection instead of the answer.
            refusal = refusal or self._take(body, message.get("body", b""))
            if refusal:
                self._release(body)
        if refusal:
            raise refusal

    def _refuse_early(self, request: Request) -> Exception | None:
        if self._num_requests > self._limits.max_concurrent_requests:
            return _BusyError(
                f"{self._limits.max_concurrent_requests} requests are being answered; try later"
            )
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._limits.max_request_bytes:
            return self._too_large()
        return None

    def _take(self, body: bytearray, chunk: bytes) -> Exception | None:
        if len(body) + len(chunk) > self._limits.max_request_bytes:
            return self._too_large()
        if self._num_bytes + len(chunk) > _NUM_BODIES * self._limits.max_request_bytes:
            return _BusyError("the bodies of all requests together are too large; try later")
        body += chunk
        self._num_bytes += len(chunk)
        return None

    def _release(self, body: bytearray) -> None:
        self._num_bytes -= len(body)
        body.clear()

    def _too_large(self) -> _TooLargeError:
        return _TooLargeError(
            f"the body is larger than {self._limits.max_request_bytes} bytes; send fewer examples "
            "at once, or start the server with a larger --max-request-bytes"
        )

    async def _answer(self, request: Request, scope: Scope, body: bytearray) -> Answer:
        target = _ORIGIN.sub("", scope["raw_path"].decode("latin-1"))
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        gzipped = "gzip" in request.headers.get("content-encoding", "")
        return await asyncio.get_running_loop().run_in_executor(
            self._pool,
            lambda: self._api.answer(request.method, target, body, gzipped=gzipped),
        )

    def _response(self, answer: Answer) -> Response:
        headers = {"Content-Type": answer.content_type, **self._headers}
        return Response(answer.body, status_code=answer.status, headers=headers)

    def _refusal(self, status: int, message: str) -> Response:
        response = self._response(Answer(status, write_error(message)))
        response.headers["Connection"] = "close"
        return response
