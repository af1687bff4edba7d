"""Tells what is the model's fault from what is the infrastructure's."""

import signal
from pathlib import Path

from components.errors import ServerDiedError, ServerUnavailableError
from components.model_server import RunningServer
from components.model_server.client import check_alive_after
from components.records import Finding

_TAIL_BYTES = 1 << 16
_NUM_LINES = 5
_PYTHON_RAISED = 1
_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
_PORT_TAKEN = "Failed to BuildAndStart gRPC server"


class ModelFault(Exception):
    """Ends the checks: the model can't go on, which the finding says."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(check=check, passed=False, message=message)


def died(check: str, error: ServerDiedError, server: RunningServer) -> Exception:
    """Return what the end of a server means.

    A crash on the model's bytes, and an exit that the model caused, are the model's fault. A signal
    that comes from outside isn't: someone ended it, or the kernel, short of memory.
    """
    message = f"{error} during the check {check!r}{quote_log(server.log_path)}"
    if error.return_code in _FROM_OUTSIDE:
        return ServerUnavailableError(
            f"{message}; nobody but the outside sends that signal, or the kernel if memory ran out"
        )
    if error.return_code == _PYTHON_RAISED or _PORT_TAKEN in _tail(server.log_path):
        return ServerUnavailableError(message)
    return ModelFault(check, message)


def unreachable(check: str, error: ServerUnavailableError, server: RunningServer) -> Exception:
    """Return what a call that got no connection means: the server died, or the network did."""
    try:
        check_alive_after(error, server)
    except ServerDiedError as dead:
        return died(check, dead, server)
    return ServerUnavailableError(f"{error}, though its process runs{quote_log(server.log_path)}")


def quote_log(path: Path) -> str:
    """Return the server's last log lines, as they are appended to a message."""
    lines = [line for line in _tail(path).splitlines() if line.strip()][-_NUM_LINES:]
    return "; the end of its log:\n" + "\n".join(lines) if lines else "; its log is empty"


def _tail(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace")
