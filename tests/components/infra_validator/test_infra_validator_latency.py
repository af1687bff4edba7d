"""What is made of the times that answers take; the clock is ours."""

import random
import threading

import pytest

from components.infra_validator import latency
from components.infra_validator.latency import check_latency
from components.infra_validator.server_fault import ModelFault
from components.infra_validator.settings import Settings


class Clock:
    """Stands still but for the answers."""

    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        return self.seconds

    perf_counter = monotonic


class Trial:
    rows = (b"first", b"second", b"third")

    def __init__(self, settings):
        self.settings = settings


class Conversation:
    """Answers in given numbers of seconds, the last of which repeats."""

    def __init__(self, clock, durations, *, signatures=("serving_default",), **settings):
        self.trial = Trial(Settings(**settings))
        self.inputs = dict.fromkeys(signatures)
        self.asked = []
        self._clock = clock
        self._durations = list(durations)
        self._lock = threading.Lock()

    def ask(self, check, question, *, num_clients=1):
        with self._lock:
            self.asked.append((check, question, num_clients))
            last = self._durations[-1]
            self._clock.seconds += self._durations.pop(0) if len(self._durations) > 1 else last

    def count(self, check):
        return sum(asked == check for asked, _, _ in self.asked)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(latency, "time", clock)
    return clock


def by_metric(conversation):
    return {finding.metric: finding for finding in check_latency(conversation)}


def test_percentiles_are_nearest_ranks_and_the_first_answers_do_not_count(clock):
    measured = [number / 10_000 for number in range(1, 201)]
    random.Random(7).shuffle(measured)
    found = by_metric(Conversation(clock, [9.0, *[0.1] * 9, *measured, 0.001]))
    observed = {name: round(finding.observed, 6) for name, finding in found.items()}
    assert observed["p50"] == 10
    assert observed["p95"] == 19
    assert observed["p99"] == 19.8
    assert found["p99"].message == (
        "The p99 of the latency of 'serving_default' is 19.8 ms, of 200 requests with one row."
    )


def test_throughput_is_what_several_clients_get_per_second(clock):
    conversation = Conversation(clock, [0.01])
    found = by_metric(conversation)["requests_per_second"]
    assert found.observed == pytest.approx(100)
    assert found.message == "4 clients at once got 100 answers per second from 'serving_default'."
    assert conversation.count("throughput") == latency.NUM_REQUESTS
    assert {number for check, _, number in conversation.asked if check == "throughput"} == {4}


def test_each_request_has_one_row_and_all_rows_are_asked(clock):
    conversation = Conversation(clock, [0.01])
    by_metric(conversation)
    assert {(q.start, q.stop) for _, q, _ in conversation.asked} == {(0, 1), (1, 2), (2, 3)}


def test_a_slow_model_is_asked_less_often(clock):
    conversation = Conversation(clock, [4.0])
    found = by_metric(conversation)
    assert conversation.count("latency") == 3 + 3  # until 10 seconds are over, twice
    assert found["p50"].observed == found["p99"].observed == 4000
    assert "of 3 requests" in found["p50"].message
    assert conversation.count("throughput") < 8
    assert found["requests_per_second"].observed == pytest.approx(0.25)


def test_a_model_that_is_slower_than_the_whole_time_is_asked_once(clock):
    conversation = Conversation(clock, [60.0])
    assert by_metric(conversation)["p50"].observed == 60_000
    assert conversation.count("latency") == 2


@pytest.mark.parametrize(("bound", "passed"), [(7.8, False), (7.8125, True), (8.0, True)])
def test_bounds_include_themselves(clock, bound, passed):
    settings = {"max_latency_milliseconds": {"p95": bound}}
    found = by_metric(Conversation(clock, [1 / 128], **settings))  # sums of it are exact
    assert found["p95"].observed == 7.8125
    assert found["p95"].passed == passed
    assert found["p95"].bound.upper == bound
    assert found["p50"].passed
    assert found["p50"].bound is None


@pytest.mark.parametrize(("bound", "passed"), [(127.9, True), (128.0, True), (128.1, False)])
def test_so_does_that_of_throughput(clock, bound, passed):
    conversation = Conversation(clock, [1 / 128], min_requests_per_second=bound)
    found = by_metric(conversation)["requests_per_second"]
    assert found.observed == 128
    assert found.passed == passed
    assert found.bound.lower == bound


def test_each_signature_is_measured(clock):
    findings = list(check_latency(Conversation(clock, [0.01], signatures=("a", "b"))))
    assert len(findings) == 8
    assert "'b'" in findings[-1].message


def test_a_model_that_fails_under_several_clients_ends_them_all(clock):
    conversation = Conversation(clock, [0.001])
    ask = conversation.ask

    def fail_late(check, question, *, num_clients=1):
        ask(check, question, num_clients=num_clients)
        if conversation.count("throughput") >= 20:
            raise ModelFault(check, "It crashed.")

    conversation.ask = fail_late
    with pytest.raises(ModelFault, match="It crashed"):
        by_metric(conversation)
    assert conversation.count("throughput") < 20 + 4
