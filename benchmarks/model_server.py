"""Measures how much of a session's throughput our model server keeps, and how soon it answers.

The model has a million parameters and takes serialized examples. Direct calls run in a process of
their own, with as many threads as the server has clients; the clients are another process. Rounds
alternate, and the best of each counts, because the rest is noise. What is kept of the throughput
holds on a quiet machine with a core for the clients, which share the cores here; what is kept of
the CPU time (direct calls' over the server's) holds on a busy one too. Start-up is from the process
to the first answer, against importing TensorFlow, loading the model and asking it once.

Run ``python -m benchmarks.model_server [--rounds N] [--seconds N]``.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from components.model_server import LocalProcess, messages, wait_until_available
from components.model_server.client import Deadline
from components.model_server.tensor_codec import fill
from components.tfrecord import read_records, write_records

Measurement = dict[str, float]
NUM_FEATURES, UNITS = 16, 980
BATCHES, CONCURRENCIES = (1, 64), (1, 16)
MIN_SHARE = 0.7
"""Of the direct calls, for batches of 64: of their throughput, or of their CPU time."""
MAX_START = 1.3
"""Of the bare start."""
START_ROUNDS = 3
NAME = "benchmark"
BARE = """
import sys, numpy as np, tensorflow as tf
with open(sys.argv[2], "rb") as file:
    request = file.read()
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    model = tf.compat.v1.saved_model.load(session, ["serve"], sys.argv[1])
    signature = model.signature_def["serving_default"]
    feeds = {info.name: np.array([request], object) for info in signature.inputs.values()}
    session.run([info.name for info in signature.outputs.values()], feeds)
print("answered", flush=True)
"""


def main() -> int:
    """Print the tables; fail if a bound doesn't hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_server", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        children = {"export": export, "direct": direct, "clients": clients}
        return children[arguments.child[0]](Path(arguments.child[1]))
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(child("export", scratch), check=True, env=quiet())
        start = compare_start(Path(scratch))
        kept = compare_throughput(Path(scratch), arguments.rounds, arguments.seconds)
    return 0 if kept >= MIN_SHARE and start <= MAX_START else 1


def compare_throughput(scratch: Path, rounds: int, seconds: float) -> float:
    """Print what both sides reach; return the least share for batches of 64."""
    server = LocalProcess().start(
        scratch / NAME, model_name=NAME, log_path=scratch / "throughput.log"
    )
    with wait_until_available(server, NAME, Deadline.after(600)) as client:
        (scratch / "target").write_text(client.endpoints.grpc_target)
    asked, called = Worker("clients", scratch), Worker("direct", scratch)
    shares = []
    print(f"{'':30}{'requests/s':>18}{'CPU in µs':>18}{'p99 in ms':>18}{'kept':>14}")
    print(f"{'':30}" + f"{'direct':>9}{'server':>9}" * 3 + f"{'wall':>8}{'CPU':>6}")
    try:
        for batch, concurrency in itertools.product(BATCHES, CONCURRENCIES):
            plan = {"batch": batch, "concurrency": concurrency, "seconds": seconds}
            one, other = [], []
            for _ in range(rounds):
                one.append(called.measure(plan, called.pid))
                other.append(asked.measure(plan, server.pid))
            share = report(f"  batch {batch:3}, concurrency {concurrency:3}", one, other)
            shares.append(share if batch == max(BATCHES) else 1.0)
    finally:
        asked.end()
        called.end()
        server.stop()
    print(f"  bound for batches of {max(BATCHES)}: {MIN_SHARE} of the direct calls")
    return min(shares)


def report(title: str, direct: list[Measurement], server: list[Measurement]) -> float:
    """Print one row; return the share that is kept, by the clock that the machine allows."""
    rates = [max(each["rate"] for each in side) for side in (direct, server)]
    cpu = [min(each["cpu"] for each in side) for side in (direct, server)]
    p99 = [min(each["p99"] for each in side) for side in (direct, server)]
    kept = rates[1] / rates[0], cpu[0] / cpu[1]
    print(
        f"{title:30}{rates[0]:9.0f}{rates[1]:9.0f}{cpu[0] * 1e6:9.0f}{cpu[1] * 1e6:9.0f}"
        f"{p99[0] * 1e3:9.1f}{p99[1] * 1e3:9.1f}{kept[0]:8.2f}{kept[1]:6.2f}",
        flush=True,
    )
    return max(kept)


def compare_start(scratch: Path) -> float:
    """Print the seconds to the first answer; return the server's over the bare start's."""
    command = [sys.executable, "-c", BARE, str(scratch / NAME / "1"), str(scratch / "example")]
    bare, server = [], []
    for _ in range(START_ROUNDS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=quiet())
        bare.append(time.perf_counter() - started)
        server.append(time_server_start(scratch))
    ratio = min(server) / min(bare)
    print("seconds from the process's start to the first answer:")
    print(f"  bare {min(bare):.2f}, server {min(server):.2f}, {ratio:.2f} times; limit {MAX_START}")
    return ratio


def time_server_start(scratch: Path) -> float:
    """Return the seconds until a server has answered one Predict."""
    inputs = {"examples": np.array(read_examples(scratch, 1), dtype=object)}
    started = time.perf_counter()
    server = LocalProcess().start(scratch / NAME, model_name=NAME, log_path=scratch / "start.log")
    try:
        with wait_until_available(server, NAME, Deadline.after(600)) as client:
            client.predict("serving_default", inputs, Deadline.after(600))
        return time.perf_counter() - started
    finally:
        server.stop()


class Worker:
    """A process that measures what it is told, one line of JSON after the other."""

    def __init__(self, kind: str, scratch: Path) -> None:
        self._process = subprocess.Popen(
            child(kind, str(scratch)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=quiet(),
            text=True,
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def measure(self, plan: dict[str, Any], answering_pid: int) -> Measurement:
        """Return requests per second, and of one: CPU time of who answers, and p99, in seconds."""
        before = cpu_seconds(answering_pid)
        self._process.stdin.write(json.dumps(plan) + "\n")
        self._process.stdin.flush()
        result = json.loads(self._process.stdout.readline())
        used = cpu_seconds(answering_pid) - before
        return {**result, "cpu": used / result["count"]}

    def end(self) -> None:
        """Let it end."""
        self._process.stdin.close()
        self._process.wait()


def direct(scratch: Path) -> int:
    """Call the session that the server has, in this process."""
    from components.saved_model.session import ServingSession

    session = ServingSession(scratch / NAME / "1")
    signature = session.signature()
    (feed,), (fetch,) = signature.inputs.values(), signature.outputs.values()

    def make_call(batch: int) -> Callable[[], Any]:
        fed = {feed.tensor_name: np.array(read_examples(scratch, batch), dtype=object)}
        return lambda: session.execute(fed, [fetch.tensor_name])

    return answer_plans(make_call)


def clients(scratch: Path) -> int:
    """Ask the server by gRPC with requests that are serialized already."""
    channel = grpc.insecure_channel((scratch / "target").read_text())
    predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

    def make_call(batch: int) -> Callable[[], Any]:
        request = messages.PredictRequest()
        request.model_spec.name = NAME
        fill(request.inputs["examples"], np.array(read_examples(scratch, batch), dtype=object))
        data = request.SerializeToString()
        return lambda: predict(data, timeout=120)

    return answer_plans(make_call)


def answer_plans(make_call: Callable[[int], Callable[[], Any]]) -> int:
    """Read plans from stdin until it ends; print what each measured."""
    for line in sys.stdin:
        plan = json.loads(line)
        call = make_call(plan["batch"])
        call()
        print(json.dumps(measure(call, plan["concurrency"], plan["seconds"])), flush=True)
    return 0


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(call: Callable[[], Any], concurrency: int, seconds: float) -> Measurement:
    """Call from so many threads for so long."""
    latencies: list[list[float]] = [[] for _ in range(concurrency)]
    ends = time.perf_counter() + seconds

    def repeat(own: list[float]) -> None:
        while (started := time.perf_counter()) < ends:
            call()
            own.append(time.perf_counter() - started)

    threads = [threading.Thread(target=repeat, args=(own,)) for own in latencies]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    ordered = sorted(latency for own in latencies for latency in own)
    return {
        "count": len(ordered),
        "rate": len(ordered) / elapsed,
        "p99": ordered[int(len(ordered) * 0.99)],
    }


def export(scratch: Path) -> int:
    """Write a model with about a million parameters, and examples for it."""
    import tensorflow as tf

    class Network(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = [NUM_FEATURES, UNITS, UNITS, 1]
            random = tf.random.Generator.from_seed(1)
            self.kernels = [
                tf.Variable(random.normal(shape, stddev=shape[0] ** -0.5))
                for shape in itertools.pairwise(sizes)
            ]
            self.biases = [tf.Variable(tf.zeros(size)) for size in sizes[1:]]

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples: Any) -> dict[str, Any]:
            spec = {f"f{i}": tf.io.FixedLenFeature([], tf.float32) for i in range(NUM_FEATURES)}
            parsed = tf.io.parse_example(examples, spec)
            values = tf.stack([parsed[name] for name in sorted(spec)], axis=1)
            for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
                values = tf.nn.relu(values @ kernel + bias)
            return {"score": tf.sigmoid(values @ self.kernels[-1] + self.biases[-1])}

    network = Network()
    directory = str(scratch / NAME / "1")
    tf.saved_model.save(network, directory, signatures={"serving_default": network.serve})
    print(f"{sum(int(tf.size(v)) for v in network.variables):,} parameters", flush=True)
    records = []
    for row in np.random.default_rng(1).normal(size=(max(BATCHES), NUM_FEATURES)):
        example = tf.train.Example()
        for index, value in enumerate(row):
            example.features.feature[f"f{index}"].float_list.value.append(value)
        records.append(example.SerializeToString())
    write_records(scratch / "examples", records)
    (scratch / "example").write_bytes(records[0])
    return 0


def read_examples(scratch: Path, batch: int) -> list[bytes]:
    """Return serialized examples."""
    return list(itertools.islice(read_records(scratch / "examples"), batch))


def child(kind: str, scratch: str) -> list[str]:
    """Return the command line of a process that does one thing."""
    return [sys.executable, "-m", "benchmarks.model_server", "--child", kind, scratch]


def quiet() -> dict[str, str]:
    """Return the environment without TensorFlow's greetings."""
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


if __name__ == "__main__":
    sys.exit(main())
