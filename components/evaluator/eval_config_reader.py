"""Reads an `EvalConfig` message from JSON or text, and refuses by name what isn't supported."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format, text_format

from components import canonical_json
from components.errors import ConfigurationError
from components.evaluator import strict_json
from components.evaluator.eval_config_schema import message_class

_WRAPPED = frozenset(
    {
        *("lower_bound", "upper_bound", "absolute", "relative", "confidence", "min_slice_size"),
        *("lowerBound", "upperBound", "minSliceSize"),
        *("include_default_metrics", "compute_confidence_intervals"),
        *("includeDefaultMetrics", "computeConfidenceIntervals"),
    }
)
"""Fields that are protobuf wrappers."""

_NOT_YET = frozenset(
    {
        "EvalConfig.cross_slicing_specs",
        "ModelSpec.padding_options",
        "ModelSpec.inference_batch_size",
        "SlicingSpec.slice_keys_sql",
        "MetricsSpec.model_names",
        "MetricsSpec.output_weights",
        "MetricsSpec.cross_slice_thresholds",
        "MetricConfig.cross_slice_thresholds",
        "Options.disabled_outputs",
    }
)
_MUST_BE_FALSE = frozenset({"Options.include_default_metrics"})
_MODEL_TYPES = ("", "tf_generic", "tf_keras")
_ALLOWED = {"ModelSpec.model_type": _MODEL_TYPES}


def read_message(source: str | Path | Mapping[str, Any]) -> Any:
    """Return the message.

    Args:
        source: a dict; JSON text that begins with ``{``; or the path of a file, whose text form is
            recognised by the suffix ``.pbtxt`` or ``.textproto``.

    Raises:
        ConfigurationError: it can't be read, or has a field that isn't known or supported.
    """
    message = _parse(source)
    for path, kind, name, value in _fields(message, "eval_config"):
        _check_supported(path, f"{kind}.{name}", value)
    return message


def digest_of(message: Any) -> str:
    """Return ``sha256:…`` over the message as canonical JSON (RFC 8785)."""
    value = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return "sha256:" + hashlib.sha256(canonical_json.dumps(value)).hexdigest()


def _parse(source: str | Path | Mapping[str, Any]) -> Any:
    if isinstance(source, Mapping):
        return _parse_json(source, "the eval config")
    text, name = str(source), "the eval config"
    if not text.lstrip().startswith("{"):
        path = Path(source)
        text, name = _read(path), f"the eval config {str(path)!r}"
        if path.suffix in (".pbtxt", ".textproto"):
            return _parse_text(text, name)
    return _parse_json(strict_json.loads(text, name), name)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the eval config can't be read: {error}") from error


def _parse_text(text: str, name: str) -> Any:
    try:
        return text_format.Parse(text, message_class()())
    except text_format.ParseError as error:
        raise ConfigurationError(f"{name} isn't an EvalConfig: {error}") from error


def _parse_json(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} is a {type(value).__name__}; expected a JSON object")
    _check_spelled_once(value, message_class().DESCRIPTOR, "eval_config")
    try:
        return json_format.ParseDict(_plain(value), message_class()())
    except json_format.ParseError as error:
        raise ConfigurationError(f"{name} isn't an EvalConfig: {error}") from error


def _check_spelled_once(value: Any, kind: Any, path: str) -> None:
    """Refuse a field that is there both as ``snake_case`` and ``camelCase``: protobuf drops one."""
    if not isinstance(value, Mapping):
        return
    for field in kind.fields:
        spellings = [name for name in dict.fromkeys((field.name, field.json_name)) if name in value]
        if len(spellings) > 1:
            raise ConfigurationError(
                f"{path} has both {' and '.join(spellings)}, which are the same field; put both "
                "into one"
            )
        if field.message_type is None or not spellings:
            continue
        child, kind_of_child, here = value[spellings[0]], field.message_type, f"{path}.{field.name}"
        if kind_of_child.GetOptions().map_entry:
            kind_of_child = kind_of_child.fields_by_name["value"].message_type
            child = list(child.values()) if kind_of_child and isinstance(child, Mapping) else []
        for each in child if isinstance(child, list) else [child]:
            _check_spelled_once(each, kind_of_child, here)


def _plain(value: Any) -> Any:
    """Turn what TFX users write into what protobuf reads.

    ``{"value": 0.7}`` becomes 0.7, and a metric's config may be an object instead of its JSON.
    """
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    plain = {}
    for key, item in value.items():
        if key in _WRAPPED and isinstance(item, Mapping) and item.keys() == {"value"}:
            plain[key] = item["value"]
        elif key == "config" and isinstance(item, Mapping):
            plain[key] = json.dumps(item)
        else:
            plain[key] = _plain(item)
    return plain


def _fields(message: Any, path: str) -> Iterator[tuple[str, str, str, Any]]:
    """Yield path, message type, field name and value of all fields that are set."""
    for field, value in message.ListFields():
        here = f"{path}.{field.name}"
        yield here, message.DESCRIPTOR.name, field.name, value
        for where, child in _children(field, value, here):
            yield from _fields(child, where)


def _children(field: Any, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    kind = field.message_type
    if kind is None:
        return
    if kind.GetOptions().map_entry:
        if kind.fields_by_name["value"].message_type is not None:
            for key in value:
                yield f"{path}[{key!r}]", value[key]
    elif field.is_repeated:
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item
    else:
        yield path, value


def _check_supported(path: str, field: str, value: Any) -> None:
    if field in _NOT_YET:
        raise ConfigurationError(f"{path} isn't supported yet; take it out")
    if field in _MUST_BE_FALSE and value.value:
        raise ConfigurationError(f"{path} = true isn't supported yet; take it out or set it false")
    if field in _ALLOWED and value not in _ALLOWED[field]:
        expected = ", ".join(map(repr, _ALLOWED[field][1:]))
        raise ConfigurationError(
            f"{path} is {value!r}, which isn't supported yet; leave it out, or use one of "
            f"{expected}"
        )
