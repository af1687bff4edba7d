"""Reads dataclasses from JSON and checks each field against its type hint.

Kept apart from `components.records`, which says *what* the records are; this says how strictly
they are read. Standard library only.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from components.errors import RecordError

SCHEMA_VERSION = 1
_HINTS: dict[type[Any], dict[str, Any]] = {}
_ENVELOPE = frozenset({"type", "schema_version"})
_EXPECTED: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def encode(value: Any) -> Any:
    """Turn a dataclass, and all that it holds, into JSON types."""
    if dataclasses.is_dataclass(value):
        fields = {
            item.name: encode(getattr(value, item.name)) for item in dataclasses.fields(value)
        }
        return {**envelope_of(type(value)), **fields} if _is_record(value) else fields
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def json_line(value: Any) -> str:
    """Return JSON types as JSON that is one line by everybody's rules.

    Text is left readable, but for the three line ends that JSON allows within text and on which
    `str.splitlines` splits.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    return text.replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def envelope_of(cls: type[Any]) -> dict[str, Any]:
    """Return what a record's JSON begins with."""
    return {"type": cls.__name__, "schema_version": SCHEMA_VERSION}


def hints_of(cls: type[Any]) -> Mapping[str, Any]:
    """Return the type hint of each field; kept, because working them out is slow."""
    hints = _HINTS.get(cls)
    if hints is None:
        fields = {item.name for item in dataclasses.fields(cls)}
        known = typing.get_type_hints(cls).items()
        hints = _HINTS[cls] = {name: hint for name, hint in known if name in fields}
    return hints


def decode(cls: type[Any], value: Any, *, path: str, nested: bool = False) -> Any:
    """Read one dataclass from a JSON object.

    A class with ``is_record`` needs its type and schema version, unless it is nested in a field
    that already says what it holds. In every class with an envelope all fields must be there; in
    the smaller parts, those with a default may be left out.

    Raises:
        RecordError: naming the field.
    """
    if not isinstance(value, Mapping):
        raise RecordError(f"{path} is {shown(value)}; expected a JSON object")
    enveloped = getattr(cls, "has_envelope", False)
    if enveloped:
        required = getattr(cls, "is_record", False) and not nested
        _check_envelope(cls, value, path, required=required)
        value = {key: item for key, item in value.items() if key not in _ENVELOPE}
    _check_names(cls, value, path, strict=enveloped)
    hints = hints_of(cls)
    return cls(**{key: _decode(hints[key], item, f"{path}.{key}") for key, item in value.items()})


def _is_record(value: Any) -> bool:
    return bool(getattr(value, "is_record", False))


def _check_names(cls: type[Any], value: Mapping[str, Any], path: str, *, strict: bool) -> None:
    fields = {item.name: item for item in dataclasses.fields(cls)}
    for name in sorted(value.keys() - fields.keys()):
        raise RecordError(
            f"{path}.{name} isn't known to schema version {SCHEMA_VERSION}; "
            f"expected only {', '.join(sorted(fields))}"
        )
    for name in sorted(fields.keys() - value.keys()):
        if strict or not _has_default(fields[name]):
            raise RecordError(f"{path}.{name} is missing")


def _has_default(item: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return item.default is not missing or item.default_factory is not missing


def _check_envelope(cls: type[Any], value: Mapping[str, Any], path: str, *, required: bool) -> None:
    if not required and not _ENVELOPE & value.keys():
        return
    if value.get("type") != cls.__name__:
        raise RecordError(f"{path}.type is {value.get('type')!r}; expected {cls.__name__!r}")
    version = value.get("schema_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise RecordError(f"{path}.schema_version is {version!r}; expected {SCHEMA_VERSION}")
    if version > SCHEMA_VERSION:
        raise RecordError(
            f"{path}.schema_version is {version}; this release reads up to {SCHEMA_VERSION}: "
            "upgrade Imprimatur here, or make the record with this release"
        )


def _decode(hint: Any, value: Any, path: str) -> Any:
    """Turn JSON into what the hint says; `_check` then refuses what doesn't fit."""
    options = _options(hint)
    if value is None and type(None) in options:
        return None
    inner = next(option for option in options if option is not type(None))
    origin = typing.get_origin(inner)
    if dataclasses.is_dataclass(inner):
        return decode(typing.cast("type[Any]", inner), value, path=path, nested=True)
    if origin is tuple and isinstance(value, list):
        item_hint = typing.get_args(inner)[0]
        return tuple(_decode(item_hint, item, f"{path}[{i}]") for i, item in enumerate(value))
    if origin is Mapping and isinstance(value, Mapping):
        item_hint = typing.get_args(inner)[1]
        if item_hint is not Any:
            return {key: _decode(item_hint, item, f"{path}.{key}") for key, item in value.items()}
    return value


def _options(hint: Any) -> tuple[Any, ...]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return typing.get_args(hint)
    return (hint,)


def check(hint: Any, value: Any, path: str) -> Any:
    """Return the value, lists as tuples, if it fits the type hint.

    Raises:
        RecordError: naming the path.
    """
    options = _options(hint)
    if value is None and type(None) in options:
        return None
    inner = next(option for option in options if option is not type(None))
    origin = typing.get_origin(inner)
    if inner is Any:
        return _check_json(value, path)
    if origin is Literal:
        return _check_choice(typing.get_args(inner), value, path)
    if origin is tuple:
        return _check_sequence(typing.get_args(inner)[0], value, path)
    if origin is Mapping:
        return _check_mapping(typing.get_args(inner)[1], value, path)
    return _check_scalar(inner, value, path)


def _check_choice(choices: tuple[Any, ...], value: Any, path: str) -> Any:
    if value not in choices or not isinstance(value, str):
        raise RecordError(f"{path} is {shown(value)}; expected one of {', '.join(choices)}")
    return value


def _check_sequence(hint: Any, value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise RecordError(f"{path} is {shown(value)}; expected a list")
    return tuple(check(hint, item, f"{path}[{i}]") for i, item in enumerate(value))


def _check_mapping(hint: Any, value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RecordError(f"{path} is {shown(value)}; expected a JSON object")
    for key in value:
        if not isinstance(key, str):
            raise RecordError(f"{path} has the key {key!r}; expected text")
        _check_unicode(key, f"a name in {path}")
    return {key: check(hint, item, f"{path}.{key}") for key, item in value.items()}


def _check_scalar(kind: type, value: Any, path: str) -> Any:
    allowed: tuple[type, ...] = (int, float) if kind is float else (kind,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        expected = _EXPECTED.get(kind, f"a {kind.__name__}")
        raise RecordError(f"{path} is {shown(value)}; expected {expected}")
    if isinstance(value, str):
        _check_unicode(value, path)
    if isinstance(value, float) and not math.isfinite(value):
        raise RecordError(
            f"{path} is {value}; numbers in records are finite: write null, and say so in a finding"
        )
    return value


def _check_json(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        return _check_mapping(Any, value, path)
    if isinstance(value, list | tuple):
        return [_check_json(item, f"{path}[{i}]") for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int):
        return value
    return _check_scalar(str if isinstance(value, str) else float, value, path)


def _check_unicode(text: str, path: str) -> None:
    """Refuse what no JSON file can hold: half a surrogate pair, as in names that aren't UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RecordError(
            f"{path} is {shown(text)}, which isn't Unicode text; rename it"
        ) from error


def shown(value: Any) -> str:
    """Return a value as it stands in a message: its repr, at most 100 characters."""
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
