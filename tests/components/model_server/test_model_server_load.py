"""Our server under load, at its limits and at its end; requests are held by named pipes.

The model opens a pipe that nobody reads, so that a request runs for exactly as long as a test
wants; a file that it writes before says that it runs. Started by TensorFlow Serving's flags.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc import StatusCode

ROOT = Path(__file__).resolve().parents[3]
NUM_THREADS, MAX_REQUESTS, MAX_BYTES = 2, 6, 1_000_000
SECONDS = 300
HAS_IPV6 = socket.has_dualstack_ipv6() and Path("/proc/net/if_inet6").exists()


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A base path with a model whose requests can be held."""
    import tensorflow as tf

    class Gated(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([], tf.string, name="started"),
                tf.TensorSpec([], tf.string, name="pipe"),
            ]
        )
        def hold(self, started, pipe):
            with tf.control_dependencies([tf.io.write_file(started, "")]):
                opened = tf.io.write_file(pipe, "")
            with tf.control_dependencies([opened]):
                return {"length": tf.strings.length(pipe)}

        @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
        def turn(self, x):
            return {"y": tf.while_loop(lambda y: y != 0, lambda y: [y + 0], [x])[0]}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="x")])
        def count(self, x):
            return {"n": tf.size(x)}

    module = Gated()
    base_path = tmp_path_factory.mktemp("gated") / "m"
    signatures = {name: getattr(module, name) for name in ("hold", "turn", "count")}
    tf.saved_model.save(module, str(base_path / "1"), signatures=signatures)
    return base_path


class Gate:
    """What holds one request until it is opened."""

    def __init__(self, directory):
        self.started, self.pipe = directory / "started", directory / "pipe"
        directory.mkdir()
        os.mkfifo(self.pipe)

    def wait_until_held(self):
        wait_until(self.started.exists)

    def open(self):
        os.close(os.open(self.pipe, os.O_RDONLY))


@pytest.fixture
def gates(tmp_path):
    """Make gates; those still shut are opened after the test."""
    made = []

    def make(count):
        made.extend(Gate(tmp_path / f"gate{len(made)}") for _ in range(count))
        return made[-count:]

    yield make
    for gate in made:
        os.close(os.open(gate.pipe, os.O_RDONLY | os.O_NONBLOCK))


def wait_until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Process:
    """A server that was started from the command line."""

    def __init__(self, base_path, log_path, *flags):
        with socket.create_server(("", 0)) as grpc_port, socket.create_server(("", 0)) as rest_port:
            self.grpc_port, self.rest_port = (
                listening.getsockname()[1] for listening in (grpc_port, rest_port)
            )
        self.log_path = log_path
        command = [
            *(sys.executable, "-m", "components.model_server", f"--port={self.grpc_port}"),
            *(f"--rest_api_port={self.rest_port}", *flags),
        ]
        variables = {"MODEL_NAME": base_path.name, "MODEL_BASE_PATH": str(base_path.parent)}
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | variables, stdout=log, stderr=log
            )
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}")

    def wait_until_ready(self):
        def is_ready():
            assert self.process.poll() is None, self.log_path.read_text()
            return "Exporting HTTP/REST API at" in self.log_path.read_text()

        wait_until(is_ready)
        return self

    def stub(self, channel=None):
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        return prediction_service_pb2_grpc.PredictionServiceStub(channel or self.channel)

    def url(self, host="127.0.0.1"):
        return f"http://{host}:{self.rest_port}/v1/models/m"

    def post(self, body, path=":predict", host="127.0.0.1"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url(host) + path, data)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def end(self):
        self.channel.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def process(gated, tmp_path_factory):
    started = Process(
        gated,
        tmp_path_factory.mktemp("log") / "log",
        f"--grpc_max_threads={NUM_THREADS}",
        f"--rest_api_num_threads={MAX_REQUESTS}",
        f"--max_concurrent_requests={MAX_REQUESTS}",
        f"--max_request_bytes={MAX_BYTES}",
        "--tensorflow_inter_op_parallelism=16",
        "--rest_api_enable_cors_support=true",
        "--enable_batching",
        f"--host={'::' if HAS_IPV6 else '0.0.0.0'}",
    )
    try:
        yield started.wait_until_ready()
    finally:
        started.end()


def request(signature, **inputs):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    message = predict_pb2.PredictRequest()
    message.model_spec.name = "m"
    message.model_spec.signature_name = signature
    for alias, value in inputs.items():
        message.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return message


def hold(gate):
    return request("hold", started=str(gate.started), pipe=str(gate.pipe))


def count(num_bytes=1):
    return request("count", x=[b"x" * num_bytes])


def rest_hold(gate):
    inputs = {"started": str(gate.started), "pipe": str(gate.pipe)}
    return {"signature_name": "hold", "inputs": inputs}


REST_COUNT = {"signature_name": "count", "inputs": ["a", "b"]}


def test_a_request_is_answered_while_another_runs(process, gates):
    (gate,) = gates(1)
    running = process.stub().Predict.future(hold(gate), timeout=SECONDS)
    gate.wait_until_held()
    assert process.stub().Predict(count(), timeout=SECONDS).outputs["n"].int_val[0] == 1
    assert process.post(REST_COUNT) == (200, {"outputs": 2})
    assert not running.done()
    gate.open()
    assert list(running.result().outputs["length"].int_val) == [len(str(gate.pipe))]


def test_grpc_refuses_what_is_more_than_it_holds_and_answers_the_rest(process, gates):
    held = gates(NUM_THREADS)
    stub = process.stub()
    running = [stub.Predict.future(hold(gate), timeout=SECONDS) for gate in held]
    for gate in held:
        gate.wait_until_held()
    waiting = [
        stub.Predict.future(count(), timeout=SECONDS) for _ in range(MAX_REQUESTS - NUM_THREADS)
    ]
    with pytest.raises(grpc.RpcError) as refused:
        stub.Predict(count(), timeout=SECONDS)
    assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
    assert not any(future.done() for future in [*running, *waiting])
    for gate in held:
        gate.open()
    assert [f.result().outputs["n"].int_val[0] for f in waiting] == [1] * len(waiting)
    assert len([future.result() for future in running]) == NUM_THREADS


def test_rest_refuses_what_is_more_than_it_holds(process, gates):
    held = gates(MAX_REQUESTS)
    with ThreadPoolExecutor(MAX_REQUESTS) as pool:
        running = [pool.submit(process.post, rest_hold(gate)) for gate in held]
        for gate in held:
            gate.wait_until_held()
        status, body = process.post(REST_COUNT)
        assert (status, body["error"]) == (429, "6 requests are being answered; try later")
        for gate in held:
            gate.open()
        assert [future.result() for future in running] == [
            (200, {"outputs": len(str(gate.pipe))}) for gate in held
        ]
    assert process.post(REST_COUNT)[0] == 200


def test_a_deadline_ends_what_runs_in_the_model(process):
    stub = process.stub()
    for _ in range(NUM_THREADS):
        with pytest.raises(grpc.RpcError) as late:
            stub.Predict(request("turn", x=np.float32(1)), timeout=1)
        assert late.value.code() is StatusCode.DEADLINE_EXCEEDED
    assert stub.Predict(request("turn", x=np.float32(0)), timeout=SECONDS).outputs["y"]


def test_messages_and_bodies_have_a_largest_size(process):
    stub = process.stub()
    with pytest.raises(grpc.RpcError) as refused:
        stub.Predict(count(MAX_BYTES), timeout=SECONDS)
    assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
    assert "message larger than max" in refused.value.details()
    body = json.dumps({"signature_name": "count", "inputs": ["x" * MAX_BYTES]}).encode()
    status, answer = process.post(body)
    assert status == 413
    assert answer["error"].startswith("the body is larger than 1000000 bytes; send fewer")
    assert stub.Predict(count(MAX_BYTES // 2), timeout=SECONDS).outputs["n"]
    assert process.post(body[: MAX_BYTES // 2] + b'"]}') == (200, {"outputs": 1})


def upload(process, head, *parts):
    """Send raw bytes; returns all that comes back until the server closes."""
    address = ("127.0.0.1", process.rest_port)
    with socket.create_connection(address, timeout=SECONDS) as connection:
        connection.sendall(b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
        for part in parts:
            connection.sendall(part)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_body_in_chunks_has_the_same_largest_size(process):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    count = MAX_BYTES // 0x10000 + 1
    answer = upload(process, b"Transfer-Encoding: chunked\r\n", *[chunk] * count, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"error": "the body is larger' in answer


def test_who_asks_before_sending_need_not_send(process):
    head = b"Content-Length: %d\r\nExpect: 100-continue\r\n" % (MAX_BYTES + 1)
    assert upload(process, head).startswith(b"HTTP/1.1 413 ")


def test_all_bodies_together_have_a_largest_size(process):
    """Four fit, five don't; where the server is quick, one is done before the fifth is there."""
    tries = (statuses_of_five(process) for _ in range(20))
    assert {b"400", b"429"} in tries
    assert process.post(REST_COUNT)[0] == 200


def statuses_of_five(process):
    """Send five of the largest bodies side by side; return the statuses of the answers."""
    head = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    address = ("127.0.0.1", process.rest_port)
    slow = [socket.create_connection(address, timeout=SECONDS) for _ in range(5)]
    try:
        for connection in slow:
            connection.sendall(head % MAX_BYTES + b" " * (MAX_BYTES - 1))
        assert process.post(REST_COUNT)[0] in (200, 429)  # the server has gone round meanwhile
        for connection in slow:
            connection.sendall(b" ")
        return {connection.recv(65536).split()[1] for connection in slow}
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.skipif(not HAS_IPV6, reason="there is no IPv6 here")
def test_all_addresses_means_ipv6_too(process):
    assert process.post(REST_COUNT, host="[::1]") == (200, {"outputs": 2})
    with grpc.insecure_channel(f"ipv6:[::1]:{process.grpc_port}") as channel:
        assert process.stub(channel).Predict(count(), timeout=SECONDS).outputs["n"]


def test_pages_of_any_origin_may_ask_where_that_is_wanted(process):
    with urllib.request.urlopen(process.url(), timeout=SECONDS) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Methods"] == "POST, GET"


def test_the_log_says_which_flags_do_nothing(process):
    assert "WARNING components.model_server: --enable-batching does nothing" in (
        process.log_path.read_text()
    )


def test_the_parallelism_asked_for_is_the_number_of_threads(process):
    names = Path(f"/proc/{process.process.pid}/task").glob("*/comm")
    assert [name.read_text().strip() for name in names].count("tf_Compute") == 16


@pytest.mark.slow
def test_a_signal_lets_running_requests_end_but_not_for_ever(gated, gates, tmp_path):
    process = Process(gated, tmp_path / "log", "--tensorflow_inter_op_parallelism=8")
    ended, stuck = gates(2)
    try:
        stub = process.wait_until_ready().stub()
        answered = stub.Predict.future(hold(ended), timeout=SECONDS)
        cut_off = stub.Predict.future(hold(stuck), timeout=SECONDS)
        ended.wait_until_held()
        stuck.wait_until_held()
        process.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses_connections(process.rest_port))
        ended.open()
        assert list(answered.result().outputs["length"].int_val) == [len(str(ended.pipe))]
        assert process.process.wait(SECONDS) == 0
        assert cut_off.exception() is not None
    finally:
        process.end()


def refuses_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.slow
def test_a_signal_ends_a_server_that_is_still_loading(gated, gates, tmp_path):
    import shutil

    from tensorflow_serving.apis import prediction_log_pb2

    from components.tfrecord import write_records

    (gate,) = gates(1)
    shutil.copytree(gated, tmp_path / "m")
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(hold(gate))
    (tmp_path / "m" / "1" / "assets.extra").mkdir()
    write_records(
        tmp_path / "m" / "1" / "assets.extra" / "tf_serving_warmup_requests",
        [log.SerializeToString()],
    )
    process = Process(tmp_path / "m", tmp_path / "log")
    try:
        gate.wait_until_held()
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(SECONDS) == 0
    finally:
        process.end()
