"""Checks hyperparameters' values against the space that they were drawn from, without KerasTuner.

Both are KerasTuner's JSON, `keras_tuner.HyperParameters.get_config`; its own ``from_config`` reads
any values. Source of what a kind allows: ``keras_tuner/src/engine/hyperparameters/hp_types``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import ConfigurationError

_KINDS = ("Int", "Float", "Choice", "Boolean", "Fixed")
_BOUNDS = ("min_value", "max_value")
_TOLERANCE = 1e-6
"""Of a step: values were added up or multiplied in floating point."""


def check_values(space: Sequence[Any], values: Mapping[str, Any]) -> None:
    """Check each value that the space speaks of.

    A name may stand in the space several times, under different conditions; those that hold count.
    Without a value, KerasTuner takes the default.

    Args:
        space: objects with ``class_name`` and ``config``.
        values: by name; the tuner itself adds some that the space doesn't know.

    Raises:
        ConfigurationError: naming the hyperparameter, its value, and what is allowed.
    """
    found = [_parameter(item) for item in space]
    for name, value in values.items():
        mine = [(kind, config) for kind, config in found if config["name"] == name]
        active = [one for one in mine if _is_active(one[1], values)]
        expected = [_refused(kind, config, value) for kind, config in active]
        if expected and all(expected):
            raise ConfigurationError(
                f"the hyperparameter {name!r} is {value!r}; its space allows "
                f"{', or '.join(filter(None, expected))}: give one of these, or tune again"
            )


def _parameter(item: Any) -> tuple[str, Mapping[str, Any]]:
    kind = item.get("class_name") if isinstance(item, Mapping) else None
    config = item.get("config") if isinstance(item, Mapping) else None
    if (
        kind not in _KINDS
        or not isinstance(config, Mapping)
        or not isinstance(config.get("name"), str)
        or not _is_whole(kind, config)
    ):
        raise ConfigurationError(
            f"hyperparameters.space holds {item!r}; expected what KerasTuner writes: class_name, "
            f"one of {', '.join(_KINDS)}, and its config with a name and bounds, values or value"
        )
    return kind, config


def _is_whole(kind: str, config: Mapping[str, Any]) -> bool:
    if kind in ("Int", "Float"):
        low, high = (config.get(name, math.nan) for name in _BOUNDS)
        step = config.get("step")
        is_log = config.get("sampling") not in (None, "linear")
        is_step = step is None or (_is_number(step) and step > (1 if is_log else 0))
        is_range = _is_number(low) and _is_number(high)
        return is_range and is_step and (not is_log or low > 0)
    if kind == "Choice":
        return isinstance(config.get("values"), list | tuple) and len(config["values"]) > 0
    return kind == "Boolean" or "value" in config


def _is_active(config: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Return whether all conditions hold: that others have one of some values."""
    for condition in config.get("conditions") or ():
        parent = condition.get("config") if isinstance(condition, Mapping) else None
        if isinstance(parent, Mapping) and isinstance(parent.get("values"), list | tuple):
            actual = values.get(str(parent.get("name")))
            if not any(_same(actual, wanted) for wanted in parent["values"]):
                return False
    return True


def _refused(kind: str, config: Mapping[str, Any], value: Any) -> str | None:
    """Return what is allowed; None if the value is, as the default always is."""
    if value is not None and _same(value, config.get("default")):
        return None
    if kind in ("Int", "Float"):
        return _refused_number(kind, config, value)
    if kind == "Choice":
        allowed = list(config["values"])
        is_one = any(_same(value, choice) for choice in allowed)
        return None if is_one else f"one of {', '.join(map(repr, allowed))}"
    if kind == "Fixed":
        return None if _same(value, config["value"]) else f"{config['value']!r} alone"
    return None if isinstance(value, bool) else "true or false"


def _refused_number(kind: str, config: Mapping[str, Any], value: Any) -> str | None:
    low, high, step = (config.get(name) for name in (*_BOUNDS, "step"))
    is_kind = type(value) is int if kind == "Int" else _is_number(value)
    if is_kind and low <= value <= high and _is_on_step(config, value):
        return None
    by = "" if step is None or (kind, step) == ("Int", 1) else f" in steps of {_by(config)}{step!r}"
    return f"{'a whole' if kind == 'Int' else 'a'} number from {low!r} to {high!r}{by}"


def _by(config: Mapping[str, Any]) -> str:
    return "× " if config.get("sampling") == "log" else ""


def _is_on_step(config: Mapping[str, Any], value: float) -> bool:
    low, step = config["min_value"], config.get("step")
    if step is None or config.get("sampling") == "reverse_log":
        return True
    if config.get("sampling") == "log":
        steps = math.log(value / low) / math.log(step)
    else:
        steps = (value - low) / step
    return abs(steps - round(steps)) < _TOLERANCE * max(1.0, abs(steps))


def _is_number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _same(value: Any, other: Any) -> bool:
    """Return whether two JSON values are equal; true isn't 1, but 1 is 1.0."""
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)
