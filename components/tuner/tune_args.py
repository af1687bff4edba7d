"""How much a search may cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import ConfigurationError

_KNOWN = ("num_parallel_trials", "max_trials", "max_seconds")


@dataclass(frozen=True)
class TuneArgs:
    """TFX's TuneArgs, and a budget."""

    num_parallel_trials: int = 1
    """Processes; TensorFlow uses all cores in each, so several pay where one leaves some idle."""
    max_trials: int | None = None
    """Fewer than the tuner itself would make; None leaves it to the tuner."""
    max_seconds: float | None = None
    """From the first start on, over all tries; trials that still run then are ended."""


def read_tune_args(value: Mapping[str, Any] | None) -> TuneArgs:
    """Read ``{"num_parallel_trials": N, "max_trials": N, "max_seconds": S}``.

    As in proto JSON, a number may be decimal text, and null is left out.

    Raises:
        ConfigurationError: naming the field that is wrong or unknown.
    """
    if value is not None and not isinstance(value, Mapping):
        raise ConfigurationError(f"tune_args is {value!r}; expected a JSON object")
    given = {name: item for name, item in (value or {}).items() if item is not None}
    for name in given:
        if name not in _KNOWN:
            raise ConfigurationError(f"tune_args has {name!r}; expected only {', '.join(_KNOWN)}")
    for name in ("num_parallel_trials", "max_trials"):
        if name in given:
            given[name] = _whole(name, given[name])
    if "max_seconds" in given:
        given["max_seconds"] = _seconds(given["max_seconds"])
    return TuneArgs(**given)


def _whole(name: str, value: Any) -> int:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ConfigurationError(f"tune_args.{name} is {value!r}; expected a whole number above 0")
    return number


def _seconds(value: Any) -> float:
    number = float(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        number = math.nan
    if not 0 < number < math.inf:
        raise ConfigurationError(f"tune_args.max_seconds is {value!r}; expected seconds above 0")
    return float(number)
