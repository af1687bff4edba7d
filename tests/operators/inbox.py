"""A real HTTP server that keeps the notices that Apprise sends it."""

import http.server
import json
import threading
from typing import Any

import pytest


class Inbox(http.server.BaseHTTPRequestHandler):
    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.received.append(json.loads(self.rfile.read(length)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def inbox(monkeypatch):
    handler = type("OneInbox", (Inbox,), {"received": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("IMPRIMATUR_NOTIFY", f"json://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/prefix/")
        yield handler.received
        server.shutdown()
