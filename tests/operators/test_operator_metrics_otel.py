"""Metrics by OpenTelemetry: a process as Airflow starts one for a task, and a real HTTP server."""

import http.server
import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA

from tests.airflow_home import REPOSITORY

PROGRAM = """
import os, sys
from tests.airflow_home import HOME

os.environ["AIRFLOW__METRICS__OTEL_ON"] = "True"
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from operators import metrics
from tests.operators.contexts import make_context

stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
refusal = {"dag_id": "flight_delays", "reason": "not_blessed"}
for digest in ("sha256:0", "sha256:1"):
    metrics.count(make_context("pusher"), "imprimatur.refusals", digest, **refusal)
metrics.gauge("imprimatur.on_hold", 1.0, model="flüge/v1.2")
metrics.timing("imprimatur.component_duration", 90.5, dag_id="flight_delays", component="evaluator")
print("done")
"""


class Collector(http.server.BaseHTTPRequestHandler):
    received: list[Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(ExportMetricsServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def collector():
    handler = type("OneCollector", (Collector,), {"received": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, handler.received
        server.shutdown()


def run(port: int) -> "subprocess.CompletedProcess[str]":
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=REPOSITORY,
        env={**os.environ, **settings},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def attributes(point: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in point.attributes}


def test_a_process_sends_at_its_end_what_it_counted(collector):
    port, received = collector
    result = run(port)
    assert result.returncode == 0, result.stderr
    assert "done" in result.stdout.splitlines()
    found = {
        metric.name: metric
        for request in received
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name.startswith("airflow.imprimatur.")
    }
    assert len(found) == 3
    refusals = found["airflow.imprimatur.refusals"].sum
    (refused,) = refusals.data_points
    assert refused.as_int == 2
    assert attributes(refused) == {"dag_id": "flight_delays", "reason": "not_blessed"}
    assert refusals.is_monotonic
    assert refusals.aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA
    (hold,) = found["airflow.imprimatur.on_hold"].gauge.data_points
    assert hold.as_double == 1.0
    assert attributes(hold) == {"model": "fl_ge_v1.2"}
    duration = found["airflow.imprimatur.component_duration"]
    assert duration.unit == "ms"
    (measured,) = duration.exponential_histogram.data_points
    assert (measured.count, measured.sum) == (1, 90_500.0)
    assert attributes(measured) == {"dag_id": "flight_delays", "component": "evaluator"}


def test_a_collector_that_is_away_ends_nothing():
    result = run(port=9)
    assert result.returncode == 0, result.stderr
    assert "done" in result.stdout.splitlines()
