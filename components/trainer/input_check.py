"""Checks that schema, transform graph and examples fit each other, before anything is trained."""

import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from components import tfrecord
from components.errors import ConfigurationError, DataError
from components.proto_messages import build
from components.records import Examples
from components.trainer.arguments import SCHEMA_FILE, Inputs

_RAW, _TRANSFORMED = "metadata", "transformed_metadata"
_GRAPH_FILE = "transform_fn/saved_model.pb"
_NUM_EXAMPLES, _NUM_BYTES = 100, 10_000_000
_NUM_SHOWN = 5
_TYPES = {"bytes_list": "BYTES", "float_list": "FLOAT", "int64_list": "INT"}
_Example = build(
    "imprimatur.trainer",
    {
        "Example": {"features": (1, "Features")},
        "Features": {"feature": (1, "{}Feature")},
        "Feature": {
            "bytes_list": (1, "Bytes"),
            "float_list": (2, "Floats"),
            "int64_list": (3, "Integers"),
        },
        "Bytes": {"value": (1, "[]bytes")},
        "Floats": {"value": (1, "[]float")},
        "Integers": {"value": (1, "[]int64")},
    },
)["Example"]
_Values = tuple[str, int]
"""A feature's type in an example, and how many values it has there."""


def check_inputs(inputs: Inputs) -> None:
    """Compare the first examples with the features that schema and transform graph demand.

    Looks at features that must be there, at types and at shapes. Examples beside a transform graph
    may be from before or from after the transform.

    Raises:
        ConfigurationError: a schema or a transform graph lacks a file.
        DataError: an example doesn't fit, or isn't a `tf.Example`.
    """
    schema = None if inputs.schema is None else Path(inputs.schema.uri)
    graph = None if inputs.transform_graph is None else Path(inputs.transform_graph.uri)
    if schema is None and graph is None:
        return
    found = list(_first_examples(inputs))
    if graph is not None:
        _check_graph(graph)
        title, files = "transform graph", [graph / part / SCHEMA_FILE for part in _parts(graph)]
    else:
        title, files = "schema", [Path(str(schema)) / SCHEMA_FILE]
    problems = [_problems(_read_schema(file, title), found) for file in files]
    if all(problems):
        fewest = min(problems, key=len)
        shown = [f"{name!r} {text}" for name, text in itertools.islice(fewest.items(), _NUM_SHOWN)]
        more = ", …" if len(fewest) > _NUM_SHOWN else ""
        have = sorted({name for example in found for name in example})
        raise DataError(
            f"the {title} in {str(graph or schema)!r} doesn't fit the examples in "
            f"{inputs.examples.uri!r}: {', '.join(shown)}{more}; they have "
            f"{', '.join(map(repr, have[:10]))}: give the one made for these examples"
        )


def _check_graph(graph: Path) -> None:
    if not (graph / _GRAPH_FILE).is_file():
        raise ConfigurationError(
            f"the transform graph has no {str(graph / _GRAPH_FILE)!r}; expected what tf.Transform "
            "writes: make it again"
        )


def _parts(graph: Path) -> Iterator[str]:
    yield _TRANSFORMED
    if (graph / _RAW / SCHEMA_FILE).is_file():
        yield _RAW


def _read_schema(file: Path, title: str) -> Any:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    if not file.is_file():
        raise ConfigurationError(
            f"the {title} has no {str(file)!r}; expected what tf.Transform or TensorFlow Data "
            "Validation writes: make it again"
        )
    try:
        return text_format.Parse(file.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{str(file)!r} is no schema in text form: {error}") from error


def _problems(schema: Any, found: Iterable[dict[str, _Values]]) -> dict[str, str]:
    """Return what is wrong by feature, of those that count."""
    from components.data_validation.anomaly import is_checked

    problems: dict[str, str] = {}
    expected = [feature for feature in schema.feature if is_checked(feature)]
    for example in found:
        for feature in expected:
            text = _problem(feature, example.get(feature.name))
            if text is not None:
                problems.setdefault(feature.name, text)
    return problems


def _problem(feature: Any, values: _Values | None) -> str | None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    wanted = schema_pb2.FeatureType.Name(feature.type)
    if wanted == "STRUCT":
        return None
    if values is None:
        is_demanded = feature.presence.min_fraction == 1.0
        return "is missing" if is_demanded else None
    kind, count = values
    if wanted in _TYPES.values() and wanted != kind:
        return f"is {kind}, not {wanted}"
    sizes = [dim.size for dim in feature.shape.dim]
    is_fixed = feature.HasField("shape") and all(size > 0 for size in sizes)
    if is_fixed and count != math.prod(sizes):
        return f"holds {count} values, not {math.prod(sizes)}"
    return None


def _first_examples(inputs: Inputs) -> Iterator[dict[str, _Values]]:
    """Yield the first examples of each split."""
    for split in dict.fromkeys((*inputs.train_args.splits, *inputs.eval_args.splits)):
        num_bytes = 0
        for serialized in itertools.islice(_records(inputs.examples, split), _NUM_EXAMPLES):
            yield _features(serialized, f"{inputs.examples.uri!r}, split {split!r},")
            num_bytes += len(serialized)
            if num_bytes > _NUM_BYTES:
                break


def _features(serialized: bytes, title: str) -> dict[str, _Values]:
    """Return a feature's type and number of values by name; those without values are missing."""
    message = _Example()
    try:
        message.ParseFromString(serialized)
    except DecodeError as error:
        raise DataError(f"{title} holds what isn't a tf.Example: {error}") from error
    found = {}
    for name, feature in message.features.feature.items():
        for field, values in feature.ListFields():
            if values.value:
                found[name] = (_TYPES[field.name], len(values.value))
    return found


def _records(examples: Examples, split: str) -> Iterator[bytes]:
    for file in sorted(Path(examples.uri).glob(examples.splits[split].file_pattern)):
        yield from tfrecord.read_records(file)
