"""JSON, of plain types."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.trainer import absent_module

JsonValue = Any
JsonDict = Mapping[str, Any]
JsonList = Sequence[Any]
JsonableValue = Any
JsonableType = Any


class Jsonable:
    """What becomes a JSON object by its attributes."""

    def to_json_dict(self) -> dict[str, Any]:
        """Return the attributes."""
        return dict(vars(self))

    @classmethod
    def from_json_dict(cls, dict_data: Mapping[str, Any]) -> "Jsonable":
        """Return an object with these attributes; its ``__init__`` isn't called."""
        made = cls.__new__(cls)
        vars(made).update(dict_data)
        return made


def dumps(obj: Any) -> str:
    """Return JSON with sorted keys."""
    return json.dumps(obj, sort_keys=True, default=_attributes)


def loads(s: str) -> Any:
    """Read JSON."""
    return json.loads(s)


def _attributes(value: Any) -> dict[str, Any]:
    if isinstance(value, Jsonable):
        return value.to_json_dict()
    raise TypeError(f"{value!r} is no JSON; expected plain types or a Jsonable")


__getattr__ = absent_module.attributes(__name__)
