"""How fast a server answers for a model: a finding for each percentile, and one for throughput."""

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from components.infra_validator.question import Question
from components.infra_validator.settings import PERCENTILES
from components.infra_validator.trial import Conversation
from components.records import Bound, Finding

NUM_WARMUP_REQUESTS = 10
NUM_REQUESTS = 200
"""Enough that two lie above the 99th percentile."""
NUM_CLIENTS = 4
MAX_SECONDS = 10.0
"""Of each measurement of a signature; a slow model is asked less often."""


def check_latency(conversation: Conversation) -> Iterator[Finding]:
    """Measure each signature with requests of one row, after warm-up requests.

    Latency is that of one request after another, seen from this process; throughput that of
    `NUM_CLIENTS` clients at once.
    """
    for name in conversation.inputs:
        yield from _check_signature(conversation, name)


def _check_signature(conversation: Conversation, name: str) -> Iterator[Finding]:
    questions = _questions(conversation, name)
    _measure_latency(conversation, questions, NUM_WARMUP_REQUESTS)
    milliseconds = _measure_latency(conversation, questions, NUM_REQUESTS)
    bounds = conversation.trial.settings.max_latency_milliseconds or {}
    for percentile in PERCENTILES:
        rank = float(percentile[1:])
        observed = float(np.percentile(milliseconds, rank, method="inverted_cdf"))
        yield _latency_finding(name, percentile, observed, bounds.get(percentile), milliseconds)
    yield _throughput_finding(conversation, name, questions)


def _questions(conversation: Conversation, name: str) -> Iterator[Question]:
    rows = itertools.cycle(range(len(conversation.trial.rows)))
    return (Question(name, row, row + 1) for row in rows)


def _measure_latency(
    conversation: Conversation, questions: Iterator[Question], num_requests: int
) -> list[float]:
    milliseconds: list[float] = []
    end = time.monotonic() + MAX_SECONDS
    while len(milliseconds) < num_requests and (time.monotonic() < end or not milliseconds):
        question = next(questions)
        begin = time.perf_counter()
        conversation.ask("latency", question)
        milliseconds.append(1000 * (time.perf_counter() - begin))
    return milliseconds


def _latency_finding(
    name: str, percentile: str, observed: float, bound: float | None, measured: list[float]
) -> Finding:
    limit = "" if bound is None else f" (limit {bound:g} ms)"
    return Finding(
        check="latency",
        metric=percentile,
        passed=bound is None or observed <= bound,
        message=f"The {percentile} of the latency of {name!r} is {_shown(observed)} ms{limit}, of "
        f"{len(measured)} requests with one row.",
        observed=observed,
        bound=None if bound is None else Bound(upper=bound),
    )


def _throughput_finding(
    conversation: Conversation, name: str, questions: Iterator[Question]
) -> Finding:
    observed = _measure_throughput(conversation, questions)
    bound = conversation.trial.settings.min_requests_per_second
    limit = "" if bound is None else f" (at least {_shown(bound)} are wanted)"
    return Finding(
        check="throughput",
        metric="requests_per_second",
        passed=bound is None or observed >= bound,
        message=f"{NUM_CLIENTS} clients at once got {_shown(observed)} answers per second from "
        f"{name!r}{limit}.",
        observed=observed,
        bound=None if bound is None else Bound(lower=bound),
    )


def _shown(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _measure_throughput(conversation: Conversation, questions: Iterator[Question]) -> float:
    """Return answered requests per second."""
    asked = itertools.islice(questions, NUM_REQUESTS)
    lock = threading.Lock()
    stopped = threading.Event()
    begin = time.monotonic()
    end = begin + MAX_SECONDS

    def take() -> Question | None:
        with lock:
            is_over = stopped.is_set() or time.monotonic() > end
            return None if is_over else next(asked, None)

    def work() -> int:
        count = 0
        while (question := take()) is not None:
            conversation.ask("throughput", question, num_clients=NUM_CLIENTS)
            count += 1
        return count

    pool = ThreadPoolExecutor(NUM_CLIENTS)
    try:
        answered = sum(pool.map(lambda _: work(), range(NUM_CLIENTS)))
    finally:
        stopped.set()  # whoever is ended here doesn't wait for answers
        pool.shutdown(wait=False)
    return answered / (time.monotonic() - begin)
