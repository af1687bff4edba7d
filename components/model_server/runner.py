"""What starts model servers: the seam between validation and where a server runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Endpoints:
    """Where a server can be reached from this process."""

    host: str
    grpc_port: int
    rest_port: int | None = None

    @property
    def grpc_target(self) -> str:
        """``host:port``, as gRPC takes it."""
        return f"{self.host}:{self.grpc_port}"

    @property
    def rest_url(self) -> str | None:
        """The URL that ``/v1/…`` is appended to; None without REST."""
        return None if self.rest_port is None else f"http://{self.host}:{self.rest_port}"


class RunningServer(Protocol):
    """A server that was started. It may still be loading, or be dead already."""

    @property
    def log_path(self) -> Path:
        """The file that everything it prints goes to; stays after `stop`."""

    @property
    def image_digest(self) -> str | None:
        """Of the image that it runs, ``sha256:…``; None where there is none."""

    def endpoints(self, timeout_seconds: float) -> Endpoints | None:
        """Wait until it is known where the server can be reached; None if not in time or dead."""

    def exit_code(self) -> int | None:
        """None while it runs; negative means the signal that ended it."""

    def wait(self, timeout_seconds: float) -> int | None:
        """Wait for its end; returns what `exit_code` would."""

    def out_of_memory(self) -> bool:
        """Whether it was ended for taking more memory than it was given."""

    def peak_memory_bytes(self) -> int | None:
        """The most memory that it was seen to take; None where that can't be told."""

    def stop(self) -> None:
        """End it and all that it started. May be called again."""


class Runner(Protocol):
    """Starts servers of one kind."""

    def start(self, base_path: Path, *, model_name: str, log_path: Path) -> RunningServer:
        """Start a server on a folder of versions, as TensorFlow Serving polls it.

        Raises:
            ServerUnavailableError: it can't be started, for reasons that aren't the model's.
        """
