"""Finds what to ask a trained model: an example as a server would get it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from components.errors import DataError

RAW_SCHEMA_FILE = "metadata/schema.pbtxt"
"""In a transform graph: the schema of the examples before the transform."""


@dataclass(frozen=True)
class ServingExample:
    """A serialized `tf.Example`."""

    serialized: bytes
    origin: str
    """For people: where it is from."""


def serving_examples(
    serving_files: list[str], files: list[str], transform_graph: str | None
) -> Iterator[ServingExample]:
    """Yield examples to ask, the best first; a model that answers one of them is fine.

    Args:
        serving_files: patterns of TFRecord files with examples as a server gets them; where there
            are some, no other examples are given.
        files: patterns of those that were trained on. A model that transforms its inputs itself
            can't answer these if they are transformed already.
        transform_graph: its directory; from its schema an example is made up.

    Raises:
        DataError: a file isn't a TFRecord file.
    """
    first = _first_example(serving_files or files)
    if first is not None:
        yield ServingExample(first, "the first of its own examples")
    if serving_files or transform_graph is None:
        return
    made_up = _made_up(Path(transform_graph) / RAW_SCHEMA_FILE)
    if made_up is not None:
        yield ServingExample(made_up, "an example made up from the transform graph's schema")


def _first_example(patterns: list[str]) -> bytes | None:
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    for file in files:
        compression = "GZIP" if file.endswith(".gz") else ""
        try:
            for example in tf.data.TFRecordDataset(file, compression).take(1).as_numpy_iterator():
                return bytes(example)
        except tf.errors.OpError as error:
            raise DataError(f"{file!r} can't be read as TFRecord: {error}") from error
    return None


def _made_up(schema_file: Path) -> bytes | None:
    """Return an example with a zero or empty text for every value that a schema wants."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    if not schema_file.is_file():
        return None
    schema = text_format.Parse(schema_file.read_text(encoding="utf-8"), schema_pb2.Schema())
    example = tf.train.Example()
    for feature in schema.feature:
        size = math.prod(dim.size for dim in feature.shape.dim)
        values = example.features.feature[feature.name]
        if feature.type == schema_pb2.INT:
            values.int64_list.value.extend([0] * size)
        elif feature.type == schema_pb2.FLOAT:
            values.float_list.value.extend([0.0] * size)
        else:
            values.bytes_list.value.extend([b""] * size)
    return bytes(example.SerializeToString())
