"""What a model server is told when it starts."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """What requests may cost. What is above them is refused, not killed."""

    num_grpc_threads: int
    """So many gRPC requests are worked on at once; more wait."""
    num_rest_threads: int
    """The same for REST."""
    max_concurrent_requests: int = 1024
    """Worked on and waiting, of each API; more are refused (RESOURCE_EXHAUSTED, HTTP 429)."""
    max_request_bytes: int = 256 << 20
    """Of one request (RESOURCE_EXHAUSTED, HTTP 413). REST bodies in memory: 4 times that."""
    rest_timeout_seconds: float | None = 30.0
    """Of the session's run; None means no bound. A gRPC request has its own deadline."""


@dataclass(frozen=True)
class Loading:
    """How versions are found and loaded."""

    poll_seconds: float = 1.0
    """How often to look for a newer version; 0 looks once, negative never."""
    max_num_retries: int = 0
    retry_interval_seconds: float = 60.0
    tags: tuple[str, ...] = ("serve",)
    """The meta graph's tag set, exactly."""
    warms_up: bool = True
    num_warmup_iterations: int = 1
    checks_method_names: bool = False


@dataclass(frozen=True)
class Settings:
    """What the command line says. Port 0 lets the kernel choose; None leaves REST off."""

    model_name: str
    model_base_path: Path
    limits: Limits
    loading: Loading = field(default_factory=Loading)
    host: str = "127.0.0.1"
    grpc_port: int = 8500
    rest_port: int | None = None
    grpc_channel_arguments: tuple[tuple[str, int | str], ...] = ()
    allows_any_origin: bool = False
    """Whether REST answers carry CORS headers."""
    ports_fd: int | None = None
    """Where the ports are reported to, as one line of JSON, when the first version answers."""
