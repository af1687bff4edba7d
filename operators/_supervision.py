"""Ends a task process when Airflow's supervisor is gone.

A killed supervisor leaves its task process running: it would go on to push, while Airflow starts
the retry minutes later. So each `execute()` asks the kernel to be killed with its parent.
"""

import os
import signal
import socket
import sys
from typing import Any

from components.errors import ImprimaturError
from components.parent_death import die_with_parent


def die_with_supervisor() -> None:
    """Have the kernel kill this process when the supervisor ends, by SIGKILL.

    SIGKILL and not SIGTERM: on SIGTERM Airflow calls `on_kill` and lets `execute` go on, and one
    long call into TensorFlow or into the file system delays even that. All that a task writes
    appears whole or not at all, so nothing needs to be tidied up.

    Does nothing where no supervisor forked this process: in `dag.test()`, ``airflow dags test``
    and unit tests the parent is somebody's shell.

    Raises:
        ImprimaturError: the supervisor is gone already.
    """
    requests = _supervisor_socket()
    if requests is None:
        return
    die_with_parent(os.getppid(), signal.SIGKILL)
    # Had it died before the line above, our parent would be somebody else by now, who may as well
    # be process 1 of a container that *is* the supervisor. The socket tells the two apart.
    if _is_closed(requests):
        raise ImprimaturError("Airflow's supervisor of this task is gone; ending before any work")


def _supervisor_socket() -> socket.socket | None:
    """Return the socket to the supervisor's process, None where it is this very process."""
    runner: Any = sys.modules.get("airflow.sdk.execution_time.task_runner")
    requests = getattr(getattr(runner, "SUPERVISOR_COMMS", None), "socket", None)
    return requests if isinstance(requests, socket.socket) else None


def _is_closed(requests: socket.socket) -> bool:
    try:
        return requests.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
