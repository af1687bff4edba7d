"""What the client of a local Airflow does while SQLite is busy; with a server that answers so."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripts.airflow_client import patient_client

BUSY = (500, b'{"detail": {"reason": "Database error"}}')
LOCKED = (503, b"busy")
BROKEN = (500, b"Internal Server Error")
DONE = (200, b"{}")


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length", 0))
            self.server.asked.append((self.command, self.rfile.read(length)))
            status, body = self.server.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = answer

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.answers = [], []
        threading.Thread(target=running.serve_forever).start()
        yield running
        running.shutdown()


@pytest.fixture
def client(server):
    with patient_client(f"http://127.0.0.1:{server.server_port}") as made:
        yield made


@pytest.mark.parametrize(
    ("method", "answers", "status"),
    [
        ("POST", [BUSY, LOCKED, DONE], 200),
        ("PATCH", [BROKEN, DONE], 200),
        ("GET", [BROKEN, BUSY, DONE], 200),
        ("POST", [BROKEN], 500),
        ("GET", [(404, b"")], 404),
    ],
)
def test_asks_again_where_nothing_can_have_been_done_twice(client, server, method, answers, status):
    server.answers += answers
    answer = client.request(method, "/x", json={"a": 1})
    assert answer.status_code == status
    assert server.asked == [(method, b'{"a":1}')] * len(answers)
    assert not server.answers


def test_a_database_that_stays_busy_is_answered_in_the_end(client, server, monkeypatch):
    monkeypatch.setattr("scripts.airflow_client.BUSY_SECONDS", 0.1)
    server.answers += [BUSY] * 9
    assert client.get("/x").status_code == 500
    assert len(server.asked) < 9
