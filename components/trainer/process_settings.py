"""How the process runs that a user's code is in: what it may take, how much it says."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.errors import ConfigurationError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_EXPECTED = {
    "log_level": f"one of {', '.join(_LEVELS)}",
    "environment": 'an object of text by name, for instance {"TF_ENABLE_ONEDNN_OPTS": "0"}',
    "memory_limit_bytes": "a whole number of bytes above 0",
    "cpus": "how many processors, or a list of their numbers",
    "gpus": "a list of the GPUs' numbers; an empty one hides them all",
    "num_workers": "a whole number of processes above 0",
}


@dataclass(frozen=True)
class ProcessSettings:
    """Settings of the process that trains; what isn't given is inherited."""

    log_level: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_limit_bytes: int | None = None
    """Of resident memory, of the process and all that it starts; more ends the training."""
    cpus: tuple[int, ...] | None = None
    """Numbers of the processors that it may run on."""
    gpus: tuple[str, ...] | None = None
    """Becomes ``CUDA_VISIBLE_DEVICES``."""
    num_workers: int = 1
    """Processes that train together, by `tf.distribute.MultiWorkerMirroredStrategy`."""

    def variables(self) -> dict[str, str]:
        """Return what of it is set by environment variables."""
        variables = dict(self.environment)
        if self.log_level is not None:
            variables["IMPRIMATUR_LOG_LEVEL"] = self.log_level
            variables["TF_CPP_MIN_LOG_LEVEL"] = _tensorflow_level(self.log_level)
        if self.gpus is not None:
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus) or "-1"
        return variables


def read_process_settings(value: Mapping[str, Any] | None) -> ProcessSettings:
    """Read the argument ``process``.

    Raises:
        ConfigurationError: naming the field that is wrong or unknown.
    """
    if value is not None and not isinstance(value, Mapping):
        raise ConfigurationError(f"process is {value!r}; expected a JSON object")
    given = {name: item for name, item in (value or {}).items() if item is not None}
    for name, item in given.items():
        if name not in _EXPECTED:
            raise ConfigurationError(f"process has {name!r}; expected only {', '.join(_EXPECTED)}")
        if not _is_valid(name, item):
            raise ConfigurationError(f"process.{name} is {item!r}; expected {_EXPECTED[name]}")
    if "cpus" in given:
        given["cpus"] = _processors(given["cpus"])
    if "gpus" in given:
        given["gpus"] = tuple(map(str, given["gpus"]))
    return ProcessSettings(**given)


def _is_valid(name: str, item: Any) -> bool:
    if name == "log_level":
        return item in _LEVELS
    if name == "environment":
        return isinstance(item, Mapping) and all(
            isinstance(part, str) for pair in item.items() for part in pair
        )
    if name in ("cpus", "gpus") and isinstance(item, list | tuple):
        kinds = (int, str) if name == "gpus" else (int,)
        return all(type(part) in kinds for part in item) and (name == "gpus" or len(item) > 0)
    return name != "gpus" and type(item) is int and item > 0


def _processors(given: int | list[int]) -> tuple[int, ...]:
    """Return numbers of processors.

    Raises:
        ConfigurationError: more than there are, or numbers of others.
    """
    available = sorted(os.sched_getaffinity(0))
    wanted = available[:given] if isinstance(given, int) else sorted(set(given))
    too_many = isinstance(given, int) and given > len(available)
    if too_many or not set(wanted) <= set(available):
        raise ConfigurationError(
            f"process.cpus is {given!r}, but this process may run on {available} alone"
        )
    return tuple(wanted)


def _tensorflow_level(level: str) -> str:
    """Return from which of its own levels on TensorFlow's C++ code shall speak."""
    return {"DEBUG": "0", "INFO": "1", "WARNING": "1", "ERROR": "2"}.get(level, "3")
