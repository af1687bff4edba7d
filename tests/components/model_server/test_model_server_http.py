"""Our server's ports, asked in the ways that clients others wrote may ask: raw HTTP and gRPC."""

import gzip
import json
import re
import socket

import grpc
import pytest
from grpc import StatusCode

BODY = b'{"signature_name": "total", "inputs": [1, 2.5]}'
ANSWER = {"outputs": 3.5}
PATH = b"/v1/models/demo:predict"
SECONDS = 120


class Connection:
    """A connection that sends raw bytes and reads one answer after the other."""

    def __init__(self, endpoints):
        self._socket = socket.create_connection(
            (endpoints.host, endpoints.rest_port), timeout=SECONDS
        )
        self._file = self._socket.makefile("rb")

    def send(self, data):
        self._socket.sendall(data)

    def read(self, *, has_body=True):
        """Return status, headers in lower case, and body."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.lower().decode()] = value.strip().decode()
        if status == 100:
            return self.read(has_body=has_body)
        length = int(headers.get("content-length", -1)) if has_body else 0
        return status, headers, self._file.read(length)

    def is_closed(self):
        return self._file.read() == b""

    def close(self):
        self._file.close()
        self._socket.close()


@pytest.fixture
def connection(server):
    opened = Connection(server.endpoints(0))
    yield opened
    opened.close()


def post(*headers, body=BODY, version=b"1.1"):
    lines = [b"POST " + PATH + b" HTTP/" + version, b"Host: x", *headers]
    return b"\r\n".join(lines) + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_a_connection_is_kept_for_more_requests(connection):
    for _ in range(3):
        connection.send(post())
        status, headers, body = connection.read()
        assert (status, json.loads(body)) == (200, ANSWER)
        assert headers["content-type"] == "application/json"


def test_requests_may_be_sent_before_the_answers_are_read(connection):
    connection.send(post() + post(body=b'{"signature_name": "total", "inputs": [7]}'))
    assert json.loads(connection.read()[2]) == ANSWER
    assert json.loads(connection.read()[2]) == {"outputs": 7.0}


def test_a_connection_is_closed_where_that_is_asked(connection):
    connection.send(post(b"Connection: close"))
    assert connection.read()[0] == 200
    assert connection.is_closed()


def test_http_1_0_is_answered_and_closed(connection):
    connection.send(post(version=b"1.0"))
    status, _, body = connection.read()
    assert (status, json.loads(body)) == (200, ANSWER)
    assert connection.is_closed()


def test_a_body_may_come_in_chunks(connection):
    head = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.send(head)
    for part in (BODY[:5], BODY[5:]):
        connection.send(b"%x\r\n%s\r\n" % (len(part), part))
    connection.send(b"0\r\n\r\n")
    assert json.loads(connection.read()[2]) == ANSWER


def test_a_client_may_wait_for_the_word_to_send(connection):
    head, _, body = post(b"Expect: 100-continue").partition(b"\r\n\r\n")
    connection.send(head + b"\r\n\r\n")
    assert connection._file.readline() == b"HTTP/1.1 100 Continue\r\n"
    while connection._file.readline().strip():
        pass
    connection.send(body)
    assert json.loads(connection.read()[2]) == ANSWER


def test_the_content_type_is_never_read(connection):
    connection.send(post(b"Content-Type: image/png"))
    assert connection.read()[0] == 200


@pytest.mark.parametrize("encoding", [b"gzip", b"x-gzip", b"gzip, identity"])
def test_a_compressed_body_is_inflated(connection, encoding):
    connection.send(post(b"Content-Encoding: " + encoding, body=gzip.compress(BODY)))
    status, headers, body = connection.read()
    assert (status, json.loads(body)) == (200, ANSWER)
    assert "content-encoding" not in headers


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(BODY, mtime=0)[:-9]])
def test_what_cannot_be_inflated_is_an_empty_document(connection, body):
    connection.send(post(b"Content-Encoding: gzip", body=body))
    status, _, answer = connection.read()
    assert status == 400
    assert json.loads(answer) == {"error": "JSON Parse error: The document is empty"}


def test_answers_are_never_compressed(connection):
    connection.send(post(b"Accept-Encoding: gzip, deflate, br"))
    assert "content-encoding" not in connection.read()[1]


def test_head_is_malformed_and_has_no_body(connection):
    connection.send(b"HEAD /v1/models/demo HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.read(has_body=False)[0] == 400
    connection.send(post())
    assert json.loads(connection.read()[2]) == ANSWER


@pytest.mark.parametrize("method", [b"PUT", b"DELETE", b"PATCH", b"TRACE"])
def test_other_methods_are_malformed(connection, method):
    connection.send(method + b" /v1/models/demo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    status, _, body = connection.read()
    assert status == 400
    assert json.loads(body) == {"error": f"Malformed request: {method.decode()} /v1/models/demo"}


def test_an_absolute_address_is_a_path_too(connection):
    connection.send(b"GET http://x/v1/models/demo HTTP/1.1\r\nHost: x\r\n\r\n")
    status, _, body = connection.read()
    assert status == 200
    assert "model_version_status" in json.loads(body)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"what is this\r\n\r\n"])
def test_what_is_no_http_is_refused_and_the_server_goes_on(connection, server, data):
    connection.send(data)
    assert connection.read()[0] == 400
    again = Connection(server.endpoints(0))
    again.send(post())
    assert again.read()[0] == 200
    again.close()


def test_endless_headers_are_refused(connection, server):
    try:
        connection.send(b"GET /v1/models/demo HTTP/1.1\r\nX: " + b"x" * (1 << 20))
        assert connection.read()[0] in (400, 431)
    except (ConnectionError, IndexError):
        pass  # closed before all was sent
    again = Connection(server.endpoints(0))
    again.send(post())
    assert again.read()[0] == 200
    again.close()


def test_a_deep_document_is_refused_and_the_server_goes_on(connection):
    for depth in (500, 900, 100_000):
        nested = b"[" * depth + b"]" * depth
        connection.send(post(body=b'{"signature_name": "total", "inputs": %s}' % nested))
        status, _, body = connection.read()
        assert status == 400, depth
        assert list(json.loads(body)) == ["error"]
    nested = b"[" * 900 + b"]" * 900
    connection.send(
        post(body=b'{"signature_name": 1, "inputs": %s}' % nested)
    )  # a message shows it
    assert connection.read()[0] == 400
    connection.send(post())
    assert connection.read()[0] == 200


def test_special_numbers_are_bare_words_both_ways(connection):
    body = b'{"signature_name": "echo", "inputs": [[NaN, -Infinity], [Inf, 3e0]]}'
    connection.send(post(body=body))
    status, _, answer = connection.read()
    assert status == 200
    assert re.findall(rb"[\w.-]+", answer) == [
        b"outputs",
        b"NaN",
        b"-Infinity",
        b"Infinity",
        b"3.0",
    ]


def test_a_label_is_ignored_by_status_and_refused_by_metadata(connection):
    connection.send(b"GET /v1/models/demo/labels/x HTTP/1.1\r\nHost: x\r\n\r\n")
    status, _, body = connection.read()
    assert status == 200
    assert "7" in [entry["version"] for entry in json.loads(body)["model_version_status"]]
    connection.send(b"GET /v1/models/demo/labels/x/metadata HTTP/1.1\r\nHost: x\r\n\r\n")
    status, _, body = connection.read()
    assert status == 400
    assert json.loads(body) == {"error": "Unrecognized servable version label: x"}


@pytest.fixture
def status_call(server):
    """Ask GetModelStatus through a channel with these options."""
    from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

    def ask(name="demo", **options):
        with grpc.insecure_channel(server.endpoints(0).grpc_target, **options) as channel:
            request = get_model_status_pb2.GetModelStatusRequest()
            if name is not None:
                request.model_spec.name = name
            return model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(
                request, timeout=SECONDS
            )

    return ask


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_grpc_messages_may_be_compressed(status_call, compression):
    assert status_call(compression=compression).model_version_status


def test_a_status_request_must_name_a_model(status_call):
    with pytest.raises(grpc.RpcError) as refused:
        status_call(None)
    assert refused.value.code() is StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "Missing ModelSpec"


def test_a_reload_is_not_offered_and_says_why(server):
    from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

    with grpc.insecure_channel(server.endpoints(0).grpc_target) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.HandleReloadConfigRequest(
                model_management_pb2.ReloadConfigRequest(), timeout=SECONDS
            )
    assert refused.value.code() is StatusCode.UNIMPLEMENTED
    assert "HandleReloadConfigRequest is not offered" in refused.value.details()


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
        "/tensorflow.serving.SessionService/SessionRun",
        "/tensorflow.serving.PredictionService/Unknown",
    ],
)
def test_other_services_are_unimplemented(server, method):
    refusal = pytest.raises(grpc.RpcError)
    with grpc.insecure_channel(server.endpoints(0).grpc_target) as channel, refusal as refused:
        channel.unary_unary(method)(b"", timeout=SECONDS)
    assert refused.value.code() is StatusCode.UNIMPLEMENTED


def test_bytes_that_are_no_message_are_refused(server):
    with grpc.insecure_channel(server.endpoints(0).grpc_target) as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as refused:
            predict(b"\xff\xff\xff", timeout=SECONDS)
    assert refused.value.code() is StatusCode.INTERNAL


def test_tls_is_not_spoken_and_hurts_nobody(server, status_call):
    target, refusal = server.endpoints(0).grpc_target, pytest.raises(grpc.RpcError)
    credentials = grpc.ssl_channel_credentials()
    with grpc.secure_channel(target, credentials) as channel, refusal as refused:
        channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")(b"", timeout=20)
    assert refused.value.code() in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)
    assert status_call().model_version_status
