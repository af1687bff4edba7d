"""Tells what is the model's fault from what is the infrastructure's."""

import signal
from pathlib import Path

from components.errors import ServerDiedError, ServerUnavailableError
from components.model_server import RunningServer
from components.model_server.client import check_alive_after
from components.records import Finding

_TAIL_BYTES = 1 << 16
_NUM_LINES = 5
_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
_PORT_TAKEN = ("Failed to BuildAndStart gRPC server", "Address already in use")
_DISK_FULL = "No space left on device"
_CANNOT_LOAD = "servable(s) did not become available"


class ModelFault(Exception):
    """Ends the checks: the model can't go on, which the finding says."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(check=check, passed=False, message=message)


class UndecidedFault(ModelFault):
    """Ends the checks: the model's fault if a known-good one fares better, else nobody's."""


def died(check: str, error: ServerDiedError, server: RunningServer) -> Exception:
    """Return what the end of a server means.

    A load error that it reports is the model's fault. A signal that comes from outside isn't:
    someone ended it, or the kernel, short of memory. All else, a crash on the model's bytes, a full
    disk or a program that the image lacks, shows when a known-good model is started the same way.
    """
    log = _tail(server.log_path)
    message = f"{error} during the check {check!r}{quote_log(server.log_path)}"
    if server.out_of_memory():
        return UndecidedFault(
            "memory",
            f"The server took more memory than it was given and was ended, during the check "
            f"{check!r}{quote_log(server.log_path)}",
        )
    if error.return_code in _FROM_OUTSIDE:
        return ServerUnavailableError(
            f"{message}; nobody but the outside sends that signal, or the kernel if memory ran out"
        )
    if any(text in log for text in _PORT_TAKEN):
        return ServerUnavailableError(message)
    is_load_error = _CANNOT_LOAD in log and _DISK_FULL not in log
    return ModelFault(check, message) if is_load_error else UndecidedFault(check, message)


def unreachable(check: str, error: ServerUnavailableError, server: RunningServer) -> Exception:
    """Return what a call that got no connection means: the server died, or the network did."""
    try:
        check_alive_after(error, server)
    except ServerDiedError as dead:
        return died(check, dead, server)
    return ServerUnavailableError(f"{error}, though its process runs{quote_log(server.log_path)}")


def quote_log(path: Path) -> str:
    """Return the server's last log lines, as they are appended to a message."""
    lines = last_lines(path, _NUM_LINES)
    return "; the end of its log:\n" + "\n".join(lines) if lines else "; its log is empty"


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log that aren't empty; none where there is no log."""
    return [line for line in _tail(path).splitlines() if line.strip()][-count:]


def _tail(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace")
