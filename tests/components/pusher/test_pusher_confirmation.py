"""Asking servers whether they serve what was published; each a real HTTP server in a thread."""

import contextlib
import json
import re
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.errors import ConfigurationError, InvalidModelError, ServerUnavailableError
from components.pusher import confirmation
from components.pusher.request import Confirm
from components.records import Refusal

ADDRESS = re.compile(r"/v1/models/([^/]+)(?:/versions/(\d+))?")


class ModelServer(ThreadingHTTPServer):
    """Answers status requests in TensorFlow Serving's words, from a script per version."""

    daemon_threads = True

    def __init__(self, script=None, folder=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.folder = script or {}, folder
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path):
        """Return an HTTP code and a body."""
        self.asked.append(path)
        match = ADDRESS.fullmatch(path)
        if match is None:
            return 400, {"error": f"Malformed request: GET {path}"}
        if match[2] is None:
            return self.script.get("status", (404, {"error": "Could not find any versions of m"}))
        steps = self.script.get("version", ["AVAILABLE"])
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        return step if isinstance(step, tuple) else (200, status(match[2], step))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        code, body = self.server.answer(self.path)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def status(version, state, code="OK", message=""):
    entry = {"error_code": code, "error_message": message}
    return {"model_version_status": [{"version": version, "state": state, "status": entry}]}


def ended(version, message="Op type not registered 'Frobnicate'"):
    return 200, status(version, "END", "NOT_FOUND", message)


@contextmanager
def serving(*scripts):
    servers = [ModelServer(script) for script in scripts]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield servers
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture
def impatient(monkeypatch):
    """Time passes by asking, not by waiting."""
    now = [0.0]
    clock = confirmation.Clock(lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(confirmation, "Clock", lambda: clock)
    return now


@pytest.fixture
def published(workshop):
    workshop.publish(2)
    return workshop


def confirm(*servers, **options):
    return {"urls": [server.url for server in servers], "model_name": "m", **options}


def test_a_version_that_is_served_is_confirmed(published, impatient):
    with serving({"version": [(404, {"error": "no"}), "START", "LOADING", "AVAILABLE"]}) as [
        server
    ]:
        pushed = published.push(published.model("graph 3", 3), confirm=confirm(server))

    record = published.folder.record(20130301000000)
    assert pushed.outcome == "pushed"
    assert (record.state, record.confirmation.urls) == ("confirmed", (server.url,))
    assert server.asked == ["/v1/models/m", *["/v1/models/m/versions/20130301000000"] * 4]


def test_all_servers_must_serve_it(published, impatient):
    late = {"version": ["LOADING", "LOADING", "LOADING", "AVAILABLE"]}
    with serving({}, late) as servers:
        published.push(published.model("graph 3", 3), confirm=confirm(*servers))

    assert published.folder.live().record.state == "confirmed"
    assert len(servers[0].asked) == 2


def test_the_model_is_called_like_its_folder_by_default(published, impatient):
    with serving({}) as [server]:
        published.push(published.model("graph 3", 3), confirm={"urls": [server.url + "/"]})

    assert server.asked[0] == "/v1/models/serving"


def test_nothing_is_published_while_a_server_does_not_answer(published, impatient):
    with serving({}) as [gone]:
        pass
    with serving({}) as [server], pytest.raises(ServerUnavailableError, match=gone.url):
        published.push(published.model("graph 3", 3), confirm=confirm(server, gone))

    assert published.visible() == ["20130201000000"]
    assert published.folder.recorded() == [20130201000000]


@pytest.mark.parametrize(
    "answer", [(200, b"<html>login</html>"), (500, {"error": "x"}), (404, b"nginx"), (200, {})]
)
def test_nothing_is_published_where_something_else_answers(published, impatient, answer):
    with serving({"status": answer}) as [server], pytest.raises(ServerUnavailableError):
        published.push(published.model("graph 3", 3), confirm=confirm(server))

    assert published.visible() == ["20130201000000"]


def test_the_first_version_needs_no_answer_before(workshop, impatient):
    """TensorFlow Serving opens its ports only once it has something to serve."""
    with serving({}) as [server]:
        pass

    with pytest.raises(ServerUnavailableError, match="not confirmed"):
        workshop.push(workshop.model(), confirm=confirm(server, timeout_seconds=2))

    with serving({}) as [server]:
        assert workshop.push(workshop.model(), confirm=confirm(server)).version == "20130201000001"


@pytest.mark.parametrize("answer", [(500, {}), (403, b"no"), (301, b"elsewhere")])
def test_before_the_first_version_a_wrong_answer_is_an_objection(workshop, impatient, answer):
    with serving({"status": answer}) as [server], pytest.raises(ServerUnavailableError):
        workshop.push(workshop.model(), confirm=confirm(server))

    assert workshop.visible() == []


@pytest.mark.parametrize(
    "step",
    [
        (400, {"error": "Malformed request"}),
        (500, {"error": "x"}),
        (403, b"no"),
        (301, b""),
    ],
)
def test_what_no_model_server_answers_blames_no_model(published, impatient, step):
    model = published.model("graph 3", 3)
    with (
        serving({"version": ["LOADING", step]}) as [server],
        pytest.raises(ServerUnavailableError, match=r"was withdrawn: not confirmed: .* answers"),
    ):
        published.push(model, confirm=confirm(server))

    assert published.visible() == ["20130201000000", "20130301000000.withdrawn"]
    assert published.folder.quarantine().active == ()


@pytest.mark.parametrize(
    "step",
    [
        (200, {"model_version_status": [{"version": "20130301000000", "status": "text"}]}),
        (200, b"[" * 200_000),
        (200, b'{"model_version_status": [7]}'),
    ],
)
def test_an_answer_that_makes_no_sense_is_waited_over_and_withdrawn(published, impatient, step):
    with (
        serving({"version": [step]}) as [server],
        pytest.raises(ServerUnavailableError, match="not confirmed within 5 s"),
    ):
        published.push(published.model("graph 3", 3), confirm=confirm(server, timeout_seconds=5))

    assert published.folder.live().number == 20130201000000


def test_an_answer_that_trickles_counts_as_none(published, monkeypatch):
    """The library's own timeouts are for each piece, and each piece is in time."""
    monkeypatch.setattr(confirmation, "_REQUEST_SECONDS", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))

    def trickle():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)

    thread = threading.Thread(target=trickle)
    thread.start()
    with listener, pytest.raises(ServerUnavailableError, match=r"no whole answer within 0\.5 s"):
        confirmation.check_reachable(
            Confirm((f"http://127.0.0.1:{listener.getsockname()[1]}",), "m")
        )
    thread.join()


def test_a_version_that_a_server_gave_up_on_is_withdrawn_for_good(published, impatient):
    model = published.model("graph 3", 3)
    with (
        serving({"version": ["LOADING", ended("20130301000000")]}) as [server],
        pytest.raises(InvalidModelError, match="in quarantine"),
    ):
        published.push(model, confirm=confirm(server), run=published.run())

    assert published.visible() == ["20130201000000", "20130301000000.withdrawn"]
    assert published.folder.live().number == 20130201000000
    assert published.folder.quarantine().active[0].version == "20130301000000"
    assert published.push(model).check == "quarantined"
    assert published.push(model, run=published.run(try_number=2)).check == "quarantined"


def test_the_reason_of_the_server_is_kept(published, impatient):
    with (
        serving({"version": [ended("20130301000000")]}) as [server],
        pytest.raises(InvalidModelError, match="Frobnicate"),
    ):
        published.push(published.model("graph 3", 3), confirm=confirm(server))

    assert "Frobnicate" in published.folder.record(20130301000000).withdrawal.reason


def test_one_server_that_gave_up_is_enough(published, impatient):
    with (
        serving({}, {"version": [ended("20130301000000")]}) as servers,
        pytest.raises(InvalidModelError, match=servers[1].url),
    ):
        published.push(published.model("graph 3", 3), confirm=confirm(*servers))


@pytest.mark.parametrize(
    "step",
    ["LOADING", "UNLOADING", (404, {"error": "no"}), (503, b""), (429, b""), (200, b"?"),
     (200, status("20130301000000", "END")), (200, {"model_version_status": []})],
)  # fmt: skip
def test_a_version_that_is_not_served_in_time_is_withdrawn_and_may_come_again(
    published, impatient, step
):
    model = published.model("graph 3", 3)
    with (
        serving({"version": [step]}) as [server],
        pytest.raises(ServerUnavailableError, match="not confirmed within 5 s"),
    ):
        published.push(model, confirm=confirm(server, timeout_seconds=5), run=published.run())

    assert 4 < impatient[0] <= 5
    assert published.visible() == ["20130201000000", "20130301000000.withdrawn"]
    assert published.folder.quarantine().active == ()
    with serving({}) as [server]:
        again = published.push(model, confirm=confirm(server), run=published.run(try_number=2))
    assert (again.version, again.replayed) == ("20130301000001", False)


def test_a_try_that_died_before_it_was_confirmed_is_confirmed_by_the_next(published, impatient):
    model = published.model("graph 3", 3)
    published.push(model, run=published.run())
    assert published.folder.live().record.state == "committed"

    with serving({}) as [server]:
        again = published.push(model, run=published.run(try_number=2), confirm=confirm(server))
        third = published.push(model, run=published.run(try_number=3), confirm=confirm(server))

    assert (again.replayed, third.replayed) == (True, True)
    assert published.folder.live().record.state == "confirmed"
    assert len(server.asked) == 1


def test_a_try_that_died_before_it_failed_is_withdrawn_by_the_next(published, impatient):
    model = published.model("graph 3", 3)
    published.push(model, run=published.run())

    with (
        serving({"version": [ended("20130301000000")]}) as [server],
        pytest.raises(InvalidModelError, match="in quarantine"),
    ):
        published.push(model, run=published.run(try_number=2), confirm=confirm(server))

    assert published.folder.live().number == 20130201000000


def test_an_earlier_try_that_is_not_live_any_more_is_not_confirmed(published, impatient):
    model = published.model("graph 3", 3)
    published.push(model, run=published.run())
    published.publish(4)

    with serving({"version": ["LOADING"]}) as [server]:
        again = published.push(model, run=published.run(try_number=2), confirm=confirm(server))

    assert (again.replayed, server.asked) == (True, [])
    assert published.folder.record(20130301000000).state == "committed"


def test_old_versions_are_removed_only_after_confirmation(published, impatient):
    published.publish(3)
    with (
        serving({"version": [ended("20130401000000")]}) as [server],
        pytest.raises(InvalidModelError, match="in quarantine"),
    ):
        published.push(published.model("graph 4", 4), confirm=confirm(server), keep_versions=2)

    assert [version.number for version in published.folder.versions()] == [
        20130201000000,
        20130301000000,
    ]


def test_the_lock_is_held_until_confirmed(published, monkeypatch):
    from components.errors import PushError

    def look(*_):
        with pytest.raises(PushError, match="has held the lock"):
            published.push(published.model("graph 4", 4), lock_timeout_seconds=0)
        return confirmation.Answer("served", "")

    with serving({}) as [server]:
        monkeypatch.setattr(confirmation, "wait_until_served", look)
        thread_result = in_thread(
            lambda: published.push(published.model("graph 3", 3), confirm=confirm(server))
        )

    assert thread_result.outcome == "pushed"


def in_thread(call):
    result = []
    thread = threading.Thread(target=lambda: result.append(call()))
    thread.start()
    thread.join()
    return result[0]


def test_a_model_name_is_escaped(impatient):
    with serving({}) as [server]:
        confirmation.check_reachable(Confirm((server.url,), "a/b c"))

    assert server.asked == ["/v1/models/a%2Fb%20c"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"urls": []},
        {"urls": "http://localhost:8501"},
        {"urls": ["localhost:8501"]},
        {"urls": ["ftp://localhost"]},
        {"urls": ["http://localhost:8501"], "timeout": 3},
        {"urls": ["http://localhost:8501"], "timeout_seconds": 0},
        {"urls": ["http://localhost:8501"], "timeout_seconds": "360"},
        {"urls": ["http://localhost:8501"], "model_name": 1},
    ],
)
def test_another_shape_is_a_configuration_error(workshop, given):
    with pytest.raises(ConfigurationError, match="confirm is"):
        workshop.push(workshop.model(), confirm=given)


def test_a_refusal_asks_no_server(published):
    with serving({}) as [server]:
        refused = published.push(published.model("older", 1, None), confirm=confirm(server))

    assert isinstance(refused, Refusal)
    assert server.asked == []
