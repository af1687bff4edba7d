"""Reads the JSON of ``:classify`` and ``:regress`` into an `Input`.

Source of rules and texts: `util/json_tensor.cc`.
"""

from collections.abc import Mapping
from typing import Any

from components.model_server.json_values import decode_base64, is_base64, json_type, shown, to_bytes
from components.model_server.status import RequestError, invalid

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def fill_input(message: Any, document: Mapping[str, Any]) -> None:
    """Write the examples of a body, and the context that they share if it has one.

    Args:
        message: an empty `Input`.
        document: the body.

    Raises:
        RequestError: no examples, or one that can't be a `tf.Example`.
    """
    chosen = message.example_list
    if "context" in document:
        chosen = message.example_list_with_context
        _fill_example(chosen.context, document["context"])
        chosen.context.SetInParent()
    if "examples" not in document:
        raise invalid(
            f"JSON Value: {shown(document)} When method is classify, key 'examples' is expected "
            "and was not found"
        )
    examples = document["examples"]
    if not isinstance(examples, list):
        raise invalid(
            f"JSON Value: {shown(document)} Expecting 'examples' value to be an list/array"
        )
    if not examples:
        raise invalid(f"JSON Value: {shown(document)} 'examples' value is an empty array")
    for example in examples:
        _fill_example(chosen.examples.add(), example)


def _fill_example(message: Any, value: Any) -> None:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {json_type(value)}")
    for name, content in value.items():
        feature = message.features.feature[_text(name)]
        for element in content if isinstance(content, list) else [content]:
            _add(feature, name, element)


def _text(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise invalid(f"Feature: {name!a} has a name that isn't UTF-8") from error
    return name


def _add(feature: Any, name: str, element: Any) -> None:
    kind, value = _convert(name, element)
    present = feature.WhichOneof("kind")
    if present not in (None, kind):
        raise invalid(
            f"Unexpected element type in feature: {name} expecting type: {_KINDS[present]}"
        )
    getattr(feature, kind).value.append(value)


def _convert(name: str, element: Any) -> tuple[str, Any]:
    """Return the list of a `Feature` that an element belongs to, and its value there."""
    if isinstance(element, str):
        return "bytes_list", to_bytes(element)
    if is_base64(element):
        return "bytes_list", decode_base64(element)
    if isinstance(element, bool):
        return "int64_list", int(element)
    if isinstance(element, float):
        return "float_list", element
    if isinstance(element, int):
        return _convert_whole(name, element)
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {json_type(element)}")


def _convert_whole(name: str, element: int) -> tuple[str, Any]:
    if -(1 << 63) <= element < 1 << 63:
        return "int64_list", element
    if 0 <= element < 1 << 64:
        raise _unsigned(name)
    try:
        return "float_list", float(element)
    except OverflowError as error:
        raise invalid("JSON Parse error: Number too big to be stored in double.") from error


def _unsigned(name: str) -> RequestError:
    return invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
