"""What a container that runs a model may do: read the model, and little else."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from docker.types import LogConfig, Mount, Ulimit

from components.errors import ConfigurationError
from components.model_server.docker_settings import DockerSettings

GRPC_PORT, REST_PORT = 8500, 8501
_MODELS = PurePosixPath("/models")
_NOBODY = 65534
_NANO = 1_000_000_000
_TMP_OPTIONS = "rw,nosuid,nodev,size=256m,mode=1777"
_LOG_BYTES = "64m"
_USER_NAMESPACES = ("name=rootless", "name=userns")


def container_options(
    settings: DockerSettings, base_path: Path, model_name: str, engine_info: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of ``containers.create`` that don't depend on the network.

    Raises:
        ConfigurationError: the model can't be read by the user in the container, or its path on
            the engine's machine isn't known.
    """
    return {
        "command": _command(settings, model_name),
        "environment": {"MODEL_NAME": model_name, "MODEL_BASE_PATH": str(_MODELS)},
        "mounts": [
            Mount(
                target=str(_MODELS / model_name),
                source=engine_path(base_path, settings.host_path_map),
                type="bind",
                read_only=True,
            )
        ],
        "user": _user(base_path, engine_info),
        "init": True,
        "read_only": True,
        "tmpfs": {"/tmp": _TMP_OPTIONS},  # noqa: S108 in the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": settings.memory_bytes,
        "memswap_limit": settings.memory_bytes,
        "nano_cpus": None if settings.cpus is None else round(settings.cpus * _NANO),
        "pids_limit": settings.pids_limit,
        "ulimits": [Ulimit(name="core", soft=0, hard=0)],
        "log_config": LogConfig(type="json-file", config={"max-size": _LOG_BYTES, "max-file": "1"}),
        "restart_policy": {"Name": "no"},
        "healthcheck": {"test": ["NONE"]},  # would take from what is measured
        "detach": True,
    }


def _command(settings: DockerSettings, model_name: str) -> list[str]:
    # Six tries in five minutes are TensorFlow Serving's default; of flags, the last counts.
    return [
        f"--port={GRPC_PORT}",
        f"--rest_api_port={REST_PORT}",
        f"--model_name={model_name}",
        f"--model_base_path={_MODELS / model_name}",
        "--max_num_load_retries=0",
        *settings.model_server_arguments,
    ]


def engine_path(path: Path, host_path_map: tuple[tuple[str, str], ...]) -> str:
    """Return what a path of this machine is called on the engine's.

    Raises:
        ConfigurationError: there is a map, and it doesn't hold the path.
    """
    path = path.resolve()
    if not host_path_map:
        return str(path)
    fitting = [(here, there) for here, there in host_path_map if path.is_relative_to(here)]
    if not fitting:
        known = ", ".join(here for here, _ in host_path_map)
        raise ConfigurationError(
            f"the model is in {str(path)!r}, and host_path_map has only {known}; add the folder "
            "that artifacts are in"
        )
    here, there = max(fitting, key=lambda pair: len(PurePosixPath(pair[0]).parts))
    return str(PurePosixPath(there) / path.relative_to(here))


def _user(base_path: Path, engine_info: Mapping[str, Any]) -> str:
    """Return ``uid:gid``: this process's, so that it may read what this one may; never root's.

    Where that isn't to be had (we are root, or ids mean something else in the container), it is
    nobody, and everyone must be allowed to read the model.
    """
    options = engine_info.get("SecurityOptions") or ()
    is_mapped = any(str(option).startswith(_USER_NAMESPACES) for option in options)
    if os.getuid() != 0 and not is_mapped:
        return f"{os.getuid()}:{os.getgid()}"
    for path in _unreadable(base_path):
        raise ConfigurationError(
            f"the user {_NOBODY} in the container can't read {str(path)!r}; let everyone read the "
            "model (umask 022, or chmod -R a+rX)"
        )
    return f"{_NOBODY}:{_NOBODY}"


def _unreadable(base_path: Path) -> Iterator[Path]:
    for directory, _, files in os.walk(base_path):
        yield from _closed(Path(directory), stat.S_IROTH | stat.S_IXOTH)
        for name in files:
            yield from _closed(Path(directory, name), stat.S_IROTH)


def _closed(path: Path, needed: int) -> Iterator[Path]:
    if path.stat().st_mode & needed != needed:
        yield path
