"""Reads objects of proto3 JSON strictly: unknown fields and wrong types are refused by name.

Keys may be in snake or in camel case, a null stands for an unset field, and whole numbers may be
written as text, as proto3 JSON does with 64 bits.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from components.errors import ConfigurationError
from components.record_codec import shown

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_WHOLE = re.compile(r"-?\d{1,19}(\.0+)?", re.ASCII)
_MAX_INT32 = (1 << 31) - 1


class ProtoObject:
    """One object, and its path for messages.

    Args:
        value: what was given.
        where: its path, for instance ``serving_spec.local_docker``.
        known: the fields it may have, in snake case.

    Raises:
        ConfigurationError: not an object, or a field that isn't known or is given twice.
    """

    def __init__(self, value: Any, where: str, known: Collection[str]) -> None:
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"{where} is {shown(value)}; expected a JSON object")
        self.where = where
        self._fields: dict[str, Any] = {}
        for key, item in value.items():
            name = _CAPITAL.sub("_", str(key)).lower()
            if name not in known:
                expected = f"only {', '.join(sorted(known))}" if known else "no field at all"
                raise ConfigurationError(f"{where}.{name} isn't known; expected {expected}")
            if name in self._fields:
                raise ConfigurationError(f"{where}.{name} is given twice, as {shown(key)} too")
            self._fields[name] = item

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def path(self, name: str) -> str:
        """Return a field's path, for messages."""
        return f"{self.where}.{name}"

    def raw(self, name: str) -> Any:
        """Return what was given, None where it is unset."""
        return self._fields.get(name)

    def object(self, name: str, known: Collection[str]) -> "ProtoObject":
        """Return the object below; an empty one where it is unset."""
        value = self._fields.get(name)
        return ProtoObject({} if value is None else value, self.path(name), known)

    def text(self, name: str) -> str | None:
        """Return a text that isn't empty; proto3's empty text stands for unset."""
        value = self._fields.get(name)
        if value is None or value == "":
            return None
        return _text(value, self.path(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts, each once."""
        value = self._fields.get(name)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            raise ConfigurationError(f"{self.path(name)} is {shown(value)}; expected a list")
        return tuple(dict.fromkeys(_text(item, self.path(name)) for item in value))

    def boolean(self, name: str) -> bool:
        """Return true or false; false where it is unset."""
        value = self._fields.get(name, False)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise ConfigurationError(f"{self.path(name)} is {shown(value)}; expected true or false")
        return value

    def count(self, name: str) -> int | None:
        """Return a whole number from 1 to the largest int32."""
        value = self._fields.get(name)
        if value is None:
            return None
        number = _whole(value)
        if number is None or not 1 <= number <= _MAX_INT32:
            raise ConfigurationError(
                f"{self.path(name)} is {shown(value)}; expected a whole number from 1 up to "
                f"{_MAX_INT32}"
            )
        return number

    def positive(self, name: str) -> float | None:
        """Return a finite number above 0."""
        value = self._fields.get(name)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value <= 0:
            raise ConfigurationError(
                f"{self.path(name)} is {shown(value)}; expected a number above 0"
            )
        return float(value)

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """Return one of some texts."""
        value = self._fields.get(name)
        if value is not None and value not in tuple(choices):
            raise ConfigurationError(
                f"{self.path(name)} is {shown(value)}; expected {' or '.join(choices)}"
            )
        return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{where} is {shown(value)}; expected text")
    return value


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value.partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None
