"""Runs our own model server as a child process."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from components.errors import ServerUnavailableError
from components.model_server.memory_watch import MemoryWatch
from components.model_server.runner import Endpoints
from components.parent_death import announcement

_PROJECT_ROOT = Path(__file__).resolve().parents[2]
_HOST = "127.0.0.1"
_GRACE_SECONDS = 1.0


class LocalProcess:
    """Starts servers that are children of this process and die with it.

    The kernel chooses the ports and the server reports them, so that no two can want the same.
    Start it from the main thread: the kernel takes the end of the thread for the parent's.

    Args:
        memory_bytes: a server whose resident memory passes it is ended; None is no limit.
    """

    def __init__(self, memory_bytes: int | None = None) -> None:
        self._memory_bytes = memory_bytes

    def start(self, base_path: Path, *, model_name: str, log_path: Path) -> "LocalServer":
        """Start a server.

        Raises:
            ServerUnavailableError: the process can't be started.
        """
        reading, writing = os.pipe()
        command = _command(base_path, model_name, writing)
        try:
            with log_path.open("wb") as log:
                process = subprocess.Popen(
                    command,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[writing],
                    process_group=0,
                )
        except OSError as error:
            os.close(reading)
            raise ServerUnavailableError(f"no model server can be started: {error}") from error
        finally:
            os.close(writing)
        return LocalServer(process, reading, log_path, self._memory_bytes)


class LocalServer:
    """A running server, the leader of a process group of its own."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        ports_fd: int,
        log_path: Path,
        memory_bytes: int | None = None,
    ) -> None:
        self._process = process
        self._memory = MemoryWatch(process.pid, memory_bytes)
        self._ports_fd: int | None = ports_fd
        self._endpoints: Endpoints | None = None
        self._log_path = log_path

    @property
    def image_digest(self) -> None:
        """None: it runs in no image."""
        return

    @property
    def pid(self) -> int:
        """The process, and its group."""
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """The file that its stdout and stderr go to."""
        return self._log_path

    def endpoints(self, timeout_seconds: float) -> Endpoints | None:
        """Wait until the server reports its ports, which it does when the model is loaded."""
        if self._ports_fd is not None:
            ready, _, _ = select.select([self._ports_fd], [], [], max(timeout_seconds, 0))
            if ready:
                self._read_ports(self._ports_fd)
        return self._endpoints

    def _read_ports(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8") as pipe:
            line = pipe.readline()
        self._ports_fd = None
        if line.endswith("\n"):
            ports = json.loads(line)
            self._endpoints = Endpoints(_HOST, ports["grpc"], ports["rest"])

    def exit_code(self) -> int | None:
        """None while it runs; negative means the signal that ended it."""
        return self._process.poll()

    def wait(self, timeout_seconds: float) -> int | None:
        """Wait for its end; returns what `exit_code` would."""
        try:
            return self._process.wait(max(timeout_seconds, 0))
        except subprocess.TimeoutExpired:
            return None

    def out_of_memory(self) -> bool:
        """Whether it was ended for taking more memory than it was given."""
        return self._memory.exceeded

    def peak_memory_bytes(self) -> int | None:
        """The most resident memory that its process group was seen to take."""
        return self._memory.peak_bytes

    def stop(self) -> None:
        """End the process group: SIGTERM, and SIGKILL a second later."""
        if self._ports_fd is not None:
            os.close(self._ports_fd)
            self._ports_fd = None
        self._memory.stop()
        if self._process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        # Not reaped before the last signal: until then nobody else can get the group's number.
        while time.monotonic() < deadline and not _has_ended(self.pid):
            time.sleep(0.02)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def _has_ended(pid: int) -> bool:
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, flags) is not None


def _command(base_path: Path, model_name: str, ports_fd: int) -> list[str]:
    return [
        sys.executable,
        "-P",
        "-m",
        "components.model_server",
        f"--model-base-path={base_path}",
        f"--model-name={model_name}",
        f"--host={_HOST}",
        "--grpc-port=0",
        "--rest-port=0",
        f"--ports-fd={ports_fd}",
    ]


def _environment() -> dict[str, str]:
    inherited = os.environ.get("PYTHONPATH")
    paths = [str(_PROJECT_ROOT), *([inherited] if inherited else [])]
    return {
        **os.environ,
        **announcement(),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
