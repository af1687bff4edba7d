"""Asks model servers, by TensorFlow Serving's REST status API, whether they serve a version."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import httpx

from components.errors import ServerUnavailableError
from components.pusher.request import Confirm

POLL_SECONDS = 0.5
_REQUEST_SECONDS = 5.0
_PASSING = frozenset({404, 408, 425, 429, 502, 503, 504})
"""HTTP answers that may change by waiting: not seen yet, overloaded, a proxy without its server."""
_NOT_JSON = (ValueError, KeyError, TypeError, RecursionError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What one server says of one version."""

    state: Literal["served", "failed", "unusable", "waiting"]
    message: str


@dataclass(frozen=True)
class Clock:
    """Time as the waiting sees it; tests bring their own."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def check_reachable(confirm: Confirm, *, first: bool = False) -> None:
    """Ask each server for the model's status.

    Args:
        confirm: the servers.
        first: whether nothing is live yet. TensorFlow Serving opens its ports only once it has a
            version, so then a server that can't be reached is no objection.

    Raises:
        ServerUnavailableError: one doesn't answer, or not as TensorFlow Serving does.
    """
    for url in confirm.urls:
        address = _address(url, confirm.model_name)
        try:
            problem = _unusable(_get(address, _REQUEST_SECONDS))
        except httpx.ConnectError as error:
            if first:
                _log.info("no model server at %s yet: %s; it has nothing to serve", address, error)
                continue
            problem = f"can't be reached: {error}"
        except httpx.RequestError as error:
            problem = f"can't be asked: {error}"
        if problem is not None:
            raise ServerUnavailableError(
                f"the model server at {address} {problem}; it must answer before anything is "
                "published: start it, or push without confirmation"
            )


def wait_until_served(confirm: Confirm, version: int, clock: Clock | None = None) -> Answer:
    """Poll all servers until each serves the version, one failed, or the time is over.

    Returns:
        The answer that decided: ``served`` if all do, ``failed`` if one gave up on the version,
        ``unusable`` if one answers what no model server does, ``waiting`` if at the deadline one is
        still loading or can't be reached.
    """
    clock = clock or Clock()
    deadline = clock.monotonic() + confirm.timeout_seconds
    waiting = list(confirm.urls)
    while True:
        left = deadline - clock.monotonic()
        answers = {url: _ask(confirm, url, version, left) for url in waiting}
        waiting = [url for url in waiting if answers[url].state != "served"]
        decisive = _decisive(answers)
        if decisive is not None and (decisive.state != "waiting" or left <= POLL_SECONDS):
            return decisive
        clock.sleep(POLL_SECONDS)


def _decisive(answers: dict[str, Answer]) -> Answer | None:
    order = ("failed", "unusable", "waiting", "served")
    return min(answers.values(), key=lambda answer: order.index(answer.state), default=None)


def _get(address: str, seconds: float) -> httpx.Response:
    """Get a URL, within a time that counts for all of it: httpx's own counts for each piece.

    Raises:
        httpx.RequestError: no whole answer.
    """

    async def fetch() -> httpx.Response:
        async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=seconds) as client:
            return await client.get(address)

    try:
        return asyncio.run(fetch())
    except TimeoutError as error:
        raise httpx.ReadTimeout(f"no whole answer within {seconds:g} s") from error


def _ask(confirm: Confirm, url: str, version: int, left: float) -> Answer:
    address = f"{_address(url, confirm.model_name)}/versions/{version}"
    try:
        response = _get(address, max(0.1, min(_REQUEST_SECONDS, left)))
    except httpx.RequestError as error:
        return Answer("waiting", f"{address} can't be reached: {error}")
    if response.status_code in _PASSING:
        return Answer("waiting", f"{address} answers {response.status_code}: {_error_of(response)}")
    if response.status_code != 200:
        return Answer(
            "unusable", f"{address} answers {response.status_code}: {_error_of(response)}"
        )
    return _read_status(address, response, version)


def _read_status(address: str, response: httpx.Response, version: int) -> Answer:
    for status in _statuses(response) or ():
        if str(status.get("version")) != str(version):
            continue
        state = status.get("state")
        given = status.get("status")
        error = given if isinstance(given, dict) else {}
        if state == "AVAILABLE":
            return Answer("served", f"{address} serves it")
        if state == "END" and error.get("error_code", "OK") != "OK":
            reason = f"{error.get('error_code')}: {error.get('error_message', '')}"
            return Answer("failed", f"{address} gave up on it: {reason}")
        return Answer("waiting", f"{address} is in state {state}")
    return Answer("waiting", f"{address} doesn't name the version: {response.text[:200]!r}")


def _statuses(response: httpx.Response) -> list[dict[str, Any]] | None:
    """Return the list of a status answer, or None if it isn't one."""
    try:
        statuses = response.json()["model_version_status"]
    except _NOT_JSON:
        return None
    well_formed = isinstance(statuses, list) and all(isinstance(item, dict) for item in statuses)
    return statuses if well_formed else None


def _unusable(response: httpx.Response) -> str | None:
    """Return what is wrong with an answer to the question for a model's status."""
    knows_none = response.status_code == 404 and _error_of(response) != ""
    if knows_none or (response.status_code == 200 and _statuses(response) is not None):
        return None
    return f"answers {response.status_code}, not a model status: {response.text[:200]!r}"


def _error_of(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except _NOT_JSON:
        return ""


def _address(url: str, model_name: str) -> str:
    return f"{url}/v1/models/{quote(model_name, safe='')}"
