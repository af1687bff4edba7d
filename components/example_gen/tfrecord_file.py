"""Reads TFRecord files of `tf.Example`s, compressed with gzip or not, by tfx_bsl's decoder."""

import itertools
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components import tfrecord
from components.errors import DataError
from components.example_gen.source_file import MAX_ROW_BYTES, SourceFile

_BATCH_BYTES = 64 << 20
_BATCH_ROWS = 16_384
_FEATURE_TYPES = {
    pa.int64(): schema_pb2.INT,
    pa.float32(): schema_pb2.FLOAT,
    pa.large_binary(): schema_pb2.BYTES,
}


def read_schema(file: SourceFile, time_column: str | None, key: str | None) -> pa.Schema:
    """Return the features of all examples, sorted by name: lists of int64, float32 or bytes.

    The whole file is read: an example needn't have every feature. One that no example has a value
    of is of type null.

    Args:
        file: of `tf.Example`s.
        time_column: has one value in each example: seconds since 1970 UTC, or text.
        key: of the splits; has one value in each example.

    Raises:
        DataError: no `tf.Example`s; a feature that changes its type.
    """
    found: dict[str, pa.DataType] = {}
    for start, examples in _read_examples(file):
        for field in _decode(file, ExamplesToRecordBatchDecoder(), examples, start).schema:
            kind = found.setdefault(field.name, field.type)
            if pa.types.is_null(kind):
                found[field.name] = field.type
            elif field.type != kind and not pa.types.is_null(field.type):
                raise DataError(
                    f"the feature {field.name!r} of {file.name!r} holds {field.type.value_type} "
                    f"from about example {start:,} on, but {kind.value_type} before; expected one "
                    "type: mend the file, or leave the feature out with --features"
                )
    return pa.schema([(name, _role(found[name], name, time_column, key)) for name in sorted(found)])


def read_batches(
    file: SourceFile, schema: pa.Schema, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the examples in the order in which they stand in the file.

    Args:
        file: of `tf.Example`s.
        schema: what `read_schema` found.
        columns: which features.

    Raises:
        DataError: a feature that should have one value has more in an example.
    """
    wanted = [schema.field(name) for name in columns]
    message = schema_pb2.Schema()
    for field in wanted:
        kind = _feature_type(field.type)
        if kind is not None:
            message.feature.add(name=field.name, type=kind)
    decoder = ExamplesToRecordBatchDecoder(message.SerializeToString())
    for start, examples in _read_examples(file):
        decoded = _decode(file, decoder, examples, start)
        arrays = [_as_column(decoded, field, file) for field in wanted]
        yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(wanted))


def _read_examples(file: SourceFile) -> Iterator[tuple[int, list[bytes]]]:
    """Yield examples, as many as a batch may have, and how many came before."""
    with file.open() as stream:
        records = tfrecord.read_stream(stream, file.name, max_record_bytes=MAX_ROW_BYTES)
        start = 0
        while examples := list(_take(records)):
            yield start, examples
            start += len(examples)


def _take(records: Iterator[bytes]) -> Iterator[bytes]:
    num_bytes = 0
    for record in itertools.islice(records, _BATCH_ROWS):
        yield record
        num_bytes += len(record)
        if num_bytes > _BATCH_BYTES:
            return


def _decode(
    file: SourceFile, decoder: ExamplesToRecordBatchDecoder, examples: list[bytes], start: int
) -> pa.RecordBatch:
    try:
        return decoder.DecodeBatch(examples)
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"records {start:,} to {start + len(examples) - 1:,} of {file.name!r} can't be read: "
            f"{error}; a record is no tf.Example, or a feature changes its type"
        ) from error


def _role(kind: pa.DataType, name: str, time_column: str | None, key: str | None) -> pa.DataType:
    if name not in (time_column, key) or pa.types.is_null(kind):
        return kind
    value = kind.value_type
    if name == time_column and pa.types.is_integer(value):
        return pa.timestamp("s")
    return pa.large_string() if _is_bytes(value) else value


def _feature_type(kind: pa.DataType) -> int | None:
    if pa.types.is_null(kind):
        return None
    value = kind.value_type if pa.types.is_large_list(kind) else kind
    if pa.types.is_timestamp(value):
        return int(schema_pb2.INT)
    return int(_FEATURE_TYPES[pa.large_binary() if pa.types.is_large_string(value) else value])


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_binary(kind) or pa.types.is_binary(kind))


def _as_column(decoded: pa.RecordBatch, field: pa.Field, file: SourceFile) -> pa.Array:
    if pa.types.is_null(field.type):
        return pa.nulls(decoded.num_rows)
    lists = decoded.column(field.name)
    if pa.types.is_large_list(field.type):
        return lists
    longest = pc.max(pc.list_value_length(lists)).as_py() or 0
    if longest > 1:
        raise DataError(
            f"the feature {field.name!r} has {longest} values in an example of {file.name!r}; "
            "expected one, to find rows by"
        )
    return _single(lists).cast(field.type)


def _single(lists: pa.Array) -> pa.Array:
    """Return the only value of each list, null of an empty one."""
    empty = pc.equal(pc.fill_null(pc.list_value_length(lists), 0), 0)
    filled = pc.if_else(empty, pa.scalar([None], lists.type), lists)
    return filled.flatten()
