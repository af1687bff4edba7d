"""Writes TensorFlow Serving's JSON: the answers of ``:predict``, and errors.

Source of rules and texts: `util/json_tensor.cc`.
"""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from components.model_server.json_request import Form
from components.model_server.status import invalid
from components.model_server.tensor_codec import KINDS, Kind, kind_of

_DIGITS = {np.dtype(np.float32): 9, np.dtype(np.float64): 17}
_INTEGERS = {kind.dtype for kind in KINDS if kind.number in (3, 4, 5, 6, 9, 22, 23)}
_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def write_predictions(outputs: Mapping[str, np.ndarray[Any, Any]], form: Form) -> bytes:
    """Return the body of an answer.

    Raises:
        RequestError: outputs that the row form, or JSON, has no place for.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    text = _write_rows(outputs) if form == "row" else _write_columns(outputs)
    return text.encode("utf-8", "surrogateescape")


def write_classifications(result: Any) -> bytes:
    """Return the body of an answer to ``:classify``: for each example its labels and scores."""
    rows = [[(entry.label, entry.score) for entry in row.classes] for row in result.classifications]
    scores = iter(_floats([score for row in rows for _, score in row]))
    texts = [
        "[" + ", ".join(f"[{_text(label)}, {next(scores)}]" for label, _ in row) + "]"
        for row in rows
    ]
    return _results(texts)


def write_regressions(result: Any) -> bytes:
    """Return the body of an answer to ``:regress``: for each example its number."""
    return _results(_floats([regression.value for regression in result.regressions]))


def write_error(message: str) -> bytes:
    """Return the body of an error."""
    return json.dumps({"error": message}, indent=4, ensure_ascii=False).encode(
        "utf-8", "surrogateescape"
    )


def _results(texts: list[str]) -> bytes:
    return ('{\n    "results": [' + ", ".join(texts) + "\n    ]\n}").encode()


def _text(label: str) -> str:
    return json.dumps(label, ensure_ascii=False)


def _floats(values: list[float]) -> list[str]:
    array = np.array(values, dtype=np.float32)
    return _decimals(array, kind_of(array))


def _write_rows(outputs: Mapping[str, np.ndarray[Any, Any]]) -> str:
    _check_batch(outputs)
    columns = {alias: _nested(alias, array, array.shape[1:]) for alias, array in outputs.items()}
    if len(columns) == 1:
        rows = next(iter(columns.values()))
        return '{\n    "predictions": [' + ", ".join(rows) + "\n    ]\n}"
    keys = [json.dumps(alias, ensure_ascii=False) for alias in columns]
    rows = [
        "{" + ", ".join(f"{key}: {value}" for key, value in zip(keys, row, strict=True)) + "}"
        for row in zip(*columns.values(), strict=True)
    ]
    return '{\n    "predictions": [\n        ' + ",\n        ".join(rows) + "\n    ]\n}"


def _check_batch(outputs: Mapping[str, np.ndarray[Any, Any]]) -> None:
    batch_size = None
    for alias, array in outputs.items():
        if not array.shape:
            raise invalid(f"Tensor name: {alias} has no shape information ")
        if batch_size not in (None, array.shape[0]):
            raise invalid(
                f"Tensor name: {alias} has inconsistent batch size: {array.shape[0]} "
                f"expecting: {batch_size}"
            )
        batch_size = array.shape[0]


def _write_columns(outputs: Mapping[str, np.ndarray[Any, Any]]) -> str:
    values = {alias: _nested(alias, array, array.shape)[0] for alias, array in outputs.items()}
    if len(values) == 1:
        return '{\n    "outputs": ' + next(iter(values.values())) + "\n}"
    members = [f"{json.dumps(alias, ensure_ascii=False)}: {text}" for alias, text in values.items()]
    return '{\n    "outputs": {\n        ' + ",\n        ".join(members) + "\n    }\n}"


def _nested(alias: str, array: np.ndarray[Any, Any], shape: tuple[int, ...]) -> list[str]:
    """Return the array's values as JSON, grouped by the trailing dimensions of its shape."""
    texts = _values(alias, array)
    for axis in range(len(shape) - 1, -1, -1):
        size = shape[axis]
        count = math.prod(array.shape[: len(array.shape) - len(shape) + axis])
        texts = ["[" + ", ".join(texts[i * size : (i + 1) * size]) + "]" for i in range(count)]
    return texts


def _values(alias: str, array: np.ndarray[Any, Any]) -> list[str]:
    kind = kind_of(array)
    flat = array.ravel()
    if kind.name == "string":
        write = _base64 if alias.endswith("_bytes") else _string
        return [write(value) for value in flat]
    if kind.dtype in _DIGITS:
        return _decimals(flat, kind)
    if kind.name == "bool":
        return ["true" if value else "false" for value in flat.tolist()]
    if kind.dtype in _INTEGERS:
        return [str(value) for value in flat.tolist()]
    raise invalid(f"Failed to write JSON value for tensor type: {kind.name}")


def _decimals(flat: np.ndarray[Any, Any], kind: Kind) -> list[str]:
    values = flat.tolist()
    texts = [f"{value:g}" for value in values]
    with np.errstate(over="ignore"):
        exact = np.array(texts, dtype=np.str_).astype(kind.dtype) == flat
    digits = _DIGITS[kind.dtype]
    return [
        _decimal(text if same else f"{value:.{digits}g}")
        for text, same, value in zip(texts, exact.tolist(), values, strict=True)
    ]


def _decimal(text: str) -> str:
    if text in _SPECIAL:
        return _SPECIAL[text]
    return text if "." in text or "e" in text else text + ".0"


def _string(value: bytes) -> str:
    return json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)


def _base64(value: bytes) -> str:
    return json.dumps({"b64": base64.b64encode(value).decode()})
