"""Checks that schema, transform graph and examples fit each other, before anything is trained."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components import tfrecord
from components.errors import ConfigurationError, DataError
from components.proto_messages import build
from components.records import Examples
from components.trainer.arguments import SCHEMA_FILE, Inputs

_RAW, _TRANSFORMED = "metadata", "transformed_metadata"
_Example = build(
    "imprimatur.trainer",
    {
        "Example": {"features": (1, "Features")},
        "Features": {"feature": (1, "{}Feature")},
        "Feature": {},
    },
)["Example"]


def check_inputs(inputs: Inputs) -> None:
    """Compare the first example with the features that schema and transform graph demand.

    Examples beside a transform graph may be from before or from after the transform.

    Raises:
        ConfigurationError: a schema or a transform graph lacks a file.
        DataError: the example lacks a feature that every example must have.
    """
    schema = None if inputs.schema is None else Path(inputs.schema.uri)
    graph = None if inputs.transform_graph is None else Path(inputs.transform_graph.uri)
    if schema is None and graph is None:
        return
    found = _first_features(inputs.examples, inputs.train_args.splits)
    missing: list[set[str]] = []
    if graph is not None:
        files = [graph / part / SCHEMA_FILE for part in (_TRANSFORMED, _RAW)]
        wanted = [files[0], *(file for file in files[1:] if file.is_file())]
        missing = [_demanded(file, "transform graph") - found for file in wanted]
    elif schema is not None:
        missing = [_demanded(schema / SCHEMA_FILE, "schema") - found]
    if found and all(missing):
        name = "schema" if graph is None else "transform graph"
        lacking = ", ".join(map(repr, sorted(missing[0])[:5]))
        raise DataError(
            f"the {name} in {str(graph or schema)!r} demands features that the examples in "
            f"{inputs.examples.uri!r} don't have, for instance {lacking}; they have "
            f"{', '.join(map(repr, sorted(found)[:10]))}: give the one made for these examples"
        )


def _demanded(file: Path, name: str) -> set[str]:
    """Return the features that every example must have."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    if not file.is_file():
        raise ConfigurationError(
            f"the {name} has no {str(file)!r}; expected what tf.Transform or TensorFlow Data "
            "Validation writes: make it again"
        )
    try:
        schema = text_format.Parse(file.read_text(encoding="utf-8"), schema_pb2.Schema())
    except text_format.ParseError as error:
        raise ConfigurationError(f"{str(file)!r} is no schema in text form: {error}") from error
    return {feature.name for feature in schema.feature if _is_demanded(feature)}


def _is_demanded(feature: Any) -> bool:
    return bool(feature.presence.min_fraction == 1.0 and not feature.deprecated)


def _first_features(examples: Examples, splits: tuple[str, ...]) -> set[str]:
    for serialized in _records(examples, splits):
        message = _Example()
        message.ParseFromString(serialized)
        return set(message.features.feature)
    return set()


def _records(examples: Examples, splits: tuple[str, ...]) -> Iterator[bytes]:
    for split in splits:
        for file in sorted(Path(examples.uri).glob(examples.splits[split].file_pattern)):
            yield from tfrecord.read_records(file)
