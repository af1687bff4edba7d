"""Says by its exit code whether a part of Airflow works: for the health checks of containers.

``python health.py api-server|scheduler|dag-processor|triggerer|worker``. Airflow's own checks load
all of Airflow each time, which takes some seconds of a processor.
"""

import json
import os
import socket
import sys
import urllib.request
from pathlib import Path

TIMEOUT_SECONDS = 8.0
SCHEDULER = "http://127.0.0.1:8974/health"
API_SERVER = f"http://{os.environ.get('STACK_API_SERVER', '127.0.0.1:8080')}/api/v2/monitor/health"
BROKER_URL = Path("/run/secrets/broker_url")


def main(part: str) -> int:
    """Return 0 if it works; else say on stderr what was found."""
    problem = problem_of_worker() if part == "worker" else problem_of(part)
    if problem:
        sys.stderr.write(f"{part}: {problem}\n")
    return 1 if problem else 0


def problem_of(part: str) -> str | None:
    """Return what is wrong with a part that tells, or whose heartbeats the api-server sees."""
    try:
        if part == "scheduler":
            ask(SCHEDULER)
            return None
        status = json.loads(ask(API_SERVER))
    except OSError as error:
        return str(error)
    if part == "api-server":
        return None  # it has answered
    found = status.get(part.replace("-", "_")) or {}
    return None if found.get("status") == "healthy" else json.dumps(found)


def problem_of_worker() -> str | None:
    """Return what is wrong with the Celery worker of this container: it must answer over Redis."""
    from celery import Celery

    name = f"celery@{socket.gethostname()}"
    with Celery(broker=BROKER_URL.read_text(encoding="ascii").strip()) as app:
        found = app.control.ping(destination=[name], timeout=TIMEOUT_SECONDS, limit=1)
    return None if found else f"{name} doesn't answer"


def ask(url: str) -> bytes:
    """Return what an address answers.

    Raises:
        OSError: nothing, or an error, which is an illness.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=TIMEOUT_SECONDS) as response:
        said: bytes = response.read()
    return said


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
