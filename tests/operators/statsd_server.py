"""A real UDP socket in place of a StatsD server, and Airflow set up to send its metrics there."""

import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.airflow_home import REPOSITORY

# isort: split
from airflow.sdk._shared.observability.metrics import stats as airflow_stats
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils

assert REPOSITORY
END, CLOSE = b"end", b"close"


class StatsdServer:
    """Receives what is sent to it, in order: on the loopback device nothing overtakes."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._packets: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def received(self) -> list[str]:
        """Return the lines since the last call that are this project's, without Airflow's own."""
        self._send(END)
        packets = list(iter(lambda: self._packets.get(timeout=60), END))
        lines = [line for packet in packets for line in packet.decode("ascii").splitlines()]
        return [line for line in lines if line.startswith("airflow.imprimatur.")]

    def counted(self) -> list[str]:
        """Return the counters among them, each without the value, which is always 1."""
        return [line.removesuffix(":1|c") for line in self.received() if line.endswith(":1|c")]

    def close(self) -> None:
        self._send(CLOSE)
        self._reader.join()
        self._socket.close()

    def _send(self, packet: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(packet, ("127.0.0.1", self.port))

    def _read(self) -> None:
        """Empty the socket all the time: what doesn't fit into it is lost."""
        while (packet := self._socket.recv(65536)) != CLOSE:
            self._packets.put(packet)


def initialize() -> None:
    """Do what Airflow does at the start of a task's process."""
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdServer]:
    server = StatsdServer()
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(server.port))
    initialize()
    yield server
    end_backend()
    monkeypatch.undo()
    initialize()
    server.close()


def end_backend() -> None:
    """Close the client's socket, which Airflow leaves to the end of the process."""
    client = getattr(airflow_stats._backend, "statsd", None)
    if client is not None:
        client.close()
